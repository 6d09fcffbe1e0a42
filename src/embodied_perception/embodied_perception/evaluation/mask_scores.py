"""Masks beside the true ones, image by image: figures of all, and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.class_names import match_labels, shown
from embodied_perception.evaluation.labelled_image import LabelledImage
from embodied_perception.evaluation.reliability import Reliability
from embodied_perception.evaluation.segmentation import Confusion

_KEPT = 6


@dataclass(frozen=True, eq=False)
class ComparedImage:
    """An image with the true mask and what was said.

    Attributes:
        image: with the true mask.
        said: (H, W) numbers of classes; the number of classes where none of them was said.
        accuracy: share of the labelled pixels whose class is right.

    """

    image: LabelledImage
    said: np.ndarray
    accuracy: float


class MaskScores:
    """Counts what masks say, image by image.

    Where a pixel was left unlabelled, or given a label that the data set does not have, it counts
    as wrong.

    Args:
        labels: the model's, by number.
        classes: the data set's, by number.

    Attributes:
        classes: the data set's, each in one word.
        images: how many were added.
        confusion: (C + 1) classes; the last one is said, but never true: none of them.
        reliability: of pixels, by the confidences; empty where none were given.
        worst: up to six images, the one with the fewest right pixels first.

    Raises:
        EvaluationError: the model has no label for a class.

    """

    def __init__(self, labels: Sequence[str], classes: Sequence[str]) -> None:
        self.classes = [shown(name) for name in classes]
        self.images = 0
        self.confusion = Confusion.none(len(classes) + 1)
        self.reliability = Reliability.none()
        self.worst: list[ComparedImage] = []
        self._label_count = len(labels)
        # By number of a label; whatever else a mask of 16 bits holds is none of the classes.
        self._meaning = np.full(65536, len(classes))
        self._meaning[: len(labels)] = match_labels(labels, classes)

    def add(
        self, image: LabelledImage, mask: np.ndarray, confidence: np.ndarray | None = None
    ) -> None:
        """Compare one image.

        Args:
            image: with the true mask.
            mask: (H, W) uint8 or uint16 numbers of the model's labels; 255 or 65535 unlabelled.
            confidence: (H, W) probability that the label is right; None where it is not known.

        Raises:
            EvaluationError: sizes differ, a number is no label, or a confidence no probability.

        """
        try:
            self._add(image, mask, confidence)
        except EvaluationError as error:
            raise EvaluationError(f"{image.name}: {error}") from error

    def _add(self, image: LabelledImage, mask: np.ndarray, confidence: np.ndarray | None) -> None:
        if mask.dtype not in (np.uint8, np.uint16):
            raise EvaluationError(f"got a mask of {mask.dtype}, expected uint8 or uint16")
        strange = (mask >= self._label_count) & (mask != np.iinfo(mask.dtype).max)
        if strange.any():
            raise EvaluationError(
                f"got the label {mask[strange].min()} in a mask, expected 0 to "
                f"{self._label_count - 1}"
            )
        said = self._meaning[mask]
        confusion = Confusion.of(image.mask, said, len(self.classes) + 1)
        if confidence is not None:
            # A pixel without a label has no confidence in one.
            labelled = (image.mask < len(self.classes)) & (said < len(self.classes))
            if confidence.shape != mask.shape:
                raise EvaluationError(
                    f"got confidences of shape {confidence.shape} for a mask of {mask.shape}"
                )
            right = said[labelled] == image.mask[labelled]
            self.reliability += Reliability.of(confidence[labelled], right)
        self.confusion += confusion
        self.images += 1
        if np.isfinite(confusion.pixel_accuracy):
            compared = ComparedImage(image, said, confusion.pixel_accuracy)
            self.worst = sorted([*self.worst, compared], key=lambda each: each.accuracy)[:_KEPT]

    @property
    def iou(self) -> np.ndarray:
        """(C,) intersection over union of each class; NaN where it is neither there nor said."""
        return self.confusion.iou[:-1]

    @property
    def miou(self) -> float:
        """Mean of :attr:`iou` over the classes that are there or were said."""
        known = np.isfinite(self.iou)
        return float(self.iou[known].mean()) if known.any() else float("nan")

    def figures(self) -> dict[str, Any]:
        """Return them by name, for a table or JSON; None where there is nothing to tell from."""
        iou = map(_known, self.iou)
        return {
            "images": self.images,
            "miou": _known(self.miou),
            "pixel_accuracy": _known(self.confusion.pixel_accuracy),
            "ece": _known(self.reliability.ece),
            "iou": dict(zip(self.classes, iou, strict=True)),
            "classes": self.classes,
            "confusion": self.confusion.counts[:-1].tolist(),
        }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
