"""An image as a network wants it, and the places there and here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import read_json

_FILE = "preprocessor_config.json"
_USUAL_SIZE = {"height": 480, "width": 640}  # of transformers' own processors, as are the others
_LARGEST_PX = 8192


@dataclass(frozen=True)
class NetworkInput:
    """How images are resized and scaled.

    Attributes:
        resolution_wh: what they are resized to, whatever their shape; None leaves them.
        resample: the filter, as a number of :class:`PIL.Image.Resampling`.
        factor: what a pixel of 0 to 255 is multiplied by.

    """

    resolution_wh: tuple[int, int] | None
    resample: int
    factor: float

    @classmethod
    def read(cls, folder: Path) -> NetworkInput:
        """Read preprocessor_config.json; what it leaves out is as in transformers' own processors.

        Raises:
            InferenceError: the file cannot be read, or a value in it makes no sense.

        """
        path = folder / _FILE
        values = read_json(path) if path.exists() else {}
        size = values.get("size", _USUAL_SIZE)
        width, height = (
            (size.get("width"), size.get("height")) if isinstance(size, dict) else (None, None)
        )
        if not (_is_side(width) and _is_side(height)):
            raise InferenceError(
                f"{path}: size: got {size}, expected height and width of 1 to {_LARGEST_PX} pixels"
            )
        resample = values.get("resample", Image.Resampling.BILINEAR.value)
        if type(resample) is not int or resample not in range(6):
            raise InferenceError(f"{path}: resample: got {resample!r}, expected 0 to 5")
        factor = values.get("rescale_factor", 1 / 255)
        if type(factor) not in (int, float) or not 0 < factor < math.inf:
            raise InferenceError(f"{path}: rescale_factor: got {factor!r}, expected more than 0")
        return cls(
            (width, height) if values.get("do_resize", True) else None,
            resample,
            float(factor) if values.get("do_rescale", True) else 1.0,
        )

    def size_of(self, resolution_wh: tuple[int, int]) -> tuple[int, int]:
        """Width and height inside the network of an image of this width and height."""
        return self.resolution_wh or resolution_wh

    def prepare(self, gray: np.ndarray) -> np.ndarray:
        """Resize and scale: (H, W) uint8 to (h, w) float32."""
        height, width = gray.shape
        size = self.size_of((width, height))
        if size != (width, height):
            gray = np.asarray(Image.fromarray(gray).resize(size, self.resample))
        return (gray * self.factor).astype(np.float32)

    def to_image(self, pixels: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
        """Where pixels (N, 2) of the network's input are in the image (N, 2)."""
        ratio = np.array(resolution_wh) / self.size_of(resolution_wh)
        return (pixels + 0.5) * ratio - 0.5  # whole numbers are middles of pixels

    def to_network(self, pixels: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
        """Where pixels (N, 2) of the image are in the network's input (N, 2)."""
        ratio = np.array(self.size_of(resolution_wh)) / resolution_wh
        return (pixels + 0.5) * ratio - 0.5


def _is_side(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= _LARGEST_PX
