"""RGB-D visual odometry that says when it does not know."""

from __future__ import annotations

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.errors import OdometryError
from embodied_perception.features import detect_corners
from embodied_perception.geometry import Transform
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate, TrackingState
from embodied_perception.odometry.pose import PoseSolution
from embodied_perception.odometry.tracker import RgbdImage, Tracker, observe

#: So many images that show enough but do not fit the map, before a new map is begun.
_PATIENCE = 3
#: What the camera may have done unseen, as standard deviations per second: 1 m, 1 rad.
_UNSEEN_MOTION = np.ones(6)


class RgbdOdometry:
    """Follows one camera. Feed images in the order of their stamps to :meth:`track`."""

    def __init__(self, camera: Camera, config: OdometryConfig) -> None:
        self.camera = camera
        self.config = config
        self._epoch = 0
        self._tracker: Tracker | None = None
        self._lost_images = 0
        self._misfits = 0

    def reset(self) -> None:
        """Forget everything: the next image is the new origin, in a new epoch."""
        self._epoch += 1
        self._tracker = None
        self._lost_images = self._misfits = 0

    def track(self, gray: np.ndarray, depth_m: np.ndarray, stamp_ns: int) -> Estimate:
        """Estimate the camera's pose at one image.

        Args:
            gray: (H, W) uint8, as the camera gives it (distorted).
            depth_m: (H, W) float32 along the optical axis, registered to ``gray``, NaN unknown.
            stamp_ns: later than the one before.

        Raises:
            OdometryError: the images do not fit the camera, or time stands still.
        """
        self._check(gray, depth_m, stamp_ns)
        image = RgbdImage(gray, depth_m, stamp_ns)
        if self._tracker is None:
            return self._start(image)
        match = self._tracker.match(image)
        if match.doubt or match.solution is None:
            return self._lose(self._tracker, image, match.doubt)
        self._tracker.accept(match)
        state, reason = self._judge(match.solution)
        return self._tracked(self._tracker, state, reason, match.tracks.pixels, match.solution)

    def _check(self, gray: np.ndarray, depth_m: np.ndarray, stamp_ns: int) -> None:
        expected = (self.camera.height, self.camera.width)
        if gray.shape != expected or depth_m.shape != expected:
            raise OdometryError(
                f"got an image of shape {gray.shape} and depth of shape {depth_m.shape}; the "
                f"camera has {expected}: register depth to colour, and check camera_info"
            )
        if self._tracker is not None and stamp_ns <= self._tracker.stamp_ns:
            raise OdometryError(
                f"got stamp {stamp_ns} ns after {self._tracker.stamp_ns} ns: call reset() first"
            )

    def _start(self, image: RgbdImage) -> Estimate:
        tracker = Tracker(
            self.camera, self.config, image, Transform.identity(), np.zeros((6, 6))
        )
        features, needed = len(tracker.tracks.rows), 2 * self.config.min_inliers
        if features < needed:
            reason = f"{features} features with depth, {needed} are needed to start"
            return self._untracked(image, TrackingState.INIT, reason, tracker.tracks.pixels)
        self._tracker = tracker
        return self._tracked(tracker, TrackingState.INIT, "the origin", tracker.tracks.pixels, None)

    def _judge(self, solution: PoseSolution) -> tuple[TrackingState, str]:
        was_lost = self._lost_images > 0
        self._lost_images = self._misfits = 0
        inliers = int(solution.inliers.sum())
        if was_lost:
            return TrackingState.RECOVERED, "the view from before the loss was found again"
        if inliers < 2 * self.config.min_inliers:
            return TrackingState.DEGRADED, f"only {inliers} features agree on the pose"
        return TrackingState.OK, ""

    def _lose(self, tracker: Tracker, image: RgbdImage, doubt: str) -> Estimate:
        """State the loss. The last image that was understood stays the one to compare with."""
        self._lost_images += 1
        corners = detect_corners(
            image.gray, self.config.features, spacing_px=self.config.feature_spacing_px
        )
        depth = observe(self.camera, self.config, corners, image.depth_m).depth_m
        self._misfits += int(np.isfinite(depth).sum()) >= 2 * self.config.min_inliers
        if self._misfits < _PATIENCE:
            return self._untracked(image, TrackingState.LOST, doubt, corners)
        return self._begin_anew(tracker, image)

    def _begin_anew(self, lost: Tracker, image: RgbdImage) -> Estimate:
        """A new map in a new epoch, from where the old one was left: ``odom`` must not jump."""
        unseen_s = (image.stamp_ns - lost.stamp_ns) * 1e-9
        covariance = lost.covariance + np.diag((_UNSEEN_MOTION * unseen_s) ** 2)
        self._tracker = Tracker(
            self.camera, self.config, image, lost.camera_from_world, covariance
        )
        self._epoch += 1
        self._lost_images = self._misfits = 0
        reason = f"a new map; the motion of the last {unseen_s:.2f} s was not seen"
        pixels = self._tracker.tracks.pixels
        return self._tracked(self._tracker, TrackingState.RECOVERED, reason, pixels, None)

    def _tracked(
        self,
        tracker: Tracker,
        state: TrackingState,
        reason: str,
        pixels: np.ndarray,
        solution: PoseSolution | None,
    ) -> Estimate:
        return Estimate(
            stamp_ns=tracker.stamp_ns,
            state=state,
            reason=reason,
            epoch=self._epoch,
            world_from_camera=tracker.camera_from_world.inverse(),
            covariance=tracker.covariance,
            # The camera moves against the world as the world moves against the camera.
            velocity=-tracker.velocity,
            velocity_covariance=tracker.velocity_covariance,
            pixels=pixels,
            inliers=np.ones(len(pixels), bool) if solution is None else solution.inliers,
            keyframes=len(tracker.map.keyframes),
            rms_px=0.0 if solution is None else solution.rms_px,
        )

    def _untracked(
        self, image: RgbdImage, state: TrackingState, reason: str, pixels: np.ndarray
    ) -> Estimate:
        return Estimate(
            stamp_ns=image.stamp_ns,
            state=state,
            reason=reason,
            epoch=self._epoch,
            world_from_camera=None,
            covariance=np.full((6, 6), np.nan),
            velocity=np.full(6, np.nan),
            velocity_covariance=np.full((6, 6), np.nan),
            pixels=pixels,
            inliers=np.zeros(len(pixels), bool),
            keyframes=0 if self._tracker is None else len(self._tracker.map.keyframes),
            rms_px=float("nan"),
        )
