"""Whether what is said with a confidence of 80 % is right in 80 % of the cases.

Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.errors import EvaluationError

BINS = 15  #: as in the paper
_ROUNDING = 1e-3  # probabilities that were computed in half precision may be off by so much


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers by their confidence, in bins of equal width: bin m holds (m / M, (m + 1) / M].

    Attributes:
        counts: (M,) int64 answers in each bin.
        rights: (M,) int64 right ones among them.
        confidences: (M,) float64 sums of their confidences.

    """

    counts: np.ndarray
    rights: np.ndarray
    confidences: np.ndarray

    @classmethod
    def none(cls) -> Reliability:
        """No answer yet."""
        return cls(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64), np.zeros(BINS))

    @classmethod
    def of(cls, confidence: np.ndarray, right: np.ndarray) -> Reliability:
        """Count answers.

        Args:
            confidence: of each answer, 0 to 1, of any shape.
            right: of the same shape, whether it is right.

        Raises:
            EvaluationError: shapes differ, or a confidence is no probability.

        """
        if confidence.shape != right.shape:
            raise EvaluationError(
                f"got confidences of shape {confidence.shape} for answers of shape {right.shape}"
            )
        values = confidence.ravel().astype(np.float64)
        if values.size and not -_ROUNDING <= values.min() <= values.max() <= 1 + _ROUNDING:
            raise EvaluationError(
                f"got confidences from {values.min():g} to {values.max():g}, expected "
                "probabilities from 0 to 1: take the softmax of logits"
            )
        values = values.clip(0, 1)
        bins = np.clip(np.ceil(values * BINS).astype(np.int64) - 1, 0, BINS - 1)
        return cls(
            np.bincount(bins, minlength=BINS),
            np.bincount(bins[right.ravel().astype(bool)], minlength=BINS),
            np.bincount(bins, values, BINS),
        )

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.counts + other.counts,
            self.rights + other.rights,
            self.confidences + other.confidences,
        )

    @property
    def accuracy(self) -> np.ndarray:
        """(M,) share of right answers in each bin; NaN where there is none."""
        return _shares(self.rights, self.counts)

    @property
    def mean_confidence(self) -> np.ndarray:
        """(M,) of the answers in each bin; NaN where there is none."""
        return _shares(self.confidences, self.counts)

    @property
    def ece(self) -> float:
        """Expected calibration error (equation 3), 0 to 1; NaN without answers."""
        total = self.counts.sum()
        if not total:
            return float("nan")
        # Each bin's gap, weighed by its share of the answers: the counts cancel out.
        return float(np.abs(self.rights - self.confidences).sum() / total)


def _shares(parts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, parts / np.maximum(counts, 1), np.nan)
