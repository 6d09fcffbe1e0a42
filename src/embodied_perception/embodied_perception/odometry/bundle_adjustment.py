"""Cameras and points moved together until they agree with all that was seen.

Levenberg-Marquardt on the robust reprojection and depth error. Each point is seen by few cameras
and no point depends on another one: they are eliminated first (Schur complement), which leaves six
equations a camera.

Source: B. Triggs et al., Bundle Adjustment - A Modern Synthesis, 1999, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, linearise, robust_cost, twist_transform
from embodied_perception.odometry.landmarks import Landmarks

_STEPS = 8
_DAMPING = 1e-4
_MOST_DAMPING = 1e2
_SETTLED = 1e-3  # share of the cost that a step must gain


@dataclass(frozen=True, eq=False)
class Sightings:
    """Points seen by cameras.

    Attributes:
        cameras: (M,) which camera saw.
        points: (M,) which point.
        measurements: (M, 3) as of :meth:`Observations.measurements`.

    """

    cameras: np.ndarray
    points: np.ndarray
    measurements: np.ndarray


def adjust(
    cameras_from_world: Sequence[Transform],
    landmarks: Landmarks,
    sightings: Sightings,
    K: np.ndarray,
    noise: Noise,
) -> tuple[list[Transform], Landmarks]:
    """Move cameras and points to where they agree best. The first camera stays where it is.

    Args:
        cameras_from_world: C poses to start from.
        landmarks: N points to start from; what earlier keyframes said of them counts too.
        sightings: of those points by those cameras.
        K: (3, 3) of the undistorted image.
        noise: standard deviations of the measurements.

    """
    bundle = _Bundle(landmarks, sightings, K, noise)
    cameras, points = list(cameras_from_world), landmarks.points_world
    cost = bundle.cost(cameras, points)
    damping = _DAMPING
    equations = bundle.equations(cameras, points)
    for _ in range(_STEPS):
        twists, steps = equations.solve(damping)
        tried = [
            twist_transform(twist) @ camera for twist, camera in zip(twists, cameras, strict=True)
        ]
        tried_points = points + steps
        tried_cost = bundle.cost(tried, tried_points)
        gain = cost - tried_cost
        if gain <= 0:
            damping *= 10
            if damping > _MOST_DAMPING:
                break
            continue
        cameras, points, cost = tried, tried_points, tried_cost
        if gain < _SETTLED * cost:
            break
        damping = max(damping / 10, 1e-9)
        equations = bundle.equations(cameras, points)
    return cameras, landmarks.moved(points)


class _Bundle:
    """The error of C cameras and N points."""

    def __init__(
        self, landmarks: Landmarks, sightings: Sightings, K: np.ndarray, noise: Noise
    ) -> None:
        self._landmarks, self._sightings = landmarks, sightings
        self._K, self._noise = K, noise

    def _points_camera(
        self, cameras: Sequence[Transform], points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is seen, in the axes of who sees it (M, 3), whose rotations are (M, 3, 3)."""
        rotations = np.stack([camera.rotation for camera in cameras])[self._sightings.cameras]
        translations = np.stack([camera.translation for camera in cameras])
        seen = points[self._sightings.points]
        turned = (rotations @ seen[:, :, None])[..., 0]
        return turned + translations[self._sightings.cameras], rotations

    def cost(self, cameras: Sequence[Transform], points: np.ndarray) -> float:
        """Half the robust sum of squares."""
        points_camera, _ = self._points_camera(cameras, points)
        measured = self._sightings.measurements
        off = points - self._landmarks.means_world
        known = np.einsum("ni,nij,nj->", off, self._landmarks.information, off)
        return robust_cost(measured, points_camera, self._K, self._noise) + 0.5 * float(known)

    def equations(self, cameras: Sequence[Transform], points: np.ndarray) -> _Equations:
        """Linearise at cameras and points."""
        sightings, landmarks = self._sightings, self._landmarks
        points_camera, rotations = self._points_camera(cameras, points)
        residuals, by_camera, weights = linearise(
            sightings.measurements, points_camera, self._K, self._noise
        )
        # The camera's translation moves a point as the point's own motion in its axes does.
        by_point = by_camera[:, :, :3] @ rotations
        camera_pull = (by_camera * weights[:, None, None]).transpose(0, 2, 1)
        point_pull = (by_point * weights[:, None, None]).transpose(0, 2, 1)
        count = len(cameras)
        camera_blocks = _summed(camera_pull @ by_camera, sightings.cameras, count)
        camera_sides = _summed((camera_pull @ residuals[..., None]), sightings.cameras, count)
        point_blocks = _summed(point_pull @ by_point, sightings.points, len(points))
        point_sides = _summed(point_pull @ residuals[..., None], sightings.points, len(points))
        between = np.zeros((count, len(points), 6, 3))
        between[sightings.cameras, sightings.points] = camera_pull @ by_point
        off = landmarks.means_world - points
        return _Equations(
            camera_blocks,
            camera_sides[..., 0],
            point_blocks + landmarks.information,
            point_sides[..., 0] + (landmarks.information @ off[..., None])[..., 0],
            between,
        )


@dataclass(frozen=True, eq=False)
class _Equations:
    """Normal equations, by blocks: (C, 6, 6), (C, 6), (N, 3, 3), (N, 3), and (C, N, 6, 3)."""

    cameras: np.ndarray
    camera_sides: np.ndarray
    points: np.ndarray
    point_sides: np.ndarray
    between: np.ndarray

    def solve(self, damping: float) -> tuple[np.ndarray, np.ndarray]:
        """Twists (C, 6) of the cameras and steps (N, 3) of the points."""
        count = len(self.cameras)
        inverses = np.linalg.inv(_damped(self.points, damping))
        carried = self.between @ inverses  # (C, N, 6, 3)
        wide = carried.transpose(0, 2, 1, 3).reshape(6 * count, -1)
        reduced = -wide @ self.between.transpose(0, 2, 1, 3).reshape(6 * count, -1).T
        blocks = reduced.reshape(count, 6, count, 6)
        each = np.arange(count)
        blocks[each, :, each] += _damped(self.cameras, damping)
        sides = self.camera_sides.ravel() - wide @ self.point_sides.ravel()
        twists = np.zeros(6 * count)
        free = slice(6, None)
        twists[free] = np.linalg.solve(reduced[free, free], sides[free])
        by_camera = twists.reshape(count, 6)
        pulled = np.einsum("cnij,ci->nj", self.between, by_camera)
        steps = (inverses @ (self.point_sides - pulled)[..., None])[..., 0]
        return by_camera, steps


def _summed(values: np.ndarray, slots: np.ndarray, count: int) -> np.ndarray:
    """Sum (M, ...) by slot (M,) to (count, ...)."""
    flat = values.reshape(len(values), -1)
    total = np.stack(
        [np.bincount(slots, weights=column, minlength=count) for column in flat.T], axis=1
    )
    return total.reshape(count, *values.shape[1:])


def _damped(blocks: np.ndarray, damping: float) -> np.ndarray:
    """Blocks (N, n, n) with more on the diagonal, so that each has an inverse."""
    size = blocks.shape[-1]
    diagonal = np.einsum("nii->ni", blocks)
    return blocks + np.eye(size) * (damping * diagonal + 1e-9)[:, None, :]
