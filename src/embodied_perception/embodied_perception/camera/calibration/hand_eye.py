"""Where a camera is on a robot, from views of a board and what the robot says of its own motion.

The robot tells for each image where the frame that the camera is fixed to (a body, a hand) is in
the frame that the board is fixed to (the world, or a hand that holds the board). Unknown are the
camera in the one and the board in the other. A first guess solves A X = X B (F. Park, B. Martin,
1994). Then both are found so that predicted corners come close to those seen, where a view's
corners may be off together: no robot knows its poses exactly, and taking them for exact would pass
their errors on to the camera's place. How exact they are is found too, by what the views leave
unexplained (restricted maximum likelihood: H. Patterson, R. Thompson, 1971).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import minimize

from embodied_perception.camera.calibration.intrinsics import (
    CalibratedView,
    common_size,
    pose_of_board,
    worst_view,
)
from embodied_perception.camera.calibration.uncertainty import pose_sigmas
from embodied_perception.camera.calibration.views import View
from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

LEAST_VIEWS = 5
_STEPS = 20
_SETTLED = 1e-9  # metres and radians
_SMALL = 1e-6  # metres and radians, to differentiate by
_LEAST_VARIANCE = 1e-6  # pixels squared: no corner is seen more exactly
_FIRST_ROBOT_SIGMAS = (1e-3, 1e-3)  # metres and radians
_LOG_SIGMAS = math.log(1e-7), math.log(1.0)
_LEAST_TURN_DEG = 5.0  # about the second axis: turns about one alone leave the camera's place open


@dataclass(frozen=True, eq=False)
class HandEyeCalibration:
    """A camera's place.

    Attributes:
        parent_from_camera: pose of the camera in the frame that it is fixed to.
        anchor_from_board: pose of the board in the frame that it is fixed to.
        sigmas: of parent_from_camera (see :func:`pose_sigmas`), for the intrinsics as given.
        robot_sigmas: how exact the robot's own poses are, as far as the views tell: standard
            deviations by axis, of places in metres and of rotations in radians.
        views: those that were used.
        rejected: (name, why) of those that were not.

    """

    parent_from_camera: Transform
    anchor_from_board: Transform
    sigmas: dict[str, float]
    robot_sigmas: tuple[float, float]
    views: list[CalibratedView]
    rejected: list[tuple[str, str]]

    @property
    def rms_px(self) -> float:
        """Root mean square distance between predictions and images, over all points."""
        squares = np.concatenate([each.residuals for each in self.views]) ** 2
        return float(np.sqrt(squares.sum(axis=1).mean()))


def calibrate_hand_eye(
    camera: Camera, views: Sequence[View], anchor_from_parent: Sequence[Transform]
) -> HandEyeCalibration:
    """Find where the camera is fixed.

    Args:
        camera: calibrated already.
        views: of one board, which is fixed to the anchor's frame.
        anchor_from_parent: for each view, the pose of the frame that the camera is fixed to.

    Raises:
        CameraError: too few views, images of another size than the camera's, or a robot that turned
            about no more than one axis.

    """
    if common_size(views) != camera.resolution_wh:
        width, height = common_size(views)
        raise CameraError(
            f"hand-eye calibration: images are {width}x{height}, the camera is calibrated for "
            f"{camera.width}x{camera.height}"
        )
    kept, poses = _in_one_order(camera, views, anchor_from_parent), list(anchor_from_parent)
    rejected: list[tuple[str, str]] = []
    while True:
        if len(kept) < LEAST_VIEWS:
            raise CameraError(
                f"hand-eye calibration: {len(kept)} of {len(views)} views can be used, expected "
                f"{LEAST_VIEWS} at least, from places that differ in two directions of turning"
            )
        _require_turns(poses)
        solution = _solve(camera, kept, poses)
        bad = worst_view(solution.residuals)
        if bad is None:
            break
        rejected.append((kept[bad].name, "does not fit the others: did the robot move just then?"))
        del kept[bad], poses[bad]
    calibrated = [
        CalibratedView(*each)
        for each in zip(kept, solution.camera_from_board, solution.residuals, strict=True)
    ]
    return HandEyeCalibration(
        solution.parent_from_camera,
        solution.anchor_from_board,
        pose_sigmas(solution.parent_from_camera, solution.covariance[:6, :6]),
        solution.robot_sigmas,
        calibrated,
        rejected,
    )


def _in_one_order(
    camera: Camera, views: Sequence[View], anchor_from_parent: Sequence[Transform]
) -> list[View]:
    """Order the points of a board that looks the same from several sides as the robot turned.

    However the camera is fixed, it turns by the angle by which the robot does.
    """
    if len(views[0].variants()) == 1:
        return list(views)

    def turn(before: Transform, after: Transform) -> float:
        return float(np.linalg.norm((before.inverse() @ after).rotation_vector))

    first = pose_of_board(camera, views[0]).inverse()
    ordered = []
    for view, pose in zip(views, anchor_from_parent, strict=True):
        told = turn(anchor_from_parent[0], pose)
        variants = view.variants()
        seen = [turn(first, pose_of_board(camera, each).inverse()) for each in variants]
        ordered.append(variants[int(np.abs(np.array(seen) - told).argmin())])
    return ordered


@dataclass(frozen=True, eq=False)
class _Solution:
    """The two unknown poses, what they predict of each view, and how well they are known."""

    parent_from_camera: Transform
    anchor_from_board: Transform
    camera_from_board: list[Transform]
    residuals: list[np.ndarray]
    covariance: np.ndarray
    robot_sigmas: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Linearised:
    """The views' poses at some values of the unknowns.

    Attributes:
        off: (V, 6) twist, in the camera's axes, by which the board is off its prediction.
        covariances: (V, 6, 6) of ``off``, by the noise of corners alone.
        by_unknowns: (V, 6, 12) how motions of parent_from_camera and anchor_from_board move it.
        by_robot: (6, 6) how an error of the robot's pose moves it.

    """

    off: np.ndarray
    covariances: np.ndarray
    by_unknowns: np.ndarray
    by_robot: np.ndarray

    def solve(self, robot_sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Generalised least squares: step (12,), its covariance, and how unlikely all this is."""
        robot = self.by_robot @ np.diag(np.repeat(robot_sigmas, 3) ** 2) @ self.by_robot.T
        spread = self.covariances + robot
        weights = np.linalg.inv(spread)
        pulled = self.by_unknowns.transpose(0, 2, 1) @ weights
        information = (pulled @ self.by_unknowns).sum(axis=0)
        covariance = np.linalg.inv(information)
        step = covariance @ (pulled @ self.off[..., None]).sum(axis=0)[:, 0]
        left = self.off - self.by_unknowns @ step
        unlikely = np.einsum("vi,vij,vj->", left, weights, left)
        unlikely += np.linalg.slogdet(spread)[1].sum() + np.linalg.slogdet(information)[1]
        return step, covariance, float(unlikely)


def _solve(
    camera: Camera, views: Sequence[View], anchor_from_parent: Sequence[Transform]
) -> _Solution:
    """Gauss-Newton from the closed form, with the robot's noise estimated at each step."""
    seen = [pose_of_board(camera, view) for view in views]
    parent_from_camera, anchor_from_board = _first_guess(seen, anchor_from_parent)
    log_sigmas = np.log(_FIRST_ROBOT_SIGMAS)

    def predicted() -> list[Transform]:
        camera_from_parent = parent_from_camera.inverse()
        return [
            camera_from_parent @ pose.inverse() @ anchor_from_board for pose in anchor_from_parent
        ]

    for _ in range(_STEPS):
        boards = predicted()
        linearised = _linearise(camera, views, boards, parent_from_camera, anchor_from_board)

        def unlikely(log_sigmas: np.ndarray, at: _Linearised = linearised) -> float:
            return at.solve(np.exp(np.clip(log_sigmas, *_LOG_SIGMAS)))[2]

        log_sigmas = minimize(unlikely, log_sigmas, method="Nelder-Mead").x
        sigmas = np.exp(np.clip(log_sigmas, *_LOG_SIGMAS))
        step, covariance, _ = linearised.solve(sigmas)
        parent_from_camera = _moved(parent_from_camera, step[:6])
        anchor_from_board = _moved(anchor_from_board, step[6:])
        if np.abs(step).max() < _SETTLED:
            break
    boards = predicted()
    residuals = [
        _project(camera, board, view) - view.pixels
        for board, view in zip(boards, views, strict=True)
    ]
    robot_sigmas = float(sigmas[0]), float(sigmas[1])
    return _Solution(
        parent_from_camera, anchor_from_board, boards, residuals, covariance, robot_sigmas
    )


def _linearise(
    camera: Camera,
    views: Sequence[View],
    boards: Sequence[Transform],
    parent_from_camera: Transform,
    anchor_from_board: Transform,
) -> _Linearised:
    offs, informations, by_unknowns, squares, freedoms = [], [], [], 0.0, 0
    by_robot = parent_from_camera.inverse().adjoint
    for view, board in zip(views, boards, strict=True):
        pixels = _project(camera, board, view)
        by_twist = np.stack(
            [
                (_project(camera, _moved(board, h), view) - pixels).ravel() / _SMALL
                for h in _SMALL * np.eye(6)
            ],
            axis=1,
        )
        residuals = (view.pixels - pixels).ravel()
        off, *_ = np.linalg.lstsq(by_twist, residuals, rcond=None)
        squares += float(((residuals - by_twist @ off) ** 2).sum())
        freedoms += max(len(residuals) - 6, 1)
        offs.append(off)
        informations.append(by_twist.T @ by_twist)
        camera_from_anchor = board @ anchor_from_board.inverse()
        by_unknowns.append(np.hstack([-by_robot, camera_from_anchor.adjoint]))
    variance = max(squares / freedoms, _LEAST_VARIANCE)
    covariances = np.linalg.inv(np.stack(informations)) * variance
    return _Linearised(np.stack(offs), covariances, np.stack(by_unknowns), by_robot)


def _project(camera: Camera, camera_from_board: Transform, view: View) -> np.ndarray:
    """Where a view's points (N, 3) should be seen: (N, 2)."""
    pixels = camera.project(camera_from_board.apply(view.points))
    # A point behind the camera is as wrong as can be, but a number.
    return np.nan_to_num(pixels, nan=1e4)


def _moved(pose: Transform, twist: np.ndarray) -> Transform:
    return Transform.from_rotation_vector(twist[3:], twist[:3]) @ pose


def _first_guess(
    camera_from_board: Sequence[Transform], anchor_from_parent: Sequence[Transform]
) -> tuple[Transform, Transform]:
    rotation, translation = cv2.calibrateHandEye(
        [pose.rotation for pose in anchor_from_parent],
        [pose.translation for pose in anchor_from_parent],
        [pose.rotation for pose in camera_from_board],
        [pose.translation for pose in camera_from_board],
        method=cv2.CALIB_HAND_EYE_PARK,
    )
    if not np.isfinite(rotation).all() or not np.isfinite(translation).all():
        raise CameraError("hand-eye calibration: the robot's motion and the images do not fit")
    parent_from_camera = Transform(rotation, translation.ravel())
    boards = [
        anchor @ parent_from_camera @ board
        for anchor, board in zip(anchor_from_parent, camera_from_board, strict=True)
    ]
    middle = np.median([board.translation for board in boards], axis=0)
    nearest = min(boards, key=lambda board: float(np.linalg.norm(board.translation - middle)))
    return parent_from_camera, nearest


def _require_turns(poses: Sequence[Transform]) -> None:
    """Refuse a robot that turned about one axis alone: along it, the camera could be anywhere."""
    first = poses[0].rotation.T
    turns = np.array(
        [Transform(first @ pose.rotation, np.zeros(3)).rotation_vector for pose in poses]
    )
    spread = np.linalg.svd(turns - turns.mean(axis=0), compute_uv=False) / math.sqrt(len(poses))
    second_deg = math.degrees(spread[1])
    if second_deg < _LEAST_TURN_DEG:
        raise CameraError(
            f"hand-eye calibration: the robot turned about one axis only (about a second one by "
            f"{second_deg:.1f} degrees, expected {_LEAST_TURN_DEG:g} at least), which leaves the "
            "camera's place along it open: pitch or roll it too, for example over a ramp or a wedge"
        )
