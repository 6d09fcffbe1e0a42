"""Visual odometry that says when it does not know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.errors import OdometryError
from embodied_perception.features import detect_corners, follow
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import PoseSolution
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate, TrackingState
from embodied_perception.odometry.images import OdometryImage, stands_still
from embodied_perception.odometry.tracker import Match, Tracker, observe

#: After a loss, the kept keyframes are tried over this many images that show enough, each of them
#: what the one before it shows; if none is found again, the last becomes a new beginning.
_PATIENCE = 4
#: What of an image's corners must be found in the next one for both to show the same. Of noise it
#: is up to 0.3, of a room at 15 Hz 0.9.
_SHOWN_AGAIN = 0.5
#: The origin is exact by definition; but filters that fuse it divide by what we say: 0.1 mm.
_ORIGIN_COVARIANCE = 1e-8 * np.eye(6)
_WAITS = "waits for the camera to move sideways"


@dataclass
class _Loss:
    """What is done about a loss.

    Attributes:
        coasts: whether the camera may be taken to go on as it did.
        misfits: images in a row that show enough, and none of the kept views.
        unknown: the last of them, (H, W) uint8, and its corners (N, 2).

    """

    coasts: bool = True
    misfits: int = 0
    unknown: tuple[np.ndarray, np.ndarray] | None = None


class VisualOdometry:
    """Follows one camera. Feed images in the order of their stamps to :meth:`track`."""

    def __init__(self, camera: Camera, config: OdometryConfig) -> None:
        self.camera = camera
        self._config = config
        self._epoch = 0
        self._tracker: Tracker | None = None
        self._loss: _Loss | None = None

    @property
    def config(self) -> OdometryConfig:
        """The parameters; others take effect at the next image."""
        return self._config

    @config.setter
    def config(self, config: OdometryConfig) -> None:
        self._config = config
        if self._tracker is not None:
            self._tracker.configure(config)

    def reset(self) -> None:
        """Forget everything: the next image is the new origin, in a new epoch."""
        self._epoch += 1
        self._tracker = self._loss = None

    def track(self, image: OdometryImage) -> Estimate:
        """Estimate the camera's pose at one image, which must be later than the one before.

        Raises:
            OdometryError: the image does not fit the camera, or time stands still.
        """
        self._check(image)
        if self._tracker is None:
            return self._start(image)
        tracker = self._tracker
        if tracker.is_waiting:
            return self._wait(tracker, image)
        match = tracker.match(image)
        if match.doubt:
            return self._recover(tracker, image, match.doubt)
        return self._follow(tracker, match)

    def _check(self, image: OdometryImage) -> None:
        image.require_shape((self.camera.height, self.camera.width))
        if self._tracker is not None and image.stamp_ns <= self._tracker.stamp_ns:
            raise OdometryError(
                f"got stamp {image.stamp_ns} ns after {self._tracker.stamp_ns} ns: call reset() "
                "first"
            )

    def _start(self, image: OdometryImage) -> Estimate:
        tracker = Tracker(self.camera, self.config, image, Transform.identity(), _ORIGIN_COVARIANCE)
        if tracker.is_waiting and image.has_depth:
            reason = _few_depths(tracker, self.config)
            return self._untracked(image, TrackingState.INIT, reason, tracker.known_pixels)
        self._tracker = tracker
        if tracker.is_waiting:
            return self._untracked(image, TrackingState.INIT, _WAITS, tracker.keyframes[-1].pixels)
        return self._tracked(tracker, TrackingState.INIT, "the origin", tracker.known_pixels, None)

    def _wait(self, tracker: Tracker, image: OdometryImage) -> Estimate:
        """See depth by motion."""
        doubt = tracker.begin(image)
        if doubt:
            state = TrackingState.LOST if self._loss else TrackingState.INIT
            return self._untracked(image, state, f"{_WAITS}: {doubt}", tracker.keyframes[-1].pixels)
        if self._loss:
            self._loss = None
            state, reason = TrackingState.RECOVERED, "a new map"
        else:
            state, reason = TrackingState.INIT, "the camera moved"
        if image.ruler is None:
            reason = f"{reason}; its scale is not known"
        return self._tracked(tracker, state, reason, tracker.known_pixels, None)

    def _follow(self, tracker: Tracker, match: Match) -> Estimate:
        assert match.solution is not None
        tracker.accept(match)
        state, reason = self._judge(match.solution)
        return self._tracked(tracker, state, reason, match.known_pixels, match.solution)

    def _judge(self, solution: PoseSolution) -> tuple[TrackingState, str]:
        loss, self._loss = self._loss, None
        inliers = int(solution.inliers.sum())
        if loss:
            self._epoch += 1
            return TrackingState.RECOVERED, "a view from before the loss was found again"
        if inliers < 2 * self.config.min_inliers:
            return TrackingState.DEGRADED, f"only {inliers} features agree on the pose"
        return TrackingState.OK, ""

    def _recover(self, tracker: Tracker, image: OdometryImage, doubt: str) -> Estimate:
        """Look for the view of a kept keyframe; state the loss; or begin anew."""
        loss = self._loss = self._loss or _Loss()
        corners = detect_corners(
            image.gray, self.config.features, spacing_px=self.config.feature_spacing_px
        )
        corners = corners[stands_still(image, corners)]
        enough = len(corners)
        if image.has_depth:
            depth_m = observe(self.camera, self._config, corners, image).depth_m
            enough = int(np.isfinite(depth_m).sum())
        if enough < 2 * self.config.min_inliers:
            return self._lose(tracker, image, doubt, corners)
        if not _still_shows(loss, image, corners):
            loss.misfits = 0
        # A share of the keyframes at each image, so that no image takes long.
        match = tracker.find_again(image, tracker.keyframes[loss.misfits :: _PATIENCE])
        if match is not None and not match.doubt:
            return self._follow(tracker, match)
        if match is not None:
            # odom must not jump there, and gets no nearer by going on.
            loss.coasts = False
            return self._lose(tracker, image, match.doubt, corners)
        loss.misfits += 1
        if loss.misfits < _PATIENCE:
            return self._lose(tracker, image, doubt, corners)
        loss.misfits = 0
        return self._begin_anew(tracker, image)

    def _lose(
        self, tracker: Tracker, image: OdometryImage, doubt: str, corners: np.ndarray
    ) -> Estimate:
        """Coast for a while, then know nothing."""
        unseen_s = tracker.measured.seconds_until(image.stamp_ns)
        assert self._loss is not None
        if not self._loss.coasts or unseen_s > self.config.coast_s:
            return self._untracked(image, TrackingState.LOST, doubt, corners)
        tracker.coast(image.stamp_ns)
        reason = f"goes on as before, unseen for {unseen_s:.2f} s: {doubt}"
        return self._tracked(tracker, TrackingState.LOST, reason, corners, None)

    def _begin_anew(self, lost: Tracker, image: OdometryImage) -> Estimate:
        """A new map in a new epoch, from where the old one was left: ``odom`` must not jump."""
        unseen_s = lost.measured.seconds_until(image.stamp_ns)
        covariance = lost.unseen_covariance(image.stamp_ns)
        tracker = Tracker(
            self.camera, self.config, image, lost.camera_from_world, covariance, lost.scene_m
        )
        if tracker.is_waiting and image.has_depth:  # motion would make up a scale
            return self._lose(lost, image, _few_depths(tracker, self.config), tracker.known_pixels)
        self._tracker = tracker
        self._epoch += 1
        if tracker.is_waiting:
            return self._untracked(image, TrackingState.LOST, _WAITS, tracker.keyframes[-1].pixels)
        self._loss = None
        reason = f"a new map; the motion of the last {unseen_s:.2f} s was not seen"
        return self._tracked(tracker, TrackingState.RECOVERED, reason, tracker.known_pixels, None)

    def _tracked(
        self,
        tracker: Tracker,
        state: TrackingState,
        reason: str,
        pixels: np.ndarray,
        solution: PoseSolution | None,
    ) -> Estimate:
        inliers, rms_px = np.ones(len(pixels), bool), 0.0
        if solution is not None:
            inliers, rms_px = solution.inliers, solution.rms_px
        elif state is TrackingState.LOST:
            inliers, rms_px = np.zeros(len(pixels), bool), float("nan")
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
            inliers=inliers,
            keyframes=len(tracker.keyframes),
            rms_px=rms_px,
            is_still=tracker.is_still and state is not TrackingState.LOST,
            scale_sigma=tracker.scale_sigma,
        )

    def _untracked(
        self, image: OdometryImage, state: TrackingState, reason: str, pixels: np.ndarray
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
            keyframes=0 if self._tracker is None else len(self._tracker.keyframes),
            rms_px=float("nan"),
            scale_sigma=image.scale_sigma,
        )


def _few_depths(tracker: Tracker, config: OdometryConfig) -> str:
    features, needed = len(tracker.known_pixels), 2 * config.min_inliers
    return f"{features} features with depth, {needed} are needed to start"


def _still_shows(loss: _Loss, image: OdometryImage, corners: np.ndarray) -> bool:
    """Whether the last unknown view can be followed into this one: noise cannot."""
    before, loss.unknown = loss.unknown, (image.gray, corners)
    if before is None:
        return False
    _, trusted = follow(before[0], image.gray, before[1])
    return bool(trusted.mean() >= _SHOWN_AGAIN)
