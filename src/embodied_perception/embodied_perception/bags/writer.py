"""Write ROS messages into one self-contained, indexed MCAP file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from mcap.well_known import MessageEncoding, Profile, SchemaEncoding
from mcap.writer import CompressionType, Writer
from rclpy.serialization import serialize_message

from embodied_perception.bags.cdr_padding import clear_padding
from embodied_perception.bags.message_types import schema_text, type_name_of
from embodied_perception.errors import BagError

MCAP_MAGIC = b"\x89MCAP0\r\n"

# What is lost at most when the process is killed.
_CHUNK_BYTES = 1_000_000

# Version 8 tells rosbag2 to read the QoS policies below as numbers, which all of its releases
# understand. It takes counts and times from the file's own statistics, so they stay empty here.
_ROSBAG2_METADATA = {
    "version": 8,
    "storage_identifier": "mcap",
    "duration": {"nanoseconds": 0},
    "starting_time": {"nanoseconds_since_epoch": 0},
    "message_count": 0,
    "topics_with_message_count": [],
    "compression_format": "",
    "compression_mode": "",
    "relative_file_paths": [],
    "files": [],
    "custom_data": {},
    "ros_distro": "",
}


@dataclass
class _Channel:
    id: int
    type_name: str
    latched: bool
    sequence: int = 0


class BagWriter:
    """Writes one MCAP file that rosbag2, RViz and Foxglove open; the same input gives same bytes.

    The file is written in chunks of about 1 MB, each compressed with zstd and flushed when it is
    full, so that memory stays bounded and a killed process leaves a readable file behind.

    Raises:
        BagError: the path does not end in .mcap, cannot be written, or holds something else.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix != ".mcap":
            raise BagError(f"{self.path}: got suffix {self.path.suffix!r}, expected .mcap")
        _refuse_to_destroy(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as error:
            raise BagError(f"{self.path}: cannot write: {error.strerror}") from error
        self._channels: dict[str, _Channel] = {}
        self._schema_ids: dict[str, int] = {}
        self._writer = Writer(self._file, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile=Profile.ROS2, library="embodied_perception")
        rosbag2 = yaml.safe_dump(_ROSBAG2_METADATA, sort_keys=False)
        self._writer.add_metadata("rosbag2", {"serialized_metadata": rosbag2})

    def write(self, topic: str, message: Any, stamp_ns: int, latched: bool = False) -> None:
        """Append one message.

        Args:
            topic: Absolute topic name.
            message: A ROS message object. ``latched`` topics (/tf_static, maps) are replayed to
                late subscribers too: their QoS is recorded as transient local.
            stamp_ns: The log time, nanoseconds, not negative.
            latched: Must be the same for all messages of a topic.

        Raises:
            BagError: the topic had another type or latching before, the message cannot be
                serialised, or the disk is full.

        """
        if stamp_ns < 0:
            raise BagError(f"{topic}: got stamp {stamp_ns} ns, expected 0 or more")
        type_name = type_name_of(type(message))
        channel = self._channels.get(topic) or self._add_channel(topic, type_name, latched)
        if (channel.type_name, channel.latched) != (type_name, latched):
            raise BagError(
                f"{topic}: got {type_name}, latched={latched}; "
                f"expected {channel.type_name}, latched={channel.latched} as written before"
            )
        try:
            data = clear_padding(type_name, serialize_message(message))
        except (TypeError, AssertionError, AttributeError, RuntimeError) as error:
            raise BagError(f"{topic}: cannot serialise this {type_name}: {error}") from error
        try:
            self._writer.add_message(channel.id, stamp_ns, data, stamp_ns, channel.sequence)
            self._file.flush()
        except OSError as error:
            raise BagError(f"{self.path}: cannot write: {error.strerror}") from error
        channel.sequence += 1

    def close(self) -> None:
        """Write the index and close the file; closing twice is harmless."""
        if self._file.closed:
            return
        try:
            with self._file:
                self._writer.finish()
        except OSError as error:
            raise BagError(f"{self.path}: cannot write: {error.strerror}") from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Also after an error: what was written so far becomes a valid bag.
        self.close()

    def _add_channel(self, topic: str, type_name: str, latched: bool) -> _Channel:
        if type_name not in self._schema_ids:
            self._schema_ids[type_name] = self._writer.register_schema(
                type_name, SchemaEncoding.ROS2, schema_text(type_name).encode()
            )
        channel_id = self._writer.register_channel(
            topic,
            MessageEncoding.CDR,
            self._schema_ids[type_name],
            {"offered_qos_profiles": _qos_yaml(latched)},
        )
        self._channels[topic] = _Channel(channel_id, type_name, latched)
        return self._channels[topic]


def _refuse_to_destroy(path: Path) -> None:
    """Raise unless ``path`` is free or holds an MCAP, which may be replaced."""
    if path.is_dir():
        raise BagError(f"{path}: is a folder, expected the name of a file to write")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
                raise BagError(f"{path}: exists and is no MCAP file; choose another name")


def _qos_yaml(latched: bool) -> str:
    """QoS as rosbag2 records it: numbers are those of rmw's policy enumerations."""
    transient_local, volatile = 1, 2
    infinite = "{sec: 9223372036, nsec: 854775807}"
    return f"""\
- history: 1
  depth: 10
  reliability: 1
  durability: {transient_local if latched else volatile}
  deadline: {infinite}
  lifespan: {infinite}
  liveliness: 1
  liveliness_lease_duration: {infinite}
  avoid_ros_namespace_conventions: false
"""
