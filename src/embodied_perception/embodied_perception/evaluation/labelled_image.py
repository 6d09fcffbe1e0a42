"""An image of which it is known what is where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image with its true mask.

    Attributes:
        name: for messages to people.
        image_rgb: (H, W, 3) uint8.
        mask: (H, W) uint16 numbers of classes, 65535 where a pixel is of none.

    """

    name: str
    image_rgb: np.ndarray
    mask: np.ndarray
