"""An image in tiles, so that small things become large enough for a model to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.errors import ConfigError
from embodied_perception.open_vocabulary.detections import Detections, areas, overlaps, suppress

#: A box that comes this near to a border is cut by it: pixels, and a share of the tile's side.
_TOUCHES_PX, _TOUCHES = 2.0, 0.01
#: A box of which so much lies in a surer one of the same label is a part of it.
_MOST_INSIDE = 0.8


@dataclass(frozen=True)
class Tile:
    """A part of an image, in whole pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """That part of an image (H, W, ...), not copied."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def tiles_of(resolution_wh: tuple[int, int], tiles: int, overlap: float) -> list[Tile]:
    """The whole image, then tiles that cover it row by row.

    Args:
        resolution_wh: of the image.
        tiles: so many in a row, and so many rows; with 1 the whole image is all.
        overlap: of neighbours, as a share of a tile's side: the largest thing that surely lies
            whole in a tile is about so large.

    Raises:
        ConfigError: there are no such tiles.

    """
    if tiles < 1:
        raise ConfigError(f"tiles: got {tiles}, expected 1 or more")
    if not 0 <= overlap < 1:
        raise ConfigError(f"overlap: got {overlap}, expected from 0 to less than 1")
    whole = Tile(0, 0, *resolution_wh)
    if tiles == 1:
        return [whole]
    # n sides, of which each but the first overlaps the one before it, make the whole.
    sides = [math.ceil(length / (tiles - (tiles - 1) * overlap)) for length in resolution_wh]
    lefts, tops = (
        np.rint(np.linspace(0, length - side, tiles)).astype(int).tolist()
        for length, side in zip(resolution_wh, sides, strict=True)
    )
    return [whole, *(Tile(left, top, *sides) for top in tops for left in lefts)]


def merge(
    found: Sequence[Detections],
    tiles: Sequence[Tile],
    resolution_wh: tuple[int, int],
    most_overlap: float,
) -> Detections:
    """Put together what is found in tiles.

    What a border between tiles cuts is left out: a neighbour or the whole image has it whole. Of
    what is found twice the surest stays, and what is a part of something surer of the same label
    goes too.

    Args:
        found: of each tile, in its own pixels.
        tiles: of the image, as :func:`tiles_of` makes them.
        resolution_wh: of the image.
        most_overlap: intersection over union from which on two boxes are one thing.

    Returns:
        Boxes in the pixels of the image, the surest first.

    Raises:
        ValueError: there are not as many tiles as results.

    """
    if len(found) != len(tiles):
        raise ValueError(f"got detections of {len(found)} tiles, expected those of {len(tiles)}")
    moved = [
        _moved(each, tile, resolution_wh)
        for each, tile in zip(found, tiles, strict=True)
        if len(each)
    ]
    if not moved:
        return Detections.none(max((each.points.shape[1] for each in found), default=0))
    together = Detections(
        *(
            np.concatenate([getattr(each, name) for each in moved])
            for name in ("boxes", "scores", "labels", "points")
        )
    )
    return _without_parts(suppress(together, most_overlap))


def _moved(found: Detections, tile: Tile, resolution_wh: tuple[int, int]) -> Detections:
    """What the tile has whole, in the pixels of the image."""
    size = np.array([tile.width, tile.height] * 2, np.float32)
    image = np.array(resolution_wh * 2, np.float32)
    borders = np.array(tile.box, np.float32)
    is_inner = borders != [0, 0, *resolution_wh]
    boxes = found.boxes + np.array([tile.left, tile.top] * 2, np.float32)
    # How far inside of each border: to the left and top borders one way, to the others the other.
    inside = (boxes - borders) * [1, 1, -1, -1]
    is_cut = (inside <= np.maximum(_TOUCHES_PX, _TOUCHES * size)) & is_inner
    boxes = np.clip(boxes, 0, image)
    whole = Detections(boxes, found.scores, found.labels, found.points)
    return whole.take(np.flatnonzero(~is_cut.any(1)))


def _without_parts(found: Detections) -> Detections:
    """Of detections, the surest first, those that are no part of a surer one of their label."""
    own = areas(found.boxes)
    overlap = overlaps(found.boxes, found.boxes)
    shared = overlap * (own[:, None] + own) / (1 + overlap)
    smaller = np.minimum(own[:, None], own)
    is_part = (shared > _MOST_INSIDE * smaller) & (found.labels[:, None] == found.labels)
    left = np.ones(len(found), bool)
    for place in range(len(found)):
        if left[place]:
            left[place + 1 :] &= ~is_part[place, place + 1 :]
    return found.take(np.flatnonzero(left))
