"""Dense depth of a plane at a known distance; pairs that are none."""

import dataclasses

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera, rectify_pair
from embodied_perception.camera.dense_stereo import dense_stereo
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

WIDTH, HEIGHT, FOCAL = 320, 240, 260.0
BASELINE_M, DISTANCE_M = 0.1, 1.3
NOISE = np.random.default_rng(4).integers(0, 256, (80, 120), np.uint8)
WALL = cv2.resize(NOISE, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)


def pair(turn_deg=0.0):
    camera = Camera.pinhole(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    turn = np.radians(turn_deg)
    left_from_right = Transform.from_rotation_vector((0, turn, turn / 2), (BASELINE_M, 0, 0))
    return (*rectify_pair(camera, camera, left_from_right.inverse()), left_from_right)


def seen(camera, wall_from_camera):
    """What a camera sees of a wall at z = 0, painted at 400 pixels a metre."""
    u, v = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    rays = camera.unproject(np.stack([u, v], axis=-1)) @ wall_from_camera.rotation.T
    origin = wall_from_camera.translation
    met = origin - rays * (origin[2] / rays[..., 2:])
    places = (met[..., :2] * 400 + (480, 320)).astype(np.float32)
    return cv2.remap(WALL, places[..., 0], places[..., 1], cv2.INTER_LINEAR)


@pytest.mark.parametrize("turn_deg", [0.0, 3.0])
def test_a_wall_is_as_far_as_it_is(turn_deg):
    left, right, left_from_right = pair(turn_deg)
    wall_from_left = Transform(np.eye(3), np.array([0, 0, -DISTANCE_M]))
    images = seen(left, wall_from_left), seen(right, wall_from_left @ left_from_right)
    flat, depth_m = dense_stereo(*images, left, right)
    assert flat.shape == depth_m.shape == (HEIGHT, WIDTH)
    assert np.isfinite(depth_m).mean() > 0.8
    # Depth is along the rectified camera's axis, which may be turned against the wall's.
    u, v = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    rays = left.rectified().unproject(np.stack([u, v], axis=-1))
    rays /= rays[..., 2:]
    true_m = DISTANCE_M / (rays @ left.R)[..., 2]
    # Semi-global matching draws disparities (20 px here) to whole pixels by up to a quarter.
    errors = np.abs(depth_m / true_m - 1)
    assert np.nanmedian(errors) < 0.0125
    assert np.nanpercentile(errors, 95) < 0.03


def test_without_texture_nothing_is_known():
    left, right, _ = pair()
    gray = np.full((HEIGHT, WIDTH), 90, np.uint8)
    _, depth_m = dense_stereo(gray, gray, left, right)
    assert np.isfinite(depth_m).mean() < 0.01


def test_cameras_that_are_no_pair_are_refused():
    left, right, _ = pair()
    gray = np.zeros((HEIGHT, WIDTH), np.uint8)
    alone = dataclasses.replace(right, P=left.P)
    with pytest.raises(CameraError, match="expected one f, Tx = 0 on the left and below 0 on the"):
        dense_stereo(gray, gray, left, alone)
    with pytest.raises(CameraError, match=r"Tx = -\d+"):
        dense_stereo(gray, gray, right, left)
