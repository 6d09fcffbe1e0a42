"""Read the messages of a ROS 2 bag as real message objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rclpy.serialization import deserialize_message

from embodied_perception.bags.message_types import message_class
from embodied_perception.bags.storage import Channel, open_storages
from embodied_perception.errors import BagError


@dataclass(frozen=True)
class TopicInfo:
    """What a bag says of one topic."""

    name: str
    type_name: str
    count: int
    latched: bool


class BagReader:
    """Reads a rosbag2 folder, a single .mcap or a single .db3, damaged ones as far as they go.

    Attributes:
        topics: Topic name to :class:`TopicInfo`.
        start_ns: Log time of the first message, 0 in an empty bag.
        end_ns: Log time of the last message, 0 in an empty bag.

    Raises:
        BagError: there is no bag at the path; the message says what is there instead.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._storages = open_storages(self.path)
        except OSError as error:
            raise BagError(f"{self.path}: cannot read: {error.strerror}") from error
        channels = [channel for storage in self._storages for channel in storage.channels]
        self.topics = _topics(channels)
        starts = [storage.start_ns for storage in self._storages if storage.start_ns is not None]
        ends = [storage.end_ns for storage in self._storages if storage.end_ns is not None]
        self.start_ns = min(starts, default=0)
        self.end_ns = max(ends, default=0)
        self._skipped: Counter[tuple[str, str]] = Counter()

    @property
    def damage(self) -> str | None:
        """What is wrong with the files, in one sentence; None while nothing is known to be."""
        found = [storage.damage for storage in self._storages if storage.damage]
        return "; ".join(found) or None

    @property
    def skipped(self) -> dict[str, str]:
        """Topics of which messages could not be given out so far, with the count and reason."""
        return {
            topic: f"{count} messages skipped: {reason}"
            for (topic, reason), count in self._skipped.items()
        }

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in ns, message) in the order of log time.

        Args:
            topics: Only these; None means all.

        Raises:
            BagError: a topic is not in the bag; the message lists those that are.

        """
        if topics is not None:
            self._check_known(topics)
        # A function of its own, so that the check happens at the call and not at the first use.
        return self._messages(self.topics if topics is None else topics)

    def serialized(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """Like :meth:`messages`, but the messages stay as they are stored (CDR)."""
        self._check_known(topics)
        return ((channel.topic, log_ns, data) for channel, log_ns, data in self._stored(topics))

    def close(self) -> None:
        """Release the files."""
        for storage in self._storages:
            storage.close()
        self._storages = []

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_known(self, topics: Collection[str]) -> None:
        missing = sorted(set(topics) - set(self.topics))
        if missing:
            known = ", ".join(sorted(self.topics)) or "none"
            raise BagError(f"{self.path}: no topic {missing[0]}; topics in this bag: {known}")

    def _messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, Any]]:
        for channel, log_ns, data in self._stored(topics):
            try:
                message = _deserialise(channel, data)
            except BagError as error:
                self._skipped[channel.topic, str(error)] += 1
                continue
            yield channel.topic, log_ns, message

    def _stored(self, topics: Collection[str]) -> Iterator[tuple[Channel, int, bytes]]:
        for storage in self._storages:
            channels = {c.id: c for c in storage.channels if c.topic in topics}
            for channel_id, log_ns, data in storage.messages(channels):
                yield channels[channel_id], log_ns, data


def _deserialise(channel: Channel, data: bytes) -> Any:
    if channel.encoding != "cdr":
        raise BagError(f"got message encoding {channel.encoding!r}, expected 'cdr'")
    cls = message_class(channel.type_name)
    try:
        return deserialize_message(data, cls)
    except Exception as error:
        raise BagError(f"cannot deserialise as {channel.type_name}") from error


def _topics(channels: list[Channel]) -> dict[str, TopicInfo]:
    topics: dict[str, TopicInfo] = {}
    for channel in channels:
        before = topics.get(channel.topic)
        topics[channel.topic] = TopicInfo(
            channel.topic,
            before.type_name if before else channel.type_name,
            channel.count + (before.count if before else 0),
            # Old bags record no QoS; tf2 defines /tf_static as latched.
            channel.latched or channel.topic == "/tf_static" or bool(before and before.latched),
        )
    return topics
