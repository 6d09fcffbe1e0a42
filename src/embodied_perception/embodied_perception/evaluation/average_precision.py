"""Precision over recall of boxes in the order of their scores, and its average.

Source: T.-Y. Lin et al., Microsoft COCO, 2014, and its evaluation code. Boxes of one score are one
step of a curve, as no threshold can tell them apart: so it does not matter in which order they
come. Where no two boxes share a score, the figures are COCO's.
"""

from __future__ import annotations

import numpy as np

#: Least intersection over union from which on a box is right; the first one is AP50's.
IOUS = np.linspace(0.5, 0.95, 10)
#: Where precision is read off the curves; their mean is the average precision.
RECALLS = np.linspace(0, 1, 101)


def right_boxes(overlap: np.ndarray) -> np.ndarray:
    """Say which found boxes are right.

    Each takes the true box that it overlaps most, of those that no surer one has taken.

    Args:
        overlap: (D, G) intersection over union of D found boxes, the surest first, and G true ones.

    Returns:
        (D, 10) by :data:`IOUS`.

    """
    right = np.zeros((len(overlap), len(IOUS)), bool)
    free = np.ones((len(IOUS), overlap.shape[1]), bool)
    for place in np.flatnonzero((overlap >= IOUS[0]).any(axis=1)):
        fits = free & (overlap[place] >= IOUS[:, None])
        candidates = np.where(fits, overlap[place], -1)
        # Of equals the last one, as COCO has it.
        best = candidates.shape[1] - 1 - candidates[:, ::-1].argmax(axis=1)
        taken = np.flatnonzero(fits.any(axis=1))
        right[place, taken] = True
        free[taken, best[taken]] = False
    return right


def interpolated_precision(scores: np.ndarray, is_right: np.ndarray, total: int) -> np.ndarray:
    """The best precision at each recall, or at a higher one; 0 where it is not reached.

    Args:
        scores: (N,) of found boxes, not rising.
        is_right: (N, 10) by :data:`IOUS`.
        total: true boxes, at least one.

    Returns:
        (10, 101) by :data:`IOUS` and :data:`RECALLS`.

    """
    ends = np.flatnonzero(np.diff(scores, append=-np.inf))
    rights = np.cumsum(is_right, axis=0)[ends]
    precision = rights / (ends + 1)[:, None]
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    best = np.concatenate([best, np.zeros((1, len(IOUS)))])
    reached = [np.searchsorted(recalls, RECALLS) for recalls in (rights / total).T]
    return np.stack([best[places, column] for column, places in enumerate(reached)])
