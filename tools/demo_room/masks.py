"""A data set to train segmentation by: pictures and masks of class numbers, laid out as CamVid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from demo_room.palette import CLASSES
from demo_room.parts import Part
from demo_room.path import BASE_FROM_CAMERA, world_from_base
from demo_room.render import Painter, classes_of
from demo_room.room import Room
from demo_room.sensor import JPEG, camera_picture
from demo_room.world import build


@dataclass(frozen=True, eq=False)
class Masked:
    """A picture (480, 640, 3) uint8 RGB, and the class of each pixel (480, 640) uint8."""

    name: str
    color_rgb: np.ndarray
    labels: np.ndarray


def render_masks(room: Room, frames: int) -> Iterator[Masked]:
    """Draw ``frames`` pictures, evenly along the room's path, as its camera would take them."""
    parts = build(room).parts
    class_of_part = classes_of(parts)
    for name, color_rgb, part_index in draw(room, parts, frames):
        yield Masked(name, color_rgb, class_of_part[part_index])


def draw(
    room: Room, parts: list[Part], frames: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, picture as the camera takes it, and the part that each pixel shows (-1 none)."""
    painter = Painter(parts, room.size_xyz)
    try:
        for index, world_from_robot in enumerate(world_from_base(room.orbit, frames)):
            pose = world_from_robot @ BASE_FROM_CAMERA
            rng = np.random.default_rng([room.seed, index])
            color_rgb = camera_picture(rng, painter.color(pose))
            yield f"{room.name}_{index:03d}", color_rgb, painter.part_index(pose)
    finally:
        painter.close()


def write_split(folder: Path, split: str, pictures: Iterable[Masked]) -> None:
    """Add pictures to ``SPLIT/NAME.jpg``, as the camera sends them, and ``SPLITannot/NAME.png``."""
    for picture in pictures:
        write_pair(
            folder / split,
            folder / f"{split}annot",
            picture.name,
            picture.color_rgb,
            picture.labels,
        )


def write_pair(
    images: Path, masks: Path, name: str, color_rgb: np.ndarray, mask: np.ndarray
) -> None:
    """Add a picture (H, W, 3) RGB and its mask (H, W), both uint8, to a folder each."""
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / f"{name}.jpg"), color_rgb[..., ::-1], JPEG)
    cv2.imwrite(str(masks / f"{name}.png"), mask)


def write_labels(folder: Path) -> None:
    """Say what the numbers in the masks mean: a list of names."""
    text = json.dumps(CLASSES, indent=1)
    (folder / "labels.json").write_text(text + "\n", encoding="utf-8")
