"""Points in space that keyframes share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points, each with a name, and what keyframes that are gone have said of them.

    Attributes:
        names: (N,) int64, ascending.
        points_world: (N, 3) metres.
        means_world: (N, 3) metres: where keyframes that are gone saw them.
        information: (N, 3, 3) inverse covariance of the means, 1/m^2; 0 where nothing is known.

    """

    names: np.ndarray
    points_world: np.ndarray
    means_world: np.ndarray
    information: np.ndarray

    @classmethod
    def fresh(cls, names: np.ndarray, points_world: np.ndarray) -> Landmarks:
        """Points of which no keyframe that is gone has said anything."""
        nothing = np.zeros((len(points_world), 3, 3))
        return cls(np.asarray(names, np.int64), points_world, points_world, nothing)

    @classmethod
    def none(cls) -> Landmarks:
        """No points."""
        return cls.fresh(np.zeros(0, np.int64), np.zeros((0, 3)))

    def __len__(self) -> int:
        return len(self.names)

    def find(self, names: np.ndarray) -> np.ndarray:
        """Rows (M,) of ``names`` (M,); -1 where there is no such landmark."""
        if len(self) == 0:
            return np.full(len(names), -1)
        rows = np.minimum(np.searchsorted(self.names, names), len(self) - 1)
        return np.where(self.names[rows] == names, rows, -1)

    def points_of(self, names: np.ndarray) -> np.ndarray:
        """Where ``names`` (M,) are: (M, 3); NaN where there is no such landmark."""
        rows = self.find(names)
        points = np.full((len(names), 3), np.nan)
        points[rows >= 0] = self.points_world[rows[rows >= 0]]
        return points

    def only(self, kept: np.ndarray) -> Landmarks:
        """Those that a (N,) bool mask or rows keep."""
        return Landmarks(
            self.names[kept],
            self.points_world[kept],
            self.means_world[kept],
            self.information[kept],
        )

    def moved(self, points_world: np.ndarray) -> Landmarks:
        """The same ones, elsewhere."""
        return replace(self, points_world=points_world)

    def __add__(self, others: Landmarks) -> Landmarks:
        order = np.argsort(np.concatenate((self.names, others.names)), kind="stable")
        return Landmarks(
            np.concatenate((self.names, others.names)),
            np.concatenate((self.points_world, others.points_world)),
            np.concatenate((self.means_world, others.means_world)),
            np.concatenate((self.information, others.information)),
        ).only(order)
