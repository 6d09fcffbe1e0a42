"""Boxes of a recording: where things are in images, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vision_msgs.msg import Detection2D, Detection2DArray

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import BagError
from embodied_perception.stages.box_messages import FIRST_CENTRE
from embodied_perception.stages.messages import stamp_ns


@dataclass(frozen=True, eq=False)
class NamedBoxes:
    """Boxes in one image.

    Attributes:
        stamp_ns: of the image.
        boxes: (N, 4) float64 left, top, right, bottom in pixels; an image spans (0, 0, W, H).
        names: (N,) of what is in them.
        scores: (N,) float64.

    """

    stamp_ns: int
    boxes: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray


class BoxDecoder:
    """Decodes the messages of one topic of vision_msgs/Detection2DArray."""

    def decode(self, message: Detection2DArray) -> list[NamedBoxes | BagError]:
        """The boxes of an image, or why they cannot be used."""
        try:
            return [boxes_of(message)]
        except BagError as error:
            return [error]

    def finish(self) -> list[NamedBoxes | BagError]:
        """Nothing is held back."""
        return []


def boxes_of(message: Detection2DArray) -> NamedBoxes:
    """Boxes of one image; where a box has several hypotheses, the most probable one.

    Raises:
        BagError: a box is turned, of no or a negative size, has no name, or a number is not finite.

    """
    stamp = stamp_ns(message.header)
    for number, box in enumerate(message.detections, start=1):
        problem = _what_is_wrong(box)
        if problem:
            raise BagError(f"{stamp * 1e-9:.3f} s: box {number}: {problem}")
    best = [
        max((each.hypothesis for each in box.results), key=lambda each: each.score)
        for box in message.detections
    ]
    boxes = [box.bbox for box in message.detections]
    centres = np.array([(box.center.position.x, box.center.position.y) for box in boxes])
    sizes = np.array([(box.size_x, box.size_y) for box in boxes])
    centres, sizes = centres.reshape(-1, 2) + FIRST_CENTRE, sizes.reshape(-1, 2)
    return NamedBoxes(
        stamp,
        np.hstack([centres - sizes / 2, centres + sizes / 2]),
        tuple(each.class_id for each in best),
        np.array([each.score for each in best], np.float64),
    )


def require_box_topic(bag: BagReader, topic: str) -> None:
    """Raise :class:`BagError` unless a topic has boxes; the message lists those that have."""
    wanted = type_name_of(Detection2DArray)
    known = sorted(name for name, each in bag.topics.items() if each.type_name == wanted)
    if topic not in known:
        listed = ", ".join(known) or "none"
        raise BagError(f"{bag.path}: no topic {topic} with boxes ({wanted}); there are: {listed}")


def names_in(path: Path, topics: Sequence[str]) -> tuple[str, ...]:
    """What boxes of some topics are called, in the order of the alphabet; bad messages are skipped.

    Raises:
        BagError: there is no such recording or topic.

    """
    names: set[str] = set()
    with BagReader(path) as bag:
        for _, _, message in bag.messages(topics):
            for each in BoxDecoder().decode(message):
                if isinstance(each, NamedBoxes):
                    names.update(each.names)
    return tuple(sorted(names))


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
    if not scores or any(not each.hypothesis.class_id.strip() for each in detection.results):
        return 'it has no name: put it into results, as hypothesis.class_id "red mug"'
    return None
