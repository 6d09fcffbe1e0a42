"""Crops around objects, of pictures whose masks say the class of each pixel."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

#: Objects with fewer visible pixels can hardly be told apart by people either.
LEAST_PX = 80
#: The side of a crop, in longer sides of the object's box.
GROWTH = (1.3, 3.0)


@dataclass(frozen=True, eq=False)
class Object:
    """The visible part of one object in a picture.

    Attributes:
        picture: (H, W, 3) uint8 RGB, the whole of it.
        box_xyxy: first and last pixel, inclusive.
        label: number of its class among those that were asked for.

    """

    picture: np.ndarray
    box_xyxy: tuple[int, int, int, int]
    label: int


def read_objects(data: Path, split: str, labels: Sequence[str]) -> list[Object]:
    """Read a split's objects that are large enough, and that the picture's rim does not cut.

    An object is what hangs together in a mask and is of one class.

    Args:
        data: folder with SPLIT/, SPLITannot/ and labels.json, as tools/demo_room --masks writes.
        split: train, val or test.
        labels: names of the classes that are objects.

    """
    masks = sorted((data / f"{split}annot").glob("*.png"))
    if not masks:
        raise SystemExit(
            f"{data / (split + 'annot')}: no PNG masks; write them with: "
            f"python tools/demo_room --masks 48 -o {data}"
        )
    names = json.loads((data / "labels.json").read_text(encoding="utf-8"))
    found = []
    for path in masks:
        picture = cv2.imread(str(data / split / f"{path.stem}.jpg"), cv2.IMREAD_COLOR)
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or mask is None or mask.shape != picture.shape[:2]:
            raise SystemExit(f"{path}: no JPEG of that name and size in {data / split}")
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        for label, name in enumerate(labels):
            is_class = (mask == names.index(name)).astype(np.uint8)
            found += [Object(picture, box, label) for box in _boxes(is_class)]
    return found


def _boxes(mask: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    *_, parts, _ = cv2.connectedComponentsWithStats(mask)
    for x, y, width, height, area in parts[1:].tolist():  # the first one is what is not the class
        end_x, end_y = x + width, y + height
        is_whole = x > 0 and y > 0 and end_x < mask.shape[1] and end_y < mask.shape[0]
        if is_whole and area >= LEAST_PX:
            yield x, y, end_x - 1, end_y - 1


def crop(each: Object, chance: random.Random) -> np.ndarray:
    """Cut out a square (S, S, 3) that shows an object, off its middle, and what lies around.

    The middle of the crop is within the object's box: else it might be of another one beside it.
    """
    x0, y0, x1, y1 = each.box_xyxy
    height, width = each.picture.shape[:2]
    longer = max(x1 - x0, y1 - y0) + 1
    side = min(round(longer * chance.uniform(*GROWTH)), height, width)
    top, left = (
        _start(first, last + 1, side, size, chance)
        for first, last, size in ((y0, y1, height), (x0, x1, width))
    )
    return each.picture[top : top + side, left : left + side]


def _start(first: int, end: int, side: int, size: int, chance: random.Random) -> int:
    """Where a crop of ``side`` pixels around a box begins, along one axis of ``size`` pixels."""
    half = side // 2
    bounds = sorted((max(end - side, first - half), min(first, end - half)))
    return min(max(0, chance.randint(*bounds)), size - side)


def scaled(view: np.ndarray, side: int) -> np.ndarray:
    """Resize a view (S, S, 3) as the classifier does with what it is given."""
    return np.asarray(Image.fromarray(view).resize((side, side), Image.Resampling.BILINEAR))


def varied(view: np.ndarray, chance: random.Random) -> np.ndarray:
    """Mirror a view, and put it into another light; colours do not say what a thing is."""
    if chance.random() < 0.5:
        view = view[:, ::-1]
    if chance.random() < 0.5:
        view = view[..., chance.sample(range(3), 3)]
    light = np.array([chance.uniform(0.85, 1.15) for _ in range(3)]) * chance.uniform(0.7, 1.3)
    gamma = chance.uniform(0.8, 1.25)
    lit = 255.0 * np.clip(np.arange(256)[:, None] / 255.0 * light, 0, 1) ** gamma
    return cv2.LUT(np.ascontiguousarray(view), lit.astype(np.uint8)[None])
