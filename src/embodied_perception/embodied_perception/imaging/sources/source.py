"""What every source of images gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.imaging.pixels import Pixels

#: To ROS, a stamp of 0 means 'none': what has no clock of its own starts here.
START_NS = 1_000_000_000


@dataclass(frozen=True)
class SourceImage:
    """One image.

    Attributes:
        name: of its file, or its number, for messages to people.
        stamp_ns: when it was taken.
        pixels: upright.
        guess: of the camera, from what the source tells; no calibration.

    """

    name: str
    stamp_ns: int
    pixels: Pixels
    guess: Camera | None = None


@dataclass(frozen=True)
class Packet:
    """One packet of a video as it lies in its file, in Annex B's form.

    Attributes:
        stamp_ns: when its picture is shown.
        codec: ``h264`` or ``h265``.
        data: the packet.

    """

    stamp_ns: int
    codec: str
    data: bytes


class Source(Protocol):
    """Images one after another.

    Attributes:
        name: for messages to people.
        count: how many there are, as far as is known.
        is_live: whether they come as they are taken, and go on until one stops.
        problems: what was left out, a line each.

    """

    name: str
    count: int | None
    is_live: bool
    problems: list[str]

    def images(self) -> Iterator[SourceImage]:
        """Yield them in the order of time; what cannot be read becomes a problem."""

    def close(self) -> None:
        """Release files and devices."""


def turned(pixels: np.ndarray, counter_clockwise_deg: float) -> np.ndarray:
    """Turn an image (H, W[, C]) by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, round(counter_clockwise_deg / 90)))
