"""The images of a recording, whatever carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sensor_msgs.msg import CameraInfo

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.moments import moments
from embodied_perception.bags.reader import BagReader
from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.errors import BagError
from embodied_perception.frame import Frame
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.transports import TRANSPORTS

#: Names of the types of message that carry images.
IMAGE_TYPES = frozenset(type_name_of(transport.type) for transport in TRANSPORTS.values())
_BAG_FILES = (".mcap", ".db3")


def is_bag(path: Path) -> bool:
    """Whether a path looks like a recording."""
    if path.is_dir():
        return any(file.suffix in _BAG_FILES for file in path.iterdir())
    return path.suffix in _BAG_FILES


def image_topics(bag: BagReader, wanted: Sequence[str], count: int) -> list[str]:
    """The topics of images that are meant: those that are named, or the only ones there are.

    What has a camera_info beside it goes before what has none: masks and pictures of results.

    Raises:
        BagError: a named one has no images, or none are named and there are not just ``count``.

    """
    known = sorted(name for name, topic in bag.topics.items() if topic.type_name in IMAGE_TYPES)
    listed = ", ".join(known) or "none"
    for topic in wanted:
        if topic not in known:
            raise BagError(f"{bag.path}: no topic {topic} with images; there are: {listed}")
    if wanted:
        return list(wanted)
    for candidates in (known, [topic for topic in known if _beside(bag, topic)]):
        if len(candidates) == count:
            return candidates
    option = "--topic" if count == 1 else "--topics"
    raise BagError(f"{bag.path}: with images there are: {listed}; choose by {option}")


def frame_sets(
    path: Path, topics: Sequence[str], tolerance_ns: int, problem: Callable[[str], None]
) -> Iterator[tuple[Frame, ...]]:
    """Yield a frame of each topic, taken at one time.

    Args:
        path: the recording.
        topics: with images; the first one leads.
        tolerance_ns: how far apart the stamps of a set may be.
        problem: told what cannot be decoded, or has no partner.

    """
    return moments(path, [(topic, Decoder()) for topic in topics], tolerance_ns, problem)


def calibration_topic(bag: BagReader, image_topic: str) -> str:
    """The topic of the camera_info beside a topic of images.

    Raises:
        BagError: there is none.

    """
    topic = _beside(bag, image_topic)
    if topic is None:
        raise BagError(f"{bag.path}: no camera_info beside {image_topic}")
    return topic


def calibration_of(path: Path, image_topic: str) -> Camera:
    """What the camera_info beside a topic of images says.

    Raises:
        BagError: there is none.

    """
    with BagReader(path) as bag:
        topic = calibration_topic(bag, image_topic)
        for _, _, message in bag.messages([topic]):
            return camera_from_info(message)
    raise BagError(f"{path}: {topic} is empty")


def _beside(bag: BagReader, image_topic: str) -> str | None:
    parts = image_topic.split("/")
    # A packed topic has the transport at its end: image_raw/compressed.
    for length in range(len(parts) - 1, 0, -1):
        beside = "/".join([*parts[:length], "camera_info"])
        if beside in bag.topics and bag.topics[beside].type_name == type_name_of(CameraInfo):
            return beside
    return None
