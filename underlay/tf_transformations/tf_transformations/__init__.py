"""Rotations and homogeneous transforms as arrays: ROS's ``tf_transformations``.

Quaternions are ordered (x, y, z, w), as in ROS messages; the library behind these functions,
transforms3d, puts w first. Matrices are 4 x 4. Angles are in radians; ``axes`` names an order
of three rotations, about static (``sxyz``) or rotating (``rzyx``) axes.
"""

from tf_transformations.matrices import (
    compose_matrix,
    concatenate_matrices,
    decompose_matrix,
    euler_from_matrix,
    euler_matrix,
    identity_matrix,
    inverse_matrix,
    is_same_transform,
    quaternion_from_matrix,
    quaternion_matrix,
    rotation_from_matrix,
    rotation_matrix,
    scale_matrix,
    translation_from_matrix,
    translation_matrix,
)
from tf_transformations.quaternions import (
    euler_from_quaternion,
    quaternion_about_axis,
    quaternion_conjugate,
    quaternion_from_euler,
    quaternion_inverse,
    quaternion_multiply,
    quaternion_slerp,
    random_quaternion,
)
from tf_transformations.vectors import unit_vector, vector_norm

__all__ = [
    "compose_matrix",
    "concatenate_matrices",
    "decompose_matrix",
    "euler_from_matrix",
    "euler_from_quaternion",
    "euler_matrix",
    "identity_matrix",
    "inverse_matrix",
    "is_same_transform",
    "quaternion_about_axis",
    "quaternion_conjugate",
    "quaternion_from_euler",
    "quaternion_from_matrix",
    "quaternion_inverse",
    "quaternion_matrix",
    "quaternion_multiply",
    "quaternion_slerp",
    "random_quaternion",
    "rotation_from_matrix",
    "rotation_matrix",
    "scale_matrix",
    "translation_from_matrix",
    "translation_matrix",
    "unit_vector",
    "vector_norm",
]
