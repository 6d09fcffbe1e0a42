"""Boxes in messages: by their middles, the centre of the first pixel is 0 as in camera models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)

from embodied_perception.errors import FrameError
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.stages.messages import stamp_ns

#: Of the first pixel, where its edge is 0, as it is everywhere but in messages.
_FIRST_CENTRE = 0.5


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes in one image.

    Attributes:
        stamp_ns: of the image.
        frame_id: of the image.
        boxes: (N, 4) float64 left, top, right, bottom in pixels; an image spans (0, 0, W, H).
        names: (N,) of what is in them, by the most probable hypothesis of each; empty where there
            is none.
        scores: (N,) float64 of that; 0 where there is none.
        ids: (N,) of the things; empty where they have none.

    """

    stamp_ns: int
    frame_id: str
    boxes: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray
    ids: tuple[str, ...]


def boxes_of(message: Detection2DArray) -> Boxes:
    """Boxes of one image.

    Raises:
        FrameError: a box is turned, of no or a negative size, or a number is not finite.

    """
    for number, each in enumerate(message.detections, start=1):
        problem = _what_is_wrong(each)
        if problem:
            raise FrameError("BAD_BOX", f"box {number}: {problem}")
    nothing = ObjectHypothesis()
    best = [
        max((result.hypothesis for result in each.results), key=_score, default=nothing)
        for each in message.detections
    ]
    boxes = [each.bbox for each in message.detections]
    centres = np.array([(box.center.position.x, box.center.position.y) for box in boxes])
    sizes = np.array([(box.size_x, box.size_y) for box in boxes])
    centres, sizes = centres.reshape(-1, 2) + _FIRST_CENTRE, sizes.reshape(-1, 2)
    return Boxes(
        stamp_ns(message.header),
        message.header.frame_id,
        np.hstack([centres - sizes / 2, centres + sizes / 2]),
        tuple(each.class_id for each in best),
        np.array([each.score for each in best], np.float64),
        tuple(each.id for each in message.detections),
    )


def bounding_box(box: np.ndarray) -> BoundingBox2D:
    """A box (4,) left, top, right, bottom as vision_msgs has it."""
    left, top, right, bottom = np.asarray(box, np.float64).tolist()
    x, y = (left + right) / 2 - _FIRST_CENTRE, (top + bottom) / 2 - _FIRST_CENTRE
    return BoundingBox2D(
        center=Pose2D(position=Point2D(x=x, y=y)), size_x=right - left, size_y=bottom - top
    )


def hypothesis(name: str, score: float) -> ObjectHypothesisWithPose:
    """What is in a box, and how sure that is; where in the world it is stays open."""
    return ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=name, score=float(score)))


def detections_message(
    found: Detections, names: tuple[str, ...], ids: np.ndarray | None, head: Header
) -> Detection2DArray:
    """Boxes as vision_msgs has them, with names for labels.

    Args:
        found: N boxes; an image spans (0, 0, W, H).
        names: of the labels.
        ids: (N,) of the things; None: they have none.
        head: of the image.

    """
    return Detection2DArray(
        header=head,
        detections=[
            Detection2D(
                header=head,
                id="" if ids is None else str(ids[index]),
                results=[hypothesis(names[found.labels[index]], found.scores[index])],
                bbox=bounding_box(box),
            )
            for index, box in enumerate(found.boxes)
        ],
    )


def _score(hypothesis: ObjectHypothesis) -> float:
    return hypothesis.score


def _what_is_wrong(detection: Detection2D) -> str | None:
    box = detection.bbox
    position, turn_rad = box.center.position, box.center.theta
    scores = [each.hypothesis.score for each in detection.results]
    if not np.isfinite([position.x, position.y, box.size_x, box.size_y, turn_rad, *scores]).all():
        return "got a number that is not finite"
    if turn_rad:
        return f"it is turned by {turn_rad:g} rad, expected theta 0: give the box around it"
    if box.size_x <= 0 or box.size_y <= 0:
        return f"got a size of {box.size_x:g} x {box.size_y:g}, expected more than 0 pixels"
    return None
