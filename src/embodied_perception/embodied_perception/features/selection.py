"""The best features, but not all of them in one corner."""

from __future__ import annotations

import numpy as np

_CELLS = 16  # along the longer side of an image


def select_balanced(
    pixels: np.ndarray, responses: np.ndarray, count: int, resolution_wh: tuple[int, int]
) -> np.ndarray:
    """Choose features cell by cell: of each the strongest, then the second strongest, and so on.

    Args:
        pixels: (N, 2).
        responses: (N,), higher is better.
        count: how many at the most.
        resolution_wh: width and height of the image.

    Returns:
        (M,) int indices, M <= count; those that stand out in their cell come first.

    """
    if len(pixels) <= count:
        return np.argsort(-responses, kind="stable")
    side = max(resolution_wh) / _CELLS
    columns = int(np.ceil(resolution_wh[0] / side))
    cells = (pixels // side).astype(int) @ (1, columns)
    by_cell = np.lexsort((-responses, cells))
    starts = np.flatnonzero(np.diff(cells[by_cell], prepend=-1))
    lengths = np.diff(starts, append=len(by_cell))
    rank = np.empty(len(pixels), int)
    rank[by_cell] = np.arange(len(by_cell)) - np.repeat(starts, lengths)
    return np.lexsort((-responses, rank))[:count]
