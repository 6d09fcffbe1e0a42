"""The files of a bag as one interface, whatever format and however damaged they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader

from embodied_perception.bags.salvage import SalvagedMcap, has_sound_index
from embodied_perception.errors import BagError

_SUFFIXES = (".mcap", ".db3")
_TRANSIENT_LOCAL = (1, "transient_local")


@dataclass(frozen=True)
class Channel:
    """One topic of one storage; messages of it refer to ``id``."""

    id: int
    topic: str
    type_name: str
    encoding: str
    count: int
    latched: bool


class Storage(Protocol):
    """Serialised messages in the order of log time."""

    channels: list[Channel]
    start_ns: int | None
    end_ns: int | None
    damage: str | None

    def messages(self, channel_ids: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield (channel id, log time in ns, serialised message)."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class RosbagsStorage:
    """A complete rosbag2 folder, .mcap or .db3, read by the ``rosbags`` library."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = Reader(path)
        self._reader.open()
        self._connections = {connection.id: connection for connection in self._reader.connections}
        self.channels = [
            Channel(
                connection.id,
                connection.topic,
                connection.msgtype,
                connection.ext.serialization_format,  # type: ignore[union-attr]
                connection.msgcount,
                any(
                    qos.durability is QosDurability.TRANSIENT_LOCAL
                    for qos in connection.ext.offered_qos_profiles  # type: ignore[union-attr]
                ),
            )
            for connection in self._reader.connections
        ]
        empty = self._reader.message_count == 0
        self.start_ns = None if empty else self._reader.start_time
        self.end_ns = None if empty else self._reader.end_time - 1  # theirs is exclusive
        self.damage: str | None = None

    def messages(self, channel_ids: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield (channel id, log time in ns, serialised message); stop at damage."""
        chosen = [self._connections[channel_id] for channel_id in channel_ids]
        if not chosen:  # the library takes an empty choice for all
            return
        last_ns = self.start_ns or 0
        raw = self._reader.messages(chosen)
        while True:
            try:
                connection, last_ns, data = next(raw)
            except StopIteration:
                return
            except Exception as error:
                self.damage = (
                    f"{self._path}: damaged after the message at {last_ns * 1e-9:.3f} s "
                    f"({type(error).__name__}: {error}); the rest is not read"
                )
                return
            yield connection.id, last_ns, data

    def close(self) -> None:
        """Release the files."""
        self._reader.close()


class SalvagedStorage:
    """An .mcap without its end, as far as it goes."""

    def __init__(self, path: Path) -> None:
        self._file = SalvagedMcap(path)
        self.channels = [
            Channel(
                channel_id,
                channel.topic,
                channel.type_name,
                channel.encoding,
                self._file.counts[channel_id],
                _is_latched(channel.qos_yaml),
            )
            for channel_id, channel in self._file.channels.items()
        ]
        self.start_ns = self._file.start_ns
        self.end_ns = self._file.end_ns
        self.damage = self._file.damage
        self.messages = self._file.messages

    def close(self) -> None:
        """Nothing is open between reads."""


def open_storages(path: Path) -> list[Storage]:
    """Open a rosbag2 folder, an .mcap or a .db3; the storages follow each other in time.

    Raises:
        BagError: there is nothing at ``path`` or it is not a bag of ROS 2.

    """
    if not path.exists():
        raise BagError(f"{path}: no such file or folder")
    if path.suffix == ".bag":
        target = path.with_suffix("")
        raise BagError(
            f"{path}: a ROS 1 bag, expected one of ROS 2; "
            f"convert it: rosbags-convert --src {path} --dst {target}"
        )
    if path.is_file():
        if path.suffix not in _SUFFIXES:
            raise BagError(f"{path}: got suffix {path.suffix!r}, expected .mcap or .db3")
        return [_open_file(path)]
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    if (path / "metadata.yaml").is_file():
        try:
            return [RosbagsStorage(path)]
        except Exception as error:
            if not files:
                raise BagError(f"{path}: cannot read this bag: {error}") from error
    elif not files:
        raise BagError(f"{path}: no metadata.yaml, .mcap or .db3 in this folder, so it is no bag")
    # A recorder that was killed leaves no metadata.yaml, or a last file that is cut off.
    return [_open_file(file) for file in files]


def _open_file(path: Path) -> Storage:
    # A damaged index would lose messages in silence: rosbags does not check it.
    if path.suffix == ".mcap" and not has_sound_index(path):
        return SalvagedStorage(path)
    try:
        return RosbagsStorage(path)
    except Exception as error:
        if path.suffix == ".mcap":
            return SalvagedStorage(path)
        raise BagError(f"{path}: cannot read this database: {error}") from error


def _is_latched(qos_yaml: str) -> bool:
    try:
        profiles = yaml.safe_load(qos_yaml)
    except yaml.YAMLError:
        return False
    return isinstance(profiles, list) and any(
        isinstance(profile, dict) and profile.get("durability") in _TRANSIENT_LOCAL
        for profile in profiles
    )
