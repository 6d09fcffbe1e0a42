"""How much of the image's motion calibration, registration and synchronisation get wrong.

Features agree on a pose however wrong these are: residuals do not tell. But a motion is seen twice,
by where features are in the image and by how far they are, and turning about the image's axes and
going ahead show in both. Where the two differ by more than their noise, the rest is the model's
error; it grows with the motion. Which of them is wrong is not known, so all of it is taken for the
pose's.

Unlike noise it does not average out: while the camera goes on in one direction and sees much the
same, it errs to the same side from keyframe to keyframe.
"""

from __future__ import annotations

import numpy as np

from embodied_perception.geometry.pose import Noise, Observations, linearise, normal_equations

#: Of a twist: what depth sees of a motion, going ahead and turning about x and y.
_SEEN_TWICE = np.array([2, 3, 4])
_LEAST_DEPTHS = 20
#: What is assumed counts as much as having seen this motion, in radians squared.
_ASSUMED_MOTION = 0.02**2
#: Radians of motion until the error has another cause: about from one keyframe to the next.
_SAME_CAUSE_RAD = 0.05
#: Images until what was learnt counts e times less.
_MEMORY = 300


def disagreement(
    points_camera: np.ndarray, seen: Observations, K: np.ndarray, noise: Noise
) -> tuple[np.ndarray, np.ndarray] | None:
    """Compare the poses that depth alone and pixels alone ask for.

    Args:
        points_camera: (N, 3) features in the camera's axes, as the pose has them.
        seen: where they are seen.
        K: (3, 3) of the undistorted image.
        noise: standard deviations of the measurements.

    Returns:
        The difference of both in going ahead (m) and turning about x and y (rad), (3,), and its
        variance (3,) by the noise; None where too few depths are known.

    """
    if np.isfinite(seen.depth_m).sum() < _LEAST_DEPTHS:
        return None
    residuals, jacobian, weights = linearise(seen.measurements(), points_camera, K, noise)
    by_pixels, by_depth = (
        normal_equations(residuals[:, rows], jacobian[:, rows], weights)
        for rows in (slice(0, 2), slice(2, 3))
    )
    covariance = np.linalg.inv(by_pixels[0])
    pixel_step = covariance @ by_pixels[1]
    # What is left for depth to ask for where pixels have had their way.
    left = by_depth[1] - by_depth[0] @ pixel_step
    twice = np.ix_(_SEEN_TWICE, _SEEN_TWICE)
    depth_covariance = np.linalg.inv(by_depth[0][twice])
    variance = np.diag(depth_covariance + covariance[twice])
    return depth_covariance @ left[_SEEN_TWICE], variance


class ModelError:
    """Learns the share of the image's motion that is wrong.

    Motions are (6,): translation in units of how far the scene is, and rotation in radians, so that
    their length is about how far the image moves.
    """

    def __init__(self, assumed: float) -> None:
        self._share = assumed
        self._trend = np.zeros(6)
        self._excess = 0.0
        self._motion = 0.0
        self._assumed_motion = _ASSUMED_MOTION

    def share(self, assumed: float) -> float:
        """Standard deviation of the error, by radians that the image has moved.

        Args:
            assumed: what it is before there is anything to learn from.

        """
        excess = self._excess + assumed**2 * self._assumed_motion
        return float(np.sqrt(max(0.0, excess) / (self._motion + self._assumed_motion)))

    def variance(self, motion: np.ndarray) -> float:
        """By how much the error's variance grows along each axis with a motion since the keyframe.

        It is what the square of the whole motion, with the part before that has the same cause, is
        larger than the square of that part.
        """
        grown = float(motion @ motion) + 2.0 * max(0.0, float(motion @ self._trend))
        return self._share**2 * grown

    def keep(self, motion: np.ndarray, assumed: float) -> None:
        """Go on from a new keyframe, after a motion; what was learnt until then is in force now."""
        fading = np.exp(-np.linalg.norm(motion) / _SAME_CAUSE_RAD)
        self._trend = fading * (self._trend + motion)
        self._share = self.share(assumed)

    def learn(
        self, difference: np.ndarray, variance: np.ndarray, motion: np.ndarray, scene_m: float
    ) -> None:
        """Take in one :func:`disagreement`, after a motion, of things ``scene_m`` away."""
        forget = 1.0 - 1.0 / _MEMORY
        units = np.array((scene_m, 1.0, 1.0))
        excess = float(np.mean((difference**2 - variance) / units**2))
        self._excess = forget * self._excess + excess
        self._motion = forget * self._motion + float(motion @ motion)
        self._assumed_motion *= forget
