"""Scale from the camera's height, and from a motion that something else measures."""

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.geometry import Transform
from embodied_perception.odometry import (
    CameraHeight,
    KnownPlace,
    MonoImage,
    OdometryConfig,
    TrackingState,
    VisualOdometry,
)
from embodied_perception.odometry.two_view import TwoView

CAMERA = Camera.pinhole(320, 240, 270.0, 270.0, 159.5, 119.5)
HEIGHT_M = 0.5
DOWN = np.array([0.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def floor():
    generator = np.random.default_rng(5)
    fine = cv2.GaussianBlur(generator.normal(size=(1600, 1600)), (0, 0), 2.0)
    coarse = cv2.GaussianBlur(generator.normal(size=(1600, 1600)), (0, 0), 8.0)
    return np.clip(128 + 35 * (fine / fine.std() + coarse / coarse.std()), 0, 255).astype(np.uint8)


def see(floor, world_from_camera, tilt=0.0, plain=False, table=False):
    """A floor 0.5 m below the camera, and walls 3 and 4 m ahead; 200 pixels a metre."""
    u, v = np.meshgrid(np.arange(320.0), np.arange(240.0))
    turned = Transform.from_rotation_vector((tilt, 0, 0), (0, 0, 0))
    pose = world_from_camera @ turned
    rays = CAMERA.unproject(np.stack((u, v), axis=-1)) @ pose.rotation.T
    origin = pose.translation
    with np.errstate(divide="ignore"):
        to_floor = (HEIGHT_M - origin[1]) / rays[..., 1]
        to_wall = (np.where(rays[..., 0] < 0, 4.0, 3.0) - origin[2]) / rays[..., 2]
        to_table = (0.3 - origin[1]) / rays[..., 1]
    to_floor[to_floor <= 0] = np.inf
    distance = np.minimum(to_floor, to_wall)
    met = origin + rays * distance[..., None]
    on_floor = to_floor < to_wall
    place = np.where(on_floor[..., None], met[..., [0, 2]], met[..., :2] + 1.3)
    if table:
        on_table = origin + rays * to_table[..., None]
        shown = (to_table > 0) & (on_table[..., 0] < 0) & (on_table[..., 2] < 2.0)
        place = np.where(shown[..., None], on_table[..., [0, 2]] - 0.9, place)
    pixels = (place * 200 + 800).astype(np.float32)
    gray = cv2.remap(floor, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR)
    if plain:
        gray[on_floor] = 120
    return gray


def drive(count):
    return [Transform(np.eye(3), np.array([0.004 * k, 0.0, 0.02 * k])) for k in range(count)]


def follow(images, rulers):
    odometry = VisualOdometry(CAMERA, OdometryConfig())
    return [
        odometry.track(MonoImage(gray, (k + 1) * 33_000_000, ruler))
        for k, (gray, ruler) in enumerate(zip(images, rulers, strict=True))
    ]


def length(estimates, poses):
    """Of the way from the first pose that is told, over the true one."""
    told = [k for k, e in enumerate(estimates) if e.world_from_camera is not None]
    first, last = told[0], told[-1]
    said = estimates[first].world_from_camera.inverse() @ estimates[last].world_from_camera
    true = poses[first].inverse() @ poses[last]
    return np.linalg.norm(said.translation) / np.linalg.norm(true.translation)


@pytest.mark.parametrize("tilt", [0.0, 0.02, -0.02], ids=["level", "nods", "rises"])
def test_the_height_above_the_floor_gives_the_scale(floor, tilt):
    poses = drive(40)
    images = [see(floor, pose, tilt) for pose in poses]
    estimates = follow(images, [CameraHeight(HEIGHT_M, DOWN)] * 40)
    assert estimates[-1].state is TrackingState.OK
    assert estimates[-1].is_metric
    assert estimates[-1].scale_sigma == CameraHeight.sigma
    # The error stays within what is said of it.
    assert length(estimates, poses) == pytest.approx(1.0, abs=2 * CameraHeight.sigma)


def test_a_table_is_not_the_floor(floor):
    poses = drive(40)
    images = [see(floor, pose, table=True) for pose in poses]
    estimates = follow(images, [CameraHeight(HEIGHT_M, DOWN)] * 40)
    assert length(estimates, poses) == pytest.approx(1.0, abs=2 * CameraHeight.sigma)


def test_a_floor_without_anything_on_it_gives_none_and_says_so(floor):
    images = [see(floor, pose, plain=True) for pose in drive(30)]
    estimates = follow(images, [CameraHeight(HEIGHT_M, DOWN)] * 30)
    assert {e.state for e in estimates} == {TrackingState.INIT}
    assert any("flat ground is seen in" in e.reason for e in estimates)


def test_a_motion_measured_by_wheels_gives_the_scale(floor):
    poses = drive(40)
    images = [see(floor, pose) for pose in poses]
    estimates = follow(images, [KnownPlace(pose.translation + 7.0) for pose in poses])
    assert length(estimates, poses) == pytest.approx(1.0, abs=0.03)


def test_wheels_that_stand_still_while_the_camera_moves_give_none(floor):
    images = [see(floor, pose) for pose in drive(30)]
    estimates = follow(images, [KnownPlace(np.zeros(3))] * 30)
    assert all(e.world_from_camera is None for e in estimates)
    assert any("it moved by 0.000 m, too little" in e.reason for e in estimates)


def test_without_a_ruler_the_unit_is_how_far_the_scene_is(floor):
    poses = drive(40)
    estimates = follow([see(floor, pose) for pose in poses], [None] * 40)
    assert not estimates[-1].is_metric
    assert length(estimates, poses) == pytest.approx(1 / 2.0, rel=0.5)


def test_no_tile_looks_at_the_ground():
    """The camera looks up."""
    ruler = CameraHeight(1.0, np.array([0.0, np.sin(-1.2), np.cos(-1.2)]) * (1, 1, -1))
    gray = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)
    view = TwoView(
        Transform(np.eye(3), np.array([-1.0, 0, 0])), np.full((50, 3), 2.0), np.ones(50), 0
    )
    told = ruler.unit_m(MonoImage(gray, 1), MonoImage(gray, 2), view, CAMERA)
    assert told == (
        "flat ground is seen in 0 places, 10 are needed to tell the scale from the camera's height"
    )
