"""Masks as files hold them: pixels that are numbers, and which class a number means."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image, UnidentifiedImageError

from embodied_perception.errors import EvaluationError, FrameError
from embodied_perception.imaging.files import PNG_HEAD, require_whole, size_of
from embodied_perception.imaging.limits import require_pixels

#: In masks of :meth:`ClassNumbers.classes_of`.
UNLABELLED = 65535
_NO_CLASS = 65534
_MODES = {"L": np.uint8, "P": np.uint8, "I;16": np.uint16, "I": np.uint16}
_BITS_AT, _COLOURS_AT, _GRAY = 24, 25, 0  # of a PNG file


def decode_mask(data: np.ndarray) -> np.ndarray:
    """Read a PNG file (N,) uint8 of class numbers: (H, W) uint8 or uint16.

    Of a file with a palette it is the numbers, not the colours.

    Raises:
        FrameError: it is no PNG, damaged, or its pixels are colours.

    """
    if data[: len(PNG_HEAD)].tobytes() != PNG_HEAD:
        raise FrameError(
            "WRONG_ENCODING", "got no PNG file: a mask's numbers do not survive anything else"
        )
    require_whole(data)
    require_pixels(*size_of(data), "mask", len(data))
    try:
        with Image.open(io.BytesIO(data.tobytes())) as picture:
            if data[_COLOURS_AT] == _GRAY and data[_BITS_AT] < 8:  # would be spread to 0..255
                raise FrameError("WRONG_ENCODING", f"got {data[_BITS_AT]} bits a pixel, expected 8")
            if picture.mode not in _MODES:
                raise FrameError(
                    "WRONG_ENCODING",
                    f"got a PNG of mode {picture.mode}, expected one number a pixel: colours must "
                    "be turned into class numbers first",
                )
            return np.asarray(picture).astype(_MODES[picture.mode])
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise FrameError("UNDECODABLE", f"cannot be read as PNG: {error}") from error


class ClassNumbers:
    """The numbers that stand in masks for classes.

    Args:
        classes: number in the file to number of the class.
        unlabelled: numbers of pixels that are of no class. The largest one that a mask can hold
            (255 or 65535) always is, unless it is a class.

    """

    def __init__(self, classes: Mapping[int, int], unlabelled: Iterable[int] = ()) -> None:
        self._known = sorted(classes)
        self._table = np.full(65536, _NO_CLASS, np.uint16)
        self._table[list(unlabelled)] = UNLABELLED
        self._table[UNLABELLED] = UNLABELLED
        self._table[self._known] = [classes[number] for number in self._known]
        self._has_255 = 255 in classes

    def classes_of(self, mask: np.ndarray) -> np.ndarray:
        """Turn a mask (H, W) uint8 or uint16 into classes, :data:`UNLABELLED` where there is none.

        Raises:
            EvaluationError: it holds a number that is no class.

        """
        found = self._table[mask]
        if mask.dtype == np.uint8 and not self._has_255:
            found[mask == 255] = UNLABELLED
        strange = found == _NO_CLASS
        if strange.any():
            known = ", ".join(map(str, self._known[:40]))
            known += ", ..." if len(self._known) > 40 else ""
            raise EvaluationError(
                f"got the class number {mask[strange].min()} in {strange.sum()} pixels; there are "
                f"{known}"
            )
        return found
