"""Points in space from where two cameras see them."""

from __future__ import annotations

import numpy as np


def triangulate(
    first_centres: np.ndarray,
    first_rays: np.ndarray,
    second_centres: np.ndarray,
    second_rays: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the points in the middle of where two rays come nearest to each other.

    Source: R. Hartley and P. Sturm, Triangulation, 1997 (the mid-point method: for points that are
    adjusted afterwards).

    Args:
        first_centres: (N, 3) or (3,) where the first rays begin.
        first_rays: (N, 3) where they go, of any length.
        second_centres: of the second ones.
        second_rays: of the second ones.

    Returns:
        Points (N, 3), NaN where they would lie behind a camera or the rays are parallel, and the
        angle (N,) between both rays, in radians.

    """
    first = first_rays / np.linalg.norm(first_rays, axis=1, keepdims=True)
    second = second_rays / np.linalg.norm(second_rays, axis=1, keepdims=True)
    between = np.broadcast_to(second_centres - first_centres, first.shape)
    cosine = np.einsum("ni,ni->n", first, second)
    along_first = np.einsum("ni,ni->n", first, between)
    along_second = np.einsum("ni,ni->n", second, between)
    squared_sine = 1.0 - cosine**2
    with np.errstate(divide="ignore", invalid="ignore"):
        first_m = (along_first - cosine * along_second) / squared_sine
        second_m = (cosine * along_first - along_second) / squared_sine
        ends = first_centres + first * first_m[:, None], second_centres + second * second_m[:, None]
    points = (ends[0] + ends[1]) / 2
    ahead = (first_m > 0) & (second_m > 0) & np.isfinite(points).all(axis=1)
    angles = np.arctan2(np.linalg.norm(np.cross(first, second), axis=1), cosine)
    return np.where(ahead[:, None], points, np.nan), angles


def rays(pixels: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Where undistorted pixels (N, 2) look: (N, 3), at depth 1."""
    return np.column_stack(((pixels - K[:2, 2]) / (K[0, 0], K[1, 1]), np.ones(len(pixels))))
