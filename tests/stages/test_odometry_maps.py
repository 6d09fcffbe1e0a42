"""Maps that outlive a run, places that are recognised after a loss, and starts at a given pose."""

import dataclasses

import cv2
import numpy as np
import pytest
from embodied_perception_interfaces.srv import MapFile, ResetToPose
from geometry_msgs.msg import PoseStamped

from embodied_perception.camera import Camera
from embodied_perception.errors import GeometryError, OdometryError
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.imaging import RawPixels
from embodied_perception.stages.messages import (
    header,
    pose_message,
    require_pose,
    transform_from_message,
)
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

PERIOD_NS = 66_666_667
START_NS = 1_700_000_000_000_000_000
STEP_M = 0.03
BASE_FROM_CAMERA = Transform.from_rotation_vector((0.4, -1.1, 0.7), (0.2, -0.3, 0.5))
AWAY = Transform.from_rotation_vector((0.0, 0.0, 2.0), (5.0, -3.0, 1.0))


class Robot:
    """Drives along the wall, and looks at it; ``x_m`` is where its camera is."""

    def __init__(self, wall, **parameters):
        tree = TransformTree()
        tree.set_static("base_link", "optical", BASE_FROM_CAMERA)
        few = {"keyframes": 2, "window": 1}  # what they do not find, is left to the places
        self.stage = OdometryStage(OdometryStageConfig(**(few | parameters)), tree)
        self.wall = wall
        self.camera = wall.camera
        self.count = 0

    def look(self, x_m, dark=False):
        """The outputs for one image."""
        stamp_ns = START_NS + self.count * PERIOD_NS
        self.count += 1
        color = self.wall.color(x_m, stamp_ns)
        if dark:
            color = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), stamp_ns, "optical")
        frames = {"color": color, "depth": self.wall.depth(stamp_ns)}
        if self.stage.config.mode == "mono":
            frames = {"image": color}
        for frame in frames.values():
            frame.camera = self.camera
        return self.stage.process(**frames)

    def drive(self, start_m, end_m):
        steps = round(abs(end_m - start_m) / STEP_M) + 1
        return [self.look(x_m) for x_m in np.linspace(start_m, end_m, steps)]

    def save(self, path):
        return self.stage.save_map(MapFile.Request(path=str(path)))

    def load(self, path):
        return self.stage.load_map(MapFile.Request(path=str(path)))

    def reset_to(self, pose, frame_id="odom"):
        stamped = PoseStamped(header=header(7, frame_id), pose=pose)
        return self.stage.reset_to_pose(ResetToPose.Request(pose=stamped))

    @property
    def map_value(self):
        return self.stage.status().values.get("map")


def base_at(x_m, origin_m):
    """Pose of the base, seen from where it was with its camera at ``origin_m``."""
    moved = Transform(np.eye(3), np.array([x_m - origin_m, 0, 0]))
    return BASE_FROM_CAMERA @ moved @ BASE_FROM_CAMERA.inverse()


def off_m(pose, expected):
    return np.linalg.norm(require_pose(pose).translation - expected.translation)


def map_from_odom(given):
    edges = {edge.child_frame_id: edge for edge in given["tf"].transforms}
    return transform_from_message(edges["odom"]) if "odom" in edges else None


@pytest.fixture
def path(tmp_path):
    return tmp_path / "wall.npz"


@pytest.fixture
def saved(wall, path):
    """A map of the wall from -0.7 m to 0.7 m; map is where the base was at -0.7 m."""
    robot = Robot(wall)
    robot.drive(-0.7, 0.7)
    assert robot.save(path).endswith(f" places written to {path}")
    return path


@pytest.fixture(scope="session")
def elsewhere(wall):
    """Another wall for the same camera."""
    texture = np.random.default_rng(8).integers(0, 256, wall.texture.shape, np.uint8)
    return dataclasses.replace(wall, texture=cv2.GaussianBlur(texture, (0, 0), 1.5))


# A loss.


def test_a_recognised_place_puts_right_what_was_not_seen(wall):
    robot = Robot(wall)
    before = robot.drive(-0.7, 0.7)[-1]
    places = robot.stage.status().values["places"]
    assert off_m(before["map_pose"].pose, base_at(0.7, -0.7)) < 0.01
    dark = [robot.look(0.7, dark=True) for _ in range(15)]
    assert ["odom" in given for given in dark] == [True] * 4 + [False] * 11  # coast_s is 0.3
    assert robot.stage.status().values["places"] == places  # a guess is not learnt
    # Carried back in the dark, to where the two keyframes do not know the view.
    after = robot.drive(0.0, 0.3)
    ways = [base_at(x_m, -0.7) for x_m in np.linspace(0.0, 0.3, len(after))]
    assert [after[0]["status"].state_name, after[-1]["status"].state_name] == ["LOST", "OK"]
    assert after[-1]["status"].epoch == 1
    told = [(given, way) for given, way in zip(after, ways, strict=True) if "odom" in given]
    assert len(told) > 5
    for given, way in told:
        assert off_m(given["odom"].pose.pose, way) > 0.5
        assert off_m(given["map_pose"].pose, way) < 0.01
    odom = require_pose(given["odom"].pose.pose)
    in_map = require_pose(given["map_pose"].pose)
    np.testing.assert_allclose((map_from_odom(given) @ odom).matrix, in_map.matrix, atol=1e-9)
    settled = next(given for given, _ in told if "map_path" in given)
    newest = settled["map_path"].poses[-1]
    (way,) = (way for given, way in told if given["odom"].header.stamp == newest.header.stamp)
    assert off_m(newest.pose, way) < 0.01


# Another run.


def test_in_a_map_of_another_run_the_robot_is_nowhere_until_it_recognises_a_place(
    saved, wall, elsewhere
):
    robot = Robot(elsewhere)
    robot.look(0.0)
    assert "places of" in robot.load(saved)
    for given in robot.drive(0.0, 0.3):
        assert given["status"].state_name in ("INIT", "OK")
        assert "map_pose" not in given
        assert "map_path" not in given
        assert map_from_odom(given) is None
        assert len(given["tf"].transforms) == 1  # odom goes on
    assert robot.map_value == "loaded, not localised yet"
    with pytest.raises(OdometryError, match="no place of the map that was loaded was recognised"):
        robot.save(saved)

    robot.wall = wall
    told = [given for given in robot.drive(0.1, 0.4) if "odom" in given]
    assert robot.map_value == "localised"
    assert off_m(told[-1]["map_pose"].pose, base_at(0.4, -0.7)) < 0.01
    off = require_pose(told[-1]["odom"].pose.pose).inverse() @ base_at(0.4, -0.7)
    np.testing.assert_allclose(
        map_from_odom(told[-1]).matrix,
        (base_at(0.4, -0.7) @ require_pose(told[-1]["odom"].pose.pose).inverse()).matrix,
        atol=0.02,
    )
    assert np.linalg.norm(off.translation) > 0.5


def test_new_places_join_the_map(saved, wall, tmp_path):
    first = int(Robot(wall).load(saved).split()[0])
    robot = Robot(wall)
    assert robot.load(saved).startswith(f"{first} places of {saved}")  # before any image
    assert robot.map_value == "loaded, not localised yet"
    given = robot.look(0.65)
    assert off_m(given["map_pose"].pose, base_at(0.65, -0.7)) < 0.01
    assert robot.map_value == "localised"
    given = robot.drive(0.65, -0.7)[-1]
    assert off_m(given["map_pose"].pose, Transform.identity()) < 0.01
    assert int(robot.stage.status().values["places"]) > first + 5
    assert int(robot.stage.status().values["loops"]) >= 1
    both = tmp_path / "both.npz"
    count = int(robot.save(both).split()[0])
    assert count == int(robot.stage.status().values["places"])

    third = Robot(wall)
    third.load(both)
    given = third.look(0.2)
    assert off_m(given["map_pose"].pose, base_at(0.2, -0.7)) < 0.01
    while "map_path" not in given:  # the map is corrected a step at each image
        assert third.count < 40
        given = third.look(0.2)
    assert len(given["map_path"].poses) == count + 1


def test_a_map_is_of_its_frame_wherever_odometry_starts(saved, wall):
    robot = Robot(wall)
    robot.load(saved)
    robot.reset_to(pose_message(AWAY))
    given = robot.look(0.3)
    np.testing.assert_allclose(require_pose(given["odom"].pose.pose).matrix, AWAY.matrix, atol=1e-9)
    assert off_m(given["map_pose"].pose, base_at(0.3, -0.7)) < 0.01


@pytest.mark.parametrize("how", ["reset", "restart", "reset_to_pose"])
def test_a_loaded_map_stays_through_a_reset_and_is_recognised_anew(saved, wall, elsewhere, how):
    robot = Robot(wall)
    robot.load(saved)
    robot.drive(0.0, 0.5)
    places = robot.stage.status().values["places"]
    if how == "reset_to_pose":
        robot.reset_to(pose_message(AWAY))
    else:
        getattr(robot.stage, how)()
    assert robot.map_value == "loaded, not localised yet"
    robot.wall = elsewhere
    assert "map_pose" not in robot.look(0.0)
    robot.stage.reset()
    robot.wall = wall
    assert off_m(robot.look(-0.3)["map_pose"].pose, base_at(-0.3, -0.7)) < 0.01
    assert int(robot.stage.status().values["places"]) < int(places)


def test_without_a_loaded_map_a_reset_begins_one(wall):
    robot = Robot(wall)
    robot.drive(-0.3, 0.3)
    robot.stage.reset()
    given = robot.look(0.0)
    np.testing.assert_allclose(map_from_odom(given).matrix, np.eye(4), atol=1e-12)
    assert robot.stage.status().values["places"] == "1"
    assert robot.map_value is None


# Maps that cannot be used: what ran before goes on.


def test_a_refused_map_changes_nothing(saved, wall):
    robot = Robot(wall)
    robot.drive(-0.7, 0.2)
    places = robot.stage.status().values["places"]
    saved.write_bytes(saved.read_bytes()[:-100])
    for path in (saved, saved.with_name("nowhere"), ""):
        with pytest.raises(
            OdometryError, match=r"wall\.npz: cannot|nowhere: no such|path is empty"
        ):
            robot.load(path)
    given = robot.look(0.2)
    assert off_m(given["map_pose"].pose, base_at(0.2, -0.7)) < 0.01
    assert robot.map_value is None
    assert robot.stage.status().values["places"] == places


OTHER_CAMERA = Camera.pinhole(320, 240, 250.0, 260.0, 159.5, 119.5)


def test_a_map_of_another_camera_is_refused(saved, wall):
    robot = Robot(wall)
    robot.camera = OTHER_CAMERA
    robot.look(0.0)
    with pytest.raises(OdometryError, match=r"fx 260, .*this one is 320x240, fx 250, "):
        robot.load(saved)
    assert map_from_odom(robot.look(0.0)) is not None


def test_a_map_waits_for_its_camera(saved, wall):
    robot = Robot(wall)
    robot.camera = OTHER_CAMERA
    robot.load(saved)
    given = robot.look(0.0)
    np.testing.assert_allclose(map_from_odom(given).matrix, np.eye(4), atol=1e-12)
    assert robot.map_value == "of this run: the one that was loaded is of another camera"
    robot.camera = wall.camera
    assert off_m(robot.look(0.0)["map_pose"].pose, base_at(0.0, -0.7)) < 0.01
    assert robot.map_value == "localised"


@pytest.mark.parametrize("parameters", [{"places": 0}, {"mode": "mono"}])
def test_where_no_places_are_kept_no_map_is_loaded(saved, wall, parameters):
    with pytest.raises(OdometryError, match="`places` above 0, and a `mode` other than mono"):
        Robot(wall, **parameters).load(saved)


def test_there_is_no_map_before_the_first_pose(wall, path):
    robot = Robot(wall)
    robot.look(0.0, dark=True)
    with pytest.raises(OdometryError, match="there is no map yet: it begins with the first pose"):
        robot.save(path)
    assert not path.exists()


def test_maps_are_not_written_where_there_is_no_folder(wall, tmp_path):
    robot = Robot(wall)
    robot.look(0.0)
    with pytest.raises(OdometryError, match="no/such/map: cannot be written"):
        robot.save(tmp_path / "no/such/map")
    with pytest.raises(OdometryError, match="path is empty"):
        robot.save("")


# A start at a given pose.


def test_odometry_starts_at_a_given_pose(wall):
    robot = Robot(wall)
    robot.drive(0.0, 0.3)
    assert "at that pose" in robot.reset_to(pose_message(AWAY))
    given = robot.look(0.0)
    assert given["status"].epoch == 1
    np.testing.assert_allclose(require_pose(given["odom"].pose.pose).matrix, AWAY.matrix, atol=1e-9)
    np.testing.assert_allclose(map_from_odom(given).matrix, np.eye(4), atol=1e-9)
    assert len(given["path"].poses) == 1
    given = robot.drive(0.0, 0.3)[-1]
    expected = AWAY @ base_at(0.3, 0.0)
    assert off_m(given["odom"].pose.pose, expected) < 0.01
    assert off_m(given["map_pose"].pose, expected) < 0.01
    robot.stage.reset()
    given = robot.look(0.0)
    np.testing.assert_allclose(require_pose(given["odom"].pose.pose).matrix, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("frame_id", ["odom", "", "/odom"])
def test_a_pose_in_the_frame_of_odometry_or_in_none(wall, frame_id):
    robot = Robot(wall)
    robot.reset_to(pose_message(AWAY), frame_id)
    assert off_m(robot.look(0.0)["odom"].pose.pose, AWAY) < 1e-9


@pytest.mark.parametrize("frame_id", ["map", "base_link", "odom2"])
def test_a_pose_in_another_frame_is_refused(wall, frame_id):
    robot = Robot(wall)
    with pytest.raises(OdometryError, match=f"{frame_id}', expected 'odom' .*transform it first"):
        robot.reset_to(pose_message(AWAY), frame_id)


@pytest.mark.parametrize(
    ("field", "value"),
    [("position.x", np.nan), ("position.z", np.inf), ("orientation.w", np.nan),
     ("orientation.w", 0.0), ("orientation.y", 0.5), ("orientation.x", -np.inf)],
)  # fmt: skip
def test_a_pose_that_is_none_is_refused(wall, field, value):
    robot = Robot(wall)
    before = robot.drive(0.0, 0.1)[-1]
    pose = pose_message(Transform.identity())
    part, name = field.split(".")
    setattr(getattr(pose, part), name, float(value))
    with pytest.raises(GeometryError, match=r"translation: got|orientation: "):
        robot.reset_to(pose)
    after = robot.look(0.1)
    assert after["status"].epoch == before["status"].epoch == 0
    assert off_m(after["odom"].pose.pose, base_at(0.1, 0.0)) < 0.01


def test_a_given_pose_is_no_motion_whose_scale_is_not_known(wall):
    """One camera alone: what it says of its way may be any multiple, but not where it began."""
    spreads = []
    for start in (Transform.identity(), AWAY):
        robot = Robot(wall, mode="mono")
        robot.reset_to(pose_message(start))
        odom = next(given["odom"] for given in robot.drive(0.0, 0.6) if "odom" in given)
        spreads.append(odom.pose.covariance.reshape(6, 6)[:3, :3].trace())
    assert spreads[1] == pytest.approx(spreads[0], rel=0.1)
