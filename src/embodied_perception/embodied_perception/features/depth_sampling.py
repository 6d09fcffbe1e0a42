"""Depth at features: read where it can be trusted."""

from __future__ import annotations

import numpy as np


def sample_depth(
    depth_m: np.ndarray,
    pixels: np.ndarray,
    *,
    nearest_m: float,
    farthest_m: float,
    radius_px: int = 2,
    edge: float = 0.04,
) -> np.ndarray:
    """Read depth at pixels; NaN beside a depth edge, where it may be another surface's.

    Args:
        depth_m: (H, W) float32, NaN where unknown.
        pixels: (N, 2) (x, y).
        nearest_m: readings below are unknown.
        farthest_m: readings above are unknown.
        radius_px: half the side of the neighbourhood.
        edge: the largest spread of depth within the neighbourhood, as a share of depth.

    Returns:
        (N,) float64 metres, the median of the neighbourhood.
    """
    if len(pixels) == 0:
        return np.zeros(0)
    height, width = depth_m.shape
    offsets = np.arange(-radius_px, radius_px + 1)
    x = np.clip(np.rint(pixels[:, 0]).astype(int)[:, None] + offsets, 0, width - 1)
    y = np.clip(np.rint(pixels[:, 1]).astype(int)[:, None] + offsets, 0, height - 1)
    patch = depth_m[y[:, :, None], x[:, None, :]].reshape(len(pixels), -1)
    known = np.isfinite(patch) & (patch > nearest_m) & (patch < farthest_m)
    count = known.sum(axis=1)
    ascending = np.sort(np.where(known, patch, np.float32(1e9)), axis=1)  # unknown ones last
    row, last = np.arange(len(patch)), np.maximum(count - 1, 0)
    median = ascending[row, last // 2]
    flat = ascending[row, last] - ascending[:, 0] < edge * median
    return np.where((2 * count > patch.shape[1]) & flat, median, np.nan).astype(np.float64)
