"""Images that are kept: what the next ones are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points in space, and how well they are known.

    Attributes:
        points_world: (N, 3) metres.
        information: (N, 3, 3) inverse covariance of each, 1/m^2.
    """

    points_world: np.ndarray
    information: np.ndarray

    @classmethod
    def none(cls) -> Landmarks:
        """No points."""
        return cls(np.zeros((0, 3)), np.zeros((0, 3, 3)))

    def only(self, kept: np.ndarray) -> Landmarks:
        """Those that a (N,) bool mask keeps."""
        return Landmarks(self.points_world[kept], self.information[kept])

    def __add__(self, others: Landmarks) -> Landmarks:
        return Landmarks(
            np.concatenate((self.points_world, others.points_world)),
            np.concatenate((self.information, others.information)),
        )


@dataclass(frozen=True, eq=False)
class Keyframe:
    """An image and the landmarks it shows.

    Attributes:
        gray: (H, W) uint8, as the camera gave it.
        camera_from_world: where it was taken.
        pixels: (N, 2) float32, where the landmarks are seen in ``gray``.
        landmarks: N of them.
    """

    gray: np.ndarray
    camera_from_world: Transform
    pixels: np.ndarray
    landmarks: Landmarks


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
