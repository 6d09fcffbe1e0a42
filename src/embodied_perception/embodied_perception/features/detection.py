"""Corners, spread evenly over the image."""

from __future__ import annotations

import cv2
import numpy as np


def detect_corners(
    gray: np.ndarray,
    count: int,
    *,
    occupied: np.ndarray | None = None,
    spacing_px: float = 12.0,
    quality: float = 0.005,
) -> np.ndarray:
    """Find the strongest Shi-Tomasi corners that keep their distance from each other.

    Source: J. Shi and C. Tomasi, Good Features to Track, CVPR 1994.

    Args:
        gray: (H, W) uint8.
        count: how many to return at the most.
        occupied: (N, 2) pixels to keep away from, such as features tracked already.
        spacing_px: least distance between two corners, and to an occupied pixel.
        quality: weakest corner kept, as a share of the strongest one's response.

    Returns:
        (M, 2) float32 pixels (x, y), strongest first, M <= count.
    """
    if count <= 0:
        return np.zeros((0, 2), np.float32)
    mask = np.full(gray.shape, 255, np.uint8)
    if occupied is not None:
        for x, y in np.rint(occupied).astype(int).tolist():
            cv2.circle(mask, (x, y), int(spacing_px), 0, cv2.FILLED)
    corners = cv2.goodFeaturesToTrack(gray, count, quality, spacing_px, mask=mask, blockSize=5)
    if corners is None:
        return np.zeros((0, 2), np.float32)
    return corners.reshape(-1, 2)
