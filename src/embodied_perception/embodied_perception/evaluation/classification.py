"""How often the label of an image is right, and among the first five: top-1, top-5.

Source: O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.class_names import match_labels, shown
from embodied_perception.evaluation.reliability import Reliability
from embodied_perception.evaluation.segmentation import Confusion

_KEPT = 12
_FEW = 5  # labels, among the first of which the right one is
_ROUNDING = 1e-2  # of a sum of many probabilities in half precision


@dataclass(frozen=True)
class WrongImage:
    """An image that was given a wrong label.

    Attributes:
        name: of its file.
        true: its class.
        said: the label that was said.
        confidence: of that.

    """

    name: str
    true: str
    said: str
    confidence: float


class LabelScores:
    """Counts what a classifier says, image by image.

    All of the model's labels compete, also those that the data set does not have.

    Args:
        labels: the model's, by number.
        classes: the data set's, by number.

    Attributes:
        classes: the data set's, each in one word.
        images: how many were added.
        confusion: (C + 1) classes; the last one is said, but never true: none of them.
        reliability: of the images, by the confidence of what was said.
        wrong: up to twelve, the one with the most confident wrong label first.

    Raises:
        EvaluationError: the model has no label for a class.

    """

    def __init__(self, labels: Sequence[str], classes: Sequence[str]) -> None:
        self.classes = [shown(name) for name in classes]
        self.images = 0
        self.confusion = Confusion.none(len(classes) + 1)
        self.reliability = Reliability.none()
        self.wrong: list[WrongImage] = []
        self._labels = [shown(name) for name in labels]
        self._meaning = match_labels(labels, classes)
        self._label_of = np.argsort(self._meaning, kind="stable")[: len(classes)]
        self._right = {1: 0, _FEW: 0}

    def add(self, name: str, true: int, probabilities: np.ndarray) -> None:
        """Compare one image.

        Args:
            name: for messages to people.
            true: number of its class.
            probabilities: (L,) of each of the model's labels.

        Raises:
            EvaluationError: there are not as many as labels, or they are no probabilities.

        """
        if probabilities.shape != (len(self._labels),):
            raise EvaluationError(
                f"{name}: got probabilities of shape {probabilities.shape}, expected one for each "
                f"of {len(self._labels)} labels"
            )
        total = float(probabilities.sum())
        if not abs(total - 1) < _ROUNDING or probabilities.min() < 0:
            raise EvaluationError(
                f"{name}: got probabilities from {probabilities.min():g} with the sum {total:g}, "
                "expected 0 or more with the sum 1: take the softmax of logits"
            )
        order = np.argsort(-probabilities, kind="stable")
        said = int(order[0])
        rank = int(np.flatnonzero(order == self._label_of[true])[0])
        for few in self._right:
            self._right[few] += rank < few
        self.confusion += Confusion.of(
            np.array([true]), self._meaning[[said]], len(self.classes) + 1
        )
        confidence = probabilities[[said]]
        self.reliability += Reliability.of(confidence, np.array([rank == 0]))
        self.images += 1
        if rank > 0:
            wrong = WrongImage(name, self.classes[true], self._labels[said], float(confidence[0]))
            all_wrong = sorted([*self.wrong, wrong], key=lambda each: -each.confidence)
            self.wrong = all_wrong[:_KEPT]

    @property
    def top_1(self) -> float:
        """Share of images whose label is right."""
        return self._right[1] / self.images if self.images else float("nan")

    @property
    def top_5(self) -> float | None:
        """Share of images whose class is among the first five; None where there are no more."""
        if len(self._labels) <= _FEW:
            return None
        return self._right[_FEW] / self.images if self.images else float("nan")

    @property
    def recall(self) -> np.ndarray:
        """(C,) share of each class's images that were recognised; NaN where it has none."""
        counts = self.confusion.counts[:-1]
        there = counts.sum(axis=1)
        return np.where(there > 0, np.diag(counts) / np.maximum(there, 1), np.nan)

    def figures(self) -> dict[str, Any]:
        """Return them by name, for a table or JSON; None where there is nothing to tell from."""
        known = [float(each) if np.isfinite(each) else None for each in self.recall]
        return {
            "images": self.images,
            "top_1": self.top_1,
            "top_5": self.top_5,
            "ece": self.reliability.ece,
            "recall": dict(zip(self.classes, known, strict=True)),
            "classes": self.classes,
            "confusion": self.confusion.counts[:-1].tolist(),
        }
