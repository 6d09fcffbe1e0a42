"""What builders return: labelled pieces of geometry, and the surfaces that carry objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from demo_room.meshes import Mesh, join


@dataclass(frozen=True, eq=False)
class Part:
    """One mesh with one texture. ``instance`` is the object's or piece's unique name, or empty."""

    mesh: Mesh
    image_rgb: np.ndarray
    class_name: str
    instance: str = ""
    shine: float = 0.05
    glow: float = 0.0

    def moved(self, xyz: Sequence[float], yaw: float = 0) -> Part:
        """Rotated about z by ``yaw`` degrees, then translated (metres)."""
        return replace(self, mesh=self.mesh.moved(xyz, yaw=yaw))


@dataclass(frozen=True)
class Surface:
    """A horizontal rectangle that objects stand on: ``center_xyz`` and ``size_xy`` in metres.

    ``headroom`` is the free height above it.
    """

    center_xyz: tuple[float, float, float]
    size_xy: tuple[float, float]
    headroom: float = 1.0


@dataclass(frozen=True, eq=False)
class Built:
    """Furniture in its own frame: origin on the floor, x right, y to its back, z up.

    ``solids`` are (size_xyz, center_xyz) boxes that a camera and other furniture keep out of.
    """

    parts: list[Part]
    solids: list[tuple[tuple[float, float, float], tuple[float, float, float]]]
    surfaces: dict[str, Surface] = field(default_factory=dict)


def part(
    meshes: Mesh | Sequence[Mesh], image_rgb: np.ndarray, class_name: str, **look: float
) -> Part:
    """Make a part from one mesh or several of the same texture."""
    mesh = meshes if isinstance(meshes, Mesh) else join(meshes)
    return Part(mesh, image_rgb, class_name, **look)
