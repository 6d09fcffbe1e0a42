"""A camera's place on a robot that moves before a board; robots that move too little."""

import dataclasses

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import (
    Chessboard,
    CircleGrid,
    Detection,
    View,
    calibrate_hand_eye,
)
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

BOARD = Chessboard(9, 6, 0.03)
K = np.array([[400.0, 0, 243], [0, 402, 176], [0, 0, 1]])
CAMERA = Camera(480, 360, K, D=np.array([-0.25, 0.08, 0.0008, -0.0005, 0]))
HAND_FROM_CAMERA = Transform.from_rotation_vector([0.3, -1.2, 0.8], [0.05, -0.02, 0.11])
WORLD_FROM_BOARD = Transform.from_rotation_vector([2.8, 0.3, -0.5], [0.7, 0.4, 0.02])
ALL_AXES = (1.0, 1.0, 1.0)


def motion(axes=ALL_AXES, count=12, noise_px=0.05, seed=0, board=BOARD):
    """(views, world_from_hand), the camera turning by up to 0.5 rad about some of its axes."""
    rng = np.random.default_rng(seed)
    middle = (board.points.min(axis=0) + board.points.max(axis=0)) / 2
    views, hands = [], []
    while len(views) < count:
        turn = rng.uniform(-0.5, 0.5, 3) * axes
        rotation = Transform.from_rotation_vector(turn, np.zeros(3)).rotation
        place = np.array([*rng.uniform(-0.05, 0.05, 2), rng.uniform(0.4, 0.6)])
        camera_from_board = Transform(rotation, place - rotation @ middle)
        pixels = CAMERA.project(camera_from_board.apply(board.points))
        if not ((pixels > 0) & (pixels < (479, 359))).all():
            continue
        pixels += noise_px * rng.standard_normal(pixels.shape)
        seen = Detection(np.arange(len(pixels)), pixels)
        views.append(View(f"view {len(views)}", 0, board, seen, CAMERA.resolution_wh))
        hands.append(WORLD_FROM_BOARD @ camera_from_board.inverse() @ HAND_FROM_CAMERA.inverse())
    return views, hands


def shaken(poses, turn_rad, shift_m, seed=0):
    """Poses as a robot tells them that does not know its own exactly."""
    rng = np.random.default_rng(seed)
    return [
        pose
        @ Transform.from_rotation_vector(turn_rad * rng.standard_normal(3), np.zeros(3))
        @ Transform(np.eye(3), shift_m * rng.standard_normal(3))
        for pose in poses
    ]


def pose_by_opencv(camera, view):
    _, turn, place = cv2.solvePnP(view.points, view.pixels, camera.K, camera.D)
    return Transform.from_rotation_vector(turn.ravel(), place.ravel())


def errors(got, truth=HAND_FROM_CAMERA):
    """x, y, z in metres, and rx, ry, rz in radians."""
    turn = Transform(got.rotation @ truth.rotation.T, np.zeros(3)).rotation_vector
    return np.concatenate([got.translation - truth.translation, turn])


def assert_near(got, truth, metres, degrees):
    error = errors(got, truth)
    assert np.linalg.norm(error[:3]) < metres
    assert np.degrees(np.linalg.norm(error[3:])) < degrees


def test_exact_views_give_the_exact_place():
    views, hands = motion(noise_px=0)
    calibration = calibrate_hand_eye(CAMERA, views, hands)
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 1e-6, 1e-5)
    assert_near(calibration.anchor_from_board, WORLD_FROM_BOARD, 1e-6, 1e-5)
    assert calibration.rms_px < 1e-3


def test_noise_in_the_images_moves_it_by_a_hair():
    views, hands = motion(noise_px=0.1)
    calibration = calibrate_hand_eye(CAMERA, views, hands)
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 1e-3, 0.05)
    assert_near(calibration.anchor_from_board, WORLD_FROM_BOARD, 1e-3, 0.05)
    assert calibration.rms_px == pytest.approx(0.1 * np.sqrt(2), rel=0.1)
    assert [each.view.name for each in calibration.views] == [view.name for view in views]
    assert calibration.rejected == []


def test_a_robot_may_be_wrong_by_a_tenth_of_a_millimetre():
    views, hands = motion(count=25)
    calibration = calibrate_hand_eye(CAMERA, views, shaken(hands, 0.0002, 0.0001))
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 2e-3, 0.1)


def test_rendered_boards_do_as_well(studio, views):
    seen, camera = views("plumb_bob"), studio("plumb_bob").camera
    poses = [pose_by_opencv(camera, view) for view in seen]
    hands = [WORLD_FROM_BOARD @ pose.inverse() @ HAND_FROM_CAMERA.inverse() for pose in poses]
    calibration = calibrate_hand_eye(camera, seen, hands)
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 2e-3, 0.1)


@pytest.mark.parametrize("shift_m", [0.0, 0.0005])
def test_errors_are_as_large_as_the_sigmas_say(shift_m):
    normalised = []
    for seed in range(6):
        views, hands = motion(noise_px=0.1, count=15, seed=seed)
        told = shaken(hands, shift_m, shift_m, seed)
        calibration = calibrate_hand_eye(CAMERA, views, told)
        error = errors(calibration.parent_from_camera)
        normalised.append(error / list(calibration.sigmas.values()))
    assert list(calibration.sigmas) == ["x", "y", "z", "rx", "ry", "rz"]
    normalised = np.array(normalised)
    assert (np.abs(normalised) < 3).mean() > 0.9
    assert 0.5 < np.sqrt((normalised**2).mean()) < 2


@pytest.mark.parametrize("board", [CircleGrid(7, 5, 0.04), CircleGrid(6, 6, 0.04)])
def test_a_board_that_looks_the_same_from_several_sides_is_no_riddle(board):
    views, hands = motion(board=board)
    turned = [view.variants()[n % len(view.variants())] for n, view in enumerate(views)]
    calibration = calibrate_hand_eye(CAMERA, turned, hands)
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 1e-3, 0.05)
    assert calibration.rejected == []


def test_a_view_during_which_the_robot_moved_is_left_out_and_named():
    views, hands = motion()
    hands[5] = hands[5] @ Transform(np.eye(3), np.array([0.01, 0, 0]))
    calibration = calibrate_hand_eye(CAMERA, views, hands)
    assert calibration.rejected == [
        ("view 5", "does not fit the others: did the robot move just then?")
    ]
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 1e-3, 0.05)


def test_two_axes_are_enough():
    views, hands = motion(axes=(1, 1, 0))
    calibration = calibrate_hand_eye(CAMERA, views, hands)
    assert_near(calibration.parent_from_camera, HAND_FROM_CAMERA, 2e-3, 0.1)


@pytest.mark.parametrize(
    "axes", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0.02, 1, 0.02)], ids=["none", "z", "y", "about y"]
)
def test_turns_about_one_axis_alone_are_refused(axes):
    words = (
        r"^hand-eye calibration: the robot turned about one axis only \(about a second one by "
        r"[01]\.\d degrees, expected 5 at least\)"
    )
    with pytest.raises(CameraError, match=words):
        calibrate_hand_eye(CAMERA, *motion(axes))


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_views_are_refused(count):
    words = rf"^hand-eye calibration: {count} of {count} views can be used, expected 5 at least"
    with pytest.raises(CameraError, match=words):
        calibrate_hand_eye(CAMERA, *motion(count=count))


def test_too_few_views_that_fit_are_refused():
    views, hands = motion(count=5)
    hands[2] = hands[2] @ Transform(np.eye(3), np.array([0, 0.02, 0]))
    with pytest.raises(CameraError, match="4 of 5 views can be used"):
        calibrate_hand_eye(CAMERA, views, hands)


def test_no_view_at_all_is_refused():
    with pytest.raises(CameraError, match="no image shows the board"):
        calibrate_hand_eye(CAMERA, [], [])


def test_images_of_another_size_than_the_cameras_are_refused():
    views, hands = motion(count=6)
    views = [dataclasses.replace(view, resolution_wh=(640, 480)) for view in views]
    words = "images are 640x480, the camera is calibrated for 480x360"
    with pytest.raises(CameraError, match=words):
        calibrate_hand_eye(CAMERA, views, hands)


def test_a_robot_that_does_not_know_its_poses_exactly_is_found_out():
    found, opencvs = [], []
    for seed in range(6):
        views, hands = motion(count=25, noise_px=0.1, seed=seed)
        told = shaken(hands, 0.001, 0.0005, seed + 100)
        calibration = calibrate_hand_eye(CAMERA, views, told)
        assert calibration.robot_sigmas == pytest.approx((0.0005, 0.001), rel=0.35)
        found.append(errors(calibration.parent_from_camera))
        boards = [pose_by_opencv(CAMERA, view) for view in views]
        rotation, translation = cv2.calibrateHandEye(
            *zip(*((pose.rotation, pose.translation) for pose in told), strict=True),
            *zip(*((pose.rotation, pose.translation) for pose in boards), strict=True),
            method=cv2.CALIB_HAND_EYE_PARK,
        )
        opencvs.append(errors(Transform(rotation, translation.ravel())))
    ours, theirs = (np.sqrt(np.mean(np.square(each), axis=0)) for each in (found, opencvs))
    assert np.linalg.norm(ours[:3]) < np.linalg.norm(theirs[:3])
    assert np.linalg.norm(ours[3:]) < np.linalg.norm(theirs[3:])
    assert np.linalg.norm(ours[:3]) < 1e-3


def test_a_robot_that_knows_its_poses_is_believed():
    views, hands = motion(count=25, noise_px=0.1)
    metres, radians = calibrate_hand_eye(CAMERA, views, hands).robot_sigmas
    assert metres < 5e-5
    assert radians < 1e-4
