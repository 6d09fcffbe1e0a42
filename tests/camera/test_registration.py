"""Registered depth against ray-cast planes, steps and occlusions, where the truth is known."""

import numpy as np
import pytest

from embodied_perception.camera import Camera, DepthRegistration
from embodied_perception.errors import CameraError, GeometryError
from embodied_perception.geometry import Transform

DEPTH = Camera.pinhole(320, 240, 290, 290, 159.5, 119.5)
COLOR_FROM_DEPTH = Transform.from_rotation_vector([0.01, -0.005, 0.004], [0.03, 0.001, 0.002])
SIDEWAYS = Transform.from_rotation_vector([0, 0, 0], [0.1, 0, 0])
K = np.array([[265.0, 0, 160], [0, 265, 121], [0, 0, 1]])
COLORS = {
    "same_size": Camera.pinhole(320, 240, 265, 265, 160, 121),
    "finer": Camera.pinhole(1280, 960, 1150, 1150, 639.5, 479.5),
    "slightly_finer": Camera.pinhole(320, 240, 301, 301, 160, 121),
    "coarser": Camera.pinhole(160, 120, 130, 130, 80, 60),
    "barrel": Camera(320, 240, K, "plumb_bob", np.array([-0.28, 0.07, 0.001, -0.0005, 0.01])),
    "fine_barrel": Camera(
        640, 480, np.diag([2, 2, 1]) @ K, "plumb_bob", np.array([-0.28, 0.07, 0, 0, 0.01])
    ),
    "rational": Camera(
        320,
        240,
        K,
        "rational_polynomial",
        np.array([0.5, -2.5, 0.001, -0.0003, 1.5, 0.4, -2.3, 1.4]),
    ),
    "fisheye": Camera(320, 240, K, "equidistant", np.array([-0.01, 0.02, -0.01, 0.002])),
}


def pixel_rays(camera):
    rows, columns = np.indices((camera.height, camera.width))
    return camera.unproject(np.stack([columns, rows], axis=-1))


def plane_depth(camera, normal, distance):
    """Depth of the plane ``normal . x = distance`` in every pixel, NaN where it is not seen."""
    depth_m = distance / (pixel_rays(camera) @ normal)
    return np.where(depth_m > 0, depth_m, np.nan).astype(np.float32)


def seen_by_depth(camera, depth_m, color_from_depth):
    """The colour pixels whose surface the depth camera has in its image, a pixel inside."""
    points = color_from_depth.inverse().apply(pixel_rays(camera) * depth_m[..., None])
    pixels = DEPTH.project(points)
    return ((pixels >= 1) & (pixels <= np.subtract(DEPTH.resolution_wh, 2))).all(axis=-1)


@pytest.mark.parametrize("tilt", [0.0, 0.6, -1.0])
@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
def test_a_slanted_plane_is_covered_and_right(color, tilt):
    normal = np.array([np.sin(tilt), 0.2, np.cos(tilt)])
    measured = plane_depth(DEPTH, normal, 1.0)
    registered = DepthRegistration(DEPTH, color, COLOR_FROM_DEPTH).register(measured)

    normal_in_color = COLOR_FROM_DEPTH.rotation @ normal
    distance = 1.0 + normal_in_color @ COLOR_FROM_DEPTH.translation
    truth = plane_depth(color, normal_in_color, distance)
    # Near its horizon a plane changes by per cents from one depth pixel to the next.
    overlap = seen_by_depth(color, truth, COLOR_FROM_DEPTH) & (truth < 2.5)
    assert registered.shape == (color.height, color.width)
    assert registered.dtype == np.float32
    assert overlap.mean() > 0.4
    assert np.isfinite(registered[overlap]).mean() >= 0.99
    error = np.abs(registered - truth) / truth
    assert np.nanmax(error[overlap]) < 0.01


def test_a_step_edge_hides_and_uncovers():
    # A box's face at 1 m fills the left half, a wall at 2 m the right half. The colour camera
    # is 0.1 m to the left (points move 0.1 m to the right): the face moves 29 pixels to the
    # right and hides as much of the wall, which moves 14.5 pixels.
    measured = np.full((240, 320), 2.0, np.float32)
    measured[:, :160] = 1.0
    registered = DepthRegistration(DEPTH, DEPTH, SIDEWAYS).register(measured)
    rows = np.arange(240)
    assert np.isnan(registered[rows, :29]).all()
    np.testing.assert_array_equal(registered[:, 29:189], 1.0)
    np.testing.assert_array_equal(registered[:, 189:], 2.0)


def test_the_shadow_of_a_near_surface_stays_unknown():
    measured = np.full((240, 320), 2.0, np.float32)
    measured[:, 160:] = 1.0  # moves away from the wall: 14.5 pixels in between were never seen
    registered = DepthRegistration(DEPTH, DEPTH, SIDEWAYS).register(measured)
    assert np.isnan(registered[:, 175:189]).all()
    np.testing.assert_array_equal(registered[:, 189:], 1.0)
    np.testing.assert_array_equal(registered[:, 20:174], 2.0)


@pytest.mark.parametrize("near_m", [0.75, 1.5])
@pytest.mark.parametrize("turn", [0, np.pi / 2, np.pi, 4])
def test_the_nearest_surface_wins_from_every_side(near_m, turn):
    color_from_depth = Transform(np.eye(3), 0.12 * np.array([np.cos(turn), np.sin(turn), 0]))
    measured = np.full((240, 320), 2.0, np.float32)
    measured[80:160, 120:200] = near_m
    registered = DepthRegistration(DEPTH, DEPTH, color_from_depth).register(measured)
    shift = 290 * color_from_depth.translation[:2] / near_m
    left, top = np.rint(np.add([120, 80], shift)).astype(int)
    np.testing.assert_array_equal(registered[top + 1 : top + 79, left + 1 : left + 79], near_m)


def test_no_background_shows_through_the_cracks_of_a_slanted_board():
    # The board's surface is stretched in the colour image, and a wall is behind it.
    normal = np.array([0.9, 0, 0.5])
    board = plane_depth(DEPTH, normal, 0.6)
    on_board = (board > 0.5) & (board < 2.5)
    measured = np.where(on_board, board, 4.0).astype(np.float32)
    color_from_depth = Transform(np.eye(3), np.array([-0.1, 0, 0]))
    registered = DepthRegistration(DEPTH, DEPTH, color_from_depth).register(measured)
    truth = plane_depth(DEPTH, normal, 0.6 + normal @ color_from_depth.translation)
    inside = seen_by_depth(DEPTH, truth, color_from_depth) & (truth > 0.6) & (truth < 2.2)
    assert inside.sum() > 10_000
    wrong = ~(np.abs(registered - truth) < 0.03 * truth)[inside]
    assert wrong.mean() < 0.01


def test_a_gap_in_a_near_surface_is_not_closed():
    # Through a gap one pixel wide the depth camera sees a wall that, from the colour camera's
    # place, the near surface hides: what is behind the gap was not measured.
    measured = np.full((240, 320), 1.0, np.float32)
    measured[:, 150] = 2.0
    registered = DepthRegistration(DEPTH, DEPTH, SIDEWAYS).register(measured)
    assert np.isnan(registered[:, 179]).all()
    np.testing.assert_array_equal(registered[:, 29:179], 1.0)
    np.testing.assert_array_equal(registered[:, 180:], 1.0)


def test_identity_extrinsics_give_the_input_back():
    random = np.random.default_rng(0)
    measured = random.uniform(0.5, 5, (240, 320)).astype(np.float32)
    measured[random.random(measured.shape) < 0.1] = np.nan
    registered = DepthRegistration(DEPTH, DEPTH, Transform.identity()).register(measured)
    np.testing.assert_array_equal(registered, measured)


@pytest.mark.parametrize("invalid", [np.nan, 0.0, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("color", [COLORS["same_size"], COLORS["finer"], COLORS["barrel"]])
def test_invalid_depth_stays_unknown(color, invalid):
    registration = DepthRegistration(DEPTH, color, COLOR_FROM_DEPTH)
    assert np.isnan(registration.register(np.full((240, 320), invalid, np.float32))).all()
    wall = np.full((240, 320), 1.5, np.float32)
    holed = wall.copy()
    holed[100:140, 100:200] = invalid
    truth, registered = registration.register(wall), registration.register(holed)
    lost = np.isfinite(truth) & np.isnan(registered)
    pixel_area = (color.fx / DEPTH.fx) ** 2
    assert lost.sum() == pytest.approx(40 * 100 * pixel_area, rel=0.1)
    # At the rim a colour pixel may have lost the nearer of two depth pixels.
    np.testing.assert_allclose(registered[~lost], truth[~lost], rtol=1e-3)


def test_a_surface_behind_the_color_camera_is_not_seen():
    color_from_depth = Transform(np.eye(3), np.array([0, 0, -2.0]))
    registration = DepthRegistration(DEPTH, DEPTH, color_from_depth)
    assert np.isnan(registration.register(np.full((240, 320), 1.5, np.float32))).all()


def test_each_call_returns_its_own_image():
    registration = DepthRegistration(DEPTH, DEPTH, Transform.identity())
    first = registration.register(np.full((240, 320), 1.0, np.float32))
    second = registration.register(np.full((240, 320), 2.0, np.float32))
    assert (first == 1).all()
    assert (second == 2).all()


def test_memory_order_and_precision_of_the_input_do_not_matter():
    measured = plane_depth(DEPTH, np.array([0.3, 0.1, 0.9]), 1.0)
    registration = DepthRegistration(DEPTH, COLORS["same_size"], COLOR_FROM_DEPTH)
    expected = registration.register(measured)
    before = measured.copy()
    for same in (np.asfortranarray(measured), measured.astype(np.float64), measured[::1, :]):
        np.testing.assert_array_equal(registration.register(same), expected)
    np.testing.assert_array_equal(measured, before)


def test_binned_cameras_stand_for_the_image_they_deliver():
    full = Camera(
        640, 480, np.array([[580.0, 0, 319], [0, 580, 239], [0, 0, 1]]), binning_x=2, binning_y=2
    )
    registered = DepthRegistration(full, full, Transform.identity()).register(
        np.full((240, 320), 1.0, np.float32)
    )
    np.testing.assert_array_equal(registered, np.ones((240, 320)))


@pytest.mark.parametrize(
    "depth_m",
    [
        np.zeros((320, 240), np.float32),
        np.zeros((240, 320, 1), np.float32),
        np.zeros((0, 0), np.float32),
        np.zeros((240, 320), np.uint16),
    ],
)
def test_images_that_are_not_the_depth_cameras_are_refused(depth_m):
    registration = DepthRegistration(DEPTH, DEPTH, Transform.identity())
    with pytest.raises(CameraError, match=r"expected float32 metres of shape \(240, 320\)"):
        registration.register(depth_m)


def test_extrinsics_must_be_rigid():
    with pytest.raises(GeometryError, match="translation"):
        DepthRegistration(DEPTH, DEPTH, Transform(np.eye(3), np.full(3, np.nan)))
