"""A folder of photos, upright by their EXIF, with the camera that it tells of."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from embodied_perception.camera import Camera
from embodied_perception.errors import FrameError, SourceError
from embodied_perception.imaging.exif import Exif
from embodied_perception.imaging.pixels import CompressedPixels, Pixels, RawPixels
from embodied_perception.imaging.sources.source import START_NS, SourceImage

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_KEPT = ("JPEG", "PNG")  # as image topics carry them
_MODES = {"L": "mono8", "RGB": "rgb8", "I;16": "mono16"}


class PhotoFolder:
    """Photos in the order of their names.

    Args:
        folder: holds them.
        rate_hz: how many a second they shall make.

    Raises:
        SourceError: there is none.

    """

    is_live = False

    def __init__(self, folder: Path, rate_hz: float = 1.0) -> None:
        self.name = folder.name or str(folder)
        self.problems: list[str] = []
        self._period_ns = round(1e9 / rate_hz)
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        self.count: int | None = len(self._paths)
        if not self._paths:
            raise SourceError(f"{folder}: no photos in it ({', '.join(SUFFIXES)})")

    def images(self) -> Iterator[SourceImage]:
        """Yield the photos; what cannot be read becomes a problem."""
        for place, path in enumerate(self._paths):
            try:
                pixels, guess = read_photo(path)
            except (SourceError, FrameError) as error:
                self.problems.append(str(error))
                continue
            stamp_ns = START_NS + place * self._period_ns
            yield SourceImage(path.name, stamp_ns, pixels, guess)

    def close(self) -> None:
        """No file is open between two photos."""


def read_photo(path: Path) -> tuple[Pixels, Camera | None]:
    """Read a photo: upright pixels, and a guess of the camera where the file tells its lens.

    The file's own bytes are kept where it is an upright JPEG or PNG.

    Raises:
        SourceError: it cannot be read.
        FrameError: it is cut off.

    """
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as photo:
            exif = Exif(photo)
            kept = photo.format in _KEPT and exif.orientation == 1 and photo.mode in ("L", "RGB")
            if not kept:
                mode = photo.mode if photo.mode in _MODES else "RGB"
                array = np.array(photo.convert(mode) if photo.mode != mode else photo)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise SourceError(f"{path}: cannot be read as a photo: {error}") from error
    pixels: Pixels
    if kept:
        pixels = CompressedPixels(np.frombuffer(data, np.uint8))
        pixels.require_whole()
    else:
        pixels = RawPixels(exif.upright(array), _MODES[mode])
    return pixels, exif.camera(*pixels.resolution_wh)
