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
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from embodied_perception.geometry import Transform

_TRUSTING_STEPS, _STEPS = 5, 25
_SETTLED = 1e-4  # metres and radians: far less than a place is known to
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


def without_surplus(edges: Sequence[Edge], loops: int) -> list[Edge]:
    """Leave out loops that add little, so that a graph of so many poses costs no more over time.

    Kept are all other edges, the surest loops (of the least variance in all), and the surest of
    those that alone join parts of the graph, whatever their number. The order stays.

    Args:
        edges: between poses.
        loops: how many of them may be loops.

    """
    variances = [float(np.trace(edge.covariance)) if edge.is_loop else 0.0 for edge in edges]
    surest = np.argsort(variances, kind="stable").tolist()
    most = loops + sum(not edge.is_loop for edge in edges)
    kept, parts = set(surest[:most]), _Parts()
    for slot in surest:
        if parts.join(edges[slot].first, edges[slot].second):
            kept.add(slot)
    return [edges[slot] for slot in sorted(kept)]


class _Parts:
    """Which poses hang together, as edges are added one by one."""

    def __init__(self) -> None:
        self._towards_root: dict[int, int] = {}

    def join(self, first: int, second: int) -> bool:
        """Whether two poses were in separate parts until now."""
        first, second = self._root(first), self._root(second)
        self._towards_root[first] = second
        return first != second

    def _root(self, name: int) -> int:
        above = self._towards_root.setdefault(name, name)
        while above != name:
            # Halving the way keeps all ways short.
            self._towards_root[name] = self._towards_root[above]
            name, above = above, self._towards_root[above]
        return name


class Relaxation:
    """Moves poses so that edges fit, a step at a time: a graph of many takes a while.

    Args:
        poses: world_from_pose of each, by name; where to begin.
        edges: between them; all poses hang together by them.
        fixed: the one that stays where it is.

    """

    def __init__(self, poses: Mapping[int, Transform], edges: Sequence[Edge], fixed: int) -> None:
        self._poses, self._fixed = dict(poses), fixed
        self._graph = _Graph(list(poses), edges, fixed) if len(poses) > 1 else None
        self._matrices = np.stack([pose.matrix for pose in poses.values()])
        self._is_trusting, self._steps = True, 0

    def step(self) -> bool:
        """Take one more; return whether it was the last one."""
        if self._graph is None:
            return True
        step = self._graph.step(self._matrices, self._is_trusting)
        self._matrices = self._matrices @ _exp(step)
        self._steps += 1
        most = _TRUSTING_STEPS if self._is_trusting else _STEPS
        if np.abs(step).max() >= _SETTLED and self._steps < most:
            return False
        # Before poses had moved, loops disagreed with all that had added up along the way; from now
        # on, one that still does loses weight.
        was_trusting, self._is_trusting, self._steps = self._is_trusting, False, 0
        return not was_trusting

    @property
    def poses(self) -> dict[int, Transform]:
        """As they are by now."""
        return {
            name: pose if name == self._fixed else Transform.from_matrix(matrix)
            for (name, pose), matrix in zip(self._poses.items(), self._matrices, strict=True)
        }


def optimise(
    poses: Mapping[int, Transform], edges: Sequence[Edge], fixed: int
) -> dict[int, Transform]:
    """Move poses so that edges fit, at once; see :class:`Relaxation`."""
    relaxation = Relaxation(poses, edges, fixed)
    while not relaxation.step():
        pass
    return relaxation.poses


class _Graph:
    """Edges as arrays, E of them, between P poses."""

    def __init__(self, names: Sequence[int], edges: Sequence[Edge], fixed: int) -> None:
        place = {name: slot for slot, name in enumerate(names)}
        self._ends = np.array([[place[edge.first], place[edge.second]] for edge in edges])
        self._measured = np.stack([edge.first_from_second.inverse().matrix for edge in edges])
        covariances = np.stack([edge.covariance for edge in edges])
        self._information = np.linalg.inv(covariances + _LEAST_SIGMA**2 * np.eye(6))
        self._is_loop = np.array([edge.is_loop for edge in edges])
        self._fixed = place[fixed]
        self._size = 6 * len(names)

    def step(self, matrices: np.ndarray, trusting: bool) -> np.ndarray:
        """One Gauss-Newton step: a twist of each pose (P, 6) from the right."""
        first, second = matrices[self._ends[:, 0]], matrices[self._ends[:, 1]]
        off = _log(self._measured @ _inverse(first) @ second)
        information = self._information
        if not trusting:
            squared = np.einsum("ei,eij,ej->e", off, information, off)
            trust = np.minimum(1.0, 2 * _DOUBTFUL / (_DOUBTFUL + squared)) ** 2
            information = information * np.where(self._is_loop, trust, 1.0)[:, None, None]
        # The second pose moves the error as itself, the first one against it, as seen from the
        # second one.
        by_ends = np.stack(
            [-_adjoint(_inverse(second) @ first), np.broadcast_to(np.eye(6), (len(off), 6, 6))],
            axis=1,
        )
        pulled = by_ends.transpose(0, 1, 3, 2) @ information[:, None]  # (E, 2, 6, 6)
        blocks = pulled[:, :, None] @ by_ends[:, None]  # (E, 2, 2, 6, 6)
        vector = np.zeros((self._size // 6, 6))
        np.add.at(vector, self._ends, -(pulled @ off[:, None, :, None])[..., 0])
        matrix = self._assembled(blocks)
        step = np.zeros_like(vector)
        free = np.delete(np.arange(self._size), np.arange(6) + 6 * self._fixed)
        # Symmetric and positive: no pivots, and an order that leaves the factors sparse.
        factors = splu(
            matrix[free][:, free],
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        step.ravel()[free] = factors.solve(vector.ravel()[free])
        return step

    def _assembled(self, blocks: np.ndarray) -> csc_matrix:
        inner = np.arange(6)
        row = (6 * self._ends[:, :, None, None, None] + inner[:, None]) + np.zeros_like(
            blocks, dtype=int
        )
        column = (6 * self._ends[:, None, :, None, None] + inner) + np.zeros_like(blocks, dtype=int)
        shape = (self._size, self._size)
        return coo_matrix((blocks.ravel(), (row.ravel(), column.ravel())), shape).tocsc()


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Of rigid matrices (N, 4, 4)."""
    turned = matrices[:, :3, :3].transpose(0, 2, 1)
    inverse = np.zeros_like(matrices)
    inverse[:, :3, :3] = turned
    inverse[:, :3, 3] = -(turned @ matrices[:, :3, 3:])[..., 0]
    inverse[:, 3, 3] = 1
    return inverse


def _adjoint(matrices: np.ndarray) -> np.ndarray:
    """(N, 6, 6), as :attr:`Transform.adjoint`."""
    rotation, (x, y, z) = matrices[:, :3, :3], matrices[:, :3, 3].T
    skew = np.zeros_like(rotation)
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -z, y, -x
    skew[:, 1, 0], skew[:, 2, 0], skew[:, 2, 1] = z, -y, x
    adjoint = np.zeros((len(matrices), 6, 6))
    adjoint[:, :3, :3] = adjoint[:, 3:, 3:] = rotation
    adjoint[:, :3, 3:] = skew @ rotation
    return adjoint


def _log(matrices: np.ndarray) -> np.ndarray:
    """Twists (N, 6) of small motions: translations and rotation vectors."""
    turns = Rotation.from_matrix(matrices[:, :3, :3]).as_rotvec()
    return np.hstack([matrices[:, :3, 3], turns])


def _exp(twists: np.ndarray) -> np.ndarray:
    """Small motions (N, 4, 4) of twists (N, 6)."""
    matrices = np.zeros((len(twists), 4, 4))
    matrices[:, :3, :3] = Rotation.from_rotvec(twists[:, 3:]).as_matrix()
    matrices[:, :3, 3] = twists[:, :3]
    matrices[:, 3, 3] = 1
    return matrices
