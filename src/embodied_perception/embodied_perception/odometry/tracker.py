"""One unbroken stretch of odometry: a local map, and the camera that moves through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.features import detect_corners, follow
from embodied_perception.geometry import Transform
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.depth_sampling import sample_depth
from embodied_perception.odometry.local_map import Keyframe, LocalMap
from embodied_perception.odometry.pose import (
    Noise,
    Observations,
    PoseSolution,
    guess_pose,
    solve_pose,
    twist_transform,
)

#: Below this share of inliers the robust solve is not trusted, and RANSAC starts anew.
_TRUSTED_SHARE = 0.6
#: After a gap this long, the last velocity says nothing.
_VELOCITY_HOLDS_S = 0.5


@dataclass(frozen=True, eq=False)
class RgbdImage:
    """What the camera saw: ``gray`` and registered ``depth_m``, both (H, W)."""

    gray: np.ndarray
    depth_m: np.ndarray
    stamp_ns: int


@dataclass(frozen=True, eq=False)
class Tracks:
    """Features of the image ``gray``: ``pixels`` (N, 2), and the rows (N,) of the map's points they show."""

    gray: np.ndarray
    pixels: np.ndarray
    rows: np.ndarray

    def only(self, kept: np.ndarray) -> Tracks:
        """Those that a (N,) bool mask keeps."""
        return Tracks(self.gray, self.pixels[kept], self.rows[kept])


@dataclass(frozen=True, eq=False)
class Match:
    """An image compared with the map: a solution, or ``doubt``, which says why there is none."""

    image: RgbdImage
    tracks: Tracks
    solution: PoseSolution | None
    doubt: str


class Tracker:
    """Keeps a camera's pose in a local map from the first image on.

    ``covariance`` (6, 6) is of the twist that perturbs ``world_from_camera`` from the right, so in
    the camera's axes, in metres and radians. It grows from keyframe to keyframe.
    """

    def __init__(
        self,
        camera: Camera,
        config: OdometryConfig,
        image: RgbdImage,
        camera_from_world: Transform,
        covariance: np.ndarray,
    ) -> None:
        self._camera = camera
        self._config = config
        self._noise = Noise(config.pixel_noise_px, config.depth_noise)
        self.map = LocalMap(camera.K, self._noise, config.keyframes)
        self.camera_from_world = camera_from_world
        self.covariance = covariance
        self.velocity = np.zeros(6)
        self.velocity_covariance = np.eye(6)
        self.stamp_ns = image.stamp_ns
        self.tracks = Tracks(image.gray, np.zeros((0, 2), np.float32), np.zeros(0, int))
        self._add_keyframe(image)

    def match(self, image: RgbdImage) -> Match:
        """Find the features of the last image in this one, and the pose that explains them."""
        guess = self._predict(image.stamp_ns)
        tracks = self._follow(image, guess)
        solution = self._solve(tracks, image, guess)
        return Match(image, tracks, solution, self._doubt(solution, image.stamp_ns))

    def accept(self, match: Match) -> None:
        """Go on from a match without doubt; keep its image where the view has changed."""
        solution = match.solution
        assert solution is not None
        self._move(solution, match.image.stamp_ns)
        self.tracks = match.tracks.only(solution.inliers)
        if len(self.tracks.rows) < self._config.keyframe_overlap * self._keyframe_features:
            self._add_keyframe(match.image)

    def _predict(self, stamp_ns: int) -> Transform:
        """camera_from_world if the camera goes on as it did."""
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        if seconds > _VELOCITY_HOLDS_S:
            return self.camera_from_world
        return twist_transform(self.velocity * seconds) @ self.camera_from_world

    def _follow(self, image: RgbdImage, guess: Transform) -> Tracks:
        points_camera = guess.apply(self.map.points_world[self.tracks.rows])
        predicted = self._camera.project(points_camera)
        predicted = np.where(np.isfinite(predicted), predicted, self.tracks.pixels)
        pixels, trusted = follow(
            self.tracks.gray, image.gray, self.tracks.pixels, predicted=predicted
        )
        return Tracks(image.gray, pixels, self.tracks.rows).only(trusted)

    def _solve(self, tracks: Tracks, image: RgbdImage, guess: Transform) -> PoseSolution | None:
        if len(tracks.rows) < self._config.min_inliers:
            return None
        points, K = self.map.points_world[tracks.rows], self._camera.K
        seen = observe(self._camera, self._config, tracks.pixels, image.depth_m)
        solution = solve_pose(points, seen, K, self._noise, guess)
        if solution.inliers.mean() < _TRUSTED_SHARE:
            anew = guess_pose(points, seen.pixels, K)
            if anew is not None:
                other = solve_pose(points, seen, K, self._noise, anew)
                if other.inliers.sum() > solution.inliers.sum():
                    return other
        return solution

    def _doubt(self, solution: PoseSolution | None, stamp_ns: int) -> str:
        """Why the solution cannot be true, or nothing."""
        config = self._config
        inliers = 0 if solution is None else int(solution.inliers.sum())
        if solution is None or inliers < config.min_inliers:
            return f"{inliers} features agree on a pose, min_inliers is {config.min_inliers}"
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        motion = solution.camera_from_world @ self.camera_from_world.inverse()
        speed = float(np.linalg.norm(motion.translation)) / seconds
        turn_rate = float(np.linalg.norm(motion.rotation_vector)) / seconds
        if speed > config.max_speed:
            return f"a motion of {speed:.1f} m/s, max_speed is {config.max_speed:g}"
        if turn_rate > config.max_turn_rate:
            return f"a rotation of {turn_rate:.1f} rad/s, max_turn_rate is {config.max_turn_rate:g}"
        return ""

    def _move(self, solution: PoseSolution, stamp_ns: int) -> None:
        motion = solution.camera_from_world @ self.camera_from_world.inverse()
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        self.velocity = np.concatenate((motion.translation, motion.rotation_vector)) / seconds
        # Two poses against the same points: their errors add up.
        self.velocity_covariance = 2.0 * solution.covariance / seconds**2
        self.camera_from_world = solution.camera_from_world
        self.stamp_ns = stamp_ns
        # The keyframe's uncertainty seen from here, and that of the way from there to here.
        since_keyframe = (self.camera_from_world @ self._keyframe_from_world.inverse()).adjoint
        carried = since_keyframe @ self._keyframe_covariance @ since_keyframe.T
        self.covariance = carried + solution.covariance

    def _add_keyframe(self, image: RgbdImage) -> None:
        """Keep an image: fill up with new features, and adjust the recent keyframes."""
        corners = detect_corners(
            image.gray,
            self._config.features - len(self.tracks.rows),
            occupied=self.tracks.pixels,
            spacing_px=self._config.feature_spacing_px,
        )
        depth = observe(self._camera, self._config, corners, image.depth_m).depth_m
        corners, depth = corners[np.isfinite(depth)], depth[np.isfinite(depth)]
        points_camera = self._camera.unproject(corners) * depth[:, None]
        rows = self.map.add_points(self.camera_from_world.inverse().apply(points_camera))

        pixels = np.concatenate((self.tracks.pixels, corners))
        rows = np.concatenate((self.tracks.rows, rows))
        seen = observe(self._camera, self._config, pixels, image.depth_m)
        self.map.add_keyframe(Keyframe(self.camera_from_world, rows, seen.measurements()))
        self.tracks = Tracks(image.gray, pixels, self.map.forget_unseen(rows))

        self.camera_from_world = self.map.keyframes[-1].camera_from_world
        self._keyframe_from_world = self.camera_from_world
        self._keyframe_covariance = self.covariance
        self._keyframe_features = len(rows)


def observe(
    camera: Camera, config: OdometryConfig, pixels: np.ndarray, depth_m: np.ndarray
) -> Observations:
    """Undistort pixels (N, 2) and read their depth."""
    depth = sample_depth(
        depth_m, pixels, nearest_m=config.min_depth_m, farthest_m=config.max_depth_m
    )
    return Observations(camera.undistort_pixels(pixels), depth)
