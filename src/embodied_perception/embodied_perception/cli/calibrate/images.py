"""Where the images to calibrate by come from: photos, videos, a camera, a bag, or the graph."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import frame_sets, image_topics, is_bag
from embodied_perception.errors import ConfigError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.imaging.sources import PhotoFolder, Source, SourceImage, open_source
from embodied_perception.stages.pairing import sets_of

#: Of a recording, about so many images are looked at.
_LOOKED_AT = 500
#: Two cameras' images are of one time if they are no farther apart; the board stands still then.
_TOGETHER_NS = 10_000_000
_MOST_PROBLEMS = 1000  # of a camera that runs on and on


@dataclass(frozen=True, eq=False)
class GrayImage:
    """One image.

    Attributes:
        name: for messages to people.
        stamp_ns: when it was taken.
        frame_id: of the camera; empty where no topic tells.
        gray: (H, W) uint8.

    """

    name: str
    stamp_ns: int
    frame_id: str
    gray: np.ndarray


@dataclass
class ImageStream:
    """Images one after another, one of each camera at a time.

    Attributes:
        name: of the source.
        images: in the order of time.
        count: how many times there are, as far as is known.
        is_sequence: whether neighbours are moments of one motion; photos are not.
        is_live: whether it goes on until one stops.
        problems: what could not be read.

    """

    name: str
    images: Iterator[tuple[GrayImage, ...]]
    count: int | None
    is_sequence: bool
    is_live: bool = False
    problems: list[str] = field(default_factory=list)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare which images are looked at."""
    parser.add_argument(
        "--every",
        type=int,
        metavar="N",
        help=f"look at every N-th image; default: all photos, and some {_LOOKED_AT} of a recording",
    )


def open_images(
    sources: Sequence[Path], topics: Sequence[str], every: int | None, cameras: int = 1
) -> ImageStream:
    """Open photos, videos or a camera (one source a camera), a bag, or topics of the graph.

    Raises:
        ConfigError: what is given does not make ``cameras`` cameras, or ``every`` is no number of
            images.
        PerceptionError: it cannot be read.

    """
    if every is not None and every < 1:
        raise ConfigError(f"--every: got {every}, expected 1 or more")
    if topics and len(topics) != cameras:
        raise ConfigError(f"got {len(topics)} topics, expected {cameras}, one a camera")
    if not sources:
        if not topics:
            named = "a topic of the graph: --topic" if cameras == 1 else "two topics: --topics"
            raise ConfigError(f"give photos, a video or a bag, or {named}")
        return _live(topics, every or 1)
    if len(sources) == 1 and is_bag(sources[0]):
        return _bag(sources[0], topics, every, cameras)
    if topics:
        raise ConfigError(f"{sources[0]} is no bag, and has no topics")
    if len(sources) != cameras:
        raise ConfigError(
            f"sources: got {len(sources)}, expected {cameras}, one a camera, or a bag"
        )
    return _opened([open_source(path) for path in sources], every)


def _live(topics: Sequence[str], every: int) -> ImageStream:
    from embodied_perception.ros.images import live_frame_sets

    stream = ImageStream(" ".join(topics), iter(()), None, is_sequence=True, is_live=True)

    def note(problem: str) -> None:
        if len(stream.problems) < _MOST_PROBLEMS:
            stream.problems.append(problem)

    frames = live_frame_sets(topics, _TOGETHER_NS, note)
    stream.images = _of_frames(frames, every, stream.problems)
    return stream


def _bag(path: Path, wanted: Sequence[str], every: int | None, cameras: int) -> ImageStream:
    with BagReader(path) as bag:
        topics = image_topics(bag, wanted, cameras)
        count = bag.topics[topics[0]].count
    every = every or max(1, count // _LOOKED_AT)
    name = " ".join([path.name, *topics])
    stream = ImageStream(name, iter(()), -(-count // every), is_sequence=True)
    frames = frame_sets(path, topics, _TOGETHER_NS, stream.problems.append)
    stream.images = _of_frames(frames, every, stream.problems)
    return stream


def _of_frames(
    frames: Iterator[tuple[Frame, ...]], every: int, problems: list[str]
) -> Iterator[tuple[GrayImage, ...]]:
    for place, together in enumerate(frames):
        if place % every:
            continue
        try:
            yield tuple(
                GrayImage(f"{each.stamp_ns * 1e-9:.3f} s", each.stamp_ns, each.frame_id, each.gray)
                for each in together
            )
        except FrameError as error:
            problems.append(f"image at {together[0].stamp_ns} ns: {error}")


def _opened(sources: Sequence[Source], every: int | None) -> ImageStream:
    """Photos of several cameras belong together in their order, videos in time from the start."""
    first = sources[0]
    is_sequence = not isinstance(first, PhotoFolder)
    counts = [source.count for source in sources]
    if not is_sequence and len(set(counts)) > 1:
        told = ", ".join(f"{source.name} has {source.count}" for source in sources)
        raise ConfigError(f"photos of two cameras belong together in the order of names: {told}")
    every = every or (max(1, (counts[0] or 0) // _LOOKED_AT) if is_sequence else 1)
    count = None if counts[0] is None else -(-counts[0] // every)
    name = " ".join(source.name for source in sources)
    problems: list[str] = []

    def drop(reason: str, text: str) -> None:
        problems.append(f"{reason}: {text}")

    def images() -> Iterator[tuple[GrayImage, ...]]:
        names = [f"camera {place}" for place in range(1, len(sources) + 1)]
        named = [zip(repeat(n), each.images()) for n, each in zip(names, sources, strict=True)]
        in_time = heapq.merge(*named, key=lambda each: each[1].stamp_ns)
        try:
            for place, together in enumerate(sets_of(in_time, names, _TOGETHER_NS, drop)):
                if place % every:
                    continue
                try:
                    yield tuple(_of_source(image) for image in together)
                except FrameError as error:
                    problems.append(f"{together[0].name}: {error}")
        finally:
            for source in sources:
                source.close()
                problems.extend(source.problems)

    return ImageStream(name, images(), count, is_sequence, first.is_live, problems)


def _of_source(image: SourceImage) -> GrayImage:
    return GrayImage(image.name, image.stamp_ns, "", image.pixels.colors_8_bit("GRAY"))
