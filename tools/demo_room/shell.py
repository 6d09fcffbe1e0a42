"""The room itself: floor, ceiling, walls with skirting, and what hangs on the walls."""

from __future__ import annotations

import numpy as np

from demo_room import prints, textures
from demo_room.furniture import WOODS
from demo_room.meshes import box, patch, sphere
from demo_room.palette import rgb
from demo_room.parts import Part, part
from demo_room.room import WALL_YAW, Hanging, Room, generator

PX_PER_M = 400


def build_shell(room: Room) -> list[Part]:
    """All parts of the room without furniture, in ``world``."""
    wide, deep, high = room.size_xyz
    parts = [
        _flat(
            _surface(generator(room, "floor"), room.floor, (deep, wide)), "floor", wide, deep, 0.0
        ),
        _flat(
            _surface(generator(room, "ceiling"), "plaster white", (deep, wide)),
            "ceiling",
            wide,
            deep,
            high,
        ),
    ]
    for look, (wall, yaw) in zip(room.walls, WALL_YAW.items(), strict=True):
        length, back = (wide, deep / 2) if wall in ("north", "south") else (deep, wide / 2)
        rng = generator(room, wall)
        image = _surface(rng, look, (high, length))
        sheet = patch((-length / 2, back, 0), (length, 0, 0), (0, 0, high), step_m=0.15)
        board = box((length, 0.015, 0.09), (0, back - 0.0075, 0.045), 1.2)
        skirting = textures.to_image(textures.wood(rng, (205, 196, 182)))
        parts += [
            part(sheet, image, "wall").moved((0, 0, 0), yaw),
            part(board, skirting, "wall").moved((0, 0, 0), yaw),
        ]
        for hanging in room.hangings:
            if hanging.wall == wall:
                rng = generator(room, f"{wall} {hanging.along}")
                parts += [p.moved((0, 0, 0), yaw) for p in _hang(rng, hanging, back)]
    return parts


def _flat(image: np.ndarray, class_name: str, wide: float, deep: float, z: float) -> Part:
    if z == 0:
        return part(
            patch((-wide / 2, -deep / 2, 0), (wide, 0, 0), (0, deep, 0), step_m=0.15),
            image,
            class_name,
            shine=0.1,
        )
    return part(
        patch((-wide / 2, deep / 2, z), (wide, 0, 0), (0, -deep, 0), step_m=0.15), image, class_name
    )


def _surface(rng: np.random.Generator, look: str, size_m: tuple[float, float]) -> np.ndarray:
    """Draw words such as ``plaster yellow``, ``planks oak`` or ``bricks`` on (height, width) m."""
    shape = (int(size_m[0] * PX_PER_M), int(size_m[1] * PX_PER_M))
    style, _, tone = look.partition(" ")
    pastel = rgb(tone) * 0.35 + 150 if tone and tone not in WOODS else np.array([214, 208, 196])
    if style == "planks":
        return textures.shaded_edges(textures.planks(rng, WOODS[tone], shape, 56), 60)
    if style == "tiles":
        return textures.shaded_edges(
            textures.tiles(rng, [(214, 206, 190), pastel * 0.8], shape, 130), 60
        )
    if style == "carpet":
        return textures.shaded_edges(textures.fabric(rng, rgb(tone) * 0.55 + 50, shape), 60)
    if style == "bricks":
        return textures.shaded_edges(textures.bricks(rng, (166, 92, 70), shape), 70)
    if style == "wallpaper":
        accents = [rgb(tone) * 0.6 + 60, np.array([120, 140, 120]), np.array([190, 150, 90])]
        return textures.shaded_edges(
            textures.wallpaper(rng, pastel * 0.35 + 150, accents, shape), 70
        )
    return textures.shaded_edges(textures.plaster(rng, pastel, shape), 70)


def _hang(rng: np.random.Generator, hanging: Hanging, back: float) -> list[Part]:
    """Parts against the wall at y = ``back``, seen from -y."""
    (wide, high), x, z = hanging.size, hanging.along, hanging.height
    corner = (x - wide / 2, back - 0.012, z - high / 2)
    shape = (int(high * 700), int(wide * 700))
    if hanging.kind == "window":
        image = prints.landscape(rng, shape, evening=hanging.look == "evening")
        bars = [(wide + 0.1, 0.05, x, z + s * (high / 2 + 0.025)) for s in (-1, 1)]
        bars += [(0.05, high, x + s * (wide / 2 + 0.025), z) for s in (-1, 1)]
        bars += [(0.035, high, x, z), (wide, 0.035, x, z + 0.12 * high)]
        frame, depth, glow = textures.wood(rng, (222, 218, 208)), 0.05, 0.65
    elif hanging.kind == "door":
        image = prints.door_leaf(
            rng, textures.wood(rng, WOODS[hanging.look], (200, 450)).transpose(1, 0, 2)
        )
        bars = [(0.07, high + 0.07, x + s * (wide / 2 + 0.035), z + 0.035) for s in (-1, 1)]
        bars += [(wide, 0.07, x, z + high / 2 + 0.035)]
        frame, depth, glow = textures.wood(rng, WOODS[hanging.look]), 0.04, 0.0
    else:
        image = prints.poster(rng, hanging.look, shape)
        bars = [(wide + 0.05, 0.025, x, z + s * (high / 2 + 0.0125)) for s in (-1, 1)]
        bars += [(0.025, high, x + s * (wide / 2 + 0.0125), z) for s in (-1, 1)]
        frame, depth, glow = textures.wood(rng, WOODS[str(rng.choice(list(WOODS)))]), 0.025, 0.0
    boxes = [box((w, depth, h), (bx, back - depth / 2, bz), 1.2) for w, h, bx, bz in bars]
    sheet = patch(corner, (wide, 0, 0), (0, 0, high))
    parts = [part(sheet, image, hanging.kind, glow=glow), part(boxes, frame, hanging.kind)]
    if hanging.kind == "door":
        knob = sphere(0.03, z).moved((x + wide / 2 - 0.07, back - 0.05, 0))
        parts.append(part(knob, prints.paint(rng, np.array([190, 168, 110])), "door", shine=0.7))
    return parts
