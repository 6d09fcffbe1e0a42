"""Boxes of a recording: where things are in images, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vision_msgs.msg import Detection2DArray

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import BagError, FrameError
from embodied_perception.stages.box_messages import Boxes, boxes_of
from embodied_perception.stages.messages import stamp_ns


class BoxDecoder:
    """Decodes the messages of one topic of vision_msgs/Detection2DArray, whose boxes have names."""

    def decode(self, message: Detection2DArray) -> list[Boxes | BagError]:
        """The boxes of an image, or why they cannot be used."""
        try:
            boxes = boxes_of(message)
        except FrameError as error:
            return [_told(message, str(error))]
        for number, each in enumerate(message.detections, start=1):
            # Each hypothesis, as the best one is chosen by its score, not by its name.
            names = [result.hypothesis.class_id.strip() for result in each.results]
            if not names or not all(names):
                remedy = 'put it into results, as hypothesis.class_id "red mug"'
                return [_told(message, f"box {number}: it has no name: {remedy}")]
        return [boxes]

    def finish(self) -> list[Boxes | BagError]:
        """Nothing is held back."""
        return []


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
                if isinstance(each, Boxes):
                    names.update(each.names)
    return tuple(sorted(names))


def _told(message: Detection2DArray, problem: str) -> BagError:
    return BagError(f"{stamp_ns(message.header) * 1e-9:.3f} s: {problem}")
