"""From a room's description to labelled geometry and the ground truth of its objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from demo_room import furniture, objects
from demo_room.palette import rgb
from demo_room.parts import Part, Surface
from demo_room.room import Furniture, Item, Room, generator, instances
from demo_room.shell import build_shell


@dataclass(frozen=True)
class PlacedObject:
    """Ground truth of one object: its axis-aligned box in ``world``, metres."""

    instance: str
    name: str
    class_name: str
    center_xyz: np.ndarray
    size_xyz: np.ndarray


@dataclass(frozen=True)
class Solid:
    """A box that nothing else may enter, turned by ``yaw`` degrees about z."""

    owner: str
    size_xyz: np.ndarray
    center_xyz: np.ndarray
    yaw: float

    def distance(self, points_xyz: np.ndarray) -> np.ndarray:
        """Metres from points (..., 3) to the box, 0 inside."""
        turn = np.radians(self.yaw)
        x, y, z = np.moveaxis(points_xyz - self.center_xyz, -1, 0)
        local = np.stack(
            [np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x, z], -1
        )
        return np.linalg.norm((np.abs(local) - self.size_xyz / 2).clip(0), axis=-1)


@dataclass(frozen=True, eq=False)
class World:
    """Everything that is drawn, and what is known of it."""

    parts: list[Part]
    objects: list[PlacedObject]
    solids: list[Solid]


def build(room: Room) -> World:
    """Place all parts in ``world``; ValueError where objects do not fit on what carries them."""
    parts = build_shell(room)
    solids: list[Solid] = []
    surfaces: dict[str, tuple[Furniture, Surface]] = {}
    for piece in room.furniture:
        made = furniture.BUILDERS[piece.kind](generator(room, piece.name), piece.look)
        parts += [
            replace(p.moved((piece.x, piece.y, 0), piece.yaw), instance=piece.name)
            for p in made.parts
        ]
        for size, center in made.solids:
            at = _placed(piece, center)
            solids.append(Solid(piece.name, np.array(size), at, piece.yaw))
        for key, surface in made.surfaces.items():
            surfaces[f"{piece.name}/{key}".rstrip("/")] = (piece, surface)
    placed: list[PlacedObject] = []
    for instance, item in instances(room):
        object_parts, place = _put(room, instance, item, *surfaces[item.on])
        for other in placed:
            if (
                np.abs(place.center_xyz - other.center_xyz) < (place.size_xyz + other.size_xyz) / 2
            ).all():
                raise ValueError(
                    f"{room.name}: {instance} and {other.instance} overlap; move one apart"
                )
        parts += object_parts
        placed.append(place)
    return World(parts, placed, solids)


def _put(
    room: Room, instance: str, item: Item, piece: Furniture, surface: Surface
) -> tuple[list[Part], PlacedObject]:
    made = objects.BUILDERS[item.kind](generator(room, instance), rgb(item.color))
    turned = [p.moved((0, 0, 0), item.yaw) for p in made]
    low, high = _bounds(turned)
    reach = np.abs(np.stack([low, high])[:, :2] + (item.x, item.y)).max(0)
    if (reach > np.array(surface.size_xy) / 2).any() or high[2] > surface.headroom:
        raise ValueError(f"{room.name}: {instance} does not fit on {item.on!r}; move it inward")
    on_piece = np.add(surface.center_xyz, (item.x, item.y, 0))
    at = _placed(piece, on_piece)
    world_parts = [
        replace(p.moved((0, 0, 0), piece.yaw).moved(at), instance=instance) for p in turned
    ]
    low, high = _bounds(world_parts)
    return world_parts, PlacedObject(instance, item.name, item.kind, (low + high) / 2, high - low)


def _bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.stack([p.mesh.bounds for p in parts])
    return bounds[:, 0].min(0), bounds[:, 1].max(0)


def _placed(piece: Furniture, xyz: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """Move a point (3,) of the piece's frame to ``world``."""
    turn = np.radians(piece.yaw)
    x, y, z = xyz
    east = piece.x + np.cos(turn) * x - np.sin(turn) * y
    north = piece.y + np.sin(turn) * x + np.cos(turn) * y
    return np.array([east, north, z])
