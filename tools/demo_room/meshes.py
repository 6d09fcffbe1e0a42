"""Triangle meshes with normals and texture coordinates, made from a few generators. Metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True, eq=False)
class Mesh:
    """``vertices`` (N, 3), unit ``normals`` (N, 3), ``uv`` (N, 2), ``faces`` (M, 3), outward CCW.

    ``uv`` has its origin at the texture's upper left corner, u right and v down.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def moved(
        self, xyz: Sequence[float] = (0, 0, 0), yaw: float = 0, pitch: float = 0, roll: float = 0
    ) -> Mesh:
        """Rotated by fixed-axis roll, pitch, yaw (degrees about x, y, z), then translated."""
        rotation = Rotation.from_euler("xyz", [roll, pitch, yaw], degrees=True).as_matrix()
        vertices = self.vertices @ rotation.T + np.asarray(xyz, float)
        return Mesh(vertices, self.normals @ rotation.T, self.uv, self.faces)

    def two_sided(self) -> Mesh:
        """With a back side, for thin sheets such as leaves."""
        back = Mesh(self.vertices, -self.normals, self.uv, self.faces[:, ::-1])
        return join([self, back])

    @property
    def bounds(self) -> np.ndarray:
        """Axis-aligned box: (2, 3), lower corner then upper."""
        return np.stack([self.vertices.min(0), self.vertices.max(0)])


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    """Faces of a (rows, columns) vertex grid, CCW where columns run right and rows run up."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + columns + 1], 1)
    upper = np.stack([corner, corner + columns + 1, corner + columns], 1)
    return np.concatenate([lower, upper])


def patch(
    corner: Sequence[float],
    right: Sequence[float],
    up: Sequence[float],
    texture_m: float | None = None,
    shift_uv: Sequence[float] = (0, 0),
    step_m: float = 0.12,
) -> Mesh:
    """Make a flat rectangle from its lower left corner and two edges, seen from right x up.

    The texture covers it once, or repeats every ``texture_m`` metres with its rows along the
    longer edge, as grain does. It is divided into squares of ``step_m`` because MuJoCo lights per
    vertex.
    """
    corner, right, up = (np.asarray(vector, float) for vector in (corner, right, up))
    size = np.array([np.linalg.norm(right), np.linalg.norm(up)])
    columns, rows = (np.ceil(size / step_m).astype(int) + 1).clip(2)
    s, t = (
        axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    )
    normal = np.cross(right, up) / size.prod()
    uv = np.stack([s, 1 - t], 1)
    if texture_m is not None:
        uv = uv * size / texture_m
        uv = uv[:, ::-1] if size[1] > size[0] else uv
    return Mesh(
        corner + s[:, None] * right + t[:, None] * up,
        np.repeat(normal[None], s.size, 0),
        uv + np.asarray(shift_uv),
        _grid_faces(rows, columns),
    )


def box(size: Sequence[float], center: Sequence[float], texture_m: float | None = None) -> Mesh:
    """Make a box; each face shows the texture once, or from another place of a repeating one."""
    x, y, z = size
    low = np.asarray(center, float) - np.asarray(size, float) / 2
    shift = 7.3 * np.abs(low).sum()
    sides = [
        ((0, 0, 0), (x, 0, 0), (0, 0, z)),
        ((x, 0, 0), (0, y, 0), (0, 0, z)),
        ((x, y, 0), (-x, 0, 0), (0, 0, z)),
        ((0, y, 0), (0, -y, 0), (0, 0, z)),
        ((0, 0, z), (x, 0, 0), (0, y, 0)),
        ((0, y, 0), (x, 0, 0), (0, -y, 0)),
    ]
    return join(
        [
            patch(
                low + corner,
                right,
                up,
                texture_m,
                (0, 0) if texture_m is None else (shift + 0.37 * i, 0.61 * i),
            )
            for i, (corner, right, up) in enumerate(sides)
        ]
    )


def lathe(profile: Sequence[tuple[float, float]], slices: int = 40) -> Mesh:
    """Revolve (radius, height) points about z; walk with the outside on the right hand.

    Edges sharper than 40 degrees stay sharp. u runs around, v down along the profile.
    """
    points = np.asarray(profile, float)
    edges = np.diff(points, axis=0)
    lengths = np.linalg.norm(edges, axis=1)
    outward = np.stack([edges[:, 1], -edges[:, 0]], 1) / lengths[:, None]
    travelled = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
    angle = np.linspace(0, 2 * np.pi, slices + 1)
    around = np.stack([np.cos(angle), np.sin(angle)], 1)
    rings = []
    for i, normal in enumerate(outward):
        ends = []
        for end, neighbour in ((i, i - 1), (i + 1, i + 1)):
            smooth = 0 <= neighbour < len(outward) and normal @ outward[neighbour] > np.cos(
                np.radians(40)
            )
            blended = normal + outward[neighbour] if smooth else normal
            blended = blended / np.linalg.norm(blended)
            radius, height = points[end]
            ends.append(
                (
                    np.column_stack([around * radius, np.full(slices + 1, height)]),
                    np.column_stack([around * blended[0], np.full(slices + 1, blended[1])]),
                    np.column_stack([angle / (2 * np.pi), np.full(slices + 1, 1 - travelled[end])]),
                )
            )
        vertices, normals, uv = (np.concatenate(pair) for pair in zip(*ends, strict=True))
        rings.append(Mesh(vertices, normals, uv, _grid_faces(2, slices + 1)))
    return join(rings)


def sphere(radius: float, center_z: float, squash: float = 1.0) -> Mesh:
    """Make a ball about z, ``squash`` times as high as wide."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 21)
    heights = center_z + squash * radius * np.sin(angle)
    return lathe(list(zip(radius * np.cos(angle).clip(1e-5), heights, strict=True)))


def tube(
    points: Sequence[Sequence[float]], radius: float | Sequence[float], sides: int = 12
) -> Mesh:
    """Sweep a circle along a polyline (N, 3), closed at both ends by caps."""
    points = np.asarray(points, float)
    radii = np.broadcast_to(np.asarray(radius, float), len(points))
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    # One fixed helper axis, across the curve, keeps the frames from twisting.
    helper = np.eye(3)[np.argmin(np.abs(tangents).sum(0))]
    side = np.cross(tangents, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangents, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    normals = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * other[:, None]
    vertices = points[:, None] + radii[:, None, None] * normals
    s, t = np.meshgrid(angle / (2 * np.pi), np.linspace(0, 1, len(points)))
    body = Mesh(
        vertices.reshape(-1, 3),
        normals.reshape(-1, 3),
        np.stack([s.ravel(), t.ravel()], 1),
        _grid_faces(len(points), sides + 1),
    )
    caps = []
    for end, sign in ((0, -1), (-1, 1)):
        ring = np.concatenate([points[end][None], vertices[end]])
        index = np.arange(1, sides + 1)
        fan = np.stack([np.zeros_like(index), index, index + 1][::1], 1)
        caps.append(
            Mesh(
                ring,
                np.repeat(sign * tangents[end][None], len(ring), 0),
                np.zeros((len(ring), 2)),
                fan if sign > 0 else fan[:, ::-1],
            )
        )
    return join([body, *caps])


def cushion(size: Sequence[float], center: Sequence[float], roundness: float = 0.35) -> Mesh:
    """Make a superellipsoid (Barr, 1981): a box with ``roundness`` 0, an ellipsoid with 1."""
    latitude, longitude = np.linspace(-np.pi / 2, np.pi / 2, 25), np.linspace(-np.pi, np.pi, 49)
    v, u = np.meshgrid(latitude, longitude, indexing="ij")

    def power(value: np.ndarray, exponent: float) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** exponent

    e, half = roundness, np.asarray(size, float) / 2
    unit = [
        power(np.cos(v), e) * power(np.cos(u), e),
        power(np.cos(v), e) * power(np.sin(u), e),
        power(np.sin(v), e),
    ]
    vertices = np.stack(unit, -1).reshape(-1, 3) * half
    dual = [
        power(np.cos(v), 2 - e) * power(np.cos(u), 2 - e),
        power(np.cos(v), 2 - e) * power(np.sin(u), 2 - e),
        power(np.sin(v), 2 - e),
    ]
    normals = np.stack(dual, -1).reshape(-1, 3) / half
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Textured from above and the sides at once by a tilted plane, in metres.
    uv = np.stack([vertices[:, 0] + 0.3 * vertices[:, 2], vertices[:, 1] + vertices[:, 2]], 1) / 0.5
    return Mesh(vertices + np.asarray(center, float), normals, uv, _grid_faces(25, 49))
