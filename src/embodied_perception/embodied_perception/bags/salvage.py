"""Read an MCAP file whose end or index is missing, as a killed recorder leaves it behind.

Format: https://mcap.dev/spec, section Records.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Header, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk

from embodied_perception.bags.writer import MCAP_MAGIC
from embodied_perception.errors import BagError

_RECORD_HEAD = struct.Struct("<BQ")  # opcode, length of the body
_FOOTER = struct.Struct("<BQQQI")  # opcode, length, starts of index and its directory, checksum
_CHECKSUM_BYTES = 4


def has_sound_index(path: Path) -> bool:
    """Whether an MCAP file ends in an index whose checksum holds; one without a checksum does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER.size - len(MCAP_MAGIC)))
        end = file.read()
        if len(end) < _FOOTER.size + len(MCAP_MAGIC) or not end.endswith(MCAP_MAGIC):
            return False
        opcode, _, index_start, _, checksum = _FOOTER.unpack_from(end)
        if opcode != Opcode.FOOTER or index_start >= size:
            return False
        if checksum == 0 or index_start == 0:
            return True
        file.seek(index_start)
        checked = file.read(size - len(MCAP_MAGIC) - _CHECKSUM_BYTES - index_start)
    return zlib.crc32(checked) == checksum


@dataclass(frozen=True)
class SalvagedChannel:
    """One topic of the file."""

    topic: str
    type_name: str
    encoding: str
    qos_yaml: str


class SalvagedMcap:
    """The readable part of an MCAP file: every whole record before the damage.

    Opening reads the file once to learn the topics and where the chunks lie; memory stays bounded
    by the chunks that overlap in time.

    Raises:
        BagError: the file is not MCAP at all.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channels: dict[int, SalvagedChannel] = {}
        self.counts: Counter[int] = Counter()
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self.damage: str | None = None
        self._schemas: dict[int, Schema] = {}
        self._blocks: list[tuple[int, int]] = []  # earliest log time, byte offset
        with path.open("rb") as file:
            self._scan(file, path.stat().st_size)

    def messages(self, channel_ids: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield (channel id, log time in ns, serialised message) in the order of log time."""
        pending: list[tuple[int, int, int, int, bytes]] = []
        with self.path.open("rb") as file:
            for block_ns, offset in sorted(self._blocks):
                while pending and pending[0][:2] < (block_ns, offset):
                    log_ns, _, _, channel_id, data = heapq.heappop(pending)
                    yield channel_id, log_ns, data
                for index, message in enumerate(_messages(_read_record(file, offset))):
                    if message.channel_id in channel_ids:
                        entry = (message.log_time, offset, index, message.channel_id, message.data)
                        heapq.heappush(pending, entry)
        while pending:
            log_ns, _, _, channel_id, data = heapq.heappop(pending)
            yield channel_id, log_ns, data

    def _scan(self, file: BinaryIO, size: int) -> None:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise BagError(f"{self.path}: is no MCAP file ({size} bytes, wrong first bytes)")
        offset = file.tell()
        reason = "cut off"
        while offset + _RECORD_HEAD.size <= size:
            opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
            end = offset + _RECORD_HEAD.size + length
            if opcode == Opcode.DATA_END:
                if not self._is_complete(file, size):
                    what = f"the index is missing (cut off at byte {size})"
                else:
                    what = "the index is damaged"
                messages = self.counts.total()
                self.damage = f"{self.path}: {what}; all {messages} messages are there"
                return
            if end > size:
                break
            try:
                self._learn(_parse(opcode, file.read(length)), offset)
            except BagError:
                raise
            except Exception as error:
                reason = f"damaged ({type(error).__name__})"
                break
            offset = end
            file.seek(offset)
        last = "" if self.end_ns is None else f", the last at {self.end_ns * 1e-9:.3f} s"
        self.damage = (
            f"{self.path}: {reason} at byte {offset} of {size}; "
            f"{self.counts.total()} messages before that can be read{last}"
        )

    def _is_complete(self, file: BinaryIO, size: int) -> bool:
        file.seek(size - len(MCAP_MAGIC))
        return file.read() == MCAP_MAGIC

    def _learn(self, record: McapRecord | None, offset: int) -> None:
        if isinstance(record, Header) and record.profile == "ros1":
            raise BagError(f"{self.path}: holds ROS 1 messages, expected an MCAP of ROS 2")
        parts = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
        for part in parts:
            if isinstance(part, Schema):
                self._schemas[part.id] = part
            elif isinstance(part, Channel):
                schema = self._schemas.get(part.schema_id)
                self.channels[part.id] = SalvagedChannel(
                    part.topic,
                    schema.name if schema else "",
                    part.message_encoding,
                    part.metadata.get("offered_qos_profiles", ""),
                )
        messages = [part for part in parts if isinstance(part, Message)]
        if messages:
            times = [message.log_time for message in messages]
            self._blocks.append((min(times), offset))
            self.start_ns = min(times) if self.start_ns is None else min(self.start_ns, *times)
            self.end_ns = max(times) if self.end_ns is None else max(self.end_ns, *times)
            self.counts.update(message.channel_id for message in messages)


def _parse(opcode: int, body: bytes) -> McapRecord | None:
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.HEADER:
        return Header.read(stream)
    if opcode == Opcode.SCHEMA:
        return Schema.read(stream)
    if opcode == Opcode.CHANNEL:
        return Channel.read(stream)
    if opcode == Opcode.MESSAGE:
        return Message.read(stream, len(body))
    if opcode == Opcode.CHUNK:
        return Chunk.read(stream)
    return None


def _read_record(file: BinaryIO, offset: int) -> McapRecord | None:
    file.seek(offset)
    opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
    return _parse(opcode, file.read(length))


def _messages(record: McapRecord | None) -> list[Message]:
    parts = breakup_chunk(record) if isinstance(record, Chunk) else [record]
    return [part for part in parts if isinstance(part, Message)]
