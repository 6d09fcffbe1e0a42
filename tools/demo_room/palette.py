"""The fixed vocabulary of all rooms: colour names with their sRGB values, and the mask classes."""

from __future__ import annotations

import numpy as np

#: The eleven basic colour terms of English (Berlin and Kay, 1969), as sRGB.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (196, 32, 34),
    "orange": (240, 122, 22),
    "yellow": (242, 203, 36),
    "green": (38, 138, 62),
    "blue": (34, 82, 190),
    "purple": (118, 48, 152),
    "pink": (238, 128, 172),
    "brown": (112, 68, 36),
    "black": (34, 34, 38),
    "gray": (132, 134, 138),
    "white": (240, 238, 232),
}

BACKGROUND_CLASSES = (
    *("floor", "wall", "ceiling", "window", "door", "picture", "rug"),
    *("table", "chair", "shelf", "sofa", "cupboard", "lamp", "plant"),
)
OBJECT_CLASSES = (
    *("mug", "cup", "bottle", "bowl", "plate", "teapot", "vase", "can"),
    *("box", "book", "laptop", "ball", "candle", "cushion", "apple", "clock"),
)
#: Position in this tuple is the value in the class mask, the same in every room.
CLASSES = BACKGROUND_CLASSES + OBJECT_CLASSES
UNLABELLED = 255

#: Pairs of the held-out room that no room to learn captions from has: whoever finds them has put a
#: colour and a kind together that it only saw apart. The first three are in the demo room too.
HELD_OUT_PAIRS = frozenset(
    {
        *(("red", "mug"), ("green", "bottle"), ("blue", "box")),
        *(("red", "teapot"), ("orange", "cup"), ("green", "ball"), ("yellow", "clock")),
        *(("blue", "plate"), ("pink", "candle"), ("black", "vase")),
    }
)


def rgb(color: str) -> np.ndarray:
    """Return the (3,) float sRGB of a colour name; an unknown name is a KeyError."""
    return np.array(COLORS[color], float)
