"""What several topics of a recording say of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import PerceptionError
from embodied_perception.stages.pairing import sets_of


class Decodes(Protocol):
    """What makes items with a ``stamp_ns`` of the messages of one topic."""

    def decode(self, message: Any) -> Sequence[Any]:
        """The items that a message completes, or the errors that say why there are none."""

    def finish(self) -> Sequence[Any]:
        """What was still held back at the end."""


def moments(
    path: Path,
    decoders: Sequence[tuple[str, Decodes]],
    tolerance_ns: int,
    problem: Callable[[str], None],
) -> Iterator[tuple[Any, ...]]:
    """Yield an item of each topic, of one time.

    Args:
        path: the recording.
        decoders: topics with what decodes them; the first one leads, and its items are given out
            once each. A topic may be there twice.
        tolerance_ns: how far apart the stamps of a set may be.
        problem: told what cannot be decoded, or has no partner.

    """
    topics = [topic for topic, _ in decoders]
    items = _items(path, dict(decoders), problem)
    return sets_of(items, topics, tolerance_ns, lambda why, text: problem(f"{why}: {text}"))


def exact_moments(
    path: Path, decoders: Sequence[tuple[str, Decodes]], problem: Callable[[str], None]
) -> Iterator[tuple[Any, ...]]:
    """As :func:`moments` of exactly the same stamp; how many had no partner is told once."""
    unpaired = 0

    def note(text: str) -> None:
        nonlocal unpaired
        if text.startswith("UNPAIRED"):
            unpaired += 1
        else:
            problem(text)

    yield from moments(path, decoders, 0, note)
    if unpaired:
        leader, *others = [topic for topic, _ in decoders]
        problem(f"{unpaired} of {leader}: nothing of the same stamp on {' and '.join(others)}")


def _items(
    path: Path, decoders: Mapping[str, Decodes], problem: Callable[[str], None]
) -> Iterator[tuple[str, Any]]:
    def good(topic: str, results: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        for result in results:
            if isinstance(result, PerceptionError):
                problem(f"{topic}: {result}")
            else:
                yield topic, result

    with BagReader(path) as bag:
        for topic, _, message in bag.messages(list(decoders)):
            yield from good(topic, decoders[topic].decode(message))
        for topic, decoder in decoders.items():
            yield from good(topic, decoder.finish())
