"""Runs stages over a recording: every frame, as fast as it goes, the same bytes every time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from embodied_perception.bags.message_types import type_name_of
from embodied_perception.bags.reader import BagReader
from embodied_perception.bags.writer import BagWriter
from embodied_perception.config import Config
from embodied_perception.errors import BagError, PerceptionError
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.runner import Sink, Source, StageRunner
from embodied_perception.stages.stage import Stage

_DIAGNOSTICS_TOPIC = "/diagnostics"
_DIAGNOSTICS_PERIOD_NS = 1_000_000_000


@dataclass(frozen=True)
class StageSummary:
    """What a stage did with a recording."""

    name: str
    processed: int
    dropped: dict[str, int]
    last_problem: str


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

    @property
    def name(self) -> str:
        return self.runner.stage.name

    def resolve(self, end: Source | Sink) -> str:
        return resolve(end.topic, self.name, self.remappings) + end.suffix

    def connect(self, bag: BagReader) -> None:
        """Choose raw or compressed by what a recording has."""
        topics = bag.topics
        raw = {s.input_name: s for s in self.runner.sources() if s.type is Image}
        compressed = [name for name, s in raw.items() if self.resolve(s) not in topics]
        for source in self.runner.sources(compressed):
            topic = self.resolve(source)
            self.sources.setdefault(topic, []).append(source)
            if source.input_name and topic not in topics:
                known = ", ".join(sorted(topics)) or "nothing"
                forms = ", raw or compressed" if source.suffix else ""
                damage = f" ({bag.damage})" if bag.damage else ""
                raise BagError(
                    f"{bag.path}: no topic {topic.removesuffix(source.suffix)}{forms}; it holds "
                    f"{known}{damage}. Name the one to use: --remap {source.topic}:=/THE/TOPIC"
                )
            expected = type_name_of(source.type)
            if topic in topics and (got := topics[topic].type_name) != expected:
                raise BagError(
                    f"{bag.path}: topic {topic} holds {got}, expected {expected}; "
                    f"name another (of images, the raw topic): --remap {source.topic}:=/THE/TOPIC"
                )
        # Whoever replays wants all there is; pictures only compressed.
        self.runner.is_wanted = lambda sink: sink.type is not Image


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
        with BagReader(source) as bag:
            self.message_count = sum(topic.count for topic in bag.topics.values())
            for hosted in self._stages:
                hosted.connect(bag)

    def run(
        self,
        destination: Path,
        *,
        copy: bool = True,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> ReplaySummary:
        """Run the stages and write what they give.

        Args:
            destination: an .mcap file.
            copy: also write the recording's own messages, so that the result stands alone.
            progress: told now and then how many messages of the recording are done.
        """
        same = destination.exists() and destination.samefile(self._source)
        if same or self._source.resolve() in destination.resolve().parents:
            raise BagError(f"{destination}: is in the recording itself; choose another -o")
        mine = {
            hosted.resolve(sink) for hosted in self._stages for sink in hosted.runner.sinks()
        } - {"/tf"}
        written = 0
        due_ns: int | None = None
        log_ns = 0
        with BagReader(self._source) as bag, BagWriter(destination) as out:
            for done, (topic, log_ns, message) in enumerate(bag.messages()):
                if copy and topic not in mine:
                    out.write(topic, message, log_ns, latched=bag.topics[topic].latched)
                    written += 1
                for result_topic, sink, result in self._feed(topic, message):
                    out.write(result_topic, result, log_ns, latched=sink.latched)
                    written += 1
                due_ns = due_ns or log_ns + _DIAGNOSTICS_PERIOD_NS
                if log_ns >= due_ns:
                    due_ns = log_ns + _DIAGNOSTICS_PERIOD_NS
                    for diagnostics in self._diagnostics(log_ns):
                        out.write(_DIAGNOSTICS_TOPIC, diagnostics, log_ns)
                        written += 1
                if done % 32 == 0:
                    progress(done)
            for result_topic, sink, result in self._finish():
                out.write(result_topic, result, log_ns, latched=sink.latched)
                written += 1
            if any(hosted.runner.report.has_news for hosted in self._stages):
                for diagnostics in self._diagnostics(log_ns):
                    out.write(_DIAGNOSTICS_TOPIC, diagnostics, log_ns)
                    written += 1
            progress(self.message_count)
            return ReplaySummary(self._summaries(), bag.damage, dict(bag.skipped), written)

    def _feed(self, topic: str, message: Any) -> list[tuple[str, Sink, Any]]:
        """Give a message to all stages, and theirs to each other; returns what they gave."""
        results: list[tuple[str, Sink, Any]] = []
        pending: deque[tuple[str, Any]] = deque([(topic, message)])
        while pending:
            topic, message = pending.popleft()
            listeners = [
                (hosted, source)
                for hosted in self._stages
                for source in hosted.sources.get(topic, [])
            ]
            if not listeners:
                continue
            decoded = self._decode(topic, message)
            for hosted, source in listeners:
                for ready in hosted.runner.accept(source, decoded):
                    for sink, result in hosted.runner.process(ready):
                        results.append((hosted.resolve(sink), sink, result))
                        pending.append((hosted.resolve(sink), result))
        return results

    def _finish(self) -> list[tuple[str, Sink, Any]]:
        """Run the stages on what still waited; returns what they gave."""
        results: list[tuple[str, Sink, Any]] = []
        for hosted in self._stages:
            for ready in hosted.runner.finish():
                for sink, result in hosted.runner.process(ready):
                    topic = hosted.resolve(sink)
                    results += [(topic, sink, result), *self._feed(topic, result)]
        return results

    def _decode(self, topic: str, message: Any) -> Any:
        try:
            return self._decoders.setdefault(topic, Decoder()).decode(message)
        except PerceptionError as error:
            return error

    def _diagnostics(self, stamp_ns: int) -> list[DiagnosticArray]:
        return [
            hosted.runner.report.diagnostics(hosted.name, hosted.runner.stage.status(), stamp_ns)
            for hosted in self._stages
        ]

    def _summaries(self) -> list[StageSummary]:
        return [
            StageSummary(
                hosted.name,
                hosted.runner.report.processed,
                hosted.runner.report.dropped,
                hosted.runner.report.last_problem,
            )
            for hosted in self._stages
        ]
