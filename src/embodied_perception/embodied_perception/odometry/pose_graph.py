"""Poses that agree best with all that is known of them relative to each other.

A pose that was measured against another one is an edge between both. Along the way there is one
from each pose to the next; a place that was seen again gives one more, which does not fit, because
errors add up along the way. All poses are moved so that all edges fit as well as their covariances
ask: Gauss-Newton on SE(3), with sparse normal equations.

Sources: G. Grisetti et al., A Tutorial on Graph-Based SLAM, 2010; edges that close a loop wrongly
lose their weight (P. Agarwal et al., Robust Map Optimization using Dynamic Covariance Scaling,
2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

from embodied_perception.geometry import Transform

_STEPS = 30
_TRUSTING_STEPS = 5
_SETTLED = 1e-7  # metres and radians
_LEAST_SIGMA = 1e-6  # of an edge: covariances may be singular
_DOUBTFUL = 12.6  # chi-square, 6 degrees, 95 %: what a loop may disagree before it loses weight


@dataclass(frozen=True, eq=False)
class Edge:
    """One pose measured against another.

    Attributes:
        first: name of the one.
        second: name of the other.
        first_from_second: what was measured.
        covariance: (6, 6) of the twist (translation in m, rotation in rad) that perturbs it from
            the right, so in the second one's axes.
        is_loop: may be wrong as a whole.

    """

    first: int
    second: int
    first_from_second: Transform
    covariance: np.ndarray
    is_loop: bool = False

    def followed_by(self, other: Edge) -> Edge:
        """Make one of it and the next one."""
        back = other.first_from_second.inverse().adjoint
        return Edge(
            self.first,
            other.second,
            self.first_from_second @ other.first_from_second,
            back @ self.covariance @ back.T + other.covariance,
            self.is_loop or other.is_loop,
        )

    def reversed(self) -> Edge:
        """The same, from the other end."""
        axes = self.first_from_second.adjoint
        return Edge(
            self.second,
            self.first,
            self.first_from_second.inverse(),
            axes @ self.covariance @ axes.T,
            self.is_loop,
        )


def optimise(
    poses: Mapping[int, Transform], edges: Sequence[Edge], fixed: int
) -> dict[int, Transform]:
    """Move poses so that edges fit.

    Args:
        poses: world_from_pose of each, by name; where to begin.
        edges: between them; all poses hang together by them.
        fixed: the one that stays where it is.

    """
    moved = dict(poses)
    free = [name for name in moved if name != fixed]
    place = {name: slot for slot, name in enumerate(free)}
    weights = [_information(edge) for edge in edges]
    for step_number in range(_STEPS):
        rows, columns, blocks = [], [], []
        vector = np.zeros((len(free), 6))
        for edge, information in zip(edges, weights, strict=True):
            off = _log(
                edge.first_from_second.inverse() @ moved[edge.first].inverse() @ moved[edge.second]
            )
            # Before poses have moved, a loop disagrees with all that has added up along the way.
            trust = 1.0
            if edge.is_loop and step_number >= _TRUSTING_STEPS:
                trust = min(1.0, 2 * _DOUBTFUL / (_DOUBTFUL + float(off @ information @ off))) ** 2
            weighted = information * trust
            # Poses are perturbed from the right: the second one moves the error as itself, the
            # first one against it, as seen from the second one.
            by_first = -(moved[edge.second].inverse() @ moved[edge.first]).adjoint
            ends = [(edge.first, by_first), (edge.second, np.eye(6))]
            for name, by_end in ends:
                if name == fixed:
                    continue
                vector[place[name]] -= by_end.T @ weighted @ off
                for other, by_other in ends:
                    if other != fixed:
                        rows.append(place[name])
                        columns.append(place[other])
                        blocks.append(by_end.T @ weighted @ by_other)
        if not free:
            break
        step = _solve(rows, columns, blocks, vector)
        for name, twist in zip(free, step, strict=True):
            moved[name] = moved[name] @ Transform.from_rotation_vector(twist[3:], twist[:3])
        if step_number >= _TRUSTING_STEPS and np.abs(step).max() < _SETTLED:
            break
    return moved


def _information(edge: Edge) -> np.ndarray:
    return np.linalg.inv(edge.covariance + _LEAST_SIGMA**2 * np.eye(6))


def _log(transform: Transform) -> np.ndarray:
    """The twist (6,) of a small motion: translation and rotation vector."""
    turn = Rotation.from_matrix(transform.rotation).as_rotvec()
    return np.concatenate([transform.translation, turn])


def _solve(
    rows: Sequence[int], columns: Sequence[int], blocks: Sequence[np.ndarray], vector: np.ndarray
) -> np.ndarray:
    """Sparse normal equations of 6 x 6 blocks: the step of each free pose (P, 6)."""
    inner = np.arange(6)
    row = 6 * np.array(rows)[:, None, None] + inner[:, None]
    column = 6 * np.array(columns)[:, None, None] + inner
    shape = (vector.size, vector.size)
    values = np.stack(blocks)
    places = (
        np.broadcast_to(row, values.shape).ravel(),
        np.broadcast_to(column, values.shape).ravel(),
    )
    matrix = coo_matrix((values.ravel(), places), shape).tocsc()
    return spsolve(matrix, vector.ravel()).reshape(vector.shape)
