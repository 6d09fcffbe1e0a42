"""A pair's pose and rows against the rig that saw the boards; pairs that are none."""

import dataclasses

import numpy as np
import pytest

from embodied_perception.camera import Camera, baseline_m
from embodied_perception.camera.calibration import (
    Chessboard,
    CircleGrid,
    Detection,
    View,
    calibrate_stereo,
)
from embodied_perception.camera.calibration.bundle import Rig, adjust
from embodied_perception.camera.calibration.intrinsics import observations_of
from embodied_perception.camera.calibration.uncertainty import POSE_NAMES
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

BOARD = Chessboard(9, 6, 0.03)
SIZE = (480, 360)
D = {
    "plumb_bob": [[-0.25, 0.08, 0.0008, -0.0005, 0], [-0.22, 0.06, -0.0004, 0.0003, 0]],
    "equidistant": [[-0.02, 0.004, -0.002, 0], [-0.015, 0.003, -0.001, 0]],
}
LEFT_FROM_RIGHT = Transform.from_rotation_vector([0.01, -0.03, 0.006], [0.12, 0.002, -0.004])


def rig(model):
    """The left and the right camera."""
    focal = 400.0 if model == "plumb_bob" else 250.0
    Ks = [[[focal, 0, 243], [0, focal + 2, 176]], [[focal - 4, 0, 237], [0, focal - 3, 183]]]
    return [
        Camera(*SIZE, np.array([*K, [0, 0, 1]]), model, np.array(coefficients))
        for K, coefficients in zip(Ks, D[model], strict=True)
    ]


def pairs_of(cameras, count=12, noise_px=0.1, seed=0, board=BOARD):
    """Views of both cameras, without images."""
    rng = np.random.default_rng(seed)
    middle = (board.points.min(axis=0) + board.points.max(axis=0)) / 2
    pairs = []
    while len(pairs) < count:
        rotation = Transform.from_rotation_vector(rng.uniform(-0.6, 0.6, 3), np.zeros(3)).rotation
        depth = cameras[0].fx * np.ptp(board.points[:, 0]) / SIZE[0] / rng.uniform(0.3, 0.6)
        place = depth * cameras[0].unproject(rng.uniform(0, 1, 2) * SIZE)
        in_left = Transform(rotation, place - rotation @ middle).apply(board.points)
        sides = []
        for side, camera in enumerate(cameras):
            pixels = camera.project((in_left, LEFT_FROM_RIGHT.inverse().apply(in_left))[side])
            pixels += noise_px * rng.standard_normal(pixels.shape)
            seen = Detection(np.arange(len(pixels)), pixels)
            sides.append(View(f"{['left', 'right'][side]} {len(pairs)}", 0, board, seen, SIZE))
        if all(((view.pixels > 0) & (view.pixels < np.array(SIZE) - 1)).all() for view in sides):
            pairs.append(tuple(sides))
    return pairs


def errors(calibration):
    """Of the pose: x, y, z in metres, and rx, ry, rz in radians."""
    got = calibration.left_from_right
    turn = Transform(got.rotation @ LEFT_FROM_RIGHT.rotation.T, np.zeros(3)).rotation_vector
    return np.concatenate([got.translation - LEFT_FROM_RIGHT.translation, turn])


@pytest.fixture(scope="module", params=D)
def calibrated(request):
    """True cameras, and their calibration."""
    cameras = rig(request.param)
    return cameras, calibrate_stereo(pairs_of(cameras), request.param)


def test_the_pose_is_that_of_the_rig(calibrated):
    _, calibration = calibrated
    error = errors(calibration)
    assert np.linalg.norm(error[:3]) < 1e-3
    assert np.degrees(np.linalg.norm(error[3:])) < 0.1
    assert calibration.baseline_m == pytest.approx(
        np.linalg.norm(LEFT_FROM_RIGHT.translation), abs=5e-4
    )


def test_both_cameras_are_found(calibrated):
    cameras, calibration = calibrated
    for truth, got in zip(cameras, (calibration.left, calibration.right), strict=True):
        np.testing.assert_allclose([got.fx, got.fy], [truth.fx, truth.fy], rtol=3e-3)
        np.testing.assert_allclose([got.cx, got.cy], [truth.cx, truth.cy], rtol=0, atol=1)
    assert calibration.rms_px == pytest.approx(0.1 * np.sqrt(2), rel=0.1)
    assert calibration.rejected == []
    assert len(calibration.left_calibration.views) == len(calibration.right_calibration.views) == 12


def test_one_point_is_in_the_same_row_of_both_rectified_images(calibrated):
    cameras, calibration = calibrated
    points = np.random.default_rng(5).uniform([-0.3, -0.2, 0.6], [0.4, 0.2, 2], (200, 3))
    in_right = LEFT_FROM_RIGHT.inverse().apply(points)
    left, right = (
        rectified_pixels(found, truth.project(seen))
        for found, truth, seen in zip(
            (calibration.left, calibration.right), cameras, (points, in_right), strict=True
        )
    )
    assert np.abs(left[:, 1] - right[:, 1]).max() < 0.2
    focal = calibration.left.P[0, 0]
    depth = focal * baseline_m(calibration.left, calibration.right) / (left - right)[:, 0]
    true_depth = points @ calibration.left.R[2]
    np.testing.assert_allclose(depth, true_depth, rtol=0.02)


def rectified_pixels(camera, pixels):
    rectified = camera.rectified()
    return rectified.project(camera.unproject(pixels) @ camera.R.T)


@pytest.mark.parametrize("model", D)
def test_errors_are_as_large_as_the_sigmas_say(model):
    normalised = []
    for seed in range(5):
        calibration = calibrate_stereo(pairs_of(rig(model), seed=seed), model)
        normalised.append(errors(calibration) / list(calibration.sigmas.values()))
    assert list(calibration.sigmas) == ["x", "y", "z", "rx", "ry", "rz"]
    normalised = np.array(normalised)
    assert (np.abs(normalised) < 3).mean() > 0.9
    assert 0.5 < np.sqrt((normalised**2).mean()) < 2


def test_sigmas_are_of_the_right_camera_as_the_left_one_sees_it(calibrated):
    _, calibration = calibrated
    sides = [calibration.left_calibration.views, calibration.right_calibration.views]
    right_from_left = calibration.left_from_right.inverse()
    result = adjust(
        Rig(
            (calibration.left, calibration.right),
            (Transform.identity(), right_from_left),
            tuple(each.camera_from_board for each in sides[0]),
        ),
        observations_of([[each.view for each in side] for side in sides]),
    )
    pose = [result.names.index(f"1.{name}") for name in POSE_NAMES]
    covariance = result.covariance[np.ix_(pose, pose)]
    motions = np.random.default_rng(0).multivariate_normal(np.zeros(6), covariance, 4000)
    varied = []
    for motion in motions:
        moved = (Transform.from_rotation_vector(motion[3:], motion[:3]) @ right_from_left).inverse()
        turn = Transform(moved.rotation @ right_from_left.rotation, np.zeros(3)).rotation_vector
        varied.append(np.concatenate([moved.translation, turn]))
    np.testing.assert_allclose(list(calibration.sigmas.values()), np.std(varied, axis=0), rtol=0.05)


def test_a_pair_that_was_not_taken_at_one_time_is_left_out_and_named():
    pairs = pairs_of(rig("plumb_bob"), 12)
    others = pairs_of(rig("plumb_bob"), 12, seed=9)
    pairs[4] = pairs[4][0], dataclasses.replace(others[4][1], name="late")
    calibration = calibrate_stereo(pairs)
    [(name, why)] = calibration.rejected
    assert name in ("left 4", "late")
    assert why == "does not fit the others"
    assert np.linalg.norm(errors(calibration)[:3]) < 1e-3


def test_a_spoilt_view_takes_its_pair_with_it():
    pairs = pairs_of(rig("plumb_bob"), 10)
    pairs[7][1].pixels[20] += 9
    calibration = calibrate_stereo(pairs)
    assert [name for name, _ in calibration.rejected] == ["right 7"]
    for side in (calibration.left_calibration, calibration.right_calibration):
        assert len(side.views) == 9
    assert np.linalg.norm(errors(calibration)[:3]) < 1e-3


def test_a_board_that_looks_the_same_both_ways_round_is_matched():
    board = CircleGrid(7, 5, 0.04)
    pairs = pairs_of(rig("plumb_bob"), 10, board=board)
    upside_down = [
        (left, right.variants()[1]) if n % 3 else (left, right)
        for n, (left, right) in enumerate(pairs)
    ]
    got, expected = calibrate_stereo(upside_down), calibrate_stereo(pairs)
    np.testing.assert_allclose(
        got.left_from_right.matrix, expected.left_from_right.matrix, atol=1e-6
    )


def test_the_cameras_may_see_different_parts_of_the_board():
    pairs = []
    for left, right in pairs_of(rig("plumb_bob"), 12):
        some, others = np.arange(36), np.arange(18, 54)
        pairs.append(
            (
                dataclasses.replace(left, detection=Detection(some, left.pixels[some])),
                dataclasses.replace(right, detection=Detection(others, right.pixels[others])),
            )
        )
    assert np.linalg.norm(errors(calibrate_stereo(pairs))[:3]) < 2e-3


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_pairs_are_refused(count):
    words = f"^stereo calibration: both cameras saw the board in {count} pairs, expected 4 at least"
    with pytest.raises(CameraError, match=words):
        calibrate_stereo(pairs_of(rig("plumb_bob"), count))


def test_too_few_pairs_that_fit_are_refused():
    pairs, others = (pairs_of(rig("plumb_bob"), 4, 0.05, seed) for seed in (0, 9))
    pairs[1] = pairs[1][0], others[1][1]
    words = "3 of 4 pairs fit, expected 4 at least: are both images taken at the same time"
    with pytest.raises(CameraError, match=words):
        calibrate_stereo(pairs)


def test_exchanged_sides_are_refused():
    pairs = [(right, left) for left, right in pairs_of(rig("plumb_bob"), 6)]
    with pytest.raises(CameraError, match=r"0\.120 m to the left of the left one; swap them"):
        calibrate_stereo(pairs)


def test_cameras_of_different_sizes_are_refused():
    pairs = [
        (left, dataclasses.replace(right, resolution_wh=(640, 360)))
        for left, right in pairs_of(rig("plumb_bob"), 6)
    ]
    words = "stereo pair: left is 480x360, right is 640x360; expected one size"
    with pytest.raises(CameraError, match=words):
        calibrate_stereo(pairs)


def test_boards_that_are_all_alike_are_refused():
    pair = pairs_of(rig("plumb_bob"), 1)[0]
    with pytest.raises(CameraError, match="the views are too much alike"):
        calibrate_stereo([pair] * 6)


def test_pairs_that_were_never_taken_at_one_time_are_remarked_on():
    rng = np.random.default_rng(3)

    def late(view):
        moved = Detection(view.detection.ids, view.pixels + rng.normal(0, 3, 2))
        return dataclasses.replace(view, detection=moved)

    pairs = [(left, late(right)) for left, right in pairs_of(rig("plumb_bob"), count=20)]
    (remark, *_) = calibrate_stereo(pairs).remarks
    assert remark.startswith("each camera alone fits to 0.1")
    assert "are both images taken at the same time" in remark
