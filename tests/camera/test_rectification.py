"""Pairs turned to look in parallel: one point in one row, and depth by disparity."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.camera import Camera, baseline_m, rectify_pair
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

SIZE = (640, 480)
K = np.array([[500.0, 0, 322], [0, 503, 236], [0, 0, 1]])
OTHER_K = np.array([[490.0, 0, 311], [0, 489, 247], [0, 0, 1]])
LENSES = {
    "none": ("plumb_bob", []),
    "plumb_bob": ("plumb_bob", [-0.25, 0.08, 0.0008, -0.0005, 0]),
    "rational": ("rational_polynomial", [0.3, 0.05, 0.0004, -0.0003, 0.005, 0.6, 0.12, 0.01]),
    "equidistant": ("equidistant", [-0.02, 0.004, -0.002, 0]),
}
LEFT_FROM_RIGHT = Transform.from_rotation_vector([0.02, -0.05, 0.03], [0.1, 0.004, -0.006])
PLAIN = Camera(*SIZE, K)


def pair(lens, left_from_right=LEFT_FROM_RIGHT):
    model, D = LENSES[lens]
    cameras = (Camera(*SIZE, each, model, np.array(D)) for each in (K, OTHER_K))
    return rectify_pair(*cameras, left_from_right.inverse())


def rectified_pixels(camera, points):
    """Where the raw image's pixel of a point is in the rectified image."""
    rays = camera.unproject(camera.project(points)) @ camera.R.T
    return camera.rectified().project(rays)


def points_before(left, count=300, seed=0):
    """Points (N, 3) that the rectified left image shows, in the left camera's frame."""
    rng = np.random.default_rng(seed)
    rays = left.rectified().unproject(rng.uniform(0, 1, (count, 2)) * SIZE)
    return (rays * rng.uniform(0.5, 8, (count, 1))) @ left.R


@pytest.mark.parametrize("lens", LENSES)
def test_one_point_is_in_the_same_row_and_disparity_tells_its_depth(lens):
    left, right = pair(lens)
    points = points_before(left)
    in_left = rectified_pixels(left, points)
    in_right = rectified_pixels(right, LEFT_FROM_RIGHT.inverse().apply(points))
    both = np.isfinite(in_left).all(axis=1) & np.isfinite(in_right).all(axis=1)
    assert both.mean() > 0.8
    apart = (in_left - in_right)[both]
    np.testing.assert_allclose(apart[:, 1], 0, atol=1e-6)
    depth = points[both] @ left.R[2]
    np.testing.assert_allclose(
        apart[:, 0], left.P[0, 0] * baseline_m(left, right) / depth, rtol=0, atol=1e-6
    )


@given(
    turn=st.tuples(*[st.floats(-0.15, 0.15)] * 3),
    up=st.floats(-0.05, 0.05),
    forward=st.floats(-0.05, 0.05),
)
def test_any_pair_that_looks_about_forward_is_rectified(turn, up, forward):
    left_from_right = Transform.from_rotation_vector(turn, [0.1, up, forward])
    left, right = pair("plumb_bob", left_from_right)
    points = points_before(left, 50)
    in_right = left_from_right.inverse().apply(points)
    rows = [
        rectified_pixels(camera, seen)[:, 1] for camera, seen in ((left, points), (right, in_right))
    ]
    assert np.nanmax(np.abs(rows[0] - rows[1])) < 1e-6
    np.testing.assert_allclose(right.R @ left_from_right.rotation.T, left.R, atol=1e-12)


@pytest.mark.parametrize("lens", LENSES)
def test_no_pixel_of_the_rectified_images_is_empty(lens):
    columns, rows = np.meshgrid(np.linspace(0, 639, 30), np.linspace(0, 479, 30))
    inside = 0
    for camera in pair(lens):
        rays = camera.rectified().unproject(np.stack([columns, rows], axis=-1)) @ camera.R
        raw = camera.project(rays)
        assert ((raw > -1) & (raw < np.array(SIZE))).all()
        inside += (np.abs(raw - np.array(SIZE) / 2) > np.array(SIZE) * 0.47).any()
    assert inside  # and no more than that is cut off


def test_both_have_one_projection_but_for_the_baseline():
    left, right = pair("plumb_bob")
    np.testing.assert_array_equal(left.P[:, :3], right.P[:, :3])
    assert left.P[0, 0] == left.P[1, 1]
    np.testing.assert_array_equal(left.P[:, 3], 0)
    length_m = np.linalg.norm(LEFT_FROM_RIGHT.translation)
    assert right.P[0, 3] == pytest.approx(-left.P[0, 0] * length_m)
    assert baseline_m(left, right) == pytest.approx(length_m)
    for camera, K_before in ((left, K), (right, OTHER_K)):
        np.testing.assert_array_equal(camera.K, K_before)
        assert camera.resolution_wh == SIZE


def test_opencv_aligns_the_rows_in_the_same_way():
    left, right = pair("plumb_bob")
    right_from_left = LEFT_FROM_RIGHT.inverse()
    R1, R2, P1, P2, *_ = cv2.stereoRectify(
        left.K, left.D, right.K, right.D, SIZE,
        right_from_left.rotation, right_from_left.translation, flags=cv2.CALIB_ZERO_DISPARITY,
    )  # fmt: skip
    # It chooses another turn about the baseline, and another focal length: rows are moved alike.
    for R, camera in ((R1, left), (R2, right)):
        np.testing.assert_allclose((R @ camera.R.T)[0], [1, 0, 0], atol=1e-9)
        assert np.degrees(np.arccos((R @ camera.R.T)[1, 1])) < 0.5
    np.testing.assert_allclose(R1 @ left.R.T, R2 @ right.R.T, atol=1e-9)
    assert P2[0, 3] / P2[0, 0] == pytest.approx(right.P[0, 3] / right.P[0, 0])
    points = points_before(left, 50)
    ours, opencvs = [], []
    for camera, R, P, seen in (
        (left, R1, P1, points),
        (right, R2, P2, right_from_left.apply(points)),
    ):
        ours.append(rectified_pixels(camera, seen)[:, 1])
        opencvs.append(rectified_pixels(dataclasses.replace(camera, R=R, P=P), seen)[:, 1])
    np.testing.assert_allclose(opencvs[0], opencvs[1], atol=1e-6)
    np.testing.assert_allclose(ours[0], ours[1], atol=1e-6)


def test_a_parallel_pair_stays_as_it_is():
    left, right = rectify_pair(PLAIN, PLAIN, Transform(np.eye(3), np.array([-0.2, 0, 0])))
    np.testing.assert_allclose(left.R, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(right.R, np.eye(3), atol=1e-12)
    assert baseline_m(left, right) == pytest.approx(0.2)
    assert left.P[0, 0] == pytest.approx(503, abs=1)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            [0.01, 0.1, 0.02],
            r"is at \[0.01, 0.1, 0.02\] m from the left one, expected it beside \(x\)",
        ),
        ([0.02, 0.01, 0.3], r"is at \[0.02, 0.01, 0.3\] m"),
        ([0, 0, 0], "is at .* m from the left one, expected it beside"),
        ([-0.12, 0.01, 0], "is 0.120 m to the left of the left one; swap them"),
    ],
)
def test_cameras_that_are_not_side_by_side_are_refused(place, words):
    left_from_right = Transform(np.eye(3), np.array(place, float))
    with pytest.raises(CameraError, match=f"^stereo pair: the right camera {words}"):
        rectify_pair(PLAIN, PLAIN, left_from_right.inverse())


def test_cameras_of_different_sizes_are_refused():
    other = Camera.pinhole(320, 240, 250, 250, 160, 120)
    with pytest.raises(CameraError, match="left is 640x480, right is 320x240; expected one size"):
        rectify_pair(PLAIN, other, LEFT_FROM_RIGHT.inverse())


def test_cameras_that_look_apart_are_refused():
    apart = Transform.from_rotation_vector([1.2, 0, 0], [0.1, 0, 0])
    with pytest.raises(CameraError, match="look so far apart that no part is common"):
        rectify_pair(PLAIN, PLAIN, apart.inverse())


def test_a_fisheye_that_sees_no_plane_to_its_edges_is_refused():
    wide = Camera(
        *SIZE, np.array([[150.0, 0, 320], [0, 150, 240], [0, 0, 1]]), "equidistant", np.zeros(4)
    )
    with pytest.raises(CameraError, match="an edge of an image shows nothing"):
        rectify_pair(wide, wide, LEFT_FROM_RIGHT.inverse())


def with_tx(tx, focal=500.0):
    return dataclasses.replace(
        PLAIN, P=np.array([[focal, 0, 320, tx], [0, focal, 240, 0], [0, 0, 1, 0]])
    )


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (with_tx(0), with_tx(0), "the right one 500.00 and 0.00; expected one f"),
        (with_tx(0), with_tx(50), "500.00 and 50.00; expected one f, Tx = 0 on the left and below"),
        (with_tx(-50), with_tx(0), "the left camera has f = 500.00 and Tx = -50.00"),
        (with_tx(0), with_tx(-50, 480.0), "480.00 and -50.00.*perception calibrate stereo"),
    ],
)
def test_what_is_no_rectified_pair_has_no_baseline(left, right, words):
    with pytest.raises(CameraError, match=f"^stereo pair: .*{words}"):
        baseline_m(left, right)


def test_the_baseline_is_read_from_the_right_projection():
    assert baseline_m(with_tx(0), with_tx(-60)) == pytest.approx(0.12)
