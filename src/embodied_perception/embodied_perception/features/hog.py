"""Histograms of oriented gradients: of patches around features, and of a whole image.

Source: N. Dalal and B. Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_PATCH = 32
_CELL = 8
_BINS = 9
_WHOLE_WH = (128, 96)


def _descriptor(size_wh: tuple[int, int]) -> cv2.HOGDescriptor:
    block = (2 * _CELL, 2 * _CELL)
    return cv2.HOGDescriptor(size_wh, block, (_CELL, _CELL), (_CELL, _CELL), _BINS)


def describe_patches(
    gray: np.ndarray, points: Sequence[cv2.KeyPoint]
) -> tuple[list[cv2.KeyPoint], np.ndarray]:
    """Describe the upright patch of 32 x 32 pixels around each point.

    Args:
        gray: (H, W) uint8.
        points: as OpenCV's detectors give them.

    Returns:
        those points whose patch lies in the image, and their descriptors (N, 324) float32.

    """
    height, width = gray.shape
    half = _PATCH // 2
    corners = (
        np.rint(np.asarray(cv2.KeyPoint.convert(list(points))).reshape(-1, 2)).astype(int) - half
    )
    inside = ((corners >= 0) & (corners + _PATCH <= (width, height))).all(axis=1)
    kept = [point for point, is_in in zip(points, inside.tolist(), strict=True) if is_in]
    if not kept:
        return [], np.zeros((0, 324), np.float32)
    hog = _descriptor((_PATCH, _PATCH))
    found = hog.compute(gray, (_CELL, _CELL), (0, 0), corners[inside].tolist())
    return kept, np.asarray(found, np.float32).reshape(len(kept), -1)


def describe_image(gray: np.ndarray) -> np.ndarray:
    """Describe a whole image (H, W) uint8 by one vector (5940,) float32, whatever its size."""
    small = cv2.resize(gray, _WHOLE_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(_descriptor(_WHOLE_WH).compute(small), np.float32).ravel()
