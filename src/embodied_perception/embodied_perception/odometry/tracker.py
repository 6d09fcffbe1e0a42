"""One unbroken stretch of odometry: keyframes, and the camera that moves away from them.

Each image is compared with the newest keyframe's image itself, not with the one just before, so
that error grows from keyframe to keyframe and not from image to image. Landmarks go on from
keyframe to keyframe and are refined by each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.features import detect_corners, follow
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import (
    Observations,
    PoseSolution,
    guess_pose,
    solve_pose,
    twist_transform,
)
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.images import OdometryImage
from embodied_perception.odometry.keyframes import Keyframe, Landmarks, most_redundant
from embodied_perception.odometry.refinement import refine

#: Below this share of inliers the robust solve is not trusted, and RANSAC starts anew.
_TRUSTED_SHARE = 0.6
#: After a gap this long, the last velocity says nothing.
_VELOCITY_HOLDS_S = 0.5


@dataclass(frozen=True, eq=False)
class Match:
    """An image compared with a keyframe: a solution, or ``doubt``, which says why there is none.

    ``pixels`` (N, 2) in the image show N ``landmarks`` of the keyframe, as ``seen``.
    """

    image: OdometryImage
    keyframe: Keyframe
    pixels: np.ndarray
    seen: Observations
    landmarks: Landmarks
    solution: PoseSolution | None
    doubt: str


class Tracker:
    """Keeps a camera's pose from the first image on.

    ``covariance`` (6, 6) is of the twist that perturbs ``world_from_camera`` from the right, so in
    the camera's axes, in metres and radians. It grows from keyframe to keyframe.
    """

    def __init__(
        self,
        camera: Camera,
        config: OdometryConfig,
        image: OdometryImage,
        camera_from_world: Transform,
        covariance: np.ndarray,
    ) -> None:
        self._camera = camera
        self.configure(config)
        self._noise = image.noise(config)
        self.keyframes: list[Keyframe] = []
        self.camera_from_world = camera_from_world
        self.covariance = covariance
        self.velocity = np.zeros(6)
        self.velocity_covariance = np.eye(6)
        self.stamp_ns = image.stamp_ns
        self._add_keyframe(image, np.zeros((0, 2), np.float32), Landmarks.none())

    def configure(self, config: OdometryConfig) -> None:
        """Put other parameters in force, from the next image on."""
        self._config = config

    def match(self, image: OdometryImage) -> Match:
        """Compare an image with the newest keyframe, from where the camera should be by now."""
        return self._match(self.keyframes[-1], image, self._predict(image.stamp_ns))

    def find_again(self, image: OdometryImage, keyframes: list[Keyframe]) -> Match | None:
        """Compare an image with some of ``keyframes``, as if it had been taken there."""
        matches = [self._match(each, image, each.camera_from_world) for each in keyframes]
        return next((match for match in matches if not match.doubt), None)

    def accept(self, match: Match) -> None:
        """Go on from a match without doubt; keep its image where the view has changed."""
        solution = match.solution
        assert solution is not None
        self._move(solution, match.image.stamp_ns)
        remaining = self._config.keyframe_overlap * len(match.keyframe.pixels)
        if match.keyframe is not self.keyframes[-1] or solution.inliers.sum() < remaining:
            agree = solution.inliers
            landmarks = self._refine(match.landmarks.only(agree), match.seen.only(agree))
            self._add_keyframe(match.image, match.pixels[agree], landmarks)

    def _predict(self, stamp_ns: int) -> Transform:
        """camera_from_world if the camera goes on as it did."""
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        if seconds > _VELOCITY_HOLDS_S:
            return self.camera_from_world
        return twist_transform(self.velocity * seconds) @ self.camera_from_world

    def _match(self, keyframe: Keyframe, image: OdometryImage, guess: Transform) -> Match:
        self._noise = image.noise(self._config)
        landmarks = keyframe.landmarks
        predicted = self._camera.project(guess.apply(landmarks.points_world))
        with np.errstate(invalid="ignore"):  # NaN behind the camera
            ahead = np.all((predicted >= 0) & (predicted < self._camera.resolution_wh), axis=1)
        pixels, trusted = follow(
            keyframe.gray, image.gray, keyframe.pixels[ahead], predicted=predicted[ahead]
        )
        pixels, landmarks = pixels[trusted], landmarks.only(ahead).only(trusted)
        seen = observe(self._camera, self._config, pixels, image)
        solution = self._solve(landmarks.points_world, seen, guess)
        doubt = self._doubt(solution, image.stamp_ns)
        return Match(image, keyframe, pixels, seen, landmarks, solution, doubt)

    def _solve(
        self, points_world: np.ndarray, seen: Observations, guess: Transform
    ) -> PoseSolution | None:
        if len(points_world) < self._config.min_inliers:
            return None
        K = self._camera.K
        solution = solve_pose(points_world, seen, K, self._noise, guess)
        if solution.inliers.mean() >= _TRUSTED_SHARE:
            return solution
        anew = guess_pose(points_world, seen.pixels, K)
        if anew is None:
            return solution
        other = solve_pose(points_world, seen, K, self._noise, anew)
        return other if other.inliers.sum() > solution.inliers.sum() else solution

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
        since_keyframe = self.camera_from_world @ self.keyframes[-1].camera_from_world.inverse()
        carried = since_keyframe.adjoint @ self._keyframe_covariance @ since_keyframe.adjoint.T
        self.covariance = carried + solution.covariance + self._model_covariance(since_keyframe)

    def _model_covariance(self, motion: Transform) -> np.ndarray:
        """What features agree on and is still wrong.

        Calibration, registration and synchronisation are not exact. Their error is taken for a
        share of how far the image has moved, in radians; it shows as rotation as well as
        translation at the distance of the scene.
        """
        to_scene_m = self._scene_m
        moved = np.linalg.norm(motion.rotation_vector)
        moved += np.linalg.norm(motion.translation) / to_scene_m
        sigma = self._config.model_error * moved * np.repeat((to_scene_m, 1.0), 3)
        return np.diag(sigma**2)

    def _refine(self, landmarks: Landmarks, seen: Observations) -> Landmarks:
        return refine(landmarks, seen, self.camera_from_world, self._camera.K, self._noise)

    def _add_keyframe(self, image: OdometryImage, pixels: np.ndarray, landmarks: Landmarks) -> None:
        """Keep an image: the landmarks it shares with the one before, filled up with new ones."""
        corners = detect_corners(
            image.gray,
            self._config.features - len(pixels),
            occupied=pixels,
            spacing_px=self._config.feature_spacing_px,
        )
        seen = observe(self._camera, self._config, corners, image)
        known = np.isfinite(seen.depth_m)
        corners, seen = corners[known], seen.only(known)
        points_camera = self._camera.unproject(corners) * seen.depth_m[:, None]
        points_world = self.camera_from_world.inverse().apply(points_camera)
        nothing_known = np.zeros((len(corners), 3, 3))
        fresh = self._refine(Landmarks(points_world, nothing_known), seen)
        pixels, landmarks = np.concatenate((pixels, corners)), landmarks + fresh
        keyframe = Keyframe(image.gray, self.camera_from_world, pixels, landmarks)
        self.keyframes.append(keyframe)
        if len(self.keyframes) > self._config.keyframes:
            del self.keyframes[most_redundant(self.keyframes)]
        self._keyframe_covariance = self.covariance
        points_camera = self.camera_from_world.apply(landmarks.points_world)
        self._scene_m = float(np.median(points_camera[:, 2])) if len(points_camera) else 1.0


def observe(
    camera: Camera, config: OdometryConfig, pixels: np.ndarray, image: OdometryImage
) -> Observations:
    """Undistort pixels (N, 2) and read their depth."""
    return Observations(camera.undistort_pixels(pixels), image.depth_at(pixels, config))
