"""A data set to train a two-tower model by: pictures, what thing each pixel shows, and its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo_room.masks import draw, write_pair
from demo_room.palette import COLORS
from demo_room.parts import Part
from demo_room.room import Room, instances
from demo_room.world import build


@dataclass(frozen=True)
class Thing:
    """An object or a piece of furniture; ``color`` is one of the eleven, if it has one of them."""

    kind: str
    color: str | None = None

    @property
    def name(self) -> str:
        """What a person would call it, for example ``red mug``."""
        return f"{self.color} {self.kind}" if self.color else self.kind


@dataclass(frozen=True, eq=False)
class Captioned:
    """A picture (480, 640, 3) uint8 RGB, what it shows, and the thing of each pixel (480, 640).

    Numbers are uint8, 0 where there is none.
    """

    name: str
    color_rgb: np.ndarray
    numbers: np.ndarray
    things: dict[int, Thing]


def render_captions(room: Room, frames: int) -> Iterator[Captioned]:
    """Draw ``frames`` pictures, evenly along the room's path, as its camera would take them."""
    parts = build(room).parts
    named = things(room, parts)
    number_of = {instance: number for number, instance in enumerate(named, 1)}
    number_of_part = np.array([number_of.get(part.instance, 0) for part in parts] + [0], np.uint8)
    for name, color_rgb, part_index in draw(room, parts, frames):
        numbers = number_of_part[part_index]
        seen = set(np.unique(numbers).tolist())
        shown = {number: thing for number, thing in enumerate(named.values(), 1) if number in seen}
        yield Captioned(name, color_rgb, numbers, shown)


def things(room: Room, parts: list[Part]) -> dict[str, Thing]:
    """Furniture and objects of a room by their instances, furniture by its class's name.

    Of a plant ``look`` is the pot's, which is not what people take for the plant's colour.
    """
    class_of = {part.instance: part.class_name for part in parts}
    found = {}
    for piece in room.furniture:
        color = piece.look if piece.look in COLORS and piece.kind != "plant" else None
        found[piece.name] = Thing(class_of[piece.name], color)
    return found | {instance: Thing(item.kind, item.color) for instance, item in instances(room)}


def write_split(folder: Path, split: str, pictures: Iterable[Captioned]) -> None:
    """Add pictures to ``SPLIT/NAME.jpg``, as the camera sends them, and what they show.

    ``SPLITthings/NAME.png`` has the numbers, ``SPLITthings/NAME.json`` what each stands for.
    """
    shown = folder / f"{split}things"
    for picture in pictures:
        write_pair(folder / split, shown, picture.name, picture.color_rgb, picture.numbers)
        said = {number: _described(thing) for number, thing in picture.things.items()}
        text = json.dumps(said, indent=1)
        (shown / f"{picture.name}.json").write_text(text + "\n", encoding="utf-8")


def _described(thing: Thing) -> dict[str, str]:
    color = {"color": thing.color} if thing.color else {}
    return {"name": thing.name, **color, "kind": thing.kind}
