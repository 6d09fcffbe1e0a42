"""How well boxes agree with the true ones: average precision, and what is said of absent things.

Source: T.-Y. Lin et al., Microsoft COCO, 2014, and its evaluation code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.average_precision import (
    IOUS,
    RECALLS,
    interpolated_precision,
    right_boxes,
)
from embodied_perception.evaluation.class_names import require_distinct
from embodied_perception.open_vocabulary.detections import Detections, overlaps

#: Boxes of one label in one image that are looked at, the surest ones; COCO's too.
MOST_FOUND = 100

_FOUND = np.dtype(
    [("score", "f4"), ("label", "i4"), ("is_absent", "?"), ("is_right", "?", IOUS.shape)]
)


@dataclass(frozen=True, eq=False)
class AtThreshold:
    """What a threshold of scores makes of boxes, with an intersection over union of 0.5.

    Attributes:
        threshold: boxes count from this score on.
        recall: share of the true boxes that are found; NaN where there are none.
        precision: share of the found boxes that are right; NaN where there are none.
        absent_per_image: (L,) found boxes of each label in images where it is not, divided by the
            number of all images; NaN without images.

    """

    threshold: float
    recall: float
    precision: float
    absent_per_image: np.ndarray


class DetectionScores:
    """Counts which boxes are right, image by image; of each it keeps a score and flags.

    Args:
        labels: what was looked for, by number; also what is in none of the images.

    Attributes:
        labels: as given.
        images: how many were added.
        true_counts: (L,) int64 true boxes of each label.

    Raises:
        EvaluationError: there is no label, one has no name, or is there twice.

    """

    def __init__(self, labels: Sequence[str]) -> None:
        if not labels:
            raise EvaluationError("got no labels: name at least one that is looked for")
        require_distinct(labels, "labels")
        self.labels = tuple(labels)
        self.images = 0
        self.true_counts = np.zeros(len(labels), np.int64)
        self._found = [np.zeros(0, _FOUND)]
        self._precision: np.ndarray | None = None

    def add(self, name: str, boxes: np.ndarray, labels: np.ndarray, found: Detections) -> None:
        """Compare one image.

        Args:
            name: of the image, for messages.
            boxes: (N, 4) true left, top, right, bottom in pixels.
            labels: (N,) their numbers.
            found: with the same numbers of labels.

        Raises:
            EvaluationError: shapes do not fit, a number is no label, a true box is inside out or
                empty, or something is not finite.

        """
        try:
            self._require_sense(boxes, labels, found)
        except EvaluationError as error:
            raise EvaluationError(f"{name}: {error}") from error
        # By label, and the surest first.
        found = found.take(np.lexsort((-found.scores, found.labels)))
        found = found.take(np.flatnonzero(_ranks(found.labels) < MOST_FOUND))
        records = np.zeros(len(found), _FOUND)
        records["score"], records["label"] = found.scores, found.labels
        records["is_absent"] = ~np.isin(found.labels, labels)
        for label in np.unique(labels):
            of_label = found.labels == label
            overlap = overlaps(
                found.boxes[of_label].astype(np.float64),
                boxes[labels == label].astype(np.float64),
            )
            records["is_right"][of_label] = right_boxes(overlap)
        self._found.append(records)
        self._precision = None
        self.true_counts += np.bincount(labels.astype(np.int64), minlength=len(self.labels))
        self.images += 1

    @property
    def precision(self) -> np.ndarray:
        """(L, 10, 101) by label, :data:`IOUS` and :data:`RECALLS`: the best at that recall or more.

        0 where the recall is not reached, NaN of labels that are in no image.
        """
        if self._precision is None:
            self._precision = self._curves()
        return self._precision

    @property
    def average_precision(self) -> np.ndarray:
        """(L, 10) by label and :data:`IOUS`; NaN of labels that are in no image."""
        return self.precision.mean(axis=2)

    @property
    def ap(self) -> float:
        """Mean over the labels that are in an image, and :data:`IOUS`."""
        return self._mean(self.average_precision.mean(axis=1))

    @property
    def ap50(self) -> float:
        """Mean over the labels that are in an image, where an overlap of half is enough."""
        return self._mean(self.average_precision[:, 0])

    @property
    def most_recall(self) -> float:
        """Share of the true boxes that are found if every score is enough."""
        return self.at(-np.inf).recall

    @property
    def scores_and_rights(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores (N,) float32 of all found boxes; whether each is right (N,), by an IoU of 0.5."""
        found = self._all_found()
        return found["score"], found["is_right"][:, 0]

    def at(self, threshold: float) -> AtThreshold:
        """What boxes of at least that score tell."""
        found = self._all_found()
        found = found[found["score"] >= threshold]
        rights = int(found["is_right"][:, 0].sum())
        absent = np.bincount(found["label"][found["is_absent"]], minlength=len(self.labels))
        return AtThreshold(
            float(threshold),
            _share(rights, self.true_counts.sum()),
            _share(rights, len(found)),
            absent / self.images if self.images else np.full(len(self.labels), np.nan),
        )

    def at_recall(self, recall: float) -> AtThreshold | None:
        """The highest threshold by which that share of the true boxes, of all labels, is found.

        None where it is not reached: see :attr:`most_recall`.

        Raises:
            EvaluationError: it is no share, or 0.

        """
        if not 0 < recall <= 1:
            raise EvaluationError(f"got a recall of {recall:g}, expected more than 0, up to 1")
        found = self._all_found()
        found = found[np.argsort(-found["score"], kind="stable")]
        recalls = np.cumsum(found["is_right"][:, 0]) / max(1, self.true_counts.sum())
        place = int(np.searchsorted(recalls, recall))
        return self.at(float(found["score"][place])) if place < len(found) else None

    def why_not_reached(self) -> str:
        """Why :meth:`at_recall` has no answer, in words."""
        if not self.true_counts.any():
            return "there are no true boxes"
        return f"recall ends at {100 * self.most_recall:.1f} %"

    def figures(self, recalls: Sequence[float]) -> dict[str, Any]:
        """Return them by name, for JSON; None where there is nothing to tell from."""
        average = self.average_precision
        by_label = zip(
            self.labels, self.true_counts, average.mean(axis=1), average[:, 0], strict=True
        )
        return {
            "images": self.images,
            "true_boxes": int(self.true_counts.sum()),
            "ap": _known(self.ap),
            "ap50": _known(self.ap50),
            "most_recall": _known(self.most_recall),
            "labels": {
                label: {"true_boxes": int(count), "ap": _known(ap), "ap50": _known(ap50)}
                for label, count, ap, ap50 in by_label
            },
            "at_recall": [self._figures_at(recall) for recall in recalls],
        }

    def _figures_at(self, recall: float) -> dict[str, Any]:
        point = self.at_recall(recall)
        if point is None:
            return {"recall": recall, "why_not": self.why_not_reached()}
        absent = point.absent_per_image
        return {
            "recall": recall,
            "threshold": point.threshold,
            "precision": _known(point.precision),
            "absent_per_image": float(absent.sum()),
            "absent_per_image_by_label": dict(zip(self.labels, absent.tolist(), strict=True)),
        }

    def _require_sense(self, boxes: np.ndarray, labels: np.ndarray, found: Detections) -> None:
        if boxes.shape != (len(labels), 4) or labels.ndim != 1:
            raise EvaluationError(
                f"got true boxes of shape {boxes.shape} with labels of shape {labels.shape}, "
                "expected (N, 4) and (N,)"
            )
        require_boxes(boxes)
        count = len(self.labels)
        for what, numbers in (("true", labels), ("found", found.labels)):
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
                raise EvaluationError(
                    f"got {what} labels {numbers.min()} to {numbers.max()}, expected 0 to "
                    f"{count - 1}"
                )
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
            raise EvaluationError("got a found box or score that is not finite")

    def _all_found(self) -> np.ndarray:
        """Records of all images, in the order of images."""
        if len(self._found) > 1:
            self._found = [np.concatenate(self._found)]
        return self._found[0]

    def _curves(self) -> np.ndarray:
        found = self._all_found()
        found = found[np.lexsort((-found["score"], found["label"]))]
        ends = np.searchsorted(found["label"], np.arange(len(self.labels)), side="right")
        curves = np.full((len(self.labels), len(IOUS), len(RECALLS)), np.nan)
        for label, (of_label, total) in enumerate(
            zip(np.split(found, ends[:-1]), self.true_counts.tolist(), strict=True)
        ):
            if total:
                curves[label] = interpolated_precision(
                    of_label["score"], of_label["is_right"], total
                )
        return curves

    def _mean(self, of_labels: np.ndarray) -> float:
        there = self.true_counts > 0
        return float(of_labels[there].mean()) if there.any() else float("nan")


def require_boxes(boxes: np.ndarray) -> None:
    """Raise :class:`EvaluationError` unless boxes (N, 4) are finite and have an area."""
    strange = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if strange.any():
        shown = ", ".join(f"{value:g}" for value in boxes[strange][0])
        raise EvaluationError(
            f"got a true box of left, top, right, bottom {shown}: expected left < right and "
            "top < bottom, in pixels"
        )


def _ranks(labels: np.ndarray) -> np.ndarray:
    """The place (N,) of each among those of its label, of labels (N,) that do not fall."""
    return np.arange(len(labels)) - np.searchsorted(labels, labels)


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
