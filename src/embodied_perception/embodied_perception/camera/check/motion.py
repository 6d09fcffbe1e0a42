"""Whether a focal length is right, by how things move in the image while the camera does.

A thing's depth is known when it is first seen; later, when the camera has moved, its pixel is
predicted. A wrong focal length makes the world too wide for its depth, and then no motion of the
camera fits all features: turning shifts the image's border more than its middle, by an amount that
depends on it. Motions are eliminated from each pair of images (Schur complement), so that all pairs
together determine one number: by which part the focal length is too small.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from embodied_perception.camera.check.deviation import Deviation, Limits, clustered
from embodied_perception.camera.model import Camera
from embodied_perception.features import follow
from embodied_perception.geometry.pose import (
    Noise,
    Observations,
    guess_pose,
    pose_jacobian,
    solve_pose,
)

_PAIRS = 100  # that count; older ones are forgotten
_LEAST_PAIRS = 5
_LEAST_FEATURES = 40
_FLOW = 0.06  # radians that features have moved, at the median, before a pair is complete
_NOISE = Noise(pixel_px=0.5, inverse_depth=1.0)  # no depth is known in the second image
_LEAST_SCALE_PX = 1.0  # less would take the focal length's own effect for wrong matches

#: Gives pixels (N, 2) of the present image, and their depth (N,) in metres along z.
Features = Callable[[], tuple[np.ndarray, np.ndarray]]


class MotionCheck:
    """Follows features of one camera.

    Args:
        camera: the one that moves.
        limits: what is tolerated.

    """

    def __init__(self, camera: Camera, limits: Limits) -> None:
        self._camera, self._limits = camera, limits
        self._matrices: deque[np.ndarray] = deque(maxlen=_PAIRS)
        self._vectors: deque[np.ndarray] = deque(maxlen=_PAIRS)
        self._before: np.ndarray | None = None
        self._start_px = self._now_px = np.zeros((0, 2), np.float32)
        self._depth_m = np.zeros(0)

    def look(self, gray: np.ndarray, features: Features) -> None:
        """Take the next image (H, W) uint8; ``features`` is asked where a new pair begins."""
        if self._before is not None:
            self._follow(gray)
        if self._before is None:
            pixels, depth_m = features()
            known = np.isfinite(depth_m)
            self._start_px = self._now_px = pixels[known].astype(np.float32)
            self._depth_m = depth_m[known]
        self._before = gray

    @property
    def pairs(self) -> int:
        """How many count."""
        return len(self._vectors)

    def deviation(self) -> Deviation:
        """By how much the focal length is larger than the calibration says."""
        value, sigma = 0.0, np.inf
        if self.pairs >= _LEAST_PAIRS:
            solution, covariance = clustered(np.stack(self._matrices), np.stack(self._vectors))
            value, sigma = float(solution[0]), float(np.sqrt(covariance[0, 0]))
        limit = self._limits.focal_percent
        return Deviation("focal length, by motion", 100 * value, 100 * sigma, "%", limit)

    def _follow(self, gray: np.ndarray) -> None:
        assert self._before is not None
        found, trusted = follow(self._before, gray, self._now_px)
        self._now_px = found[trusted]
        self._start_px, self._depth_m = self._start_px[trusted], self._depth_m[trusted]
        if len(found) and trusted.sum() >= _LEAST_FEATURES:
            flow_px = np.linalg.norm(self._now_px - self._start_px, axis=1)
            if np.median(flow_px) < _FLOW * self._camera.fx:
                return
            self._add_pair()
        self._before = None

    def _add_pair(self) -> None:
        """Eliminate the motion of a pair, and keep what it says of the focal length."""
        K = self._camera.K
        start, seen = (
            self._camera.undistort_pixels(each.astype(np.float64))
            for each in (self._start_px, self._now_px)
        )
        rays = (start - K[:2, 2]) / (K[0, 0], K[1, 1])
        points = np.column_stack([rays, np.ones(len(rays))]) * self._depth_m[:, None]
        guess = guess_pose(points, seen, K)
        if guess is None:
            return
        unknown = np.full(len(points), np.nan)
        pose = solve_pose(points, Observations(seen, unknown), K, _NOISE, guess).camera_from_world
        predicted, jacobian = pose_jacobian(pose.apply(points), K)
        by_motion, by_point = jacobian[:, :2].reshape(-1, 6), jacobian[:, :2, :3]
        residuals = predicted[:, :2] - seen
        errors = np.linalg.norm(residuals, axis=1)
        scale = max(1.4826 * float(np.median(errors)), _LEAST_SCALE_PX)
        weights = np.repeat(1 / (1 + (errors / scale) ** 2) ** 2, 2)
        # A larger focal length projects farther out, and makes the first rays narrower.
        narrower = points * (1, 1, 0) @ pose.rotation.T
        farther = predicted[:, :2] - K[:2, 2]
        by_focal = (farther - np.einsum("nij,nj->ni", by_point, narrower)).ravel()
        weighted = by_motion * weights[:, None]
        through = np.linalg.solve(weighted.T @ by_motion, weighted.T @ by_focal)
        only_focal = by_focal - by_motion @ through
        self._matrices.append(np.array([[only_focal @ (weights * by_focal)]]))
        self._vectors.append(np.array([-(only_focal @ (weights * residuals.ravel()))]))
