"""Rigid transforms and the tree of frames."""

from embodied_perception.geometry.rotations import ROTATIONS, RotationConvention
from embodied_perception.geometry.transform import BODY_FROM_OPTICAL, Transform
from embodied_perception.geometry.tree import (
    TransformExtrapolation,
    TransformTree,
    TransformUnknown,
)

__all__ = [
    "BODY_FROM_OPTICAL",
    "ROTATIONS",
    "RotationConvention",
    "Transform",
    "TransformExtrapolation",
    "TransformTree",
    "TransformUnknown",
]
