"""Which visual words an image holds, in all of it and in each of its quarters.

Source: S. Lazebnik et al., Beyond Bags of Features: Spatial Pyramid Matching for Recognizing
Natural Scene Categories, 2006.
"""

from __future__ import annotations

import numpy as np

from embodied_perception.classification.dense_sift import dense_root_sift

#: How many cells there are across the image, level by level.
PYRAMID = (1, 2)
CELLS = sum(across**2 for across in PYRAMID)


class WordPyramid:
    """Counts words by where in the image they are.

    Args:
        centres: (W, DESCRIPTOR_SIZE) float32, the words.

    """

    def __init__(self, centres: np.ndarray) -> None:
        self.centres = centres
        self._half_squares = (centres**2).sum(axis=1) / 2

    def bins(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which bins of the histogram each patch of an image counts for.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            the boxes (N, 4) of :class:`~embodied_perception.classification.dense_sift.Patches`,
            and their bins (N, levels) int, from 0 to CELLS * W.

        """
        patches = dense_root_sift(image)
        # The nearest centre c of x has the smallest |x - c|² = |x|² - 2 (x c - |c|² / 2).
        words = (patches.descriptors @ self.centres.T - self._half_squares).argmax(axis=1)
        middle = (patches.boxes[:, :2] + patches.boxes[:, 2:]) / 2
        bins, cells = [], 0
        for across in PYRAMID:
            column, row = np.minimum((middle * across).astype(int), across - 1).T
            bins.append((cells + row * across + column) * len(self.centres) + words)
            cells += across**2
        return patches.boxes, np.column_stack(bins)

    def histogram(self, bins: np.ndarray) -> np.ndarray:
        """The image as (CELLS * W,) float32: roots of the shares of patches.

        By the root, a product of two images compares them by Hellinger's kernel.
        """
        counts = np.bincount(bins.ravel(), minlength=CELLS * len(self.centres))
        return np.sqrt(counts / max(len(bins), 1)).astype(np.float32)
