"""Images that can be run together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def by_size(images: Sequence[np.ndarray]) -> list[list[int]]:
    """Indices of images (H, W, 3), those of one size together, in the order of their first."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault(image.shape, []).append(index)
    return list(groups.values())
