"""Furniture builders. Frame: origin on the floor below the centre, x right, y to the back, z up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo_room import prints, textures
from demo_room.meshes import Mesh, box, cushion, lathe, patch, sphere, tube
from demo_room.palette import rgb
from demo_room.parts import Built, Surface, part

WOODS = {
    "oak": (186, 138, 88),
    "walnut": (112, 74, 48),
    "pine": (216, 178, 122),
    "ash": (206, 190, 166),
}
GRAIN_M = 1.2  # metres that a (mirrored) wood texture covers

Rng = np.random.Generator
Builder = Callable[[Rng, str], Built]


def finish(rng: Rng, name: str) -> np.ndarray:
    """Make a wood by its name, else a painted surface of a colour name."""
    if name in WOODS:
        return textures.wood(rng, WOODS[name])
    return textures.plaster(rng, rgb(name), (512, 512))


def table(rng: Rng, look: str, size: tuple[float, float, float] = (1.1, 0.68, 0.74)) -> Built:
    """Make a dining table or desk with four legs and an apron."""
    wide, deep, high = size
    top = box((wide, deep, 0.035), (0, 0, high - 0.0175), GRAIN_M)
    x, y = wide / 2 - 0.05, deep / 2 - 0.05
    frame = [
        box((0.05, 0.05, high - 0.035), (sx * x, sy * y, (high - 0.035) / 2), GRAIN_M)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    frame += [box((2 * x - 0.05, 0.02, 0.08), (0, sy * y, high - 0.075), GRAIN_M) for sy in (-1, 1)]
    frame += [box((0.02, 2 * y - 0.05, 0.08), (sx * x, 0, high - 0.075), GRAIN_M) for sx in (-1, 1)]
    grain = finish(rng, look)
    return Built(
        [part([top, *frame], grain, "table", shine=0.15)],
        [((wide, deep, high), (0, 0, high / 2))],
        {"": Surface((0, 0, high), (wide, deep))},
    )


def desk(rng: Rng, look: str) -> Built:
    """Make a narrower table to sit at."""
    return table(rng, look, (1.25, 0.6, 0.73))


def side_table(rng: Rng, look: str) -> Built:
    """Make a small low table."""
    return table(rng, look, (0.46, 0.42, 0.5))


def chair(rng: Rng, look: str) -> Built:
    """Make a kitchen chair with a slatted back and a seat pad; it faces -y."""
    grain = finish(rng, look)
    legs = [box((0.035, 0.035, 0.43), (sx * 0.18, -0.17, 0.215), GRAIN_M) for sx in (-1, 1)]
    legs += [box((0.035, 0.035, 0.88), (sx * 0.18, 0.19, 0.44), GRAIN_M) for sx in (-1, 1)]
    legs += [box((0.33, 0.018, 0.06), (0, 0.19, z), GRAIN_M) for z in (0.58, 0.70, 0.83)]
    legs += [box((0.02, 0.33, 0.03), (sx * 0.18, 0.01, 0.2), GRAIN_M) for sx in (-1, 1)]
    seat = box((0.42, 0.42, 0.025), (0, 0, 0.4425), GRAIN_M)
    pad = cushion((0.39, 0.36, 0.04), (0, -0.01, 0.468), 0.3)
    cloth = textures.fabric(rng, rgb(str(rng.choice(["gray", "brown", "blue"]))) * 0.9 + 20)
    return Built(
        [part([*legs, seat], grain, "chair", shine=0.12), part(pad, cloth, "chair")],
        [((0.42, 0.42, 0.49), (0, 0, 0.245)), ((0.42, 0.06, 0.9), (0, 0.19, 0.45))],
    )


def shelf(rng: Rng, look: str) -> Built:
    """Make a bookcase with five boards; surfaces ``0`` (lowest) to ``4`` (its top)."""
    wide, deep, high, thick = 0.9, 0.32, 1.62, 0.025
    heights = [0.08, 0.46, 0.82, 1.18, high]
    boards = [
        box((wide - 2 * thick, deep, thick), (0, 0, z - thick / 2), GRAIN_M) for z in heights[:-1]
    ]
    boards += [box((wide, deep, thick), (0, 0, high - thick / 2), GRAIN_M)]
    boards += [
        box((thick, deep, high - thick), (s * (wide - thick) / 2, 0, (high - thick) / 2), GRAIN_M)
        for s in (-1, 1)
    ]
    back = box(
        (wide - 2 * thick, 0.01, high - thick), (0, deep / 2 - 0.005, (high - thick) / 2), 0.5
    )
    inner = (wide - 2 * thick, deep - 0.02)
    surfaces = {
        str(i): Surface((0, -0.005, z), inner, (heights[i + 1] - thick - z) if i < 4 else 0.7)
        for i, z in enumerate(heights)
    }
    grain = finish(rng, look)
    shaded = textures.to_image(finish(rng, look) * 0.8)
    return Built(
        [part(boards, grain, "shelf", shine=0.1), part(back, shaded, "shelf")],
        [((wide, deep, high), (0, 0, high / 2))],
        surfaces,
    )


def cupboard(rng: Rng, look: str) -> Built:
    """Make a sideboard with three doors and knobs; its top carries objects."""
    wide, deep, high = 1.35, 0.42, 0.84
    body = [box((wide, deep - 0.02, high - 0.1), (0, 0.01, 0.06 + (high - 0.1) / 2), GRAIN_M)]
    body += [box((wide + 0.04, deep + 0.02, 0.04), (0, 0, high - 0.02), GRAIN_M)]
    body += [box((wide - 0.08, deep - 0.08, 0.06), (0, 0.02, 0.03), GRAIN_M)]
    leaves = [
        box(
            (wide / 3 - 0.025, 0.018, high - 0.16),
            (x, -deep / 2 + 0.009, 0.09 + (high - 0.16) / 2),
            GRAIN_M,
        )
        for x in (-wide / 3, 0, wide / 3)
    ]
    knobs = [
        sphere(0.017, 0.5).moved((x + wide / 7, -deep / 2 - 0.016, 0))
        for x in (-wide / 3, 0, wide / 3)
    ]
    dark = textures.wood(rng, np.array(WOODS.get(look, rgb("gray"))) * 0.8)
    return Built(
        [
            part(body, finish(rng, look), "cupboard", shine=0.12),
            part(leaves, dark, "cupboard", shine=0.12),
            part(knobs, prints.paint(rng, np.array([190, 168, 110])), "cupboard", shine=0.6),
        ],
        [((wide + 0.04, deep + 0.02, high), (0, 0, high / 2))],
        {"": Surface((0, 0, high), (wide + 0.04, deep + 0.02))},
    )


def sofa(rng: Rng, look: str) -> Built:
    """Make a two-seater with arms, back and seat pads; its surface is the seat."""
    wide, deep = 1.5, 0.78
    meshes = [
        cushion((wide - 0.1, deep - 0.06, 0.24), (0, 0.01, 0.2), 0.15),
        cushion((wide - 0.06, 0.24, 0.56), (0, deep / 2 - 0.12, 0.52), 0.22),
        *(cushion((0.2, deep, 0.5), (s * (wide / 2 - 0.1), 0, 0.33), 0.25) for s in (-1, 1)),
        *(cushion((0.55, 0.52, 0.16), (s * 0.275, -0.09, 0.37), 0.25) for s in (-1, 1)),
    ]
    legs = [
        lathe([(0.02, 0), (0.03, 0.1)]).moved((sx * 0.62, sy * 0.28, 0))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    return Built(
        [
            part(meshes, textures.fabric(rng, rgb(look) * 0.8 + 22), "sofa"),
            part(legs, textures.wood(rng, WOODS["walnut"]), "sofa"),
        ],
        [((wide, deep, 0.46), (0, 0, 0.23)), ((wide, 0.24, 0.8), (0, deep / 2 - 0.12, 0.4))],
        {"": Surface((0, -0.08, 0.449), (1.06, 0.5))},
    )


def floor_lamp(rng: Rng, look: str) -> Built:
    """Make a standing lamp: foot, stem and a shining shade."""
    foot = lathe([(1e-4, 0), (0.14, 0), (0.14, 0.02), (0.02, 0.035), (0.012, 0.05)])
    stem = tube([(0, 0, 0.04), (0, 0, 0.8), (0, 0, 1.5)], 0.011)
    shade = lathe([(0.19, 1.32), (0.12, 1.6)]).two_sided()
    metal = prints.paint(rng, np.array([70, 66, 62]))
    cloth = textures.fabric(rng, rgb(look) * 0.45 + np.array([140, 126, 96]), (256, 512))
    return Built(
        [part([foot, stem], metal, "lamp", shine=0.4), part(shade, cloth, "lamp", glow=0.5)],
        [((0.38, 0.38, 1.6), (0, 0, 0.8))],
    )


def plant(rng: Rng, look: str) -> Built:
    """Make a pot plant with arching leaves; ``look`` colours the pot."""
    pot = lathe(
        [
            (1e-4, 0),
            (0.11, 0),
            (0.15, 0.28),
            (0.16, 0.29),
            (0.16, 0.32),
            (0.14, 0.32),
            (0.135, 0.27),
        ]
    )
    soil = lathe([(0.138, 0.27), (1e-4, 0.285)])
    leaves = [_leaf(rng) for _ in range(26)]
    green = textures.to_image(
        textures.tinted((62, 128, 58), 0.22 * textures.noise(rng, (256, 256), 50))
    )
    green[:, 120:136] = (138, 178, 104)
    return Built(
        [
            part(pot, prints.striped(rng, rgb(look), (0.45, 0.55)), "plant", shine=0.3),
            part(soil, textures.fabric(rng, (70, 50, 36), (128, 128)), "plant"),
            part(leaves, green, "plant", shine=0.2),
        ],
        [((0.42, 0.42, 1.1), (0, 0, 0.55))],
    )


def _leaf(rng: Rng) -> Mesh:
    """Make a strip that rises from the pot, bends outward and tapers to a tip."""
    length, lean = rng.uniform(0.4, 0.75), rng.uniform(0.1, 0.9)
    width, start = rng.uniform(0.05, 0.085), rng.uniform(0, 0.05)
    strip = patch((0, -0.5, 0), (1, 0, 0), (0, 1, 0), step_m=0.1)
    along, across = strip.vertices[:, 0], strip.vertices[:, 1]
    tilt = lean * along
    x = start + np.minimum(length * along * np.sin(tilt), 0.3)
    z = 0.27 + length * along * np.cos(tilt) ** 0.7
    y = across * width * np.sin(np.pi * (0.08 + 0.92 * along)).clip(0.02)
    normals = np.stack([np.cos(tilt), 0.6 * np.sign(across), np.sin(tilt) + 0.2], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    uv = np.stack([across + 0.5, along], 1)
    faces = strip.faces[:, ::-1]
    leaf = Mesh(np.stack([x, y, z], 1), normals, uv, faces)
    return leaf.two_sided().moved(yaw=rng.uniform(0, 360))


def rug(rng: Rng, look: str, size: tuple[float, float] = (1.9, 1.25)) -> Built:
    """Make a woven rug, 8 mm thick; its surface is only for things that lie on the floor."""
    schemes = {
        "red": ((150, 44, 40), (226, 200, 150), (38, 52, 92), (200, 120, 52)),
        "blue": ((44, 72, 112), (222, 214, 196), (168, 68, 56), (110, 146, 150)),
        "green": ((72, 96, 70), (228, 214, 178), (176, 96, 52), (42, 52, 56)),
    }
    weave = textures.rug(rng, schemes[look], (int(size[1] * 400), int(size[0] * 400)))
    return Built(
        [
            part(
                patch((-size[0] / 2, -size[1] / 2, 0.008), (size[0], 0, 0), (0, size[1], 0)),
                weave,
                "rug",
            )
        ],
        [],
        {"": Surface((0, 0, 0.008), size)},
    )


BUILDERS: dict[str, Builder] = {
    "table": table,
    "desk": desk,
    "side table": side_table,
    "chair": chair,
    "shelf": shelf,
    "cupboard": cupboard,
    "sofa": sofa,
    "lamp": floor_lamp,
    "plant": plant,
    "rug": rug,
}
