"""Where a camera is on a robot, from views of a board and what the robot says of its own motion.

The robot tells for each image where the frame that the camera is fixed to (a body, a hand) is in
the frame that the board is fixed to (the world, or a hand that holds the board). Unknown are the
camera in the one and the board in the other. A first guess solves A X = X B (F. Park, B. Martin,
1994); then both are found so that predicted corners come as close as they can to those seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import least_squares

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
_LEAST_TURN_DEG = 5.0  # about the second axis: turns about one alone leave the camera's place open


@dataclass(frozen=True, eq=False)
class HandEyeCalibration:
    """A camera's place.

    Attributes:
        parent_from_camera: pose of the camera in the frame that it is fixed to.
        anchor_from_board: pose of the board in the frame that it is fixed to.
        sigmas: of parent_from_camera (see :func:`pose_sigmas`), for the intrinsics as given.
        views: those that were used.
        rejected: (name, why) of those that were not.

    """

    parent_from_camera: Transform
    anchor_from_board: Transform
    sigmas: dict[str, float]
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
        problem = _Problem(camera, kept, poses)
        solution = least_squares(
            problem.residuals, np.zeros(12), method="lm", x_scale=problem.scale, xtol=1e-12
        )
        residuals = problem.by_view(solution.fun)
        bad = worst_view(residuals)
        if bad is None:
            break
        rejected.append((kept[bad].name, "does not fit the others: did the robot move just then?"))
        del kept[bad], poses[bad]
    parent_from_camera, anchor_from_board = problem.unknowns(solution.x)
    calibrated = [
        CalibratedView(view, problem.camera_from_board(solution.x, place), each)
        for place, (view, each) in enumerate(zip(kept, residuals, strict=True))
    ]
    sizes = [2 * len(view.pixels) for view in kept]
    covariance = _covariance(solution.jac, solution.fun, sizes)
    sigmas = pose_sigmas(parent_from_camera, covariance[:6, :6])
    return HandEyeCalibration(parent_from_camera, anchor_from_board, sigmas, calibrated, rejected)


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


class _Problem:
    """Predictions from the two unknown poses, as small motions (12,) of a first guess."""

    def __init__(
        self, camera: Camera, views: Sequence[View], anchor_from_parent: Sequence[Transform]
    ) -> None:
        self._camera = camera
        self._views = views
        self._parent_from_anchor = [pose.inverse() for pose in anchor_from_parent]
        seen = [pose_of_board(camera, view) for view in views]
        self._guess = _first_guess(seen, anchor_from_parent)
        length_m = float(np.ptp(views[0].board.points, axis=0).max())
        self.scale = np.tile([length_m] * 3 + [1.0] * 3, 2)

    def unknowns(self, motion: np.ndarray) -> tuple[Transform, Transform]:
        """parent_from_camera and anchor_from_board."""
        return (
            Transform.from_rotation_vector(motion[3:6], motion[:3]) @ self._guess[0],
            Transform.from_rotation_vector(motion[9:], motion[6:9]) @ self._guess[1],
        )

    def camera_from_board(self, motion: np.ndarray, place: int) -> Transform:
        """Where the board was in a view."""
        parent_from_camera, anchor_from_board = self.unknowns(motion)
        return parent_from_camera.inverse() @ self._parent_from_anchor[place] @ anchor_from_board

    def residuals(self, motion: np.ndarray) -> np.ndarray:
        """Pixels, predicted minus seen, of all views one after another."""
        parts = []
        for place, view in enumerate(self._views):
            points = self.camera_from_board(motion, place).apply(view.points)
            parts.append((self._camera.project(points) - view.pixels).ravel())
        # A point behind the camera is as wrong as can be, but a number.
        return np.nan_to_num(np.concatenate(parts), nan=1e4)

    def by_view(self, residuals: np.ndarray) -> list[np.ndarray]:
        """Split residuals into (N, 2) of each view."""
        ends = np.cumsum([2 * len(view.pixels) for view in self._views])[:-1]
        return [each.reshape(-1, 2) for each in np.split(residuals, ends)]


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


def _covariance(jacobian: np.ndarray, residuals: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Covariance (12, 12) of the unknowns, with each view as one cluster of errors (``bundle``)."""
    ends = np.cumsum(sizes)[:-1]
    pulls = np.stack(
        [
            part.T @ each
            for part, each in zip(np.split(jacobian, ends), np.split(residuals, ends), strict=True)
        ]
    )
    moves = np.linalg.solve(jacobian.T @ jacobian, pulls.T)
    count = len(sizes)
    return moves @ moves.T * count / (count - 1)
