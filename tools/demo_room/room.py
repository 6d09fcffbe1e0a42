"""A furnished room as data; ``world.build`` makes geometry of it.

World frame ``world`` (REP-103): origin on the floor at the room's centre, x east, y north, z up.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Yaw of furniture with its back to a wall, in degrees.
WALL_YAW = {"north": 0.0, "east": -90.0, "south": 180.0, "west": 90.0}


@dataclass(frozen=True)
class Furniture:
    """A piece on the floor: ``kind`` is a builder's name, ``look`` a wood or colour."""

    name: str
    kind: str
    look: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Item:
    """A named object standing ``on`` a piece (its name, or ``name/surface``).

    x and y are from that surface's centre, in the piece's own axes.
    """

    color: str
    kind: str
    on: str
    x: float
    y: float
    yaw: float = 0.0

    @property
    def name(self) -> str:
        """What a person would call it, for example ``red mug``."""
        return f"{self.color} {self.kind}"


@dataclass(frozen=True)
class Hanging:
    """A picture, window or door; ``along`` runs right from the wall's centre, seen from inside."""

    kind: str
    wall: str
    along: float
    height: float
    size: tuple[float, float]
    look: str


@dataclass(frozen=True)
class Orbit:
    """A closed round of the base through the room; angles in degrees, lengths in metres.

    The camera looks ``look_ahead`` from the direction out of the centre: 90 is along the way,
    180 across the room. ``sway`` is added to the heading twice a round.
    """

    center_xy: tuple[float, float] = (0.0, 0.0)
    radii_xy: tuple[float, float] = (0.8, 0.5)
    start: float = 0.0
    look_ahead: float = 120.0
    sway: float = 12.0


@dataclass(frozen=True)
class Room:
    """A furnished room of ``size_xyz`` metres; walls are given north, east, south, west."""

    name: str
    seed: int
    size_xyz: tuple[float, float, float]
    floor: str
    walls: tuple[str, str, str, str]
    furniture: tuple[Furniture, ...]
    hangings: tuple[Hanging, ...]
    items: tuple[Item, ...]
    orbit: Orbit

    @property
    def pairs(self) -> tuple[str, ...]:
        """The colour-object pairs that exist here, sorted."""
        return tuple(sorted({item.name for item in self.items}))


def instances(room: Room) -> Iterator[tuple[str, Item]]:
    """Each item with its unique name, for example ``red_mug_1``."""
    seen: dict[str, int] = {}
    for item in room.items:
        seen[item.name] = seen.get(item.name, 0) + 1
        yield f"{item.name.replace(' ', '_')}_{seen[item.name]}", item


def generator(room: Room, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose, so that adding a piece leaves all others as they were."""
    return np.random.default_rng([room.seed, zlib.crc32(purpose.encode())])
