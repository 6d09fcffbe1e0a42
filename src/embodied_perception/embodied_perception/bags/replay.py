"""Runs stages over a recording: every frame, as fast as it goes, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.reader import BagReader
from embodied_perception.bags.writer import BagWriter
from embodied_perception.config import Config
from embodied_perception.errors import BagError
from embodied_perception.stages.decoding import Decoded, Decoder
from embodied_perception.stages.runner import FrameSet, Source, StageRunner
from embodied_perception.stages.sinks import Sink
from embodied_perception.stages.stage import ImageInput, Stage
from embodied_perception.stages.transforms import TRANSFORM_TOPICS
from embodied_perception.stages.transports import RAW, Transport, transports_of

_DIAGNOSTICS_TOPIC = "/diagnostics"
_DIAGNOSTICS_PERIOD_NS = 1_000_000_000
_SHARED_TOPICS = frozenset(TRANSFORM_TOPICS)  # of many, in the recording and here


@dataclass(frozen=True)
class StageSummary:
    """What a stage did with a recording."""

    name: str
    processed: int
    dropped: dict[str, int]
    last_problem: str
    note: str  #: what is not as it was asked for, such as a device that is not there


@dataclass(frozen=True)
class _Entry:
    """A message of the result."""

    topic: str
    message: Any
    log_ns: int
    latched: bool


@dataclass(frozen=True)
class ReplaySummary:
    """What a run over a recording came to."""

    stages: list[StageSummary]
    damage: str | None
    skipped: dict[str, str]
    written: int


def resolve(topic: str, stage_name: str, remappings: Mapping[str, str]) -> str:
    """The topic's full name, as a node of the stage's name in the root namespace would see it."""
    topic = remappings.get(topic, topic)
    if topic.startswith("~/"):
        return f"/{stage_name}/{topic[2:]}"
    return topic if topic.startswith("/") else f"/{topic}"


@dataclass
class _Hosted:
    """A stage with its topics resolved."""

    runner: StageRunner
    remappings: Mapping[str, str]
    sources: dict[str, list[Source]] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        return self.runner.stage.name

    @property
    def gives(self) -> set[str]:
        return {self.resolve(sink) for sink in self.runner.sinks()}

    def resolve(self, end: Source | Sink) -> str:
        return resolve(end.topic, self.name, self.remappings) + end.suffix

    def connect(self, bag: BagReader, available: Mapping[str, str]) -> None:
        """Choose each image's transport by the topics there are (name to type).

        Those of the bag are available, and those that other stages give.
        """
        transports = {
            image.name: self._transport(image, available) for image in self.runner.cameras
        }
        for source in self.runner.sources(transports):
            topic = self.resolve(source)
            self.sources.setdefault(topic, []).append(source)
            if source.input_name and self._is_needed(source) and topic not in available:
                known = ", ".join(sorted(bag.topics)) or "nothing"
                forms = ", raw or packed" if source.type is Image else ""
                damage = f" ({bag.damage})" if bag.damage else ""
                raise BagError(
                    f"{bag.path}: no topic {topic}{forms}; it holds {known}{damage}. Name the one "
                    f"to use: --remap {source.topic}:=/THE/TOPIC"
                )
            expected = type_name_of(source.type)
            if topic in available and (got := available[topic]) != expected:
                raise BagError(
                    f"{bag.path}: topic {topic} holds {got}, expected {expected}; "
                    f"name another: --remap {source.topic}:=/THE/TOPIC"
                )

    def _transport(self, image: ImageInput, available: Mapping[str, str]) -> Transport:
        base = resolve(image.topic, self.name, self.remappings)
        choices = transports_of(image.content)
        # A remapping can name a packed topic itself.
        choices += [Transport("", transport.type) for transport in choices[1:]]
        for transport in choices:
            if available.get(base + transport.suffix) == type_name_of(transport.type):
                return transport
        return RAW

    def _is_needed(self, source: Source) -> bool:
        needing = [image.name for image in self.runner.cameras if image.needs_camera_info]
        return source.type is not CameraInfo or source.input_name in needing


def _givers_first(stages: Sequence[_Hosted]) -> list[_Hosted]:
    """Order stages so that an image finds what another stage says of it, its calibration above all.

    Raises:
        BagError: two stages wait for each other.

    """
    graph = {
        place: {
            other
            for other, giver in enumerate(stages)
            if other != place and (giver.gives & taker.sources.keys()) - _SHARED_TOPICS
        }
        for place, taker in enumerate(stages)
    }
    try:
        return [stages[place] for place in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        names = " -> ".join(stages[place].name for place in error.args[1])
        raise BagError(f"stages listen to each other in a circle: {names}; use --remap") from error


def _entries_of(results: list[tuple[str, Sink, Any]], log_ns: int) -> Iterator[_Entry]:
    for topic, sink, message in results:
        yield _Entry(topic, message, log_ns, sink.latched)


class Replay:
    """Runs stages over one recording.

    Args:
        source: the recording.
        stages: (type, configuration) of each.
        remappings: topics of the stages, as declared, to topics of the recording.

    Raises:
        BagError: there is no recording, or it lacks a topic that a stage needs.
    """

    def __init__(
        self,
        source: Path,
        stages: Sequence[tuple[type[Stage], Config]],
        remappings: Mapping[str, str] | None = None,
    ) -> None:
        self._source = source
        self._stages = [
            _Hosted(StageRunner(stage, config), remappings or {}) for stage, config in stages
        ]
        self._decoders: dict[str, Decoder] = {}
        self._raw = False
        self._damage: str | None = None
        self._skipped: dict[str, str] = {}
        with BagReader(source) as bag:
            self.message_count = sum(topic.count for topic in bag.topics.values())
            available = {name: topic.type_name for name, topic in bag.topics.items()}
            available |= {
                hosted.resolve(sink): type_name_of(sink.type)
                for hosted in self._stages
                for sink in hosted.runner.sinks()
            }
            for hosted in self._stages:
                hosted.connect(bag, available)
        self._stages = _givers_first(self._stages)
        listened = {topic for hosted in self._stages for topic in hosted.sources}
        for hosted in self._stages:
            hosted.runner.is_wanted = partial(self._is_wanted, hosted, listened)

    def run(
        self,
        destination: Path,
        *,
        copy: bool = True,
        raw: bool = False,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> ReplaySummary:
        """Run the stages and write what they give.

        Args:
            destination: an .mcap file.
            copy: also write the recording's own messages, so that the result stands alone.
            raw: write images as they are; else packed, which is much smaller.
            progress: told now and then how many messages of the recording are done.

        Raises:
            BagError: the destination is in the recording, or cannot be written.
            PerceptionError: a stage cannot be made ready.
        """
        same = destination.exists() and destination.samefile(self._source)
        if same or self._source.resolve() in destination.resolve().parents:
            raise BagError(f"{destination}: is in the recording itself; choose another -o")
        self._raw = raw
        self._load()
        with BagWriter(destination) as out:
            written = 0
            for entry in self._entries(copy, progress):
                out.write(entry.topic, entry.message, entry.log_ns, entry.latched)
                written += 1
        return ReplaySummary(self._summaries(), self._damage, self._skipped, written)

    def look(
        self,
        progress: Callable[[int], None] = lambda _done: None,
        take: Callable[[str, Any], None] = lambda _topic, _message: None,
    ) -> ReplaySummary:
        """Run the stages and write nothing: what they know is in :attr:`stages`.

        Args:
            progress: as in :meth:`run`.
            take: gets the topic and message of each result.
        """
        self._load()
        for entry in self._entries(False, progress):
            take(entry.topic, entry.message)
        return ReplaySummary(self._summaries(), self._damage, self._skipped, 0)

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages, by name."""
        return {hosted.name: hosted.runner.stage for hosted in self._stages}

    def _load(self) -> None:
        """Make the stages ready, before anything is written."""
        for hosted in self._stages:
            hosted.note = hosted.runner.load()

    def _entries(self, copy: bool, progress: Callable[[int], None]) -> Iterator[_Entry]:
        """Yield all that the result holds, in the order of the recording."""
        mine = set().union(*(hosted.gives for hosted in self._stages)) - _SHARED_TOPICS
        due_ns: int | None = None
        log_ns = 0
        with BagReader(self._source) as bag:
            yield from _entries_of(self._announce(bag.start_ns), bag.start_ns)
            for done, (topic, log_ns, message) in enumerate(bag.messages()):
                if topic in mine:
                    continue  # a stage says it anew
                if copy:
                    yield _Entry(topic, message, log_ns, bag.topics[topic].latched)
                yield from _entries_of(self._feed(topic, message), log_ns)
                due_ns = due_ns or log_ns + _DIAGNOSTICS_PERIOD_NS
                if log_ns >= due_ns:
                    due_ns = log_ns + _DIAGNOSTICS_PERIOD_NS
                    yield from self._diagnostics(log_ns)
                if done % 32 == 0:
                    progress(done)
            yield from _entries_of(self._finish(), log_ns)
            if any(hosted.runner.report.has_news for hosted in self._stages):
                yield from self._diagnostics(log_ns)
            progress(self.message_count)
            self._damage, self._skipped = bag.damage, dict(bag.skipped)

    def _announce(self, stamp_ns: int) -> list[tuple[str, Sink, Any]]:
        """What the stages say before any image, told to each other too."""
        results: list[tuple[str, Sink, Any]] = []
        for hosted in self._stages:
            for sink, result in hosted.runner.announce(stamp_ns):
                topic = hosted.resolve(sink)
                results += [(topic, sink, result), *self._feed(topic, result)]
        return results

    def _feed(self, topic: str, message: Any) -> list[tuple[str, Sink, Any]]:
        """Give a message to all stages, and theirs to each other; returns what they gave."""
        if not any(topic in hosted.sources for hosted in self._stages):
            return []
        decoder = self._decoders.setdefault(topic, Decoder())
        return [
            result for decoded in decoder.decode(message) for result in self._take(topic, decoded)
        ]

    def _take(self, topic: str, decoded: Decoded) -> list[tuple[str, Sink, Any]]:
        """Give a decoded message to all stages that listen; returns what all gave."""
        results: list[tuple[str, Sink, Any]] = []
        for hosted in self._stages:
            for source in hosted.sources.get(topic, []):
                for ready in hosted.runner.accept(source, decoded):
                    results += self._process(hosted, ready)
        return results

    def _process(self, hosted: _Hosted, ready: FrameSet) -> list[tuple[str, Sink, Any]]:
        results: list[tuple[str, Sink, Any]] = []
        for sink, result in hosted.runner.process(ready):
            topic = hosted.resolve(sink)
            results += [(topic, sink, result), *self._feed(topic, result)]
        return results

    def _finish(self) -> list[tuple[str, Sink, Any]]:
        """Run the stages on what still waited; returns what they gave."""
        results: list[tuple[str, Sink, Any]] = []
        for topic, decoder in list(self._decoders.items()):
            for decoded in decoder.finish():
                results += self._take(topic, decoded)
        for hosted in self._stages:
            for ready in hosted.runner.finish():
                results += self._process(hosted, ready)
        return results

    def _is_wanted(self, hosted: _Hosted, listened: set[str], sink: Sink) -> bool:
        """Whoever replays wants all there is, but an image in one form alone."""
        if sink.type in (Image, CompressedImage) and sink.on_demand:
            return (sink.type is Image) == self._raw or hosted.resolve(sink) in listened
        return True

    def _diagnostics(self, stamp_ns: int) -> Iterator[_Entry]:
        for hosted in self._stages:
            runner = hosted.runner
            told = runner.report.diagnostics(hosted.name, runner.stage.status(), stamp_ns)
            yield _Entry(_DIAGNOSTICS_TOPIC, told, stamp_ns, False)

    def _summaries(self) -> list[StageSummary]:
        return [
            StageSummary(
                hosted.name,
                hosted.runner.report.processed,
                hosted.runner.report.dropped,
                hosted.runner.report.last_problem,
                hosted.note,
            )
            for hosted in self._stages
        ]
