"""Masks of a recording: the true ones, beside images or beside what a stage said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vision_msgs.msg import LabelInfo

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.moments import exact_moments
from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import BagError, EvaluationError
from embodied_perception.evaluation.class_names import require_distinct
from embodied_perception.evaluation.mask_numbers import ClassNumbers, decode_mask
from embodied_perception.frame import Frame
from embodied_perception.imaging.pixels import CompressedPixels
from embodied_perception.stages.decoding import Decoder

_MOST_CLASSES = 65000  # in masks of 16 bits


@dataclass(frozen=True, eq=False)
class LabelNames:
    """What the numbers in masks mean.

    Attributes:
        classes: names in the order of their numbers.
        numbers: which number stands for which of them.

    """

    classes: tuple[str, ...]
    numbers: ClassNumbers

    @classmethod
    def counted(cls, classes: Sequence[str]) -> LabelNames:
        """Classes that are numbered from 0."""
        return cls(tuple(classes), ClassNumbers({place: place for place in range(len(classes))}))


def label_names_beside(bag: BagReader, mask_topic: str) -> LabelNames | None:
    """What the vision_msgs/LabelInfo beside a topic of masks says; None where there is none.

    Beside is what shares the longest beginning of its name with the masks; if there is one only, it
    holds for all.

    Raises:
        BagError: it is empty, or names a class twice.

    """
    wanted = type_name_of(LabelInfo)
    topics = sorted(name for name, topic in bag.topics.items() if topic.type_name == wanted)
    beside = [topic for topic in topics if _namespace(mask_topic).startswith(_namespace(topic))]
    chosen = max(beside, key=lambda topic: len(_namespace(topic)), default=None)
    if chosen is None and len(topics) == 1:
        chosen = topics[0]
    if chosen is None:
        return None
    for _, _, message in bag.messages([chosen]):
        return _names(message, f"{bag.path}: {chosen}")
    raise BagError(f"{bag.path}: {chosen} is empty")


def mask_of(frame: Frame) -> np.ndarray:
    """Numbers (H, W) uint8 or uint16 of an image of a class a pixel, raw or as PNG.

    Raises:
        FrameError: it is no such image.

    """
    if isinstance(frame.pixels, CompressedPixels):
        return decode_mask(frame.pixels.data)
    return frame.labels


def frames_at_one_stamp(
    path: Path, topics: Sequence[str], problem: Callable[[str], None]
) -> Iterator[tuple[Frame, ...]]:
    """Yield a frame of each topic, of exactly the same stamp; the first topic leads.

    Args:
        path: the recording.
        topics: with images.
        problem: told what cannot be decoded, and how many had no partner.

    """
    return exact_moments(path, [(topic, Decoder()) for topic in topics], problem)


def _namespace(topic: str) -> str:
    """``/segmentation/`` of ``/segmentation/mask``."""
    return topic.rpartition("/")[0] + "/"


def _names(message: LabelInfo, where: str) -> LabelNames:
    by_number = {each.class_id: each.class_name for each in message.class_map}
    if not by_number or len(by_number) != len(message.class_map) or max(by_number) > _MOST_CLASSES:
        raise BagError(
            f"{where}: got {len(message.class_map)} classes with {len(by_number)} numbers, "
            f"expected one or more, each with a number of its own up to {_MOST_CLASSES}"
        )
    order = sorted(by_number)
    classes = tuple(by_number[number] for number in order)
    try:
        require_distinct(classes, where)
    except EvaluationError as error:
        raise BagError(str(error)) from error
    return LabelNames(classes, ClassNumbers({number: place for place, number in enumerate(order)}))
