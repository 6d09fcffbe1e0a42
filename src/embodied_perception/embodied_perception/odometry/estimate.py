"""What odometry says about one image."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform

#: One camera alone: true metres may be so many times what it says.
UNKNOWN_SCALE = 10.0


class TrackingState(enum.IntEnum):
    """How far the pose can be trusted."""

    INIT = 0  #: nothing to compare with yet
    OK = 1
    DEGRADED = 2  #: a pose, from fewer features than it should have
    LOST = 3  #: the pose is not measured
    RECOVERED = 4  #: the first measured pose after a loss; the motion in between was not seen


@dataclass(frozen=True, eq=False)
class Estimate:
    """The pose at one image, or the reason why it is not measured.

    Attributes:
        stamp_ns: of the image.
        state: how far to trust it.
        reason: why the state is not OK; empty if it is.
        epoch: grows with every recovery and restart: the motion between two epochs was not seen.
        world_from_camera: for a short while after a loss, where the camera would be had it gone on
            as it did; then ``None``. The world is the camera's axes at the start.
        covariance: (6, 6) of the twist (translation in m, rotation in rad) that perturbs
            ``world_from_camera`` from the right, so in the camera's axes; grows along the way.
        velocity: (6,) twist of the camera per second, in the camera's axes, (m/s, rad/s).
        velocity_covariance: (6, 6) of ``velocity``.
        pixels: (N, 2) features in the image as it came.
        inliers: (N,) bool: those that agree with the pose.
        keyframes: held at the moment.
        rms_px: root mean square reprojection error of the inliers.
        is_still: whether the camera has stood still for half a second or more, as far as it sees.
        scale_sigma: by what share all lengths may be off, beside what the covariances say; 0 where
            depth is measured.
    """

    stamp_ns: int
    state: TrackingState
    reason: str
    epoch: int
    world_from_camera: Transform | None
    covariance: np.ndarray
    velocity: np.ndarray
    velocity_covariance: np.ndarray
    pixels: np.ndarray
    inliers: np.ndarray
    keyframes: int
    rms_px: float
    is_still: bool = False
    scale_sigma: float = 0.0

    @property
    def is_metric(self) -> bool:
        """Whether lengths are in metres. Otherwise their unit is how far the scene was at first."""
        return self.scale_sigma < UNKNOWN_SCALE
