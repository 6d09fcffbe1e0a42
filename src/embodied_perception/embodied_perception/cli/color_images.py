"""Some images in colour: a photo, or spread over photos, a video, a camera, or a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import frame_sets, image_topics, is_bag
from embodied_perception.errors import ConfigError, FrameError, SourceError
from embodied_perception.imaging.sources import open_source
from embodied_perception.imaging.sources.photos import SUFFIXES, read_photo


@dataclass(frozen=True, eq=False)
class ColorImage:
    """One image.

    Attributes:
        name: for messages to people.
        rgb: (H, W, 3) uint8.

    """

    name: str
    rgb: np.ndarray


def some_images(source: Path, topic: str | None, count: int) -> tuple[list[ColorImage], list[str]]:
    """Read at most ``count`` images, and what could not be read, a line each.

    Raises:
        ConfigError: a topic is given of what is no bag.
        PerceptionError: the source cannot be opened, or not one image can be read.

    """
    problems: list[str] = []
    if is_bag(source):
        images = _of_bag(source, topic, count, problems)
    elif topic is not None:
        raise ConfigError(f"{source} is no bag, and has no topics")
    elif source.suffix.lower() in SUFFIXES and source.is_file():
        # A video's decoder would take it too, but does not turn it upright.
        images = iter([ColorImage(source.name, read_photo(source)[0].colors_8_bit("RGB"))])
    else:
        images = _of_source(source, count, problems)
    found = list(islice(images, count))
    if not found:
        raise SourceError(f"{source}: no image could be read; {' '.join(problems[:1])}")
    return found, problems


def _of_bag(path: Path, topic: str | None, count: int, problems: list[str]) -> Iterator[ColorImage]:
    with BagReader(path) as bag:
        topics = image_topics(bag, [topic] if topic else [], 1)
        every = max(1, bag.topics[topics[0]].count // count)
    for place, (frame,) in enumerate(frame_sets(path, topics, 0, problems.append)):
        if place % every == 0:
            try:
                yield ColorImage(f"{frame.stamp_ns * 1e-9:.3f} s", frame.rgb)
            except FrameError as error:
                problems.append(f"image at {frame.stamp_ns} ns: {error}")


def _of_source(path: Path, count: int, problems: list[str]) -> Iterator[ColorImage]:
    source = open_source(path)
    every = max(1, (source.count or 0) // count)
    try:
        for place, image in enumerate(source.images()):
            if place % every == 0:
                try:
                    yield ColorImage(image.name, image.pixels.colors_8_bit("RGB"))
                except FrameError as error:
                    problems.append(f"{image.name}: {error}")
    finally:
        source.close()
        problems.extend(source.problems)
