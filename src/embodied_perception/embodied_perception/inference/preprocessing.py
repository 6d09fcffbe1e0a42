"""From a camera's image to a network's input, computed on the network's device.

The order is that of transformers' processors: resize, crop in the middle, scale, normalise, pad on
the right and below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embodied_perception.errors import InferenceError
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.resizing import resize, resize_array, resize_in_square


@dataclass(frozen=True)
class Preprocessing:
    """How images become a network's input.

    Attributes:
        whole_hw: height and width that every image is resized to, whatever its shape.
        square: whether images are made square on the right and below, in black, before that; they
            are then smoothed and resized in fractions of a level, as OWLv2's are.
        shortest_edge: that the shorter side is resized to, where the proportions are kept.
        longest_edge: that the longer side does not exceed.
        divisor: sides become multiples of it.
        crop_hw: of the middle, what is taken; what it lacks is black.
        pad_hw: what is filled up on the right and below.
        resample: the filter, as a number of :class:`PIL.Image.Resampling`.
        factor: what a pixel of 0 to 255 is multiplied by.
        mean: (3,) subtracted after that.
        deviation: (3,) divided by after that.
        reversed_channels: whether the network wants BGR.

    """

    whole_hw: tuple[int, int] | None = None
    square: bool = False
    shortest_edge: int | None = None
    longest_edge: int | None = None
    divisor: int = 0
    crop_hw: tuple[int, int] | None = None
    pad_hw: tuple[int, int] | None = None
    resample: int = 2
    factor: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    reversed_channels: bool = False

    @property
    def fixed_hw(self) -> tuple[int, int] | None:
        """Height and width of the network's input, where they are the same for every image."""
        if self.whole_hw is None:
            return self.pad_hw or self.crop_hw
        return self.placement(self.whole_hw[::-1]).input_hw

    @property
    def words(self) -> str:
        """How large images are in the network, for people: width x height."""
        if self.fixed_hw is not None:
            return f"{self.fixed_hw[1]}x{self.fixed_hw[0]}"
        if self.shortest_edge is not None:
            return f"shorter side {self.shortest_edge}"
        return "as they come"

    def placement(self, resolution_wh: tuple[int, int]) -> Placement:
        """Where an image of this width and height comes to lie in the network's input."""
        width, height = resolution_wh
        if self.square and self.whole_hw is not None:
            scales = [side / max(height, width) for side in self.whole_hw]
            inside = height * scales[0], width * scales[1]
            return Placement((height, width), inside, (0, 0), self.whole_hw)
        resized = self._resized(height, width)
        window = self.crop_hw or resized
        top, left = ((size - side) // 2 for size, side in zip(resized, window, strict=True))
        return Placement((height, width), resized, (top, left), self.pad_hw or window)

    def prepare(
        self, images: Sequence[np.ndarray], device: Any, dtype: Any = torch.float32
    ) -> Tensor:
        """Make a batch of images of one size.

        Args:
            images: (H, W, 3) uint8 RGB each.
            device: where to, and where it is computed.
            dtype: of the result.

        Returns:
            (B, 3, h, w), with channels last in memory.

        Raises:
            InferenceError: an image is something else, or the sizes differ.

        """
        resolution_wh = _size_of(images)
        device = torch.device(device)
        batch = self._resize(images, resolution_wh, device)
        if self.crop_hw is not None:
            offset_yx = self.placement(resolution_wh).offset_yx
            batch = _windowed(batch, offset_yx, self.crop_hw)
        if self.reversed_channels:
            batch = batch.flip(1)
        scale, shift = self._affine(device)
        batch = torch.addcmul(shift, batch.float(), scale).to(dtype)
        if self.pad_hw is not None:
            batch = _windowed(batch, (0, 0), self.pad_hw)
        return batch.contiguous(memory_format=torch.channels_last)

    def _resize(
        self, images: Sequence[np.ndarray], resolution_wh: tuple[int, int], device: torch.device
    ) -> Tensor:
        """(B, 3, h, w) levels, of bytes but where they are smoothed."""
        resized_hw = self._resized(*resolution_wh[::-1])
        if device.type == "cpu" and not self.square:
            arrays = [resize_array(image, resized_hw, self.resample) for image in images]
            return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        # Bytes are sent, a quarter of the numbers that they become.
        batch = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
        if self.square:
            return resize_in_square(batch, resized_hw)
        if batch.shape[-2:] != resized_hw:
            batch = resize(batch, resized_hw, self.resample)
        return batch

    def _affine(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(values, device=device).view(1, -1, 1, 1)
            for values in (self.mean, self.deviation)
        )
        return self.factor / deviation, -mean / deviation

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.whole_hw is not None:
            height, width = self.whole_hw
        elif self.shortest_edge is not None:
            height, width = _by_shortest(height, width, self.shortest_edge, self.longest_edge)
        if self.divisor:
            height, width = (-(-side // self.divisor) * self.divisor for side in (height, width))
        return height, width


def _size_of(images: Sequence[np.ndarray]) -> tuple[int, int]:
    """Width and height that all images have."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InferenceError(
                f"got an image of {image.dtype} and shape {image.shape}, expected uint8 (H, W, 3), "
                "RGB"
            )
        if image.shape != images[0].shape:
            raise InferenceError(
                f"got images of shapes {images[0].shape} and {image.shape} in one batch, expected "
                "one"
            )
    height, width = images[0].shape[:2]
    return width, height


def _by_shortest(height: int, width: int, shortest: int, longest: int | None) -> tuple[int, int]:
    """Height and width in the image's proportions, cut off to whole pixels."""
    short, long = sorted((height, width))
    if longest is not None and long / short * shortest > longest:
        exact = longest * short / long
        shortest = max(1, round(exact))
        new_long = shortest if short == long else int(exact * long / short)
        if short == shortest:
            return height, width
    else:
        new_long = int(shortest * long / short)
    return (shortest, new_long) if height <= width else (new_long, shortest)


def _windowed(batch: Tensor, offset_yx: tuple[int, int], size_hw: tuple[int, int]) -> Tensor:
    """What lies in a window of a batch; 0 where the window is outside of it."""
    (top, left), (height, width) = offset_yx, size_hw
    rows, columns = batch.shape[-2:]
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        return batch[..., top : top + height, left : left + width]
    result = batch.new_zeros(*batch.shape[:-2], height, width)
    inner = batch[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    below, right = max(-top, 0), max(-left, 0)
    result[..., below : below + inner.shape[-2], right : right + inner.shape[-1]] = inner
    return result
