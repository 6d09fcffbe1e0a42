"""Rigid transforms between frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from embodied_perception.errors import GeometryError

ORTHONORMAL_TOLERANCE = 1e-6
ZERO_QUATERNION_NORM = 1e-9


@dataclass(frozen=True, eq=False)
class Transform:
    """A rotation followed by a translation: ``x_a = a_from_b.apply(x_b)``.

    Variables are named ``a_from_b``, so that composition reads as ``a_from_b @ b_from_c``.
    The constructor stores what it is given, unchecked, because inner loops use it; data from
    outside goes through one of the classmethods, which raise :class:`GeometryError`.

    Attributes:
        rotation: (3, 3) float64.
        translation: (3,) float64, metres.

    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def identity(cls) -> Transform:
        """Return the transform that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Transform:
        """From a homogeneous (4, 4) matrix with a proper rotation and last row (0, 0, 0, 1)."""
        values = _finite(matrix, (4, 4), "matrix")
        if not np.allclose(values[3], (0, 0, 0, 1), rtol=0, atol=1e-9):
            raise GeometryError(f"last row: got {values[3].tolist()}, expected [0, 0, 0, 1]")
        transform = cls(values[:3, :3].copy(), values[:3, 3].copy())
        transform.require_rigid()
        return transform

    @classmethod
    def from_quaternion(cls, quaternion_xyzw: ArrayLike, translation: ArrayLike) -> Transform:
        """From a quaternion (4,), scalar last and of any length but zero, and metres (3,)."""
        quaternion = _finite(quaternion_xyzw, (4,), "quaternion_xyzw")
        if np.linalg.norm(quaternion) < ZERO_QUATERNION_NORM:
            raise GeometryError(
                f"quaternion_xyzw: got {quaternion.tolist()}, expected a length of 1; "
                "no rotation is (0, 0, 0, 1)"
            )
        rotation = Rotation.from_quat(quaternion).as_matrix()
        return cls(rotation, _finite(translation, (3,), "translation"))

    @classmethod
    def from_rotation_vector(cls, rotation_vector: ArrayLike, translation: ArrayLike) -> Transform:
        """From axis times angle (3,), radians, and metres (3,)."""
        rotation_vector = _finite(rotation_vector, (3,), "rotation_vector")
        rotation = Rotation.from_rotvec(rotation_vector).as_matrix()
        return cls(rotation, _finite(translation, (3,), "translation"))

    @property
    def matrix(self) -> np.ndarray:
        """Homogeneous (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.translation
        return matrix

    @property
    def quaternion_xyzw(self) -> np.ndarray:
        """Unit quaternion (4,), scalar last, with a scalar that is not negative."""
        quaternion = Rotation.from_matrix(self.rotation).as_quat()
        return -quaternion if quaternion[3] < 0 else quaternion

    @property
    def rotation_vector(self) -> np.ndarray:
        """Axis times angle (3,), radians; the angle is at most pi."""
        return Rotation.from_matrix(self.rotation).as_rotvec()

    @property
    def adjoint(self) -> np.ndarray:
        """The (6, 6) matrix that takes twists (translation, rotation) from frame b to frame a.

        Barfoot, State Estimation for Robotics (2017), equation 7.45.
        """
        x, y, z = self.translation
        skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        adjoint = np.zeros((6, 6))
        adjoint[:3, :3] = adjoint[3:, 3:] = self.rotation
        adjoint[:3, 3:] = skew @ self.rotation
        return adjoint

    def inverse(self) -> Transform:
        """``b_from_a`` of ``a_from_b``."""
        rotation = self.rotation.T
        return Transform(rotation, -(rotation @ self.translation))

    def __matmul__(self, other: Transform) -> Transform:
        """``a_from_c`` as ``a_from_b @ b_from_c``."""
        return Transform(
            self.rotation @ other.rotation,
            self.rotation @ other.translation + self.translation,
        )

    def apply(self, points: ArrayLike) -> np.ndarray:
        """Move points (..., 3) from frame b to frame a, metres."""
        return np.asarray(points) @ self.rotation.T + self.translation

    def interpolate(self, other: Transform, fraction: float) -> Transform:
        """Go from this (0) to ``other`` (1) along a straight line and the shortest arc."""
        turn = Rotation.from_matrix(self.rotation.T @ other.rotation).as_rotvec()
        rotation = self.rotation @ Rotation.from_rotvec(fraction * turn).as_matrix()
        step = other.translation - self.translation
        return Transform(rotation, self.translation + fraction * step)

    def require_rigid(self) -> None:
        """Raise :class:`GeometryError` unless finite, orthonormal and right-handed."""
        if not np.isfinite(self.translation).all():
            raise GeometryError(
                f"translation: got {self.translation.tolist()}, expected finite metres"
            )
        error = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not error <= ORTHONORMAL_TOLERANCE:
            raise GeometryError(
                f"rotation: got a matrix {error:.3g} off orthonormal, "
                f"expected at most {ORTHONORMAL_TOLERANCE:g}"
            )
        if np.linalg.det(self.rotation) < 0:
            raise GeometryError("rotation: got determinant -1 (a mirror), expected +1")


def _finite(values: ArrayLike, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return a float64 copy of ``values`` in ``shape``, without NaN and infinity."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"{name}: got {values!r}, expected numbers {shape}") from error
    if array.shape != shape:
        raise GeometryError(f"{name}: got shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise GeometryError(f"{name}: got {array.tolist()}, expected finite numbers")
    return array


#: REP-103: the pose of an optical frame (x right, y down, z forward) in the body of its camera
#: (x forward, y left, z up), and of an optical world in an upright one.
BODY_FROM_OPTICAL = Transform(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3)
)
