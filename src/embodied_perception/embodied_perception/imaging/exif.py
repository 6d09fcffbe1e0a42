"""What a photo's EXIF tells of the camera: which way is up, and how long the lens is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from embodied_perception.camera import Camera

# Tags of EXIF 2.32 (JEITA CP-3451E), in the main directory and in that of the exposure.
_ORIENTATION, _EXPOSURE_IFD = 0x0112, 0x8769
_FOCAL_LENGTH_MM, _FOCAL_LENGTH_35MM = 0x920A, 0xA405
_PLANE_RESOLUTION, _PLANE_UNIT, _PIXEL_WIDTH = 0xA20E, 0xA210, 0xA002
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # inch, centimetre, millimetre, micrometre

#: 35 mm film is 36 mm x 24 mm; equivalent focal lengths compare the diagonals (CIPA DCG-001).
_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
#: Shorter and longer lenses than these in parts of the diagonal are mistakes.
_PLAUSIBLE = (0.1, 100.0)


class Exif:
    """The tags of one photo, as Pillow reads them."""

    def __init__(self, photo: Image.Image) -> None:
        tags = photo.getexif()
        self._tags: Mapping[int, Any] = dict(tags)
        self._exposure: Mapping[int, Any] = dict(tags.get_ifd(_EXPOSURE_IFD))

    @property
    def orientation(self) -> int:
        """How the pixels lie, 1 to 8; 1 is upright."""
        value = self._tags.get(_ORIENTATION, 1)
        return value if value in range(1, 9) else 1

    def upright(self, pixels: np.ndarray) -> np.ndarray:
        """Turn and mirror an image (H, W[, C]) as the orientation asks."""
        orientation = self.orientation
        if orientation >= 5:  # rows are columns
            pixels = pixels.swapaxes(0, 1)
        if orientation in (2, 3, 6, 7):
            pixels = pixels[:, ::-1]
        if orientation in (3, 4, 7, 8):
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)

    def camera(self, width: int, height: int) -> Camera | None:
        """A first guess of the camera of an upright image, without distortion; None if untold.

        The principal point is taken to be the centre, and the image not to be cropped.
        """
        focal_px = self._focal_px(width, height)
        if focal_px is None:
            return None
        return Camera.pinhole(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)

    def _focal_px(self, width: int, height: int) -> float | None:
        diagonal_px = math.hypot(width, height)
        low, high = (part * diagonal_px for part in _PLAUSIBLE)
        for focal_px in (
            self._number(_FOCAL_LENGTH_35MM) * diagonal_px / _FILM_DIAGONAL_MM,
            self._by_sensor(max(width, height)),
        ):
            if low < focal_px < high:
                return focal_px
        return None

    def _by_sensor(self, long_side_px: int) -> float:
        """From millimetres and the sensor's pixels a millimetre; of the long side, as it is told.

        An image that was made smaller keeps the tags of the sensor, and its old width too.
        """
        unit_mm = _UNIT_MM.get(int(self._number(_PLANE_UNIT)), 0.0)
        told_px = self._number(_PIXEL_WIDTH)
        if not unit_mm or not told_px:
            return 0.0
        a_mm_px = self._number(_PLANE_RESOLUTION) / unit_mm
        return self._number(_FOCAL_LENGTH_MM) * a_mm_px * long_side_px / told_px

    def _number(self, tag: int) -> float:
        """A tag's value; 0 where it is missing or no number."""
        try:
            value = float(self._exposure.get(tag, 0.0))
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0
        return value if math.isfinite(value) else 0.0
