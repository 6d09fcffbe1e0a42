"""A room of a seed: furniture along the walls, objects strewn over it, a path in the middle."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import numpy as np

from demo_room import furniture, objects
from demo_room.palette import COLORS, rgb
from demo_room.parts import Built, Surface
from demo_room.room import WALL_YAW, Furniture, Hanging, Item, Orbit, Room

ITEMS = 18
TRIES = 40  # for a free place
GAP_M = 0.08
DOOR_SIZE_M = (0.8, 2.0)
DOOR_FROM_CORNER_M = 0.55
WALL_STYLES = ("plaster", "wallpaper", "bricks")
TINTS = ("yellow", "green", "blue", "orange", "purple", "pink", "gray")
LOOKS = {
    "sofa": ("green", "blue", "red", "gray", "brown"),
    "lamp": ("orange", "red", "yellow"),
    "plant": ("white", "blue", "red"),
}


def random_room(seed: int, without: Collection[tuple[str, str]] = ()) -> Room:
    """Return the same room for the same seed; one object may hide another along the whole path.

    It has no object of the pairs of colour and kind that it shall be ``without``.
    """
    rng = np.random.default_rng([seed, 2024])
    size = (float(rng.uniform(4.3, 4.8)), float(rng.uniform(3.5, 3.9)), 2.5)
    pieces = _furnish(rng, size)
    styles = [WALL_STYLES[i] for i in rng.permutation([0, 0, 1, 2])]
    tints = rng.choice(TINTS, 4, replace=False)
    return Room(
        name=f"random{seed}",
        seed=seed,
        size_xyz=size,
        floor=str(
            rng.choice(
                [
                    "planks oak",
                    "planks walnut",
                    "planks pine",
                    "tiles gray",
                    "tiles blue",
                    "carpet brown",
                    "carpet gray",
                ]
            )
        ),
        walls=tuple(f"{style} {tint}" for style, tint in zip(styles, tints, strict=True)),
        furniture=tuple(pieces),
        hangings=tuple(_decorate(rng, size, pieces)),
        items=tuple(_strew(rng, pieces, without)),
        orbit=Orbit(
            radii_xy=(size[0] / 2 - 1.35, size[1] / 2 - 1.28),
            start=float(rng.uniform(0, 360)),
            look_ahead=float(rng.uniform(125, 150)),
        ),
    )


@lru_cache
def _built(kind: str) -> Built:
    look = LOOKS.get(kind, ("red",) if kind == "rug" else ("oak",))[0]
    return furniture.BUILDERS[kind](np.random.default_rng(0), look)


@lru_cache
def _object_radius(kind: str) -> float:
    parts = objects.BUILDERS[kind](np.random.default_rng(0), rgb("red"))
    corners = np.concatenate([p.mesh.vertices[:, :2] for p in parts])
    return 1.12 * float(np.linalg.norm(corners, axis=1).max())


def _look(rng: np.random.Generator, kind: str) -> str:
    return str(rng.choice(LOOKS.get(kind, tuple(furniture.WOODS))))


def _furnish(rng: np.random.Generator, size: tuple[float, float, float]) -> list[Furniture]:
    """Two large pieces and small ones on the long walls, one in the middle of each short wall."""
    large = [str(kind) for kind in rng.permutation(["sofa", "shelf", "cupboard", "table"])]
    short = [
        str(kind)
        for kind in rng.permutation(["desk", str(rng.choice(["cupboard", "table", "shelf"]))])
    ]
    fourth = str(rng.choice(["chair", "side table"]))
    small = [str(kind) for kind in rng.permutation(["lamp", "plant", "chair", fourth])]
    rows = {
        "north": [large[0], small[0], large[1], small[1]],
        "south": [large[2], small[2], large[3], small[3]],
        "east": short[:1],
        "west": short[1:],
    }
    pieces = []
    for wall, kinds in rows.items():
        length, back = (
            (size[0], size[1] / 2) if wall in ("north", "south") else (size[1], size[0] / 2)
        )
        extents = [
            np.max(
                [np.add(s[:2], np.multiply(2, np.abs(c[:2]))) for s, c in _built(kind).solids], 0
            )
            for kind in kinds
        ]
        spare = length - sum(extent[0] for extent in extents) - 2 * GAP_M * (len(kinds) + 1)
        gaps = 2 * GAP_M + spare * (
            rng.dirichlet(np.full(len(kinds) + 1, 4.0)) if len(kinds) > 1 else np.full(2, 0.5)
        )
        along = -length / 2
        for i, (kind, extent) in enumerate(zip(kinds, extents, strict=True)):
            middle = along + gaps[i] + extent[0] / 2
            along += gaps[i] + extent[0]
            turn = np.radians(WALL_YAW[wall])
            out = back - extent[1] / 2 - 0.03
            x, y = (
                np.cos(turn) * middle - np.sin(turn) * out,
                np.sin(turn) * middle + np.cos(turn) * out,
            )
            pieces.append(
                Furniture(
                    f"{kind} {wall} {i}", kind, _look(rng, kind), float(x), float(y), WALL_YAW[wall]
                )
            )
    pieces.append(Furniture("rug", "rug", str(rng.choice(["red", "blue", "green"])), 0.0, 0.0))
    return pieces


def _decorate(
    rng: np.random.Generator, size: tuple[float, float, float], pieces: list[Furniture]
) -> list[Hanging]:
    """Make a window and a door in short walls, pictures where no tall piece hides them."""
    hangings = []
    window, door = str(rng.choice(["east", "west"])), str(rng.choice(["east", "west"]))
    for wall, yaw in WALL_YAW.items():
        turn = np.radians(yaw)
        length = size[0] if wall in ("north", "south") else size[1]
        tall = [
            np.cos(turn) * p.x + np.sin(turn) * p.y
            for p in pieces
            if p.yaw == yaw and p.kind in ("shelf", "lamp", "plant")
        ]
        if wall == window and not tall:
            hangings.append(
                Hanging("window", wall, 0.0, 1.65, (1.1, 0.8), str(rng.choice(["day", "evening"])))
            )
            tall.append(0.0)
        if wall == door:
            aside = float(rng.choice([-1.0, 1.0])) * (length / 2 - DOOR_FROM_CORNER_M)
            look = str(rng.choice(list(furniture.WOODS)))
            hangings.append(Hanging("door", wall, aside, DOOR_SIZE_M[1] / 2, DOOR_SIZE_M, look))
            tall.append(aside)
        for along in np.arange(-length / 2 + 0.55, length / 2 - 0.5, 0.8):
            if all(abs(along - other) > 0.85 for other in tall):
                shape = (float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.42, 0.6)))
                style = str(rng.choice(["day", "evening", "abstract", "flowers"]))
                hangings.append(
                    Hanging(
                        "picture", wall, float(along), float(rng.uniform(1.45, 1.6)), shape, style
                    )
                )
    return hangings


def _strew(
    rng: np.random.Generator, pieces: list[Furniture], without: Collection[tuple[str, str]]
) -> list[Item]:
    """Each kind of object where it fits, then some again in another colour; none touch."""
    surfaces: list[tuple[str, Surface]] = [
        (f"{piece.name}/{key}".rstrip("/"), surface)
        for piece in pieces
        for key, surface in _built(piece.kind).surfaces.items()
        if piece.kind not in ("rug", "sofa") and key not in ("0", "4")
    ]
    seats = [(p.name, _built("sofa").surfaces[""]) for p in pieces if p.kind == "sofa"]
    items: list[Item] = []
    taken: list[tuple[str, np.ndarray, float]] = []
    kinds = [str(kind) for _ in range(2) for kind in rng.permutation(list(objects.BUILDERS))]
    while kinds and len(items) < ITEMS:
        kind = kinds.pop()
        radius = _object_radius(kind)
        choices = seats if kind == "cushion" else surfaces
        for _ in range(TRIES):
            color = str(rng.choice(list(COLORS)))
            on, surface = choices[rng.integers(len(choices))]
            room_xy = np.array(surface.size_xy) / 2 - radius
            if (room_xy < 0).any() or any(item.name == f"{color} {kind}" for item in items):
                continue
            if (color, kind) in without:
                continue
            xy = rng.uniform(-room_xy, room_xy)
            if any(
                other == on and np.abs(xy - at).max() <= radius + reach
                for other, at, reach in taken
            ):
                continue
            turned = 25.0 if kind in ("laptop", "clock", "book") else 180.0
            yaw = float(rng.uniform(-turned, turned))
            items.append(Item(color, kind, on, float(xy[0]), float(xy[1]), yaw))
            taken.append((on, xy, radius))
            break
    return items
