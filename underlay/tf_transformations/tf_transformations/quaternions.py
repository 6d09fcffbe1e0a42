"""Quaternions, ordered (x, y, z, w)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from transforms3d import euler, quaternions

from tf_transformations.vectors import EPSILON, unit_vector


def to_wxyz(quaternion_xyzw: ArrayLike) -> np.ndarray:
    """Return the order of transforms3d."""
    return np.roll(np.asarray(quaternion_xyzw, np.float64), 1)


def to_xyzw(quaternion_wxyz: ArrayLike) -> np.ndarray:
    """Return the order of ROS."""
    return np.roll(np.asarray(quaternion_wxyz, np.float64), -1)


def quaternion_from_euler(ai: float, aj: float, ak: float, axes: str = "sxyz") -> np.ndarray:
    """Return the rotation that three angles about ``axes`` make."""
    return to_xyzw(euler.euler2quat(ai, aj, ak, axes=axes))


def euler_from_quaternion(quaternion: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Return the three angles about ``axes`` of a rotation."""
    return euler.quat2euler(to_wxyz(quaternion), axes=axes)


def quaternion_about_axis(angle: float, axis: ArrayLike) -> np.ndarray:
    """Return the rotation by ``angle`` about ``axis``, of any length."""
    return to_xyzw(quaternions.axangle2quat(axis, angle))


def quaternion_multiply(quaternion1: ArrayLike, quaternion0: ArrayLike) -> np.ndarray:
    """Return the rotation that does ``quaternion0`` first."""
    return to_xyzw(quaternions.qmult(to_wxyz(quaternion1), to_wxyz(quaternion0)))


def quaternion_conjugate(quaternion: ArrayLike) -> np.ndarray:
    """Return the quaternion with its vector part turned round."""
    return to_xyzw(quaternions.qconjugate(to_wxyz(quaternion)))


def quaternion_inverse(quaternion: ArrayLike) -> np.ndarray:
    """Return the quaternion that undoes another."""
    return to_xyzw(quaternions.qinverse(to_wxyz(quaternion)))


def quaternion_slerp(
    quat0: ArrayLike,
    quat1: ArrayLike,
    fraction: float,
    spin: int = 0,
    shortestpath: bool = True,
) -> np.ndarray:
    """Interpolate along the arc from ``quat0`` (fraction 0) to ``quat1`` (fraction 1).

    Shoemake, Animating Rotation with Quaternion Curves, 1985. ``spin`` adds half turns.
    """
    start, end = unit_vector(quat0), unit_vector(quat1)
    if fraction == 0.0:
        return start
    if fraction == 1.0:
        return end
    cosine = float(np.dot(start, end))
    if abs(abs(cosine) - 1.0) < EPSILON:
        return start
    if shortestpath and cosine < 0.0:
        cosine, end = -cosine, -end
    angle = np.arccos(cosine) + spin * np.pi
    if abs(angle) < EPSILON:
        return start
    weights = np.sin((1.0 - fraction) * angle), np.sin(fraction * angle)
    return (weights[0] * start + weights[1] * end) / np.sin(angle)


def random_quaternion(rand: ArrayLike | None = None) -> np.ndarray:
    """Return a rotation drawn evenly from all; ``rand`` gives the three draws from [0, 1).

    Shoemake, Uniform Random Rotations, 1992.
    """
    draws = np.random.default_rng().random(3) if rand is None else np.asarray(rand, np.float64)
    radius = np.sqrt([1.0 - draws[0], draws[0]])
    angle = 2.0 * np.pi * draws[1:]
    return np.array(
        [
            radius[0] * np.sin(angle[0]),
            radius[0] * np.cos(angle[0]),
            radius[1] * np.sin(angle[1]),
            radius[1] * np.cos(angle[1]),
        ]
    )
