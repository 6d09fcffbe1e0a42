"""The ways in which rotations are written down, each under a name that says the convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from embodied_perception.errors import GeometryError
from embodied_perception.geometry.transform import Transform

_ANGLE_LIMIT_RAD = 1e4  # beyond, an angle is a mistake, and its rounding no rotation any more


@dataclass(frozen=True)
class RotationConvention:
    """One way to write a rotation ``a_from_b`` as numbers in a row.

    Attributes:
        size: how many numbers.
        meaning: which they are, for help texts and errors.

    """

    size: int
    meaning: str
    _read: Callable[[np.ndarray], np.ndarray]
    _write: Callable[[np.ndarray], np.ndarray]

    def read(self, values: ArrayLike, name: str = "rotation") -> np.ndarray:
        """Return the rotation matrix (3, 3) of ``values`` (size,).

        Raises:
            GeometryError: a wrong count, a number that is not finite, or no rotation at all; the
                message starts with ``name``.

        """
        try:
            numbers = np.asarray(values, dtype=np.float64).ravel()
        except (TypeError, ValueError) as error:
            raise GeometryError(f"{name}: got {values!r}, expected {self.meaning}") from error
        if numbers.size != self.size or not np.isfinite(numbers).all():
            raise GeometryError(f"{name}: got {numbers.tolist()}, expected {self.meaning}")
        try:
            matrix = self._read(numbers)
            Transform(matrix, np.zeros(3)).require_rigid()
        except (ValueError, GeometryError) as error:
            raise GeometryError(
                f"{name}: {numbers.tolist()} is no rotation ({error}); expected {self.meaning}"
            ) from error
        return matrix

    def write(self, rotation: np.ndarray) -> np.ndarray:
        """Return the numbers (size,) of a rotation matrix (3, 3)."""
        return self._write(rotation)


def require_plausible_angles(angles_rad: np.ndarray) -> None:
    """Raise ValueError for an angle that is a mistake."""
    if np.abs(angles_rad).max() > _ANGLE_LIMIT_RAD:
        raise ValueError(f"an angle beyond {_ANGLE_LIMIT_RAD:g} radians")


def _from_rpy(angles: np.ndarray) -> np.ndarray:
    require_plausible_angles(angles)
    return Rotation.from_euler("xyz", angles).as_matrix()


def _to_rpy(rotation: np.ndarray) -> np.ndarray:
    """Roll is 0 where pitch is +-90 degrees, and only yaw -+ roll is defined."""
    pitch = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    if np.hypot(rotation[0, 0], rotation[1, 0]) < 1e-9:
        return np.array([0.0, pitch, np.arctan2(-rotation[0, 1], rotation[1, 1])])
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    return np.array([roll, pitch, np.arctan2(rotation[1, 0], rotation[0, 0])])


def _from_xyzw(quaternion: np.ndarray) -> np.ndarray:
    if abs(np.linalg.norm(quaternion) - 1) > 1e-2:
        raise ValueError(f"length {np.linalg.norm(quaternion):.3g}, not 1")
    return Rotation.from_quat(quaternion).as_matrix()


def _to_xyzw(rotation: np.ndarray) -> np.ndarray:
    return Transform(rotation, np.zeros(3)).quaternion_xyzw


def _from_printed_matrix(numbers: np.ndarray) -> np.ndarray:
    """Take a matrix printed with few digits for the nearest rotation."""
    matrix = numbers.reshape(3, 3)
    u, _, vt = np.linalg.svd(matrix)
    nearest = u @ vt
    if np.linalg.det(nearest) < 0:
        raise ValueError("a mirror: determinant -1, not +1")
    if np.abs(nearest - matrix).max() > 1e-3:
        raise ValueError("its rows are not of length 1 and at right angles")
    return nearest


#: By name. Configuration keys are ``rotation_NAME``.
ROTATIONS = {
    "rpy_deg": RotationConvention(
        3,
        "roll, pitch, yaw in degrees, about the fixed axes x, then y, then z (as in URDF)",
        lambda angles: _from_rpy(np.radians(angles)),
        lambda rotation: np.degrees(_to_rpy(rotation)),
    ),
    "rpy_rad": RotationConvention(
        3,
        "roll, pitch, yaw in radians, about the fixed axes x, then y, then z (as in URDF)",
        _from_rpy,
        _to_rpy,
    ),
    "quaternion_xyzw": RotationConvention(
        4, "a unit quaternion x, y, z, w (as in ROS messages)", _from_xyzw, _to_xyzw
    ),
    "quaternion_wxyz": RotationConvention(
        4,
        "a unit quaternion w, x, y, z (as in Eigen's constructor and MuJoCo)",
        lambda wxyz: _from_xyzw(np.roll(wxyz, -1)),
        lambda rotation: np.roll(_to_xyzw(rotation), 1),
    ),
    "matrix": RotationConvention(
        9,
        "a rotation matrix, row by row",
        _from_printed_matrix,
        lambda rotation: np.asarray(rotation, float).ravel(),
    ),
    "vector_rad": RotationConvention(
        3,
        "a rotation vector: the axis times the angle in radians (as in OpenCV)",
        lambda vector: Rotation.from_rotvec(vector).as_matrix(),
        lambda rotation: Rotation.from_matrix(rotation).as_rotvec(),
    ),
}
