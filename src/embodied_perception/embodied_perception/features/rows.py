"""Features of a rectified left image found in the same row of the right one."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.features.tracking import follow

_SMALL = 400  # pixels across in which disparities are looked for at first
_NEAREST = 1 / 5  # the largest disparity, in parts of the width
_BLOCK = 11
_STEPS = 16  # OpenCV gives disparities in such parts of a pixel
_OFF_ROW_PX = 1.0
_LEAST_PX = 0.25  # farther away, it is as good as infinity


def disparities(left: np.ndarray, right: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """By how much features are farther to the left in the right image, to a fraction of a pixel.

    Block matching over small images says about where to look, and flow (:func:`follow`) exactly.

    Args:
        left: (H, W) uint8, rectified.
        right: (H, W) uint8, rectified with it.
        pixels: (N, 2) features of the left image.

    Returns:
        (N,) pixels, more than 0; NaN where the feature is not found in its row.

    """
    found = np.full(len(pixels), np.nan)
    if not len(pixels):
        return found
    coarse = _coarse(left, right, pixels)
    known = np.flatnonzero(np.isfinite(coarse))
    start = pixels[known].astype(np.float32)
    guess = start - np.column_stack((coarse[known], np.zeros(len(known)))).astype(np.float32)
    there, trusted = follow(left, right, start, predicted=guess)
    disparity, off_row = (start - there).T
    good = trusted & (np.abs(off_row) < _OFF_ROW_PX) & (disparity > _LEAST_PX)
    found[known[good]] = disparity[good]
    return found


def _coarse(left: np.ndarray, right: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) pixels of the images as they are; NaN where nothing matches."""
    height, width = left.shape
    scale = min(1.0, _SMALL / width)
    size = (round(width * scale), round(height * scale))
    small = [cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray in (left, right)]
    count = max(1, round(size[0] * _NEAREST / 16)) * 16
    # What is near the left border lies outside of the right image's left border.
    padded = [cv2.copyMakeBorder(each, 0, 0, count, 0, cv2.BORDER_REPLICATE) for each in small]
    matched = cv2.StereoBM.create(count, _BLOCK).compute(*padded)[:, count:]
    x, y = np.rint(pixels * (size[0] / width, size[1] / height)).astype(int).T
    x, y = np.clip(x, 0, size[0] - 1), np.clip(y, 0, size[1] - 1)
    disparity = matched[y, x].astype(np.float64) / _STEPS
    return np.where(disparity > 0, disparity * (width / size[0]), np.nan)
