"""How two cameras stand to each other, from views of a board that both saw at one time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.camera.calibration.bundle import Rig, adjust
from embodied_perception.camera.calibration.intrinsics import (
    LEAST_VIEWS,
    CalibratedView,
    CameraCalibration,
    calibrate_camera,
    observations_of,
    pose_of_board,
    sigmas_of,
    worst_view,
)
from embodied_perception.camera.calibration.uncertainty import POSE_NAMES, pose_sigmas
from embodied_perception.camera.calibration.views import View
from embodied_perception.camera.model import Camera
from embodied_perception.camera.rectification import rectify_pair
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

# Together, cameras that stand still and look at once fit about as well as each alone.
_MOST_WORSE, _LEAST_WORSE_PX = 2.0, 0.3


@dataclass(frozen=True, eq=False)
class StereoCalibration:
    """A calibrated pair.

    Attributes:
        left: the left camera, with R and P of the rectified pair.
        right: the right camera, likewise; P holds the baseline.
        left_from_right: pose of the right camera in the left camera's frame.
        sigmas: of left_from_right (see :func:`pose_sigmas`).
        left_calibration: the intrinsics of the left camera, with the views of both.
        right_calibration: of the right camera.
        rejected: (name, why) of views that were not used.
        remarks: what makes the pair's pose weaker than it could be, a sentence each.

    """

    left: Camera
    right: Camera
    left_from_right: Transform
    sigmas: dict[str, float]
    left_calibration: CameraCalibration
    right_calibration: CameraCalibration
    rejected: list[tuple[str, str]]
    remarks: list[str]

    @property
    def rms_px(self) -> float:
        """Root mean square distance between predictions and images, over both cameras."""
        views = [*self.left_calibration.views, *self.right_calibration.views]
        squares = np.concatenate([each.residuals for each in views]) ** 2
        return float(np.sqrt(squares.sum(axis=1).mean()))

    @property
    def baseline_m(self) -> float:
        """Distance between the cameras."""
        return float(np.linalg.norm(self.left_from_right.translation))


def calibrate_stereo(
    pairs: Sequence[tuple[View, View]], model: str = "plumb_bob"
) -> StereoCalibration:
    """Find both cameras and their pose to each other at once.

    Args:
        pairs: views of the left and of the right camera at the same time.
        model: of the distortion of both.

    Raises:
        CameraError: too few pairs, or as :func:`calibrate_camera`.

    """
    if len(pairs) < LEAST_VIEWS:
        raise CameraError(
            f"stereo calibration: both cameras saw the board in {len(pairs)} pairs, expected "
            f"{LEAST_VIEWS} at least, and better 15"
        )
    pairs = [(left, _in_order_of(left, right)) for left, right in pairs]
    alone = [calibrate_camera([pair[side] for pair in pairs], model) for side in (0, 1)]
    rejected: list[tuple[str, str]] = []
    kept = []
    for pair in pairs:
        faults = [
            (view.name, f"({side}) {why}")
            for side, view, calibration in zip(("left", "right"), pair, alone, strict=True)
            for name, why in calibration.rejected
            if name == view.name
        ]
        if faults:
            rejected.append((faults[0][0], "; ".join(why for _, why in faults)))
        else:
            kept.append(pair)
    while True:
        if len(kept) < LEAST_VIEWS:
            raise CameraError(
                f"stereo calibration: {len(kept)} of {len(pairs)} pairs fit, expected "
                f"{LEAST_VIEWS} at least: are both images taken at the same time?"
            )
        sides = [[pair[side] for pair in kept] for side in (0, 1)]
        rig = _first_guess((alone[0].camera, alone[1].camera), sides)
        result = adjust(rig, observations_of(sides))
        # A pair is as bad as its worse side.
        count = len(kept)
        worst = worst_view(result.residuals)
        if worst is None:
            break
        rejected.append((kept[worst % count][worst // count].name, "does not fit the others"))
        del kept[worst % count]
    apart_px = max(each.rms_px for each in alone)
    remarks = []
    if result.rms_px > max(_MOST_WORSE * apart_px, _LEAST_WORSE_PX):
        remarks.append(
            f"each camera alone fits to {apart_px:.2f} px, both together to {result.rms_px:.2f} px "
            "(RMS): are both images taken at the same time, and do both cameras stand still?"
        )
    right_from_left = result.rig.camera_from_rig[1]
    try:
        left, right = rectify_pair(result.rig.cameras[0], result.rig.cameras[1], right_from_left)
    except CameraError as error:
        raise CameraError("; ".join([str(error), *remarks])) from error

    def of_side(side: int, camera: Camera) -> CameraCalibration:
        residuals = result.residuals[side * count : (side + 1) * count]
        seen_from = result.rig.camera_from_rig[side]
        views = [
            CalibratedView(view, seen_from @ pose, each)
            for view, pose, each in zip(
                sides[side], result.rig.rig_from_board, residuals, strict=True
            )
        ]
        sigmas = {n: v for n, v in sigmas_of(result, side).items() if n not in POSE_NAMES}
        return CameraCalibration(camera, sigmas, views, rejected, alone[side].remarks)

    left_from_right = right_from_left.inverse()
    motion = [result.names.index(f"1.{name}") for name in POSE_NAMES]
    # What comes after the one pose is, seen from the other camera, what comes after the inverse.
    axes = left_from_right.adjoint
    covariance = axes @ result.covariance[np.ix_(motion, motion)] @ axes.T
    return StereoCalibration(
        left,
        right,
        left_from_right,
        pose_sigmas(left_from_right, covariance),
        of_side(0, left),
        of_side(1, right),
        rejected,
        remarks,
    )


def _in_order_of(left: View, right: View) -> View:
    """The right view with its points ordered as the left one's: both cameras are about upright."""

    def agreement(view: View) -> float:
        _, mine, other = np.intersect1d(left.detection.ids, view.detection.ids, return_indices=True)
        if not mine.size:
            return 0.0
        sides = left.pixels[mine], view.pixels[other]
        return float(np.prod([side - side.mean(axis=0) for side in sides], axis=0).sum())

    return max(right.variants(), key=agreement)


def _first_guess(cameras: tuple[Camera, Camera], sides: Sequence[Sequence[View]]) -> Rig:
    """Begin with the pose between the cameras that is in the middle of what the pairs say."""
    boards = [
        [pose_of_board(camera, view) for view in views]
        for camera, views in zip(cameras, sides, strict=True)
    ]
    candidates = [right @ left.inverse() for left, right in zip(boards[0], boards[1], strict=True)]

    def distance(candidate: Transform) -> float:
        apart = [candidate.inverse() @ other for other in candidates]
        scale = max(float(np.linalg.norm(candidate.translation)), 1e-9)
        return sum(
            math.hypot(
                float(np.linalg.norm(each.translation)) / scale,
                float(np.linalg.norm(each.rotation_vector)),
            )
            for each in apart
        )

    right_from_left = min(candidates, key=distance)
    return Rig(cameras, (Transform.identity(), right_from_left), tuple(boards[0]))
