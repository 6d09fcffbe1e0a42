"""Bundle adjustment of recent keyframes and the points they see.

Source: B. Triggs et al., Bundle Adjustment: A Modern Synthesis, 1999, section 6.1 (the Schur
complement: points are eliminated first, because none sees another).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.odometry.pose import (
    Noise,
    cross_matrices,
    twist_transform,
    whitened_residuals,
)


@dataclass(frozen=True)
class Problem:
    """M observations: keyframe ``views[m]`` sees point ``rows[m]`` as ``measured[m]``.

    ``measured`` is (M, 3): pixels x, y and inverse depth, NaN where depth is unknown.
    """

    views: np.ndarray
    rows: np.ndarray
    measured: np.ndarray
    K: np.ndarray
    noise: Noise


@dataclass(frozen=True)
class Refined:
    """What came out: poses, points, and the newest pose's covariance given the oldest pose."""

    cameras_from_world: list[Transform]
    points_world: np.ndarray
    newest_covariance: np.ndarray


def _residuals(
    problem: Problem, cameras: list[Transform], points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rotations = np.stack([camera.rotation for camera in cameras])[problem.views]
    translations = np.stack([camera.translation for camera in cameras])[problem.views]
    in_camera = np.einsum("mij,mj->mi", rotations, points[problem.rows]) + translations
    residuals, jacobian, weights = whitened_residuals(
        problem.measured, in_camera, problem.K, problem.noise
    )
    return rotations, in_camera, residuals, jacobian, weights


def _cost(residuals: np.ndarray, weights: np.ndarray) -> float:
    # Cauchy's loss, written with its weight w = 1 / (1 + s/c^2): log(1 + s/c^2) = -log(w).
    return float(-np.log(np.maximum(weights, 1e-12)).sum()) if len(residuals) else 0.0


def _sum_by(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sum (M, ...) values that share an index into (count, ...)."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(index, kind="stable")
    present, starts = np.unique(index[order], return_index=True)
    total = np.zeros((count, flat.shape[1]))
    if len(present):
        total[present] = np.add.reduceat(flat[order], starts, axis=0)
    return total.reshape(count, *values.shape[1:])


def refine(
    problem: Problem,
    cameras_from_world: list[Transform],
    points_world: np.ndarray,
    iterations: int = 6,
) -> Refined:
    """Minimise the robust error over all poses but the oldest, and all points.

    Args:
        problem: who sees what.
        cameras_from_world: C poses, the oldest first; that one stays where it is.
        points_world: (P, 3).
        iterations: the most Levenberg-Marquardt steps.
    """
    cameras, points = list(cameras_from_world), points_world
    C, P = len(cameras), len(points)
    damping = 1e-4
    state = _residuals(problem, cameras, points)
    cost = _cost(state[2], state[4])
    schur = np.eye(6 * (C - 1))
    for _ in range(iterations):
        rotations, in_camera, residuals, by_camera_point, weights = state
        J_pose = np.concatenate(
            (by_camera_point, -by_camera_point @ cross_matrices(in_camera)), axis=2
        )
        J_point = by_camera_point @ rotations
        weighted_pose = (J_pose * weights[:, None, None]).transpose(0, 2, 1)
        weighted_point = (J_point * weights[:, None, None]).transpose(0, 2, 1)

        U = _sum_by(problem.views, weighted_pose @ J_pose, C)
        V = _sum_by(problem.rows, weighted_point @ J_point, P)
        g_pose = _sum_by(problem.views, (weighted_pose @ residuals[..., None])[..., 0], C)
        g_point = _sum_by(problem.rows, (weighted_point @ residuals[..., None])[..., 0], P)
        W = np.zeros((C, P, 6, 3))
        W[problem.views, problem.rows] = weighted_pose @ J_point

        V_inverse = np.linalg.inv(V + (damping * np.trace(V, axis1=1, axis2=2)[:, None, None] + 1e-9) * np.eye(3))
        Y = W[1:] @ V_inverse  # (C - 1, P, 6, 3)
        rows = W[1:].transpose(0, 2, 1, 3).reshape(6 * (C - 1), 3 * P)
        schur = -(Y.transpose(0, 2, 1, 3).reshape(6 * (C - 1), 3 * P) @ rows.T)
        right = g_pose[1:].ravel() - Y.transpose(0, 2, 1, 3).reshape(6 * (C - 1), 3 * P) @ g_point.ravel()
        for c in range(C - 1):
            block = slice(6 * c, 6 * c + 6)
            schur[block, block] += U[c + 1] + damping * np.diag(np.diag(U[c + 1]))
        step_pose = np.linalg.solve(schur + 1e-9 * np.eye(len(schur)), right)
        back = g_point - (rows.T @ step_pose).reshape(P, 3)
        step_point = np.einsum("pij,pj->pi", V_inverse, back)

        moved = [cameras[0]] + [
            twist_transform(step) @ camera
            for step, camera in zip(step_pose.reshape(-1, 6), cameras[1:], strict=True)
        ]
        candidate = _residuals(problem, moved, points + step_point)
        candidate_cost = _cost(candidate[2], candidate[4])
        if candidate_cost > cost:
            damping *= 10
            continue
        converged = cost - candidate_cost < 1e-3 * cost
        cameras, points, state, cost = moved, points + step_point, candidate, candidate_cost
        damping = max(damping / 10, 1e-8)
        if converged:
            break
    covariance = np.linalg.inv(schur + 1e-9 * np.eye(len(schur)))[-6:, -6:]
    return Refined(cameras, points, covariance)
