"""Recent keyframes and the points they see: what a new image is compared with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.odometry.pose import Noise
from embodied_perception.odometry.refinement import Problem, refine


@dataclass(frozen=True)
class Keyframe:
    """An image that is kept: point ``rows[m]`` of the map is seen as ``measured[m]``."""

    camera_from_world: Transform
    rows: np.ndarray
    measured: np.ndarray


class LocalMap:
    """The last few keyframes and their points; older ones are forgotten, so memory is bounded."""

    def __init__(self, K: np.ndarray, noise: Noise, keyframes: int) -> None:
        self.points_world = np.zeros((0, 3))
        self.keyframes: deque[Keyframe] = deque(maxlen=keyframes)
        self._K = K
        self._noise = noise

    def add_points(self, points_world: np.ndarray) -> np.ndarray:
        """Add (N, 3) points; returns their (N,) rows."""
        first = len(self.points_world)
        self.points_world = np.concatenate((self.points_world, points_world))
        return np.arange(first, len(self.points_world))

    def add_keyframe(self, keyframe: Keyframe) -> None:
        """Keep an image, forget the oldest, and adjust keyframes and points to each other."""
        self.keyframes.append(keyframe)
        self._refine()

    def _refine(self) -> None:
        if len(self.keyframes) < 2:
            return
        counts = [len(keyframe.rows) for keyframe in self.keyframes]
        problem = Problem(
            views=np.repeat(np.arange(len(counts)), counts),
            rows=np.concatenate([keyframe.rows for keyframe in self.keyframes]),
            measured=np.concatenate([keyframe.measured for keyframe in self.keyframes]),
            K=self._K,
            noise=self._noise,
        )
        poses = [keyframe.camera_from_world for keyframe in self.keyframes]
        refined = refine(problem, poses, self.points_world)
        self.points_world = refined.points_world
        for index, pose in enumerate(refined.cameras_from_world):
            self.keyframes[index] = replace(self.keyframes[index], camera_from_world=pose)

    def forget_unseen(self, kept_rows: np.ndarray) -> np.ndarray:
        """Drop points that no keyframe sees and that are not in ``kept_rows``.

        Returns:
            The new rows of ``kept_rows``.
        """
        used = np.zeros(len(self.points_world), bool)
        used[kept_rows] = True
        for keyframe in self.keyframes:
            used[keyframe.rows] = True
        new_row = np.cumsum(used) - 1
        self.points_world = self.points_world[used]
        for index, keyframe in enumerate(self.keyframes):
            self.keyframes[index] = replace(keyframe, rows=new_row[keyframe.rows])
        return new_row[kept_rows]
