"""Odometry of a stereo pair, and of one camera, through messages."""

import dataclasses

import cv2
import numpy as np
import pytest
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.replay import Replay
from embodied_perception.camera import Camera, rectify_pair
from embodied_perception.errors import ConfigError
from embodied_perception.geometry import BODY_FROM_OPTICAL, Transform
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import camera_info_message, transform_message
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

CAMERA = Camera.pinhole(320, 240, 270.0, 270.0, 159.5, 119.5)
LEFT_FROM_RIGHT = Transform.from_rotation_vector([0.01, -0.04, 0.02], [0.09, 0.004, -0.003])
START_NS = 1_700_000_000_000_000_000
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def wall():
    noise = np.random.default_rng(2).integers(0, 256, (300, 400), np.uint8)

    return cv2.resize(noise, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)


def seen(wall, world_from_camera):
    """What a camera sees of a wall with waves, 2 m away, painted at 250 pixels a metre."""

    u, v = np.meshgrid(np.arange(320.0), np.arange(240.0))
    rays = CAMERA.unproject(np.stack([u, v], axis=-1)) @ world_from_camera.rotation.T
    origin = world_from_camera.translation
    distance = (2.0 - origin[2]) / rays[..., 2]
    for _ in range(20):  # to where the ray meets z = 2 + 0.3 sin(2 x)
        x = origin[0] + rays[..., 0] * distance
        distance = (2.0 + 0.3 * np.sin(2 * x) - origin[2]) / rays[..., 2]
    met = origin + rays * distance[..., None]
    places = (met[..., :2] * 250 + (1000, 750)).astype(np.float32)
    return cv2.remap(wall, places[..., 0], places[..., 1], cv2.INTER_LINEAR)


def poses(count):
    return [
        Transform.from_rotation_vector([0, 0.002 * k, 0.001 * k], [0.01 * k, 0, 0.004 * k])
        for k in range(count)
    ]


@pytest.fixture
def write(tmp_path, wall):
    def write(cameras, count=20):
        path = tmp_path / "stereo.mcap"
        with BagWriter(path) as bag:
            for place, pose in enumerate(poses(count)):
                stamp_ns = START_NS + place * 50_000_000
                views = (seen(wall, pose), seen(wall, pose @ LEFT_FROM_RIGHT))
                for side, camera, gray in zip(SIDES, cameras, views, strict=True):
                    topic = f"/camera/{side}"
                    info = camera_info_message(camera, stamp_ns, side)
                    bag.write(f"{topic}/camera_info", info, stamp_ns)
                    image = image_message(gray, "mono8", stamp_ns, side)
                    bag.write(f"{topic}/image_raw", image, stamp_ns)
        return path

    return write


def replayed(path, tmp_path, mode="stereo", base_frame=""):
    config = OdometryStageConfig(mode=mode, base_frame=base_frame)
    replay = Replay(path, [(OdometryStage, config)])
    out = tmp_path / "out.mcap"
    summary = replay.run(out, copy=False, raw=True)
    with BagReader(out) as bag:
        return summary, list(bag.messages())


def test_the_left_cameras_own_motion_comes_out(write, tmp_path):
    left, right = rectify_pair(CAMERA, CAMERA, LEFT_FROM_RIGHT.inverse())
    assert np.abs(left.R - np.eye(3)).max() > 0.01
    _, messages = replayed(write((left, right)), tmp_path)
    odoms = [message for topic, _, message in messages if topic == "/odom"]
    assert len(odoms) == 20
    for odom, truth in zip(odoms, poses(20), strict=True):
        assert odom.child_frame_id == "left"
        place = odom.pose.pose.position
        np.testing.assert_allclose([place.x, place.y, place.z], truth.translation, atol=0.012)
        turn = odom.pose.pose.orientation
        expected = truth.quaternion_xyzw
        np.testing.assert_allclose([turn.x, turn.y, turn.z, turn.w], expected, atol=0.004)
    pictures = [m for topic, _, m in messages if topic == "/odometry/features"]
    assert (pictures[0].height, pictures[0].width) == (240, 320)


@pytest.mark.parametrize("spoil", ["swapped", "alone", "behind"])
def test_cameras_that_are_no_pair_are_refused(write, tmp_path, spoil):
    left, right = rectify_pair(CAMERA, CAMERA, LEFT_FROM_RIGHT.inverse())
    other_sign = right.P * np.array([1, 1, 1, -1])
    cameras = {
        "swapped": (right, left),
        "alone": (left, dataclasses.replace(right, P=left.P)),
        "behind": (left, dataclasses.replace(right, P=other_sign)),
    }[spoil]
    summary, messages = replayed(write(cameras, count=4), tmp_path)
    assert [topic for topic, _, _ in messages if topic == "/odom"] == []
    (stage,) = summary.stages
    assert stage.processed == 0
    assert sum(stage.dropped.values()) == 4
    assert "perception calibrate stereo" in stage.last_problem


@pytest.fixture
def one_camera(tmp_path, wall):
    path = tmp_path / "mono.mcap"
    with BagWriter(path) as bag:
        for place, pose in enumerate(poses(60)):
            stamp_ns = START_NS + place * 50_000_000
            bag.write("/camera/camera_info", camera_info_message(CAMERA, stamp_ns, "eye"), stamp_ns)
            image = image_message(seen(wall, pose), "mono8", stamp_ns, "eye")
            bag.write("/camera/image_raw", image, stamp_ns)
    return path


def test_one_camera_gives_the_way_without_its_length_and_says_so(one_camera, tmp_path):
    _, messages = replayed(one_camera, tmp_path, mode="mono")
    statuses = [message for topic, _, message in messages if topic == "/odometry/status"]
    assert len(statuses) == 60
    assert not any(status.scale_known for status in statuses)
    assert statuses[-1].state_name == "OK"
    odoms = [message for topic, _, message in messages if topic == "/odom"]
    assert 20 < len(odoms) < 60
    # The origin is where depth was first seen.
    last, truth = odoms[-1].pose, poses(60)[-len(odoms)].inverse() @ poses(60)[-1]
    place = np.array([last.pose.position.x, last.pose.position.y, last.pose.position.z])
    length = np.linalg.norm(place)
    assert place @ truth.translation / length / np.linalg.norm(truth.translation) > 0.999
    turn = last.pose.orientation
    off = Transform.from_quaternion((turn.x, turn.y, turn.z, turn.w), (0, 0, 0)).rotation
    np.testing.assert_allclose(off, truth.rotation, atol=0.01)
    # Along the way the length is as good as unknown; across it, it is not.
    along = place / length
    spread = np.array(last.covariance).reshape(6, 6)[:3, :3]
    assert np.sqrt(along @ spread @ along) > 5 * length
    assert np.sqrt(np.linalg.eigvalsh(spread)[0]) < length
    topics = {topic for topic, _, _ in messages}
    assert "/odometry/map_pose" not in topics  # places are known again by their true size


@pytest.fixture
def on_a_robot(tmp_path, wall):
    """One camera, whose robot's wheels are heard from by TF."""
    base_from_eye = Transform(BODY_FROM_OPTICAL.rotation, np.array([0.1, 0.0, 0.3]))
    path = tmp_path / "robot.mcap"
    with BagWriter(path) as bag:
        mount = TFMessage(transforms=[transform_message(base_from_eye, "base_link", "eye", 0)])
        bag.write("/tf_static", mount, START_NS)
        for place, pose in enumerate(poses(60)):
            stamp_ns = START_NS + place * 50_000_000
            moved = base_from_eye @ pose @ base_from_eye.inverse()
            wheels = transform_message(moved, "wheels", "base_link", stamp_ns)
            bag.write("/tf", TFMessage(transforms=[wheels]), stamp_ns)
            info = camera_info_message(CAMERA, stamp_ns, "eye")
            bag.write("/camera/camera_info", info, stamp_ns)
            image = image_message(seen(wall, pose), "mono8", stamp_ns, "eye")
            bag.write("/camera/image_raw", image, stamp_ns)
    return path


def test_wheels_give_one_camera_its_scale(on_a_robot, tmp_path):
    config = OdometryStageConfig(mode="mono", scale_frame="wheels")
    out = tmp_path / "out.mcap"
    Replay(on_a_robot, [(OdometryStage, config)]).run(out, copy=False, raw=True)
    with BagReader(out) as bag:
        messages = list(bag.messages())
    statuses = [message for topic, _, message in messages if topic == "/odometry/status"]
    assert all(status.scale_known for status in statuses)
    odoms = [message for topic, _, message in messages if topic == "/odom"]
    assert len(odoms) > 20
    place = odoms[-1].pose.pose.position
    moved = (poses(60)[-len(odoms)].inverse() @ poses(60)[-1]).translation
    length = np.linalg.norm([place.x, place.y, place.z])
    assert length == pytest.approx(np.linalg.norm(moved), rel=0.1)
    spread = np.array(odoms[-1].pose.covariance).reshape(6, 6)[:3, :3]
    assert 0.04 * length < np.sqrt(np.linalg.eigvalsh(spread)[-1]) < 0.5 * length


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scale_frame": "no_such_frame"}, "no_such_frame"),
        ({"camera_height_m": 0.3, "base_frame": "no_such_base"}, "no_such_base"),
    ],
)
def test_a_scale_from_a_frame_that_is_not_there_is_refused(on_a_robot, tmp_path, change, said):
    config = OdometryStageConfig(mode="mono", **change)
    out = tmp_path / "out.mcap"
    summary = Replay(on_a_robot, [(OdometryStage, config)]).run(out, copy=False, raw=True)
    (stage,) = summary.stages
    assert stage.processed == 0
    assert set(stage.dropped) == {"NO_TRANSFORM"}
    assert said in stage.last_problem


def test_a_height_needs_a_robot_to_stand_on():
    with pytest.raises(ConfigError, match=r"camera_height_m: .*base_frame"):
        OdometryStageConfig(mode="mono", camera_height_m=0.3, base_frame="")


def test_in_unknown_units_the_camera_is_where_the_base_is(on_a_robot, tmp_path):
    """Turned by the camera's mount, but not moved by metres that mean nothing there."""
    _, messages = replayed(on_a_robot, tmp_path, mode="mono", base_frame="base_link")
    odoms = [message for topic, _, message in messages if topic == "/odom"]
    place = odoms[-1].pose.pose.position
    moved = (poses(60)[-len(odoms)].inverse() @ poses(60)[-1]).translation
    expected = BODY_FROM_OPTICAL.rotation @ moved
    said = np.array([place.x, place.y, place.z])
    assert said @ expected / np.linalg.norm(said) / np.linalg.norm(expected) > 0.999
