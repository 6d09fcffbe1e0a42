"""How well masks agree with the true ones: intersection over union, and which classes are mixed up.

Source: M. Everingham et al., The PASCAL Visual Object Classes Challenge, 2015, section 3.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.errors import EvaluationError


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixels by their true class (row) and by what was said (column).

    Attributes:
        counts: (C, C) int64.

    """

    counts: np.ndarray

    @classmethod
    def none(cls, classes: int) -> Confusion:
        """No pixel yet."""
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def of(cls, true: np.ndarray, said: np.ndarray, classes: int) -> Confusion:
        """Count the pixels of masks of one shape.

        Args:
            true: integers; those that are no class, such as unlabelled pixels, do not count.
            said: integers from 0 to ``classes``.
            classes: number of them.

        Raises:
            EvaluationError: shapes differ, or what was said is no class.

        """
        if true.shape != said.shape:
            raise EvaluationError(
                f"got a mask of shape {said.shape}, the true one has {true.shape}: "
                "scale it to the image first"
            )
        labelled = (true >= 0) & (true < classes)
        expected, got = true[labelled].astype(np.int64), said[labelled].astype(np.int64)
        if got.size and not 0 <= got.min() <= got.max() < classes:
            raise EvaluationError(
                f"got classes {got.min()} to {got.max()} in a mask, expected 0 to {classes - 1}"
            )
        flat = np.bincount(expected * classes + got, minlength=classes * classes)
        return cls(flat.reshape(classes, classes))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    @property
    def iou(self) -> np.ndarray:
        """(C,) intersection over union of each class; NaN where it is neither there nor said."""
        both = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - both
        return np.where(union > 0, both / np.maximum(union, 1), np.nan)

    @property
    def miou(self) -> float:
        """Mean of :attr:`iou` over the classes that are there or were said."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels whose class is right."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")
