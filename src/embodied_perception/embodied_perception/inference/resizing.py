"""Resizing as Pillow does it, to the bit, on any device.

Networks are trained on images that Pillow made smaller; another filter, or another rounding, is
another input. Pillow convolves rows, then columns, with fixed-point coefficients, and rounds to
whole pixels after each; so does this. From version 13 on it begins with the columns where they lose
more than twice the pixels that the rows lose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from PIL import __version__ as pillow_version
from scipy.ndimage import gaussian_filter1d, zoom
from torch import Tensor

_FRACTION_BITS = 22  # of Pillow's coefficients: 32 but for those of a pixel and two of headroom
_CHOOSES_ORDER = int(pillow_version.partition(".")[0]) >= 13


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.clip(1.0 - np.abs(x), 0.0, None)


def _cubic(x: np.ndarray) -> np.ndarray:
    # Keys, 1981, with a = -1/2.
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def _box(x: np.ndarray) -> np.ndarray:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _hamming(x: np.ndarray) -> np.ndarray:
    # Pillow's constants have 32 bits.
    mean, swing = float(np.float32(0.54)), float(np.float32(0.46))
    return np.where(np.abs(x) < 1, np.sinc(x) * (mean + swing * np.cos(np.pi * x)), 0.0)


_FILTERS: dict[int, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    Image.Resampling.BOX: (_box, 0.5),
    Image.Resampling.BILINEAR: (_triangle, 1.0),
    Image.Resampling.HAMMING: (_hamming, 1.0),
    Image.Resampling.BICUBIC: (_cubic, 2.0),
    Image.Resampling.LANCZOS: (_lanczos, 3.0),
}


def resize(images: Tensor, size_hw: tuple[int, int], resample: int) -> Tensor:
    """Resize images.

    Args:
        images: (B, C, H, W) uint8, on any device.
        size_hw: height and width of the result.
        resample: the filter, as a number of :class:`PIL.Image.Resampling`.

    Returns:
        (B, C, h, w) uint8 on the same device.

    """
    height, width = images.shape[-2:]
    if resample == Image.Resampling.NEAREST:
        rows, columns = (
            _nearest(before, after, images.device)
            for before, after in zip((height, width), size_hw, strict=True)
        )
        return images[..., rows, :][..., columns]
    if _begins_with_columns((height, width), size_hw):
        images = _resize_columns(images, size_hw[0], resample)
    if size_hw[1] != width:
        images = _convolve(images, *_coefficients(width, size_hw[1], resample, images.device))
    return _resize_columns(images, size_hw[0], resample)


def resize_array(image: np.ndarray, size_hw: tuple[int, int], resample: int) -> np.ndarray:
    """Resize one image (H, W, C) uint8 in memory: Pillow itself, the fastest there is on a CPU."""
    if image.shape[:2] == size_hw:
        return image
    return np.asarray(Image.fromarray(image).resize(size_hw[::-1], Image.Resampling(resample)))


def resize_in_square(images: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Make images square, black on the right and below, smooth them, and resize them.

    Smoothing and resizing are linear along each axis, so each is one matrix for both; what is black
    adds nothing and is left out.

    Args:
        images: (B, C, H, W) uint8, on any device.
        size_hw: height and width of the result.

    Returns:
        (B, C, h, w) float32 on the same device, from 0 to 255.

    """
    height, width = images.shape[-2:]
    side = max(height, width)
    rows, columns = (_smoothing(side, after, images.device) for after in size_hw)
    return rows[:, :height] @ images.float() @ columns[:, :width].T


@lru_cache(maxsize=8)
def _smoothing(before: int, after: int, device: torch.device) -> Tensor:
    """What each pixel (before,) adds to each new one (after,): (after, before) float32.

    As scikit-image does it: a Gaussian, then linear interpolation, both mirrored at the rims.
    """
    pulses = np.eye(before, dtype=np.float32)
    deviation = max(0.0, (before / after - 1) / 2)
    if deviation:
        pulses = gaussian_filter1d(pulses, deviation, axis=0, mode="mirror")
    zoomed = zoom(pulses, (after / before, 1), order=1, mode="mirror", grid_mode=True)
    return torch.from_numpy(zoomed).to(device)


def _begins_with_columns(before_hw: tuple[int, int], after_hw: tuple[int, int]) -> bool:
    lost_rows, lost_columns = (
        before - after for before, after in zip(before_hw, after_hw, strict=True)
    )
    return _CHOOSES_ORDER and lost_rows > max(0, 2 * lost_columns)


def _resize_columns(images: Tensor, height: int, resample: int) -> Tensor:
    if images.shape[-2] == height:
        return images
    taps = _coefficients(images.shape[-2], height, resample, images.device)
    return _convolve(images.transpose(-1, -2), *taps).transpose(-1, -2)


def _nearest(before: int, after: int, device: torch.device) -> Tensor:
    scale = before / after
    places = np.cumsum(np.r_[0.5 * scale, np.full(after - 1, scale)])  # as Pillow rounds it
    return torch.from_numpy(places.astype(np.int64)).to(device)


def _convolve(images: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Along the last axis: what lies at ``indices`` (w, taps), weighed, rounded, within a byte."""
    half = 1 << (_FRACTION_BITS - 1)
    total = torch.full((*images.shape[:-1], len(indices)), half, dtype=torch.int32).to(
        images.device
    )
    for tap in range(indices.shape[1]):
        total += images[..., indices[:, tap]].int() * weights[:, tap]
    return (total >> _FRACTION_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _coefficients(
    before: int, after: int, resample: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Which pixels (after, taps) make each new one, and what they weigh, in fixed point."""
    kernel, radius = _FILTERS[resample]
    scale = before / after
    stretch = max(scale, 1.0)  # a filter that is as wide as the new pixels
    support = radius * stretch
    centres = (np.arange(after) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), before)
    indices = first[:, None] + np.arange(math.ceil(support) * 2 + 1)
    inside = indices < last[:, None]
    weights = np.where(inside, kernel((indices - centres[:, None] + 0.5) / stretch), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    scaled = weights * (1 << _FRACTION_BITS)
    fixed = np.trunc(scaled + np.where(scaled < 0, -0.5, 0.5)).astype(np.int32)
    return (
        torch.from_numpy(np.minimum(indices, before - 1)).to(device),
        torch.from_numpy(fixed).to(device),
    )
