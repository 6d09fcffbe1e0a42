"""What cameras see, as odometry needs it: a picture to follow features in, and their depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from embodied_perception.errors import OdometryError
from embodied_perception.features import sample_depth
from embodied_perception.features.rows import disparities
from embodied_perception.geometry.pose import Noise
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import UNKNOWN_SCALE
from embodied_perception.odometry.rulers import Ruler


class OdometryImage(Protocol):
    """One moment of a camera set-up."""

    @property
    def gray(self) -> np.ndarray:
        """(H, W) uint8."""

    @property
    def stamp_ns(self) -> int:
        """When it was taken."""

    @property
    def moving(self) -> np.ndarray | None:
        """(H, W) bool: what moves by itself, and says nothing of how the camera does."""

    @property
    def has_depth(self) -> bool:
        """Whether depth is measured."""

    @property
    def ruler(self) -> Ruler | None:
        """What else says how large things are."""

    @property
    def scale_sigma(self) -> float:
        """By what share all lengths may be off."""

    def require_shape(self, shape: tuple[int, int]) -> None:
        """Raise :class:`OdometryError` unless all of it is (H, W)."""

    def depth_at(self, pixels: np.ndarray, config: OdometryConfig) -> np.ndarray:
        """Depth (N,) in metres along the optical axis at pixels (N, 2); NaN where not known."""

    def noise(self, config: OdometryConfig) -> Noise:
        """How exactly features and their depth are seen."""


@dataclass(frozen=True, eq=False)
class RgbdImage:
    """A picture and depth registered to it.

    Attributes:
        gray: (H, W) uint8, as the camera gives it (distorted).
        depth_m: (H, W) float32 along the optical axis, NaN unknown.
        stamp_ns: when it was taken.
        moving: (H, W) bool, what moves by itself; ``None``: that is not known.

    """

    gray: np.ndarray
    depth_m: np.ndarray
    stamp_ns: int
    moving: np.ndarray | None = None
    has_depth: ClassVar[bool] = True
    ruler: ClassVar[None] = None
    scale_sigma: ClassVar[float] = 0.0

    def require_shape(self, shape: tuple[int, int]) -> None:
        """See :class:`OdometryImage`."""
        _require_mask(self.moving, shape)
        if self.gray.shape != shape or self.depth_m.shape != shape:
            raise OdometryError(
                f"got an image of shape {self.gray.shape} and depth of shape {self.depth_m.shape}; "
                f"the camera has {shape}: register depth to colour, and check camera_info"
            )

    def depth_at(self, pixels: np.ndarray, config: OdometryConfig) -> np.ndarray:
        """See :class:`OdometryImage`."""
        return sample_depth(
            self.depth_m, pixels, nearest_m=config.min_depth_m, farthest_m=config.max_depth_m
        )

    def noise(self, config: OdometryConfig) -> Noise:
        """See :class:`OdometryImage`."""
        return Noise(config.pixel_noise_px, config.depth_noise)


@dataclass(frozen=True, eq=False)
class StereoImage:
    """Both pictures of a pair, rectified.

    Attributes:
        gray: (H, W) uint8, the left one.
        right: (H, W) uint8.
        focal_baseline: focal length in pixels times baseline in metres.
        stamp_ns: when they were taken.
        moving: (H, W) bool, what moves by itself in the left one; ``None``: that is not known.

    """

    gray: np.ndarray
    right: np.ndarray
    focal_baseline: float
    stamp_ns: int
    moving: np.ndarray | None = None
    has_depth: ClassVar[bool] = True
    ruler: ClassVar[None] = None
    scale_sigma: ClassVar[float] = 0.0

    def require_shape(self, shape: tuple[int, int]) -> None:
        """See :class:`OdometryImage`."""
        _require_mask(self.moving, shape)
        if self.gray.shape != shape or self.right.shape != shape:
            raise OdometryError(
                f"got a left image of shape {self.gray.shape} and a right one of shape "
                f"{self.right.shape}; the rectified camera has {shape}"
            )

    def depth_at(self, pixels: np.ndarray, config: OdometryConfig) -> np.ndarray:
        """See :class:`OdometryImage`."""
        depth_m = self.focal_baseline / disparities(self.gray, self.right, pixels)
        known = (depth_m > config.min_depth_m) & (depth_m < config.max_depth_m)
        return np.where(known, depth_m, np.nan)

    def noise(self, config: OdometryConfig) -> Noise:
        """See :class:`OdometryImage`."""
        return Noise(config.pixel_noise_px, config.disparity_noise_px / self.focal_baseline)


@dataclass(frozen=True, eq=False)
class MonoImage:
    """One picture, without depth.

    Attributes:
        gray: (H, W) uint8, as the camera gives it (distorted).
        stamp_ns: when it was taken.
        ruler: what tells the scale, of the same kind for all images; ``None``: nothing does.
        moving: (H, W) bool, what moves by itself; ``None``: that is not known.

    """

    gray: np.ndarray
    stamp_ns: int
    ruler: Ruler | None = None
    moving: np.ndarray | None = None
    has_depth: ClassVar[bool] = False

    @property
    def scale_sigma(self) -> float:
        """See :class:`OdometryImage`."""
        return UNKNOWN_SCALE if self.ruler is None else self.ruler.sigma

    def require_shape(self, shape: tuple[int, int]) -> None:
        """See :class:`OdometryImage`."""
        _require_mask(self.moving, shape)
        if self.gray.shape != shape:
            raise OdometryError(
                f"got an image of shape {self.gray.shape}; the camera has {shape}: check "
                "camera_info"
            )

    def depth_at(self, pixels: np.ndarray, config: OdometryConfig) -> np.ndarray:
        """See :class:`OdometryImage`."""
        del config  # nothing is measured
        return np.full(len(pixels), np.nan)

    def noise(self, config: OdometryConfig) -> Noise:
        """See :class:`OdometryImage`."""
        return Noise(config.pixel_noise_px, config.depth_noise)


def stands_still(image: OdometryImage, pixels: np.ndarray) -> np.ndarray:
    """Which of pixels (N, 2) inside the image are of nothing that moves by itself: (N,) bool."""
    if image.moving is None or not len(pixels):
        return np.ones(len(pixels), bool)
    columns, rows = np.rint(pixels).astype(int).T
    return ~image.moving[rows, columns]


def _require_mask(moving: np.ndarray | None, shape: tuple[int, int]) -> None:
    if moving is not None and (moving.shape != shape or moving.dtype != np.bool_):
        raise OdometryError(
            f"got a {moving.dtype} mask of shape {moving.shape}; the camera has {shape}, and the "
            "mask must be of bool"
        )
