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
from embodied_perception.odometry.images import OdometryImage, stands_still
from embodied_perception.odometry.keyframes import Keyframe
from embodied_perception.odometry.local_map import LocalMap
from embodied_perception.odometry.model_error import ModelError, disagreement
from embodied_perception.odometry.motion_start import MotionStart

#: Below this share of inliers the robust solve is not trusted, and RANSAC starts anew.
_TRUSTED_SHARE = 0.6
#: New features are chosen from so many times as many.
_CHOICE = 1.5
#: After a gap this long, the last velocity says nothing.
_VELOCITY_HOLDS_S = 0.5
#: Standing still: the image moves by no more than so many times a feature's noise, for so long.
_STILL_SIGMAS, _STILL_S = 4.0, 0.5
#: What the camera may have done unseen, beside going on as it did: 1 m/s, 1 rad/s.
_UNSEEN_VELOCITY = np.ones(6)


@dataclass(frozen=True, eq=False)
class Match:
    """An image compared with a keyframe: a solution, or ``doubt``, which says why it is no good.

    ``pixels`` (N, 2) in the image show N features of the keyframe by their ``names``, as ``seen``.
    Those that are ``known`` (N,) have a landmark; only they speak in the solution. If it ``agrees``
    with enough of them, what is in doubt is the motion from the last image.
    """

    image: OdometryImage
    keyframe: Keyframe
    pixels: np.ndarray
    seen: Observations
    names: np.ndarray
    known: np.ndarray
    solution: PoseSolution | None
    agrees: bool
    doubt: str

    @property
    def known_pixels(self) -> np.ndarray:
        """Those (M, 2) of which the solution's inliers (M,) speak."""
        return self.pixels[self.known]


@dataclass(frozen=True, eq=False)
class Measured:
    """A pose that was measured, with the covariances (6, 6) of :class:`Tracker`."""

    stamp_ns: int
    camera_from_world: Transform
    covariance: np.ndarray
    velocity_covariance: np.ndarray

    def seconds_until(self, stamp_ns: int) -> float:
        """How long ago it was then."""
        return (stamp_ns - self.stamp_ns) * 1e-9


class Tracker:
    """Keeps a camera's pose from the first image on.

    ``covariance`` (6, 6) is of the twist that perturbs ``world_from_camera`` from the right, so in
    the camera's axes, in metres and radians. It grows from keyframe to keyframe, and fast while the
    camera coasts: the pose at ``stamp_ns`` is a guess then, and ``measured`` is the last that is
    none.

    Images without depth show nothing of known place at first: the tracker waits for :meth:`begin`.
    If they have no ruler either, ``scene_m`` is how far the scene is taken to be then.
    """

    def __init__(
        self,
        camera: Camera,
        config: OdometryConfig,
        image: OdometryImage,
        camera_from_world: Transform,
        covariance: np.ndarray,
        scene_m: float = 1.0,
    ) -> None:
        self._camera = camera
        self._config = config
        self._noise = image.noise(config)
        self._model_error = ModelError(config.model_error)
        self.camera_from_world = camera_from_world
        self.covariance = covariance
        self.velocity = np.zeros(6)
        self.velocity_covariance = np.eye(6)
        self.stamp_ns = image.stamp_ns
        self.scene_m = scene_m
        self.scale_sigma = image.scale_sigma
        self._start: MotionStart | None = None
        self._still_at, self._still_since_ns = camera_from_world, image.stamp_ns
        self._keyframe_covariance = covariance
        self._landmarks_at_keyframe = 0
        self._start_at(image)

    @property
    def keyframes(self) -> list[Keyframe]:
        """The oldest first; the newest one is what images are compared with."""
        return self._map.keyframes

    @property
    def is_still(self) -> bool:
        """Whether the camera has not moved for a while, as far as can be seen."""
        return (self.measured.stamp_ns - self._still_since_ns) * 1e-9 >= _STILL_S

    @property
    def is_waiting(self) -> bool:
        """Whether too little is known yet of what the keyframe shows."""
        return self._start is not None

    def begin(self, image: OdometryImage) -> str:
        """Find depth by motion from the first image to this one; return why that is not possible.

        Where the view has changed too much for that, it becomes the first image.
        """
        assert self._start is not None
        self.stamp_ns = image.stamp_ns
        start = self._start.look(image)
        if isinstance(start, str):
            return start
        if start is None:
            self._start_at(image)
            return "the view changed before depth could be seen in it"
        self.camera_from_world = start.second_from_first @ self.camera_from_world
        seen = observe(self._camera, self._config, start.pixels, image)
        self._add_keyframe(image, start.pixels, seen, self._map.newest.names[start.rows])
        self._start = None
        return ""

    @property
    def known_pixels(self) -> np.ndarray:
        """Where the newest keyframe shows landmarks: (N, 2)."""
        newest = self._map.newest
        return newest.pixels[self._map.landmarks.find(newest.names) >= 0]

    def configure(self, config: OdometryConfig) -> None:
        """Put other parameters in force, from the next image on."""
        self._config = self._map.config = config

    def match(self, image: OdometryImage) -> Match:
        """Compare an image with the newest keyframe, from where the camera should be by now."""
        return self._match(self.keyframes[-1], image, self._predict(image.stamp_ns))

    def find_again(self, image: OdometryImage, keyframes: list[Keyframe]) -> Match | None:
        """Compare an image with ``keyframes``, as if taken there; return the first that agrees."""
        matches = (self._match(each, image, each.camera_from_world) for each in keyframes)
        return next((match for match in matches if match.agrees), None)

    def accept(self, match: Match) -> None:
        """Go on from a match without doubt; keep its image where the view has changed."""
        solution = match.solution
        assert solution is not None
        self._learn_model_error(match, solution)
        self._move(solution, match.image.stamp_ns)
        remaining = self._config.keyframe_overlap * self._landmarks_at_keyframe
        if match.keyframe is not self._map.newest or solution.inliers.sum() < remaining:
            agree = ~match.known
            agree[match.known] = solution.inliers
            self._add_keyframe(
                match.image, match.pixels[agree], match.seen.only(agree), match.names[agree]
            )

    def coast(self, stamp_ns: int) -> None:
        """Go on as before, unseen."""
        self.camera_from_world = self._predict(stamp_ns)
        self.stamp_ns = stamp_ns
        self.covariance = self.unseen_covariance(stamp_ns)
        self.velocity_covariance = self.measured.velocity_covariance + np.diag(_UNSEEN_VELOCITY**2)

    def unseen_covariance(self, stamp_ns: int) -> np.ndarray:
        """What (6, 6) may have happened since the pose was measured, beside going on as before."""
        unseen_m_rad = _UNSEEN_VELOCITY * self.measured.seconds_until(stamp_ns)
        return self.measured.covariance + np.diag(unseen_m_rad**2)

    def _predict(self, stamp_ns: int) -> Transform:
        """camera_from_world if the camera goes on as it did."""
        seconds = self.measured.seconds_until(stamp_ns)
        if seconds > _VELOCITY_HOLDS_S:
            return self.camera_from_world
        return twist_transform(self.velocity * seconds) @ self.measured.camera_from_world

    def _match(self, keyframe: Keyframe, image: OdometryImage, guess: Transform) -> Match:
        self._noise = image.noise(self._config)
        points = self._map.landmarks.points_of(keyframe.names)
        predicted = self._camera.project(guess.apply(self._placed(points, keyframe)))
        with np.errstate(invalid="ignore"):  # NaN behind the camera
            ahead = np.all((predicted >= 0) & (predicted < self._camera.resolution_wh), axis=1)
        pixels, trusted = follow(
            keyframe.gray, image.gray, keyframe.pixels[ahead], predicted=predicted[ahead]
        )
        trusted[trusted] = stands_still(image, pixels[trusted])
        pixels, points = pixels[trusted], points[ahead][trusted]
        known = np.isfinite(points[:, 0])
        seen = observe(self._camera, self._config, pixels, image)
        solution = self._solve(points[known], seen.only(known), guess)
        inliers = 0 if solution is None else int(solution.inliers.sum())
        agrees = inliers >= self._config.min_inliers
        if solution is not None and agrees:
            doubt = self._doubt(solution.camera_from_world, image.stamp_ns)
        else:
            least = self._config.min_inliers
            doubt = f"{inliers} features agree on a pose, min_inliers is {least}"
        names = keyframe.names[ahead][trusted]
        return Match(image, keyframe, pixels, seen, names, known, solution, agrees, doubt)

    def _placed(self, points: np.ndarray, keyframe: Keyframe) -> np.ndarray:
        """Where features (N, 3) are; those of unknown depth as far as the scene."""
        unknown = np.isnan(points[:, 0])
        rays = self._camera.unproject(keyframe.pixels[unknown].astype(np.float64))
        placed = points.copy()
        placed[unknown] = keyframe.camera_from_world.inverse().apply(rays * self.scene_m)
        return placed

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

    def _doubt(self, camera_from_world: Transform, stamp_ns: int) -> str:
        """Why the camera cannot be there by now, or nothing."""
        config = self._config
        seconds = (stamp_ns - self.stamp_ns) * 1e-9
        motion = camera_from_world @ self.camera_from_world.inverse()
        speed = float(np.linalg.norm(motion.translation)) / seconds
        turn_rate = float(np.linalg.norm(motion.rotation_vector)) / seconds
        if speed > config.max_speed:
            return f"a motion of {speed:.1f} m/s, max_speed is {config.max_speed:g}"
        if turn_rate > config.max_turn_rate:
            return f"a rotation of {turn_rate:.1f} rad/s, max_turn_rate is {config.max_turn_rate:g}"
        return ""

    def _move(self, solution: PoseSolution, stamp_ns: int) -> None:
        motion = solution.camera_from_world @ self.measured.camera_from_world.inverse()
        seconds = self.measured.seconds_until(stamp_ns)
        self.velocity = np.concatenate((motion.translation, motion.rotation_vector)) / seconds
        # Two poses against the same points: their errors add up.
        self.velocity_covariance = 2.0 * solution.covariance / seconds**2
        self.camera_from_world = solution.camera_from_world
        self.stamp_ns = stamp_ns
        if seconds > _VELOCITY_HOLDS_S:  # whatever it did meanwhile, nobody saw it stand still
            self._still_at, self._still_since_ns = self.camera_from_world, stamp_ns
        # The keyframe's uncertainty seen from here, and that of the way from there to here.
        since_keyframe = self.camera_from_world @ self.keyframes[-1].camera_from_world.inverse()
        carried = since_keyframe.adjoint @ self._keyframe_covariance @ since_keyframe.adjoint.T
        self.covariance = carried + solution.covariance + self._model_covariance(since_keyframe)
        self._keep_measured()

    def _keep_measured(self) -> None:
        self.measured = Measured(
            self.stamp_ns, self.camera_from_world, self.covariance, self.velocity_covariance
        )
        moved = self._image_motion(self.camera_from_world @ self._still_at.inverse())
        if np.linalg.norm(moved) > _STILL_SIGMAS * self._noise.pixel_px / self._camera.fx:
            self._still_at, self._still_since_ns = self.camera_from_world, self.stamp_ns

    def _learn_model_error(self, match: Match, solution: PoseSolution) -> None:
        points = self._map.landmarks.points_of(match.names[match.known])
        points_camera = solution.camera_from_world.apply(points)
        seen = match.seen.only(match.known)
        found = disagreement(points_camera, seen, self._camera.K, self._noise)
        if found is not None:
            motion = solution.camera_from_world @ match.keyframe.camera_from_world.inverse()
            self._model_error.learn(*found, self._image_motion(motion), self.scene_m)

    def _model_covariance(self, motion: Transform) -> np.ndarray:
        """What features agree on and is still wrong.

        Calibration, registration and synchronisation are not exact. Their error is taken for a
        share of how far the image has moved, in radians; it shows as rotation as well as
        translation at the distance of the scene.
        """
        variance = self._model_error.variance(self._image_motion(motion))
        return variance * np.diag(np.repeat((self.scene_m, 1.0), 3) ** 2)

    def _image_motion(self, motion: Transform) -> np.ndarray:
        """How (6,) the image has moved, in radians."""
        return np.concatenate((motion.translation / self.scene_m, motion.rotation_vector))

    def _start_at(self, image: OdometryImage) -> None:
        """Make an image the first one."""
        self._map = LocalMap(self._camera, self._config)
        nothing = np.zeros((0, 2), np.float32)
        seen = observe(self._camera, self._config, nothing, image)
        self._add_keyframe(image, nothing, seen, np.zeros(0, np.int64))
        enough = self._landmarks_at_keyframe >= 2 * self._config.min_inliers
        self._start = None
        if not enough:
            first = self._map.newest
            self._start = MotionStart(self._camera, self._config, image, first, self.scene_m)

    def _add_keyframe(
        self, image: OdometryImage, pixels: np.ndarray, seen: Observations, names: np.ndarray
    ) -> None:
        """Keep an image: the features it shares with the one before, filled up with new ones."""
        if self.keyframes:
            motion = self.camera_from_world @ self.keyframes[-1].camera_from_world.inverse()
            self._model_error.keep(self._image_motion(motion), self._config.model_error)
        count = self._config.features - len(pixels)
        corners = detect_corners(
            image.gray,
            round(_CHOICE * count),
            occupied=pixels,
            spacing_px=self._config.feature_spacing_px,
        )
        corners = corners[stands_still(image, corners)]
        fresh = observe(self._camera, self._config, corners, image)
        # Those of known depth first: of the others, it takes time to learn it.
        chosen = np.argsort(np.isnan(fresh.depth_m), kind="stable")[:count]
        keyframe = Keyframe(
            image.gray,
            self.camera_from_world,
            np.concatenate((pixels, corners[chosen])),
            seen + fresh.only(chosen),
            np.concatenate((names, self._map.new_names(len(chosen)))),
        )
        self._map.add(keyframe, self._noise)
        newest = self._map.newest
        self.camera_from_world = newest.camera_from_world
        self._keep_measured()
        self._keyframe_covariance = self.covariance
        points = self._map.landmarks.points_of(newest.names)
        depth_m = self.camera_from_world.apply(points[np.isfinite(points[:, 0])])[:, 2]
        self._landmarks_at_keyframe = len(depth_m)
        if len(depth_m):
            self.scene_m = float(np.median(depth_m))


def observe(
    camera: Camera, config: OdometryConfig, pixels: np.ndarray, image: OdometryImage
) -> Observations:
    """Undistort pixels (N, 2) and read their depth."""
    return Observations(camera.undistort_pixels(pixels), image.depth_at(pixels, config))
