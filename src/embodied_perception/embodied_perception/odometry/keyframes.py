"""Images that are kept: what the next ones are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Observations


@dataclass(frozen=True, eq=False)
class Keyframe:
    """An image and the features that were followed into it or begin in it.

    Attributes:
        gray: (H, W) uint8, as the camera gave it.
        camera_from_world: where it was taken.
        pixels: (N, 2) float32, where the features are in ``gray``.
        seen: the same, undistorted, with their depth where it was measured.
        names: (N,) int64 of the features. The landmark of that name is what the feature shows; it
            has none as long as its depth is not known.

    """

    gray: np.ndarray
    camera_from_world: Transform
    pixels: np.ndarray
    seen: Observations
    names: np.ndarray


def most_redundant(keyframes: Sequence[Keyframe]) -> int:
    """Index of the keyframe that is missed least: an older one saw nearly the same view.

    Dropping the later one of the most similar pair spreads the rest evenly over the way so far. A
    metre counts as much as a radian. The newest keyframe, the one in use, is left out of account.

    Args:
        keyframes: 3 or more, the oldest first.
    """
    rotations = np.stack([keyframe.camera_from_world.rotation for keyframe in keyframes[:-1]])
    translations = np.stack([keyframe.camera_from_world.translation for keyframe in keyframes[:-1]])
    centres = -np.einsum("kji,kj->ki", rotations, translations)
    cosines = (np.einsum("aij,bij->ab", rotations, rotations) - 1.0) / 2.0
    metres = np.linalg.norm(centres[:, None] - centres, axis=2)
    difference = metres + np.arccos(np.clip(cosines, -1.0, 1.0))
    earlier, later = np.triu_indices(len(rotations), 1)
    return int(later[np.argmin(difference[earlier, later])])
