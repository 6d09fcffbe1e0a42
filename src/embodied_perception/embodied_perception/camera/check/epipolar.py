"""Whether a pair of cameras still stands as it was calibrated, by what both see.

Rectified, a thing is in the same row of both images. If the right camera has turned by small
angles w about x, y and z against its calibration, or its focal length has grown by the part s, the
row of what it sees at (x, y), in parts of the focal length, moves by

    (1 + y^2) wx - x y wy - x wz + y s

and all four can be found from features all over the image. What changes both cameras alike does not
show here; see :mod:`embodied_perception.camera.check.motion`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from embodied_perception.camera.check.deviation import (
    LOOKS,
    Deviation,
    Limits,
    clustered,
    deviations,
)
from embodied_perception.camera.model import Camera
from embodied_perception.camera.rectification import baseline_m
from embodied_perception.errors import FrameError
from embodied_perception.features import match

_LEAST_MATCHES = 30
_GATE = math.tan(math.radians(4.0))  # farther from its row, it is another feature
_ROUNDS = 15
_LEAST_SCALE_PX = 0.05


@dataclass(frozen=True, eq=False)
class PairLook:
    """What both images of one time say.

    Attributes:
        left_px: (N, 2) features of the left image.
        right_px: (N, 2) the same in the right image.
        rows_px: (N,) row in the right rectified image less that in the left one, pixels.
        left_depth_m: (N,) along the left camera's z axis; NaN where both rays are parallel.

    """

    left_px: np.ndarray
    right_px: np.ndarray
    rows_px: np.ndarray
    left_depth_m: np.ndarray

    @property
    def median_px(self) -> float:
        """Median distance from the row where a feature should be."""
        return float(np.median(np.abs(self.rows_px)))


class EpipolarCheck:
    """Gathers looks at both images.

    Args:
        left: with R and P of the rectified pair.
        right: likewise; P holds the baseline.
        limits: what is tolerated.

    Attributes:
        left: as given.
        right: as given.
        recent: the looks that count, the last one at the end.

    Raises:
        CameraError: they are no rectified pair.

    """

    def __init__(self, left: Camera, right: Camera, limits: Limits) -> None:
        self.left, self.right, self._limits = left, right, limits
        self._baseline_m = baseline_m(left, right)
        self._matrices: deque[np.ndarray] = deque(maxlen=LOOKS)
        self._vectors: deque[np.ndarray] = deque(maxlen=LOOKS)
        self.recent: deque[PairLook] = deque(maxlen=LOOKS)

    def look(self, left_gray: np.ndarray, right_gray: np.ndarray) -> PairLook:
        """Match both images (H, W) uint8 of one time.

        Raises:
            FrameError: too little is seen in both.

        """
        left_px, right_px = match(left_gray, right_gray)
        left, right = _rectified(self.left, left_px), _rectified(self.right, right_px)
        off = right[:, 1] - left[:, 1]
        disparity = left[:, 0] - right[:, 0]
        good = (np.abs(off) < _GATE) & (disparity > -_GATE)
        if good.sum() < _LEAST_MATCHES:
            raise FrameError(
                "FEW_MATCHES",
                f"{good.sum()} features are seen by both cameras near one row, expected "
                f"{_LEAST_MATCHES}: is there light and texture, or is a camera far from its place?",
            )
        left, right, off, disparity = left[good], right[good], off[good], disparity[good]
        focal_px = self.left.P[0, 0]
        x, y = right.T
        by_unknowns = np.stack([1 + y**2, -x * y, -x, y], axis=1)
        weights = _weights(by_unknowns, off, _LEAST_SCALE_PX / focal_px)
        self._matrices.append(by_unknowns.T @ (by_unknowns * weights[:, None]))
        self._vectors.append(by_unknowns.T @ (weights * off))
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(disparity > 0, self._baseline_m / disparity, np.nan)
        points = np.column_stack([left, np.ones(len(left))]) * depth[:, None]
        in_left = points @ self.left.R
        look = PairLook(left_px[good], right_px[good], off * focal_px, in_left[:, 2])
        self.recent.append(look)
        return look

    @property
    def looks(self) -> int:
        """How many count."""
        return len(self._vectors)

    def deviations(self) -> list[Deviation]:
        """How the right camera has turned against the left one, and its focal length grown."""
        if not self._vectors:
            solution, covariance = np.zeros(4), np.full((4, 4), np.inf)
        else:
            solution, covariance = clustered(np.stack(self._matrices), np.stack(self._vectors))
        return deviations(solution, covariance, "focal length, right to left", self._limits)


def _rectified(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) as x and y of the rectified image plane at z = 1."""
    rays = camera.unproject(pixels.astype(np.float64)) @ camera.R.T
    return rays[:, :2] / rays[:, 2:]


def _weights(by_unknowns: np.ndarray, off: np.ndarray, least_scale: float) -> np.ndarray:
    """Weights (N,) that leave out wrong matches (Geman-McClure, reweighted least squares)."""
    weights = np.ones(len(off))
    for _ in range(_ROUNDS):
        weighted = by_unknowns * weights[:, None]
        damped = by_unknowns.T @ weighted + 1e-9 * np.eye(by_unknowns.shape[1])
        residuals = off - by_unknowns @ np.linalg.solve(damped, weighted.T @ off)
        scale = max(1.4826 * float(np.median(np.abs(residuals))), least_scale)
        weights = 1 / (1 + (residuals / (2 * scale)) ** 2) ** 2
    return weights
