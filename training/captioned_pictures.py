"""Pictures, and what thing each pixel shows, in folders that tools/demo_room --captions writes."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from demo_room.captions import Thing


@dataclass(frozen=True)
class CaptionedPictures:
    """One split, in memory.

    Attributes:
        images: (H, W, 3) uint8 RGB.
        numbers: (H, W) uint8, the thing that each pixel of an image shows; 0 none.
        things: of each image, by their numbers.

    """

    images: list[np.ndarray]
    numbers: list[np.ndarray]
    things: list[dict[int, Thing]]

    @classmethod
    def read(cls, data: Path, split: str, limit: int | None = None) -> CaptionedPictures:
        """Read a split, or the first ``limit`` of it, in the order of names."""
        folder = data / f"{split}things"
        paths = sorted(folder.glob("*.png"))[:limit]
        if not paths:
            raise SystemExit(
                f"{folder}: no PNG masks; write them with: "
                f"python tools/demo_room --captions 100 -o {data}"
            )
        found = CaptionedPictures([], [], [])
        for path in paths:
            pixels = cv2.imread(str(data / split / f"{path.stem}.jpg"), cv2.IMREAD_COLOR)
            numbers = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if pixels is None or numbers is None or numbers.shape != pixels.shape[:2]:
                raise SystemExit(f"{path}: no JPEG of that name and size in {data / split}")
            things = _read_things(path.with_suffix(".json"))
            unnamed = set(np.unique(numbers).tolist()) - {0} - things.keys()
            if unnamed:
                raise SystemExit(f"{path}: number {min(unnamed)} has no name in the JSON beside it")
            found.images.append(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            found.numbers.append(numbers)
            found.things.append(things)
        return found

    @property
    def different(self) -> list[Thing]:
        """The things that there are, each once, in the order of their names."""
        every = {thing for things in self.things for thing in things.values()}
        return sorted(every, key=lambda thing: thing.name)


def _read_things(path: Path) -> dict[int, Thing]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {int(key): Thing(each["kind"], each.get("color")) for key, each in said.items()}
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise SystemExit(
            f"{path}: expected a name for each number in the mask ({error}); write the data again"
        ) from error
