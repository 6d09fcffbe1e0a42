"""The start of a camera that does not see depth: it waits until motion shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.features import follow
from embodied_perception.geometry import Transform
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.images import OdometryImage, stands_still
from embodied_perception.odometry.keyframes import Keyframe
from embodied_perception.odometry.local_map import least_parallax
from embodied_perception.odometry.two_view import possible_motions

#: Of the first image's features: that must still be seen, and that must have moved enough.
_LEAST_FOLLOWED, _LEAST_WIDE = 0.5, 0.5


@dataclass(frozen=True, eq=False)
class Start:
    """How the camera moved from the first image.

    Attributes:
        second_from_first: in metres.
        rows: (N,) features of the first image that agree.
        pixels: (N, 2) where they are now.

    """

    second_from_first: Transform
    rows: np.ndarray
    pixels: np.ndarray


class MotionStart:
    """Follows the features of a first image until their motion tells how the camera moved.

    Without a ruler, metres are such that the scene is ``scene_m`` away.
    """

    def __init__(
        self,
        camera: Camera,
        config: OdometryConfig,
        image: OdometryImage,
        first: Keyframe,
        scene_m: float,
    ) -> None:
        self._camera, self._config = camera, config
        self._image, self._first, self._scene_m = image, first, scene_m
        self._followed = first.pixels

    def look(self, image: OdometryImage) -> Start | str | None:
        """Follow the features into the next image.

        Returns:
            The start; or words for what is still missing; or ``None`` if too few features of the
            first image are left.

        """
        config, first, K = self._config, self._first, self._camera.K
        pixels, trusted = follow(first.gray, image.gray, first.pixels, predicted=self._followed)
        self._followed = np.where(trusted[:, None], pixels, self._followed)
        trusted[trusted] = stands_still(image, pixels[trusted])
        if trusted.sum() < max(_LEAST_FOLLOWED * len(trusted), 2 * config.min_inliers):
            return None
        pixel_px = image.noise(config).pixel_px
        seen = self._camera.undistort_pixels(pixels[trusted])
        views = possible_motions(first.seen.pixels[trusted], seen, K, pixel_px)
        if not views:
            return "what is seen does not tell yet how the camera moved"
        if len(views) > 1:
            return f"a flat scene, which leaves {len(views)} motions possible"
        (view,) = views
        wide = int((view.good & (view.angles > least_parallax(K, pixel_px))).sum())
        needed = max(2 * config.min_inliers, _LEAST_WIDE * view.good.sum())
        if wide < needed:
            return f"{wide} features moved enough to see their depth, {needed:.0f} are needed"
        unit_m: float | str = self._scene_m / float(np.median(view.points[view.good, 2]))
        if image.ruler is not None:
            unit_m = image.ruler.unit_m(self._image, image, view, self._camera)
        if isinstance(unit_m, str):
            return unit_m
        motion = view.second_from_first
        rows = np.flatnonzero(trusted)[view.good]
        return Start(Transform(motion.rotation, motion.translation * unit_m), rows, pixels[rows])
