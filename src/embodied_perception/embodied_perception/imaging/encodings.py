"""The pixel encodings of sensor_msgs/Image: how each lies in memory, and what colours it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import cv2
import numpy as np

from embodied_perception.errors import FrameError
from embodied_perception.imaging.bayer import BILINEAR, demosaic, mosaic

#: What an image can be turned into: 8-bit or 16-bit, three channels or one.
Target = Literal["RGB", "BGR", "GRAY"]

_TO_8_BIT = 1 / 257  # 65535 becomes 255
_TO_16_BIT = np.arange(256, dtype=np.uint16) * np.uint16(257)


@dataclass(frozen=True)
class Encoding:
    """One encoding.

    Attributes:
        name: as in sensor_msgs/image_encodings.
        dtype: NumPy's name of one channel's type.
        channels: stored at every pixel.
        colors: what they mean in OpenCV's words: ``BGR``, ``GRAY``, ``YUV_UYVY``; ``Bayer_RGGB``;
            empty where it is no picture but depth.
        is_depth: whether values can be distances.

    """

    name: str
    dtype: str
    channels: int
    colors: str
    is_depth: bool = False

    @cached_property
    def is_planar(self) -> bool:
        """Whether half as many rows again, of interleaved chroma, follow the rows of luma."""
        return self.colors in ("YUV_NV12", "YUV_NV21")

    @cached_property
    def pixel_bytes(self) -> int:
        """Bytes from one pixel of a row to the next."""
        return self.channels * np.dtype(self.dtype).itemsize

    @cached_property
    def bayer_pattern(self) -> str:
        """The colours of the first two rows' first two pixels, such as ``RGGB``; else empty."""
        return self.colors.removeprefix("Bayer_") if self.colors.startswith("Bayer_") else ""

    def stored_rows(self, height: int) -> int:
        """Rows in memory of an image of ``height`` pixels."""
        return height * 3 // 2 if self.is_planar else height

    def require_size(self, width: int, height: int) -> None:
        """Raise :class:`FrameError` where colours are shared by pixels that are not all there."""
        if not width % 2 and not height % 2:
            return
        odd_width = (self.colors.startswith("YUV") or self.bayer_pattern) and width % 2
        odd_height = (self.is_planar or self.bayer_pattern) and height % 2
        if odd_width or odd_height:
            raise FrameError(
                "WRONG_SIZE",
                f"{width}x{height} {self.name}: its colours are shared by neighbours, "
                "expected an even size",
            )


def _encodings() -> dict[str, Encoding]:
    found = [
        Encoding("mono8", "u1", 1, "GRAY"),
        Encoding("8UC1", "u1", 1, "GRAY"),
        Encoding("8UC3", "u1", 3, "BGR"),  # as cv_bridge takes them
        Encoding("8UC4", "u1", 4, "BGRA"),
        Encoding("16UC1", "u2", 1, "", is_depth=True),
        Encoding("32FC1", "f4", 1, "", is_depth=True),
        Encoding("mono16", "u2", 1, "GRAY", is_depth=True),
        Encoding("uyvy", "u1", 2, "YUV_UYVY"),
        Encoding("yuv422", "u1", 2, "YUV_UYVY"),
        Encoding("yuyv", "u1", 2, "YUV_YUY2"),
        Encoding("yuv422_yuy2", "u1", 2, "YUV_YUY2"),
        Encoding("nv12", "u1", 1, "YUV_NV12"),
        Encoding("nv21", "u1", 1, "YUV_NV21"),
    ]
    for bits, dtype in ((8, "u1"), (16, "u2")):
        found += [
            Encoding(f"{colors.lower()}{bits}", dtype, len(colors), colors)
            for colors in ("RGB", "BGR", "RGBA", "BGRA")
        ]
        found += [
            Encoding(f"bayer_{pattern.lower()}{bits}", dtype, 1, f"Bayer_{pattern}")
            for pattern in ("RGGB", "BGGR", "GBRG", "GRBG")
        ]
    return {encoding.name: encoding for encoding in found}


ENCODINGS = _encodings()
PICTURES = tuple(name for name, encoding in ENCODINGS.items() if encoding.colors)
LABELS = ("mono8", "8UC1", "mono16", "16UC1")
DEPTHS = tuple(name for name, encoding in ENCODINGS.items() if encoding.is_depth)


def decode(array: np.ndarray, encoding: str, target: Target, method: str = BILINEAR) -> np.ndarray:
    """Turn stored pixels into colours, with the bits they have; the same array where it can be.

    Args:
        array: (H, W) or (H, W, C) as the encoding says; (H * 3 / 2, W) for nv12 and nv21.
        encoding: one of :data:`PICTURES`.
        target: what to return.
        method: of demosaicing, one of :data:`embodied_perception.imaging.bayer.METHODS`.

    Raises:
        FrameError: the encoding is no picture.

    """
    known = _picture(encoding)
    if known.colors == target:
        return array
    if known.bayer_pattern:
        return demosaic(array, known.bayer_pattern, target, method)
    if target == "GRAY" and known.is_planar:
        return array[: len(array) * 2 // 3]
    return cv2.cvtColor(array, _code(known.colors, target))


def encode(array: np.ndarray, source: Literal["RGB", "BGR"], encoding: str) -> np.ndarray:
    """Store colours (H, W, 3) uint8 in an encoding; the inverse of :func:`decode`.

    Raises:
        FrameError: the encoding is no picture, or the size does not suit it.

    """
    known = _picture(encoding)
    known.require_size(array.shape[1], array.shape[0])
    if known.bayer_pattern:
        stored = mosaic(array, source, known.bayer_pattern)
    elif known.is_planar:
        stored = _semi_planar(cv2.cvtColor(array, _code(source, "YUV_I420")), known.colors)
    else:
        stored = (
            array if known.colors == source else cv2.cvtColor(array, _code(source, known.colors))
        )
    return stored if known.dtype == "u1" else cv2.LUT(stored, _TO_16_BIT)


def to_8_bit(array: np.ndarray) -> np.ndarray:
    """Scale 16 bits to 8, as cv_bridge does; 8 bits stay the same array."""
    return array if array.dtype == np.uint8 else cv2.convertScaleAbs(array, alpha=_TO_8_BIT)


def unknown_encoding(got: str, expected: tuple[str, ...]) -> FrameError:
    """Return the error of an encoding that has no such view."""
    return FrameError("WRONG_ENCODING", f"got {got!r}, expected one of {', '.join(expected)}")


def _picture(encoding: str) -> Encoding:
    known = ENCODINGS.get(encoding)
    if known is None or not known.colors:
        raise unknown_encoding(encoding, PICTURES)
    return known


@cache
def _code(source: str, target: str) -> int:
    """OpenCV's number of a conversion, such as ``COLOR_YUV2RGB_UYVY``."""
    name, _, layout = source.partition("_")
    wanted, _, target_layout = target.partition("_")
    layout = layout or target_layout
    return getattr(cv2, f"COLOR_{name}2{wanted}" + (f"_{layout}" if layout else ""))


def _semi_planar(i420: np.ndarray, colors: str) -> np.ndarray:
    """Interleave the chroma planes of (H * 3 / 2, W) I420: U first in NV12, V first in NV21."""
    height, width = len(i420) * 2 // 3, i420.shape[1]
    u, v = i420[height:].reshape(2, height // 2, width // 2)
    first, second = (u, v) if colors == "YUV_NV12" else (v, u)
    stored = np.empty_like(i420)
    stored[:height] = i420[:height]
    stored[height:] = cv2.merge((first, second)).reshape(height // 2, width)
    return stored
