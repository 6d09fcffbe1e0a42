"""Rigid transforms, the tree of frames, and a camera's pose from points."""

from embodied_perception.geometry.hierarchy import FrameNode, TransformEdge, hierarchy
from embodied_perception.geometry.rotations import ROTATIONS, RotationConvention
from embodied_perception.geometry.transform import BODY_FROM_OPTICAL, Transform
from embodied_perception.geometry.tree import (
    LATEST,
    UNBOUNDED_NS,
    TransformExtrapolation,
    TransformTree,
    TransformUnknown,
)

__all__ = [
    "BODY_FROM_OPTICAL",
    "LATEST",
    "ROTATIONS",
    "UNBOUNDED_NS",
    "FrameNode",
    "RotationConvention",
    "Transform",
    "TransformEdge",
    "TransformExtrapolation",
    "TransformTree",
    "TransformUnknown",
    "hierarchy",
]
