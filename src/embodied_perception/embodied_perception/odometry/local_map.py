"""Keyframes, and the landmarks that they share.

The newest keyframes, the window, are adjusted together with all that they see. When one leaves the
window, its pose is held from then on, and what it said of its landmarks stays with them. Keyframes
that left it are kept to find the way back after a loss, spread over the way so far.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.geometry.pose import OUTLIER_SIGMAS, Noise
from embodied_perception.odometry.bundle_adjustment import Sightings, adjust
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.keyframes import Keyframe, most_redundant
from embodied_perception.odometry.landmarks import Landmarks
from embodied_perception.odometry.refinement import refine
from embodied_perception.odometry.triangulation import rays, triangulate

#: Depth by motion is used from when it is known to this share.
_DEPTH_SHARE = 0.15


def least_parallax(K: np.ndarray, pixel_px: float) -> float:
    """How far apart two rays must point to see depth, in radians."""
    return pixel_px / (float(K[0, 0]) * _DEPTH_SHARE)


class LocalMap:
    """What one unbroken stretch of odometry knows of its surroundings.

    Attributes:
        keyframes: the oldest first.
        landmarks: that they see.
        config: parameters; others take effect at the next keyframe.

    """

    def __init__(self, camera: Camera, config: OdometryConfig) -> None:
        self._camera, self.config = camera, config
        self._window = 0
        self._next_name = 0
        self.keyframes: list[Keyframe] = []
        self.landmarks = Landmarks.none()

    @property
    def newest(self) -> Keyframe:
        """The keyframe that images are compared with."""
        return self.keyframes[-1]

    def new_names(self, count: int) -> np.ndarray:
        """Names that no feature has."""
        first, self._next_name = self._next_name, self._next_name + count
        return np.arange(first, self._next_name)

    def add(self, keyframe: Keyframe, noise: Noise) -> None:
        """Take a keyframe in, whose pose and landmarks move to where all fits best."""
        self._measure(keyframe)
        keyframe = self._triangulate(keyframe, noise)
        self.keyframes.append(keyframe)
        self._window += 1
        self._adjust(noise)
        if self._window > max(1, min(self.config.window, self.config.keyframes - 1)):
            self._settle(self.keyframes[-self._window], noise)
            self._window -= 1
        if len(self.keyframes) > self.config.keyframes:
            del self.keyframes[most_redundant(self.keyframes[: 1 - self._window or None])]
        self._tidy()

    def _measure(self, keyframe: Keyframe) -> None:
        """Make landmarks of features whose depth was measured."""
        fresh = (self.landmarks.find(keyframe.names) < 0) & np.isfinite(keyframe.seen.depth_m)
        seen = keyframe.seen.only(fresh)
        points = rays(seen.pixels, self._camera.K) * seen.depth_m[:, None]
        world_from_camera = keyframe.camera_from_world.inverse()
        names = keyframe.names[fresh]
        self.landmarks = self.landmarks + Landmarks.fresh(names, world_from_camera.apply(points))

    def _triangulate(self, keyframe: Keyframe, noise: Noise) -> Keyframe:
        """Make landmarks of features that moved enough; leave out those that moved wrongly."""
        waiting = np.flatnonzero(self.landmarks.find(keyframe.names) < 0)
        keep = np.ones(len(keyframe.names), bool)
        for host in self.keyframes[len(self.keyframes) - self._window :]:
            _, here, there = np.intersect1d(
                keyframe.names[waiting], host.names, assume_unique=True, return_indices=True
            )
            if len(here) == 0:
                continue
            slots, waiting = waiting[here], np.delete(waiting, here)
            first, second = host.seen.only(there), keyframe.seen.only(slots)
            world_from_host = host.camera_from_world.inverse()
            world_from_here = keyframe.camera_from_world.inverse()
            points, angles = triangulate(
                world_from_host.translation,
                rays(first.pixels, self._camera.K) @ world_from_host.rotation.T,
                world_from_here.translation,
                rays(second.pixels, self._camera.K) @ world_from_here.rotation.T,
            )
            wide = angles > least_parallax(self._camera.K, noise.pixel_px)
            with np.errstate(invalid="ignore"):
                fits = np.ones(len(points), bool)
                for view, seen in ((host, first), (keyframe, second)):
                    off = self._project(view.camera_from_world.apply(points)) - seen.pixels
                    fits &= np.linalg.norm(off, axis=1) < OUTLIER_SIGMAS * noise.pixel_px
            good = wide & fits
            keep[slots[wide & ~fits]] = False
            fresh = Landmarks.fresh(keyframe.names[slots[good]], points[good])
            self.landmarks = self.landmarks + fresh
        return replace(
            keyframe,
            pixels=keyframe.pixels[keep],
            seen=keyframe.seen.only(keep),
            names=keyframe.names[keep],
        )

    def _adjust(self, noise: Noise) -> None:
        """Move the window's keyframes and what they see to where all fits best."""
        window = self.keyframes[-self._window :]
        rows = [self.landmarks.find(keyframe.names) for keyframe in window]
        cameras = np.repeat(np.arange(len(window)), [len(each) for each in rows])
        points = np.concatenate(rows)
        measurements = np.concatenate([keyframe.seen.measurements() for keyframe in window])
        known = points >= 0
        used, points = np.unique(points[known], return_inverse=True)
        if len(used) == 0:
            return
        poses, moved = adjust(
            [keyframe.camera_from_world for keyframe in window],
            self.landmarks.only(used),
            Sightings(cameras[known], points, measurements[known]),
            self._camera.K,
            noise,
        )
        self.keyframes[-self._window :] = [
            replace(keyframe, camera_from_world=pose)
            for keyframe, pose in zip(window, poses, strict=True)
        ]
        everywhere = self.landmarks.points_world.copy()
        everywhere[used] = moved.points_world
        self.landmarks = self.landmarks.moved(everywhere)

    def _settle(self, keyframe: Keyframe, noise: Noise) -> None:
        """Leave with the landmarks what a keyframe says of them."""
        rows = self.landmarks.find(keyframe.names)
        known = rows >= 0
        told = refine(
            self.landmarks.only(rows[known]),
            keyframe.seen.only(known),
            keyframe.camera_from_world,
            self._camera.K,
            noise,
        )
        means, information = (
            self.landmarks.means_world.copy(),
            self.landmarks.information.copy(),
        )
        means[rows[known]], information[rows[known]] = told.means_world, told.information
        self.landmarks = replace(self.landmarks, means_world=means, information=information)

    def _tidy(self) -> None:
        """Forget landmarks that no keyframe sees."""
        seen = np.concatenate([keyframe.names for keyframe in self.keyframes])
        self.landmarks = self.landmarks.only(np.isin(self.landmarks.names, seen))

    def _project(self, points_camera: np.ndarray) -> np.ndarray:
        """Undistorted pixels (N, 2) of points (N, 3)."""
        K = self._camera.K
        return points_camera[:, :2] / points_camera[:, 2:] * (K[0, 0], K[1, 1]) + K[:2, 2]
