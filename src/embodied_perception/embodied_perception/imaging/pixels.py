"""Pixels as they come: raw, or as a compressed file, and the views that each can give."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from embodied_perception.errors import FrameError
from embodied_perception.imaging import rvl
from embodied_perception.imaging.bayer import BILINEAR
from embodied_perception.imaging.encodings import (
    DEPTHS,
    ENCODINGS,
    Target,
    decode,
    to_8_bit,
    unknown_encoding,
)
from embodied_perception.imaging.files import PNG_HEAD, is_gray_16, require_whole, size_of
from embodied_perception.imaging.limits import require_pixels

# Topics say how an image lies; an EXIF tag in it would turn it away from its camera_info.
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION


class Pixels(Protocol):
    """What an image's source can give. All raise FrameError with a reason where they cannot."""

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height in pixels, as far as can be told without decoding."""

    @property
    def is_depth(self) -> bool:
        """Whether the values are distances and no picture."""

    def colors(self, target: Target, method: str = BILINEAR) -> np.ndarray:
        """(H, W, 3) in that order or (H, W) gray: uint8, or uint16 where the source has 16 bits."""

    def colors_8_bit(self, target: Target) -> np.ndarray:
        """As :meth:`colors`, always uint8, in the fastest way."""

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, NaN where unknown."""


class RawPixels:
    """Pixels as a driver sends them.

    Attributes:
        array: (H, W[, C]) as the encoding says; (H * 3 / 2, W) for nv12 and nv21.
        encoding: of sensor_msgs/Image, one of :data:`~embodied_perception.imaging.ENCODINGS`.

    """

    def __init__(self, array: np.ndarray, encoding: str) -> None:
        self.array = array
        self.encoding = encoding

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        rows, width = self.array.shape[:2]
        return width, rows * 2 // 3 if ENCODINGS[self.encoding].is_planar else rows

    @property
    def is_depth(self) -> bool:
        """Whether the values are distances and no picture."""
        return not ENCODINGS[self.encoding].colors

    def colors(self, target: Target, method: str = BILINEAR) -> np.ndarray:
        """(H, W, 3) or (H, W), with the source's 8 or 16 bits."""
        return decode(self.array, self.encoding, target, method)

    def colors_8_bit(self, target: Target) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8; the array itself where the encoding is the target."""
        if self.is_depth:
            raise unknown_encoding(
                self.encoding, tuple(n for n in ENCODINGS if ENCODINGS[n].colors)
            )
        return decode(to_8_bit(self.array), self.encoding, target)

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, NaN where unknown (REP-118: 16UC1 is millimetres, 0 unknown)."""
        if self.encoding not in DEPTHS:
            raise unknown_encoding(self.encoding, DEPTHS)
        if self.array.dtype == np.uint16:
            depth_m = self.array * np.float32(0.001)
            depth_m[self.array == 0] = np.nan
            return depth_m
        return np.where(np.isfinite(self.array) & (self.array > 0), self.array, np.float32(np.nan))


class CompressedPixels:
    """A JPEG or PNG file in memory. Each view is decoded straight from the file.

    Args:
        data: (N,) uint8, the file.

    """

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    def require_whole(self) -> None:
        """Raise :class:`FrameError` where the file's end is missing."""
        require_whole(self.data)

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height as the file's head says, pixels."""
        return size_of(self.data)

    @property
    def is_png(self) -> bool:
        """Whether it is a PNG file."""
        return self.data[:8].tobytes() == PNG_HEAD

    @property
    def is_depth(self) -> bool:
        """A PNG of 16-bit gray can only be depth: JPEG cannot hold it, and cameras send 8 bits."""
        return is_gray_16(self.data)

    def colors(self, target: Target, method: str = BILINEAR) -> np.ndarray:  # noqa: ARG002
        """(H, W, 3) or (H, W) uint8; gray of a JPEG is the luma that the file holds."""
        return self.colors_8_bit(target)

    def colors_8_bit(self, target: Target) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8."""
        if self.is_depth:  # OpenCV would cut 16 bits down to 8
            raise unknown_encoding("PNG of 16-bit gray", ("JPEG", "PNG of 8 bits"))
        if target == "GRAY":
            return self._read(cv2.IMREAD_GRAYSCALE | _AS_STORED)
        bgr = self._read(cv2.IMREAD_COLOR | _AS_STORED)
        return bgr if target == "BGR" else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, from a 16-bit PNG of millimetres."""
        return RawPixels(self._stored(), "16UC1").depth_m()

    def _stored(self) -> np.ndarray:
        """(H, W) uint16, as in the file."""
        array = self._read(cv2.IMREAD_UNCHANGED)
        if array.dtype != np.uint16 or array.ndim != 2:
            raise unknown_encoding(f"{array.dtype} image of shape {array.shape}", DEPTHS)
        return array

    def _read(self, flags: int) -> np.ndarray:
        require_whole(self.data)
        require_pixels(*size_of(self.data), "image file", len(self.data))
        try:
            array = cv2.imdecode(self.data, flags)
        except cv2.error:
            array = None
        if array is None:
            raise FrameError("UNDECODABLE", f"{len(self.data)} bytes are no JPEG or PNG image")
        return array


class CompressedDepth:
    """A depth image as compressed_depth_image_transport packs it, without its header.

    Args:
        data: (N,) uint8.
        is_rvl: packed by RVL, not PNG.
        inverse_depth: (a, b) where values v are of depth a / (v - b) in metres, as is written for
            floating-point depth; None for millimetres.

    """

    is_depth = True

    def __init__(
        self, data: np.ndarray, is_rvl: bool, inverse_depth: tuple[float, float] | None = None
    ) -> None:
        self._data = data
        self._is_rvl = is_rvl
        self._inverse_depth = inverse_depth

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return rvl.size_of(self._data) if self._is_rvl else size_of(self._data)

    def colors(self, target: Target, method: str = BILINEAR) -> np.ndarray:  # noqa: ARG002
        """Refuse: depth is no picture."""
        raise unknown_encoding("compressedDepth", ("JPEG", "PNG of 8 bits"))

    def colors_8_bit(self, target: Target) -> np.ndarray:
        """Refuse: depth is no picture."""
        return self.colors(target)

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, NaN where unknown."""
        stored = rvl.decode(self._data) if self._is_rvl else CompressedPixels(self._data)._stored()
        if self._inverse_depth is None:
            return RawPixels(stored, "16UC1").depth_m()
        scale, offset = (np.float32(value) for value in self._inverse_depth)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            depth_m = scale / (stored - offset)
        return RawPixels(np.where(stored > 0, depth_m, np.float32(0)), "32FC1").depth_m()
