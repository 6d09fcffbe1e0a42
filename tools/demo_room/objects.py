"""Builders of everyday objects: origin at the base's centre, z up, front towards -y. Metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from demo_room import prints, textures
from demo_room.meshes import Mesh, box, cushion, lathe, patch, sphere, tube
from demo_room.palette import rgb
from demo_room.parts import Part, part

Rng = np.random.Generator
Color = np.ndarray


def _handle(radius: float, low: float, high: float, reach: float, thick: float) -> Mesh:
    """Make a D-shaped handle on a wall at x = ``radius``."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 15)
    z = (low + high) / 2 + (high - low) / 2 * np.sin(angle)
    return tube(np.column_stack([radius - 0.004 + reach * np.cos(angle), 0 * z, z]), thick)


def mug(rng: Rng, color: Color) -> list[Part]:
    """Make a straight hollow cylinder with a handle."""
    body = lathe(
        [
            (1e-4, 0),
            (0.039, 0),
            (0.043, 0.006),
            (0.043, 0.1),
            (0.0405, 0.102),
            (0.038, 0.1),
            (0.038, 0.01),
            (1e-4, 0.01),
        ]
    )
    glaze = prints.striped(rng, color, (0.7,))
    return [part([body, _handle(0.043, 0.022, 0.082, 0.034, 0.0065)], glaze, "mug", shine=0.6)]


def cup(rng: Rng, color: Color) -> list[Part]:
    """Make a tapered beaker without a handle."""
    body = lathe(
        [(1e-4, 0), (0.03, 0), (0.043, 0.12), (0.041, 0.121), (0.029, 0.008), (1e-4, 0.008)]
    )
    return [part(body, prints.striped(rng, color, (0.42, 0.5, 0.58)), "cup", shine=0.3)]


def bottle(rng: Rng, color: Color) -> list[Part]:
    """Make a wine bottle's profile with a paper label and a cork."""
    s = np.linspace(0, 1, 8)
    shoulder = list(zip(0.037 - 0.0235 * (3 * s**2 - 2 * s**3), 0.175 + 0.06 * s, strict=True))
    body = lathe(
        [
            (1e-4, 0),
            (0.034, 0),
            (0.037, 0.004),
            *shoulder,
            (0.0135, 0.285),
            (0.0165, 0.287),
            (0.0165, 0.3),
            (1e-4, 0.3),
        ]
    )
    cork = lathe([(0.011, 0.3), (0.011, 0.312), (1e-4, 0.312)])
    glass = prints.banded(rng, color, (0.56, 0.8))
    return [
        part(body, glass, "bottle", shine=0.8),
        part(cork, prints.paint(rng, np.array([190, 150, 104])), "bottle"),
    ]


def bowl(rng: Rng, color: Color) -> list[Part]:
    """Make a round bowl on a foot ring."""
    angle = np.linspace(0.15, 1.35, 10)
    outer = list(zip(0.1 * np.sin(angle), 0.105 - 0.1 * np.cos(angle), strict=True))
    inner = [(0.93 * r, z + 0.004) for r, z in outer[::-1]]
    body = lathe([(1e-4, 0), (0.04, 0), (0.036, 0.008), *outer[2:], *inner, (1e-4, inner[-1][1])])
    return [part(body, prints.striped(rng, color, (0.33, 0.39)), "bowl", shine=0.5)]


def plate(rng: Rng, color: Color) -> list[Part]:
    """Make a dinner plate with a raised rim."""
    body = lathe(
        [
            (1e-4, 0),
            (0.07, 0),
            (0.118, 0.017),
            (0.12, 0.019),
            (0.116, 0.021),
            (0.074, 0.008),
            (1e-4, 0.008),
        ]
    )
    return [part(body, prints.striped(rng, color, (0.55, 0.6)), "plate", shine=0.5)]


def teapot(rng: Rng, color: Color) -> list[Part]:
    """Make a round pot with a spout, a handle and a lid with its knob."""
    body = lathe(
        [
            (1e-4, 0),
            (0.045, 0),
            (0.05, 0.004),
            (0.07, 0.025),
            (0.08, 0.05),
            (0.076, 0.075),
            (0.06, 0.098),
            (0.04, 0.11),
        ]
    )
    lid = lathe([(0.043, 0.108), (0.041, 0.115), (0.022, 0.125), (1e-4, 0.128)])
    knob = sphere(0.013, 0.138)
    curve = [(-0.07, 0, 0.04), (-0.095, 0, 0.055), (-0.112, 0, 0.082), (-0.13, 0, 0.108)]
    spout = tube(curve, [0.021, 0.017, 0.012, 0.009])
    loop = _handle(0.074, 0.032, 0.094, 0.045, 0.008)
    return [
        part(
            [body, lid, knob, spout, loop],
            prints.striped(rng, color, (0.3, 0.72)),
            "teapot",
            shine=0.6,
        )
    ]


def vase(rng: Rng, color: Color) -> list[Part]:
    """Make a bellied vase with a narrow neck and a flared rim."""
    t = np.linspace(0, 1, 16)
    radius = (
        0.042
        + 0.036 * np.sin(np.pi * np.clip(t * 1.25, 0, 1))
        - 0.018 * np.sin(np.pi * np.clip(t * 2 - 1, 0, 1))
    )
    outer = list(zip(radius, 0.25 * t, strict=True))
    body = lathe(
        [(1e-4, 0), *outer, (radius[-1] - 0.006, 0.25), (radius[-4] - 0.006, 0.2), (1e-4, 0.19)]
    )
    return [part(body, prints.striped(rng, color, (0.35, 0.5, 0.56)), "vase", shine=0.55)]


def can(rng: Rng, color: Color) -> list[Part]:
    """Make a tin with a coloured wrapper, a light band and metal ends."""
    wrapper = lathe([(0.0375, 0.004), (0.0375, 0.106)])
    ends = lathe([(1e-4, 0), (0.036, 0), (0.037, 0.004)])
    lid = lathe([(0.037, 0.106), (0.037, 0.11), (0.034, 0.11), (0.034, 0.106), (1e-4, 0.106)])
    metal = prints.paint(rng, np.array([176, 178, 182]))
    return [
        part(wrapper, prints.banded(rng, color, (0.36, 0.64)), "can", shine=0.4),
        part([ends, lid], metal, "can", shine=0.8),
    ]


def carton(rng: Rng, color: Color) -> list[Part]:
    """Make a cardboard box with print and tape."""
    size = np.array([0.2, 0.15, 0.13]) * rng.uniform(0.9, 1.15, 3)
    return [part(box(size, (0, 0, size[2] / 2)), prints.carton(rng, color), "box")]


def book(rng: Rng, color: Color) -> list[Part]:
    """Make a hardback lying flat: covers and spine around a block of pages."""
    wide, deep, thick = 0.16, 0.23, float(rng.uniform(0.03, 0.045))
    cover = prints.cover(rng, color)
    lids = [patch((-wide / 2, -deep / 2, thick), (wide, 0, 0), (0, deep, 0))]
    plain = [
        box((wide, deep, 0.003), (0, 0, 0.0015)),
        box((wide, deep, 0.0029), (0, 0, thick - 0.0016)),
        box((0.003, deep, thick - 0.006), (-wide / 2 + 0.0015, 0, thick / 2)),
    ]
    pages = box((wide - 0.008, deep - 0.01, thick - 0.006), (0, 0, thick / 2))
    leaves = textures.to_image(
        textures.tinted((232, 224, 200), 0.09 * textures.noise(rng, (128, 128), 4, 30))
    )
    return [
        part(lids, cover, "book", shine=0.15),
        part(plain, prints.paint(rng, color), "book", shine=0.15),
        part(pages, leaves, "book"),
    ]


def laptop(rng: Rng, color: Color) -> list[Part]:
    """Make an open laptop, its screen leaning back, seen from -y."""
    base = box((0.32, 0.22, 0.018), (0, 0, 0.009))
    keys = patch((-0.155, -0.105, 0.0185), (0.31, 0, 0), (0, 0.21, 0))
    lid = box((0.32, 0.012, 0.215), (0, 0, 0.1075)).moved((0, 0.112, 0.012), roll=-18)
    glass = patch((-0.15, -0.0065, 0.01), (0.3, 0, 0), (0, 0, 0.195)).moved(
        (0, 0.112, 0.012), roll=-18
    )
    return [
        part([base, lid], prints.paint(rng, color), "laptop", shine=0.4),
        part(keys, prints.keyboard(rng, color), "laptop"),
        part(glass, prints.screen(rng), "laptop", glow=0.35),
    ]


def ball(rng: Rng, color: Color) -> list[Part]:
    """Make a play ball; it stands still because nobody pushes it."""
    radius = 0.085
    skin = sphere(radius, 0).moved(roll=float(rng.uniform(15, 45)), yaw=float(rng.uniform(0, 360)))
    return [part(skin.moved((0, 0, radius)), prints.ball_skin(rng, color), "ball", shine=0.4)]


def candle(rng: Rng, color: Color) -> list[Part]:
    """Make a thick candle with a wick on a dish."""
    wax = lathe([(0.033, 0.012), (0.033, 0.148), (0.029, 0.15), (1e-4, 0.144)])
    dish = lathe(
        [(1e-4, 0), (0.04, 0), (0.058, 0.014), (0.055, 0.015), (0.038, 0.012), (1e-4, 0.012)]
    )
    wick = tube([(0, 0, 0.14), (0.001, 0, 0.15), (0.003, 0, 0.166)], 0.0022)
    return [
        part(wax, prints.paint(rng, color), "candle", shine=0.2),
        part(dish, prints.paint(rng, np.array([150, 140, 120])), "candle", shine=0.6),
        part(wick, prints.paint(rng, np.array([40, 36, 34])), "candle"),
    ]


def sofa_cushion(rng: Rng, color: Color) -> list[Part]:
    """Make a square cushion that lies flat."""
    return [
        part(
            cushion((0.38, 0.38, 0.13), (0, 0, 0.065), 0.55), textures.fabric(rng, color), "cushion"
        )
    ]


def apple(rng: Rng, color: Color) -> list[Part]:
    """Make an apple with its stalk."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 21)
    radius = 0.04 * np.cos(angle).clip(3e-3) * (1 + 0.12 * np.sin(angle))
    height = (
        0.036 + 0.038 * np.sin(angle) - 0.011 * np.exp(-((radius / 0.012) ** 2)) * np.sign(angle)
    )
    height -= height.min()
    skin = prints.paint(rng, color).astype(float)
    skin += 18 * textures.noise(rng, (256, 256), 120)[..., None] * np.array([0.4, 1, 0.2])
    stalk = tube([(0, 0, 0.052), (0.001, 0, 0.066), (0.005, 0, 0.08)], 0.002)
    return [
        part(
            lathe(list(zip(radius, height, strict=True))),
            textures.to_image(skin),
            "apple",
            shine=0.4,
        ),
        part(stalk, prints.paint(rng, rgb("brown")), "apple"),
    ]


def clock(rng: Rng, color: Color) -> list[Part]:
    """Make a table clock: a drum on two feet, its dial towards -y."""
    drum = lathe([(0.085, 0), (0.085, 0.045), (1e-4, 0.045)], 48).moved(
        (0, -0.0225, 0.092), roll=-90
    )
    disc = lathe([(0.001, 0), (0.085, 0)], 48)
    dial = replace(disc, uv=0.5 + disc.vertices[:, :2] / 0.17).moved((0, -0.0225, 0.092), roll=-90)
    feet = [
        tube([(s * 0.05, 0, 0), (s * 0.05, 0, 0.012), (s * 0.044, 0, 0.026)], 0.007)
        for s in (-1, 1)
    ]
    return [
        part([drum, *feet], prints.paint(rng, color), "clock", shine=0.4),
        part(dial, prints.clock_face(rng, color), "clock", shine=0.2),
    ]


BUILDERS: dict[str, Callable[[Rng, Color], list[Part]]] = {
    "mug": mug,
    "cup": cup,
    "bottle": bottle,
    "bowl": bowl,
    "plate": plate,
    "teapot": teapot,
    "vase": vase,
    "can": can,
    "box": carton,
    "book": book,
    "laptop": laptop,
    "ball": ball,
    "candle": candle,
    "cushion": sofa_cushion,
    "apple": apple,
    "clock": clock,
}
