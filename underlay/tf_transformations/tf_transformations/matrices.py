"""Homogeneous transforms, 4 x 4."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import ArrayLike
from transforms3d import affines, axangles, euler, quaternions, zooms

from tf_transformations.quaternions import to_wxyz, to_xyzw


def identity_matrix() -> np.ndarray:
    """Return the transform that changes nothing."""
    return np.eye(4)


def translation_matrix(direction: ArrayLike) -> np.ndarray:
    """Return the transform that moves by a vector."""
    return affines.compose(direction, np.eye(3), np.ones(3))


def translation_from_matrix(matrix: ArrayLike) -> np.ndarray:
    """Return the vector by which a transform moves the origin."""
    return np.array(matrix, np.float64)[:3, 3]


def rotation_matrix(
    angle: float, direction: ArrayLike, point: ArrayLike | None = None
) -> np.ndarray:
    """Return the rotation by ``angle`` about an axis, through ``point`` or the origin."""
    return axangles.axangle2aff(direction, angle, point=point)


def rotation_from_matrix(matrix: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    """Return angle, axis and a homogeneous point on the axis of a rotation."""
    direction, angle, point = axangles.aff2axangle(np.asarray(matrix, np.float64))
    return angle, direction, point


def scale_matrix(
    factor: float, origin: ArrayLike | None = None, direction: ArrayLike | None = None
) -> np.ndarray:
    """Return the scaling about ``origin``, in all directions or in one."""
    return zooms.zfdir2aff(factor, direction=direction, origin=origin)


def euler_matrix(ai: float, aj: float, ak: float, axes: str = "sxyz") -> np.ndarray:
    """Return the rotation that three angles about ``axes`` make."""
    return affines.compose(np.zeros(3), euler.euler2mat(ai, aj, ak, axes=axes), np.ones(3))


def euler_from_matrix(matrix: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Return the three angles about ``axes`` of a 3 x 3 or 4 x 4 rotation."""
    return euler.mat2euler(np.asarray(matrix, np.float64)[:3, :3], axes=axes)


def quaternion_matrix(quaternion: ArrayLike) -> np.ndarray:
    """Return the rotation of a quaternion (x, y, z, w)."""
    rotation = quaternions.quat2mat(to_wxyz(quaternion))
    return affines.compose(np.zeros(3), rotation, np.ones(3))


def quaternion_from_matrix(matrix: ArrayLike) -> np.ndarray:
    """Return the quaternion (x, y, z, w) of a 3 x 3 or 4 x 4 rotation."""
    return to_xyzw(quaternions.mat2quat(np.asarray(matrix, np.float64)[:3, :3]))


def concatenate_matrices(*matrices: ArrayLike) -> np.ndarray:
    """Return the product, the last transform being done first."""
    return reduce(np.matmul, matrices, np.eye(4))


def inverse_matrix(matrix: ArrayLike) -> np.ndarray:
    """Return the transform that undoes another."""
    return np.linalg.inv(np.asarray(matrix, np.float64))


def compose_matrix(
    scale: ArrayLike | None = None,
    shear: ArrayLike | None = None,
    angles: ArrayLike | None = None,
    translate: ArrayLike | None = None,
    perspective: ArrayLike | None = None,
) -> np.ndarray:
    """Return the transform of its parts; ``angles`` are about ``sxyz``. Parts left out are none."""
    matrix = affines.compose(
        np.zeros(3) if translate is None else translate,
        np.eye(3) if angles is None else euler.euler2mat(*angles),
        np.ones(3) if scale is None else scale,
        np.zeros(3) if shear is None else shear,
    )
    if perspective is None:
        return matrix
    projection = np.eye(4)
    projection[3] = perspective
    return projection @ matrix


def decompose_matrix(
    matrix: ArrayLike,
) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float], np.ndarray, np.ndarray]:
    """Return scale, shear, angles about ``sxyz``, translation and perspective of an affine one."""
    matrix = np.asarray(matrix, np.float64)
    translation, rotation, scale, shear = affines.decompose44(matrix)
    return scale, shear, euler.mat2euler(rotation), translation, matrix[3]


def is_same_transform(matrix0: ArrayLike, matrix1: ArrayLike) -> bool:
    """Whether two transforms move every point alike, up to rounding."""
    first, second = np.asarray(matrix0, np.float64), np.asarray(matrix1, np.float64)
    return bool(np.allclose(first / first[3, 3], second / second[3, 3]))
