"""The odometry stage as its hosts run it: messages in, messages out, every problem counted."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import Camera
from embodied_perception.errors import ConfigError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform
from embodied_perception.imaging import RawPixels
from embodied_perception.odometry import RgbdImage
from embodied_perception.stages import stage_type
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.messages import (
    camera_info_message,
    transform_from_message,
    transform_message,
)
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import StageRunner

PERIOD_NS = 66_666_667
START_NS = 1_700_000_000_000_000_000
STEP_M = 0.02
#: Optical axes (x right, y down, z forward) on a body (x forward, y left, z up), REP-103.
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
BASE_FROM_CAMERA = Transform(OPTICAL, np.array([0.3, 0.05, 0.5]))


class Host:
    """A runner of the stage with its topics, and all that it gave."""

    def __init__(self, wall, calibrated=True, placed=True, **parameters):
        self.wall = wall
        self.runner = StageRunner(OdometryStage, OdometryStageConfig(**parameters))
        sources = self.runner.sources()
        self.images = {s.input_name: s for s in sources if s.type is Image}
        self.infos = {s.input_name: s for s in sources if s.type is CameraInfo}
        self.tf, self.tf_static = (s for s in sources if s.type is TFMessage)
        self.given = []
        if calibrated:
            self.calibrate()
        if placed:
            self.place(BASE_FROM_CAMERA)

    def calibrate(self, camera=None, names=("color", "depth")):
        for name in names:
            self.accept(self.infos[name], camera or self.wall.camera)

    def place(self, parent_from_child, parent="base_link", child="optical", stamp_ns=0):
        source = self.tf if stamp_ns else self.tf_static
        self.accept(source, [transform_message(parent_from_child, parent, child, stamp_ns)])

    def accept(self, source, decoded):
        """Process at once; returns the messages by output topic."""
        given = {}
        for ready in self.runner.accept(source, decoded):
            given = {sink.topic + sink.suffix: m for sink, m in self.runner.process(ready)}
            self.given.append(given)
        return given

    def feed(self, color, depth):
        return self.accept(self.images["color"], color) | self.accept(self.images["depth"], depth)

    def see(self, index, lap=0, x_m=None):
        """One pair of the camera's way along the wall; ``lap`` seconds later or earlier."""
        stamp_ns = START_NS + index * PERIOD_NS + int(lap * 1e9)
        x_m = index * STEP_M if x_m is None else x_m
        return self.feed(self.wall.color(x_m, stamp_ns), self.wall.depth(stamp_ns))

    @property
    def dropped(self):
        return self.runner.report.dropped

    @property
    def processed(self):
        return self.runner.report.processed


def pose(odom):
    position, orientation = odom.pose.pose.position, odom.pose.pose.orientation
    return Transform.from_quaternion(
        (orientation.x, orientation.y, orientation.z, orientation.w),
        (position.x, position.y, position.z),
    )


def twist(odom):
    linear, angular = odom.twist.twist.linear, odom.twist.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])


@pytest.fixture
def host(wall):
    return Host(wall)


# Poses, twists, covariances.


def test_odometry_follows_the_base(host):
    outputs = [host.see(index) for index in range(8)]
    assert host.processed == 8
    assert host.dropped == {}
    first = outputs[0]["odom"]
    np.testing.assert_allclose(pose(first).matrix, np.eye(4), atol=1e-9)
    # The camera moved along its x axis, which points to the robot's right: -y.
    last = outputs[-1]["odom"]
    np.testing.assert_allclose(pose(last).translation, [0, -7 * STEP_M, 0], atol=0.004)
    np.testing.assert_allclose(pose(last).rotation_vector, 0, atol=0.004)
    expected = [0, -STEP_M / (PERIOD_NS * 1e-9), 0, 0, 0, 0]
    np.testing.assert_allclose(twist(last), expected, atol=0.05)
    assert (last.header.frame_id, last.child_frame_id) == ("odom", "base_link")
    stamp = last.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == START_NS + 7 * PERIOD_NS


def test_tf_says_the_same_as_odom(host):
    host.see(0)
    given = host.see(1)
    edge, correction = given["/tf"].transforms
    assert (correction.header.frame_id, correction.child_frame_id) == ("map", "odom")
    np.testing.assert_allclose(transform_from_message(correction).matrix, np.eye(4), atol=1e-12)
    assert (edge.header.frame_id, edge.child_frame_id) == ("odom", "base_link")
    assert edge.header.stamp == given["odom"].header.stamp
    matrix = pose(given["odom"]).matrix
    np.testing.assert_allclose(transform_from_message(edge).matrix, matrix, atol=1e-12)
    (alone,) = Host(host.wall, publish_tf=False).see(0)["/tf"].transforms
    assert alone.child_frame_id == "odom"
    assert "/tf" not in Host(host.wall, publish_tf=False, publish_map_tf=False).see(0)


def test_frames_axes_and_covariances_by_hand(wall, monkeypatch):
    """The estimate is given; what the stage makes of it is computed here another way."""
    base_from_camera = Transform.from_rotation_vector((0.4, -1.1, 0.7), (0.2, -0.3, 0.5))
    host = Host(wall, placed=False)
    host.place(base_from_camera)
    host.see(0)
    rng = np.random.default_rng(5)
    world_from_camera = Transform.from_rotation_vector((0.3, 0.9, -0.5), (1.0, 2.0, -0.7))
    root = rng.normal(size=(6, 6)) * 0.01
    covariance, velocity = root @ root.T, rng.normal(size=6)
    estimate = dataclasses.replace(
        host.runner.stage._odometry.track(
            RgbdImage(wall.gray(0.02), np.full((240, 320), 2.0), START_NS + 1)
        ),
        world_from_camera=world_from_camera,
        covariance=covariance,
        velocity=velocity,
        velocity_covariance=2 * covariance,
    )
    fake = SimpleNamespace(camera=wall.camera, track=lambda *_: estimate)
    monkeypatch.setattr(host.runner.stage, "_odometry", fake)
    odom = host.see(1)["odom"]

    # odom_from_base = base_from_camera * world_from_camera * camera_from_base, as 4 x 4.
    B, W = base_from_camera.matrix, world_from_camera.matrix
    expected = B @ W @ np.linalg.inv(B)
    np.testing.assert_allclose(pose(odom).matrix, expected, atol=1e-9)

    # A point fixed to the base at its origin moves with v - w x r in camera axes.
    lever = np.linalg.inv(B)[:3, 3]  # the base in the camera's frame
    linear = B[:3, :3] @ (velocity[:3] + np.cross(velocity[3:], lever))
    np.testing.assert_allclose(twist(odom), [*linear, *(B[:3, :3] @ velocity[3:])], atol=1e-9)

    # Covariance from samples: perturb the camera from the right, look at the base in odom.
    step = 1e-6
    columns = []
    for axis in np.eye(6):
        small = Transform.from_rotation_vector(step * axis[3:], step * axis[:3]).matrix
        moved = B @ W @ small @ np.linalg.inv(B)
        turn = Transform(moved[:3, :3] @ expected[:3, :3].T, np.zeros(3)).rotation_vector
        columns.append(np.concatenate([moved[:3, 3] - expected[:3, 3], turn]) / step)
    jacobian = np.array(columns).T
    got = odom.pose.covariance.reshape(6, 6)
    np.testing.assert_allclose(got, jacobian @ covariance @ jacobian.T, atol=1e-8)
    assert np.linalg.eigvalsh(got).min() > 0
    twist_covariance = odom.twist.covariance.reshape(6, 6)
    assert np.linalg.eigvalsh(twist_covariance).min() > 0


def test_covariances_are_positive_definite_and_grow(host):
    outputs = [host.see(index) for index in range(6)]
    matrices = [given["odom"].pose.covariance.reshape(6, 6) for given in outputs[1:]]
    for matrix in matrices:
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
        assert np.linalg.eigvalsh(matrix).min() > 0
    assert np.trace(matrices[-1]) > np.trace(matrices[0])


def test_every_odom_is_complete_for_a_filter_that_fuses_it(host):
    """As robot_localization wants it: of the first image, on the way, after a loss and a reset."""
    outputs = [host.see(index) for index in range(5)]
    stamp_ns = START_NS + 5 * PERIOD_NS
    dark = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), stamp_ns, "optical")
    outputs.append(host.feed(dark, host.wall.depth(stamp_ns)))
    outputs += [host.see(index) for index in (6, 7)]
    host.runner.stage.reset()
    outputs += [host.see(index) for index in (8, 9)]
    states = {given["~/status"].state_name for given in outputs}
    assert states == {"INIT", "OK", "LOST", "RECOVERED"}
    for odom in (given["odom"] for given in outputs):
        assert (odom.header.frame_id, odom.child_frame_id) == ("odom", "base_link")
        assert odom.header.stamp.sec > 0
        for part in (odom.pose, odom.twist):
            covariance = part.covariance.reshape(6, 6)
            assert np.isfinite(covariance).all()
            assert covariance.diagonal().min() > 1e-9  # a zero is taken for one that was left out
            np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
            assert np.linalg.eigvalsh(covariance).min() > 0
        assert np.isfinite(twist(odom)).all()
        turn = odom.pose.pose.orientation
        assert np.linalg.norm([turn.x, turn.y, turn.z, turn.w]) == pytest.approx(1, abs=1e-9)
        matrix = pose(odom).matrix[:3, :3]
        np.testing.assert_allclose(np.cross(matrix[:, 0], matrix[:, 1]), matrix[:, 2], atol=1e-9)


def test_without_a_base_frame_the_camera_is_reported(wall):
    host = Host(wall, placed=False, base_frame="")
    outputs = [host.see(index) for index in range(5)]
    assert host.dropped == {}
    odom = outputs[-1]["odom"]
    assert odom.child_frame_id == "optical"
    assert outputs[-1]["/tf"].transforms[0].child_frame_id == "optical"
    np.testing.assert_allclose(pose(odom).translation, [4 * STEP_M, 0, 0], atol=0.004)


def test_status_path_and_picture(host):
    first, second = host.see(0), host.see(1)
    assert first["~/status"].state_name == "INIT"
    status = second["~/status"]
    assert (status.state_name, status.reason, status.epoch) == ("OK", "", 0)
    assert 20 <= status.inliers <= status.features_tracked <= 400
    assert 0 < status.reprojection_rms_px < 2
    assert status.header.frame_id == "optical"
    assert len(first["~/path"].poses) == 1
    assert "~/path" not in second  # twice a second
    assert len(host.see(9)["~/path"].poses) == 3
    picture = second["~/features"]
    assert (picture.width, picture.height, picture.encoding) == (320, 240, "rgb8")
    assert second["~/features/compressed"].format == "jpeg"


def test_what_nobody_wants_is_not_made(host, monkeypatch):
    def fail(*_):
        raise AssertionError("was drawn")

    monkeypatch.setattr("embodied_perception.stages.odometry.draw_features", fail)
    host.runner.is_wanted = lambda sink: not sink.on_demand
    assert set(host.see(0)) == {"odom", "/tf", "~/status", "~/map_pose"}


def test_only_the_wanted_form_of_a_picture_is_made(host):
    host.runner.is_wanted = lambda sink: sink.type is CompressedImage
    given = host.see(0)
    assert "~/features/compressed" in given
    assert "~/features" not in given


# Calibration.


def test_frames_wait_for_their_calibration(wall):
    host = Host(wall, calibrated=False)
    for index in range(8):
        assert host.see(index) == {}
    assert host.dropped == {"NO_CAMERA_INFO": 3}
    assert "camera/color/camera_info" in host.runner.report.last_problem
    host.calibrate(names=("color",))
    host.see(8)
    assert "camera/depth/camera_info" in host.runner.report.last_problem
    host.calibrate(names=("depth",))
    assert host.processed == 5
    assert host.dropped == {"NO_CAMERA_INFO": 4}
    host.see(9)
    assert host.processed == 6


def test_an_uncalibrated_camera_is_no_camera(host):
    host.see(0)
    info = camera_info_message(host.wall.camera, START_NS, "optical")
    info.k[0] = 0.0
    decoder, source = Decoder(), host.infos["color"]
    (error,) = decoder.decode(info)
    assert "uncalibrated" in str(error)
    host.accept(source, error)
    assert host.dropped == {"UNCALIBRATED": 1}
    assert source.topic in host.runner.report.last_problem
    assert host.see(1) == {}
    # It is calibrated later: the frame that waited is used, and nothing was forgotten.
    info.k[0] = host.wall.camera.fx
    host.accept(source, *decoder.decode(info))
    assert host.processed == 2
    assert host.given[-1]["~/status"].state_name == "OK"
    assert host.dropped == {"UNCALIBRATED": 1}


def test_another_calibration_starts_a_new_epoch(host):
    for index in range(3):
        host.see(index)
    host.calibrate(Camera.pinhole(320, 240, 250.0, 250.0, 159.5, 119.5))
    given = host.see(3)
    assert given["~/status"].epoch == 1
    np.testing.assert_allclose(pose(given["odom"]).matrix, np.eye(4), atol=1e-9)


def test_a_repeated_calibration_stays_one_object(wall):
    decoder = Decoder()
    (first,) = decoder.decode(camera_info_message(wall.camera, START_NS, "optical"))
    (again,) = decoder.decode(camera_info_message(wall.camera, START_NS + 1, "optical"))
    assert first is again
    other = dataclasses.replace(wall.camera, D=np.array([0.1, 0, 0, 0, 0]))
    (changed,) = decoder.decode(camera_info_message(other, START_NS, "optical"))
    assert changed.D[0] == 0.1


def test_binning_is_applied():
    K = np.array([[500, 0, 320], [0, 500, 240], [0, 0, 1.0]])
    full = Camera(640, 480, K, binning_x=2, binning_y=2)
    (camera,) = Decoder().decode(camera_info_message(full, START_NS, "optical"))
    assert (camera.width, camera.height, camera.fx) == (320, 240, 250)


def test_size_against_calibration(host):
    host.calibrate(Camera.pinhole(640, 480, 500, 500, 320, 240))
    assert host.see(0) == {}
    assert host.dropped == {"SIZE_MISMATCH": 1}
    assert "image is 320x240, its camera_info says 640x480" in host.runner.report.last_problem


def test_messages_of_no_use_are_a_mistake_of_the_host():
    with pytest.raises(TypeError, match="PointStamped"):
        Decoder().decode(PointStamped())


# Transforms.


def test_a_camera_that_is_nowhere(wall):
    host = Host(wall, placed=False)
    assert host.see(0) == {}
    assert host.dropped == {"NO_TRANSFORM": 1}
    problem = host.runner.report.last_problem
    assert "publish base_link -> optical" in problem
    assert "static_transform_publisher" in problem
    host.place(BASE_FROM_CAMERA)
    assert "odom" in host.see(1)
    assert host.processed == 1


@pytest.mark.parametrize(
    ("field", "value"), [("w", 0.0), ("x", float("nan")), ("translation", float("inf"))]
)
def test_a_malformed_transform_is_counted(wall, field, value):
    host = Host(wall, placed=False)
    edge = transform_message(Transform.identity(), "base_link", "optical", 0)
    if field == "translation":
        edge.transform.translation.x = value
    else:
        setattr(edge.transform.rotation, field, value)
    good = transform_message(Transform.identity(), "base_link", "imu", 0)
    host.accept(host.tf_static, [edge, good])
    assert host.dropped == {"BAD_TRANSFORM": 1}
    assert "base_link -> optical" in host.runner.report.last_problem
    assert host.runner.transforms.frames() == ["base_link", "imu"]


def test_a_moving_camera_mount(wall):
    host = Host(wall, placed=False)
    for index in range(-1, 3):
        stamp_ns = START_NS + index * PERIOD_NS
        mount = Transform(OPTICAL, np.array([0.1 * index, 0, 0]))
        host.place(mount, stamp_ns=stamp_ns)
    host.see(0, x_m=0.0)
    odom = host.see(1, x_m=0.0)["odom"]
    # The camera stands still while its mount moves forward: the base went back.
    np.testing.assert_allclose(pose(odom).translation, [-0.1, 0, 0], atol=0.004)


def test_transforms_after_time_went_back(wall):
    """Old samples, 60 s ahead of the new ones, must not keep the new ones out."""
    host = Host(wall, placed=False)
    for lap in (60, 0):
        for index in range(6):
            stamp_ns = START_NS + index * PERIOD_NS + lap * 10**9
            host.place(BASE_FROM_CAMERA, stamp_ns=stamp_ns)
            host.see(index, lap=lap)
    assert host.dropped == {"TIME_WENT_BACK": 1, "NO_TRANSFORM": 1}
    assert host.processed == 11


# Time.


def test_time_going_back_starts_a_new_epoch(host):
    for index in range(4):
        host.see(index)
    back = host.see(0, lap=-2)
    assert host.dropped == {"TIME_WENT_BACK": 1}
    assert "by 2.2 s" in host.runner.report.last_problem
    assert back["~/status"].epoch == 1
    np.testing.assert_allclose(pose(back["odom"]).matrix, np.eye(4), atol=1e-9)
    assert len(back["~/path"].poses) == 1
    assert host.see(1, lap=-2)["~/status"].state_name == "OK"
    assert host.processed == 6


def test_a_looping_bag(host):
    for _ in range(3):
        for index in range(10):
            host.see(index)
    assert host.processed == 30
    assert host.dropped == {"TIME_WENT_BACK": 2}
    epochs = [given["~/status"].epoch for given in host.given]
    assert epochs == [0] * 10 + [1] * 10 + [2] * 10


def test_duplicated_frames(host):
    host.see(0)
    assert host.see(0) == {}
    host.see(1)
    assert host.processed == 2
    assert host.dropped == {"DUPLICATE": 2}  # colour and depth


def test_a_gap_in_time_is_not_a_restart(host):
    host.see(0)
    given = host.see(1, lap=30)
    assert host.dropped == {}
    assert given["~/status"].epoch == 0


def test_reset_command(host):
    for index in range(4):
        host.see(index)
    assert "starts anew" in host.runner.stage.reset()
    given = host.see(4)
    assert given["~/status"].epoch == 1
    np.testing.assert_allclose(pose(given["odom"]).matrix, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(pose(host.see(5)["odom"]).translation[1], -STEP_M, atol=0.003)


# Images.


def test_bad_images_are_counted_and_the_next_ones_used(host):
    host.see(0)
    host.accept(host.images["color"], FrameError("WRONG_SIZE", "got 3 bytes"))
    stamps = [START_NS + index * PERIOD_NS for index in range(6)]
    empty = host.wall.depth(stamps[1], value_mm=0)
    host.feed(host.wall.color(STEP_M, stamps[1]), empty)
    depth_as_color = Frame(RawPixels(np.ones((240, 320), np.uint16), "16UC1"), stamps[2], "optical")
    host.feed(depth_as_color, host.wall.depth(stamps[2]))
    host.feed(host.wall.color(0.0, stamps[3]), host.wall.color(0.0, stamps[3]))
    assert host.dropped == {"WRONG_SIZE": 1, "EMPTY_DEPTH": 1, "WRONG_ENCODING": 2}
    assert host.see(4)["~/status"].state_name == "OK"
    assert host.processed == 2


def test_loss_is_stated(host):
    before = [host.see(index) for index in range(3)][-1]
    stamp_ns = START_NS + 3 * PERIOD_NS
    dark = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), stamp_ns, "optical")
    given = host.feed(dark, host.wall.depth(stamp_ns))
    assert given["~/status"].state_name == "LOST"
    assert given["~/status"].reason
    assert np.isnan(given["~/status"].reprojection_rms_px)
    assert given["~/status"].inliers == 0
    before, guess = before["odom"], given["odom"]
    for one, two in ((before.pose, guess.pose), (before.twist, guess.twist)):
        grown = np.linalg.eigvalsh((two.covariance - one.covariance).reshape(6, 6))
        assert grown.min() > 0
    assert host.runner.stage.status().level == 2
    assert host.see(4)["~/status"].state_name == "RECOVERED"
    assert host.see(5)["~/status"].state_name == "OK"


def test_after_the_guess_there_is_nothing(host):
    for index in range(3):
        host.see(index)
    for index in range(3, 20):
        stamp_ns = START_NS + index * PERIOD_NS
        dark = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), stamp_ns, "optical")
        given = host.feed(dark, host.wall.depth(stamp_ns))
    assert "odom" not in given
    assert "/tf" not in given


# Depth from another camera.


def test_depth_of_another_camera_is_registered(wall):
    """The depth camera sits 5 cm to the right, coarser; the wall is the wall for both."""
    poses = []
    for separate in (False, True):
        host = Host(wall)
        for index in range(6):
            stamp_ns = START_NS + index * PERIOD_NS
            depth = wall.depth(stamp_ns)
            if separate:
                camera = Camera.pinhole(240, 180, 150.0, 150.0, 119.5, 89.5)
                host.calibrate(camera, names=("depth",))
                array = np.full((180, 240), 2000, np.uint16)
                depth = Frame(RawPixels(array, "16UC1"), stamp_ns, "depth_optical")
                shift = Transform(np.eye(3), np.array([0.05, 0, 0]))
                host.place(shift, "optical", "depth_optical")
            given = host.feed(wall.color(index * STEP_M, stamp_ns), depth)
        assert host.processed == 6
        assert host.dropped == {}
        poses.append(pose(given["odom"]).translation)
    np.testing.assert_allclose(poses[1], [0, -5 * STEP_M, 0], atol=0.004)
    np.testing.assert_allclose(poses[0], poses[1], atol=0.003)


def test_registration_is_prepared_once(wall, monkeypatch):
    made = []

    class Registration:
        def __init__(self, *cameras):
            made.append(cameras)

        def register(self, depth_m):
            return depth_m

    monkeypatch.setattr("embodied_perception.stages.registration.DepthRegistration", Registration)
    host = Host(wall)
    offset = Transform(np.eye(3), np.array([0.05, 0, 0]))
    host.place(offset, "optical", "depth_optical")
    for index in range(3):
        stamp_ns = START_NS + index * PERIOD_NS
        host.feed(wall.color(0.0, stamp_ns), wall.depth(stamp_ns, "depth_optical"))
    assert len(made) == 1
    np.testing.assert_allclose(made[0][2].matrix, offset.matrix)
    host.place(Transform(np.eye(3), np.array([0.06, 0, 0])), "optical", "depth_optical")
    host.feed(wall.color(0.0, stamp_ns + 10**8), wall.depth(stamp_ns + 10**8, "depth_optical"))
    assert len(made) == 2


def test_depth_of_another_camera_that_is_nowhere(wall):
    host = Host(wall)
    host.feed(wall.color(0.0, START_NS), wall.depth(START_NS, "depth_optical"))
    assert host.dropped == {"NO_TRANSFORM": 1}
    assert "publish optical -> depth_optical" in host.runner.report.last_problem


# What it declares.


def test_topics(wall):
    runner = Host(wall).runner
    packed = runner.transports("compressed")
    assert {source.topic + source.suffix for source in runner.sources(packed)} == {
        "/tf",
        "/tf_static",
        "camera/color/image_raw/compressed",
        "camera/color/camera_info",
        "camera/depth/image_raw/compressedDepth",
        "camera/depth/camera_info",
    }
    sinks = {sink.topic + sink.suffix: sink for sink in runner.sinks()}
    assert set(sinks) == {
        "odom", "/tf", "~/status", "~/path", "~/map_pose", "~/map_path", "~/features",
        "~/features/compressed",
    }  # fmt: skip
    assert [topic for topic, sink in sinks.items() if sink.latched] == ["~/path", "~/map_path"]


def test_stages_by_name():
    assert stage_type("odometry") is OdometryStage
    with pytest.raises(ConfigError, match="no stage is called 'slam'; there are: odometry"):
        stage_type("slam")


def test_new_parameters_are_in_force_at_the_next_image(host):
    host.see(0)
    host.runner.reconfigure(
        OdometryStageConfig(publish_tf=False, publish_map_tf=False, features=100)
    )
    assert "/tf" not in host.see(1)
    host.runner.stage.reset()
    assert host.see(2)["~/status"].features_tracked <= 100


def test_while_it_is_paused_nothing_is_said(host):
    host.see(0)
    assert host.runner.stage.pause() == "paused"
    assert host.see(1) == {}
    assert host.runner.stage.status().message == "paused; call ~/resume"
    host.runner.stage.resume()
    given = host.see(2)
    assert given["~/status"].state_name == "OK"
    assert given["~/status"].epoch == 0
