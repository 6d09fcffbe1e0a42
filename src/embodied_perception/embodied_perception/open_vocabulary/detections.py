"""Boxes in an image, each with the label that fits it and how well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from embodied_perception.errors import InferenceError

#: Boxes of an image, before doubles go.
MOST = 300


@dataclass(frozen=True, eq=False)
class Detections:
    """N boxes in one image, the surest first.

    Attributes:
        boxes: (N, 4) float32 left, top, right, bottom in pixels; an image spans (0, 0, W, H).
        scores: (N,) float32 from 0 to 1.
        labels: (N,) int64 numbers of labels.
        points: (N, D) float32 of length 1, what is in the boxes in the model's space; D is 0 where
            the model does not tell.

    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    points: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.boxes)
        shapes = self.boxes.shape, self.scores.shape, self.labels.shape, self.points.shape[:1]
        expected = (count, 4), (count,), (count,), (count,)
        if shapes != expected:
            raise ValueError(
                f"boxes, scores, labels and points have shapes {shapes}, expected {expected}"
            )

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def none(cls, dimensions: int = 0) -> Detections:
        """No box at all."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            np.zeros((0, dimensions), np.float32),
        )

    @classmethod
    def whole(cls, image: np.ndarray) -> Detections:
        """One box around an image (H, W, 3), of the first label."""
        height, width = image.shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        return cls(box, np.ones(1, np.float32), np.zeros(1, np.int64), box[:, :0])

    def take(self, indices: np.ndarray) -> Detections:
        """Some of them, in the order of the indices."""
        return Detections(
            self.boxes[indices], self.scores[indices], self.labels[indices], self.points[indices]
        )


def choose(
    boxes: np.ndarray,
    points: np.ndarray,
    logits: np.ndarray,
    background: np.ndarray,
    least: np.ndarray,
) -> Detections:
    """Of P proposals those that show a label, the surest first, :data:`MOST` of them.

    A proposal is of the label that fits it best, if no background text fits it better. What lies
    outside of the image has no area.

    Args:
        boxes: (P, 4) left, top, right, bottom in pixels.
        points: (P, D).
        logits: (P, L) of the labels.
        background: (P, K) of the background texts.
        least: (L,) scores from which on labels count.

    """
    labels = logits.argmax(1)
    best = logits[np.arange(len(logits)), labels]
    scores = expit(best).astype(np.float32)
    is_shown = (scores >= least[labels]) & (best > background.max(1, initial=-np.inf))
    is_shown &= areas(boxes) > 0
    order = np.argsort(-scores, kind="stable")
    order = order[is_shown[order]][:MOST]
    return Detections(boxes[order], scores[order], labels[order], points[order])


def areas(boxes: np.ndarray) -> np.ndarray:
    """(...,) of boxes (..., 4); 0 of those that are inside out."""
    width, height = (np.maximum(boxes[..., 2 + axis] - boxes[..., axis], 0) for axis in (0, 1))
    return width * height


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 where both have no area."""
    width, height = (
        np.minimum.outer(first[:, 2 + axis], second[:, 2 + axis])
        - np.maximum.outer(first[:, axis], second[:, axis])
        for axis in (0, 1)
    )
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = areas(first)[:, None] + areas(second)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress(found: Detections, most_overlap: float) -> Detections:
    """Of boxes that overlap more than that, whatever their labels, the surest alone.

    One thing is one box: "mug" and "cup" do not both stand where one of them does.
    """
    order = np.argsort(-found.scores, kind="stable")
    overlap = overlaps(found.boxes[order], found.boxes[order])
    kept: list[int] = []
    left = np.ones(len(order), bool)
    for place in range(len(order)):
        if left[place]:
            kept.append(place)
            left &= overlap[place] <= most_overlap
    return found.take(order[kept])


def visible(boxes: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
    """Boxes (N, 4) left, top, right, bottom in pixels, cut off at the image's rim: float64.

    Raises:
        InferenceError: nothing is left of one of them.

    """
    boxes = np.asarray(boxes, np.float64)
    cut = np.clip(boxes, 0, [*resolution_wh, *resolution_wh])
    is_there = (cut[:, :2] < cut[:, 2:]).all(1)  # what is no number is not
    if not is_there.all():
        sides = ", ".join(f"{side:g}" for side in boxes[~is_there][0])
        width, height = resolution_wh
        raise InferenceError(f"the box {sides} is not in the image of {width}x{height}")
    return cut
