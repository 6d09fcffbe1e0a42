"""Printed matter as (H, W, 3) uint8 sRGB: pictures, the view from a window, covers, labels."""

from __future__ import annotations

import cv2
import numpy as np

from demo_room.palette import COLORS, rgb
from demo_room.textures import noise, tinted, to_image

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
)
WORDS = [
    "FERN",
    "HARBOUR",
    "NORTH",
    "ATLAS",
    "ORCHARD",
    "TEMPO",
    "GRAIN",
    "MERIDIAN",
    "CEDAR",
    "VALLEY",
    "QUARRY",
    "LUMEN",
]


def words(
    rng: np.random.Generator,
    image: np.ndarray,
    xy: tuple[int, int],
    width_px: int,
    color: np.ndarray,
    text: str = "",
) -> None:
    """Write a word as wide as asked, its baseline's left end at ``xy``, into ``image``."""
    text = text or str(rng.choice(WORDS))
    font = int(rng.choice(FONTS))
    (unit, _), _ = cv2.getTextSize(text, font, 1.0, 2)
    scale = width_px / unit
    cv2.putText(
        image,
        text,
        xy,
        font,
        scale,
        np.asarray(color).tolist(),
        max(1, round(2.2 * scale)),
        cv2.LINE_AA,
    )


def paint(
    rng: np.random.Generator, color: np.ndarray, shape: tuple[int, int] = (256, 256)
) -> np.ndarray:
    """One colour, a little uneven, as glaze and plastic are."""
    return to_image(tinted(color, 0.05 * noise(rng, shape, 60) + 0.03 * noise(rng, shape, 8)) + 2)


def landscape(rng: np.random.Generator, shape: tuple[int, int], *, evening: bool) -> np.ndarray:
    """Sky, sun, clouds and hills with trees."""
    height, width = shape
    high, low = ((92, 70, 140), (250, 170, 90)) if evening else ((96, 160, 226), (214, 232, 246))
    ground = np.array(
        [(70, 120, 90), (150, 130, 70), (92, 128, 150), (120, 140, 60)][rng.integers(4)]
    )
    fall = np.linspace(0, 1, height)[:, None, None]
    image = (np.array(high) * (1 - fall) + np.array(low) * fall) * np.ones((1, width, 1))
    clouds = np.clip(noise(rng, shape, height / 3, stretch=2.5) - 0.1, 0, 1)[..., None]
    image = image * (1 - 0.7 * clouds) + 250 * 0.7 * clouds
    cv2.circle(
        image,
        (int(width * rng.uniform(0.2, 0.8)), int(height * 0.33)),
        height // 10,
        (255, 238, 170),
        -1,
        cv2.LINE_AA,
    )
    columns = np.arange(width)
    for layer in range(4):
        bumps = noise(rng, (8, width), width / rng.uniform(1.5, 5))[4]
        crest = (height * (0.5 + 0.12 * layer) + height * 0.08 * bumps).astype(int)
        shade = ground * (1.15 - 0.2 * layer) + (40 - 10 * layer) * np.array([1, 0.6, 1 + evening])
        below = np.arange(height)[:, None] >= crest
        hill = tinted(shade, 0.18 * noise(rng, shape, 24))
        image[below] = hill[below]
        for x in rng.choice(columns, int(rng.integers(2, 10))):
            size = int(height * rng.uniform(0.02, 0.04) * (1 + layer))
            corners = np.array(
                [[x - size // 2, crest[x] + 3], [x + size // 2, crest[x] + 3], [x, crest[x] - size]]
            )
            cv2.fillPoly(image, [corners], (shade * 0.6).tolist(), cv2.LINE_AA)
    return to_image(image)


def abstract(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Make a modernist print: overlapping discs, bars and triangles, and a caption."""
    height, width = shape
    image = tinted(np.array([236, 226, 206]), 0.04 * noise(rng, shape, 30)).astype(np.float32)
    colors = [np.array(value) for name, value in COLORS.items() if name not in ("white", "gray")]
    for _ in range(13):
        color = (colors[rng.integers(len(colors))] * rng.uniform(0.8, 1.15)).tolist()
        center = rng.uniform([0.1 * width, 0.08 * height], [0.9 * width, 0.75 * height])
        size = rng.uniform(0.06, 0.2) * width
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(image, center.astype(int).tolist(), int(size), color, -1, cv2.LINE_AA)
        else:
            turn, corners = rng.uniform(0, 6.28), 4 if kind == 1 else 3
            angle = turn + np.arange(corners) * 2 * np.pi / corners
            stretch = np.array([1.0, 0.35]) if kind == 1 else np.ones(2)
            outline = center + size * 1.3 * stretch * np.stack([np.cos(angle), np.sin(angle)], 1)
            cv2.fillPoly(image, [outline.astype(np.int32)], color, cv2.LINE_AA)
    words(
        rng, image, (int(0.1 * width), int(0.92 * height)), int(0.8 * width), np.array([40, 40, 46])
    )
    return to_image(image)


def still_life(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Make a flower bunch in a pot, in the manner of a child's painting."""
    height, width = shape
    image = tinted(np.array([206, 222, 222]), 0.08 * noise(rng, shape, 50)).astype(np.float32)
    image[int(0.8 * height) :] = tinted(np.array([176, 128, 86]), 0.1 * noise(rng, shape, 30))[
        int(0.8 * height) :
    ]
    foot = (int(0.5 * width), int(0.62 * height))
    for _ in range(13):
        head = (int(width * rng.uniform(0.15, 0.85)), int(height * rng.uniform(0.1, 0.5)))
        cv2.line(image, foot, head, (50, 110, 60), max(2, width // 90), cv2.LINE_AA)
        color = rgb(str(rng.choice(["red", "yellow", "pink", "purple", "orange", "blue", "white"])))
        size = width * rng.uniform(0.035, 0.06)
        for angle in np.arange(6) * np.pi / 3 + rng.uniform(0, 1):
            petal = (int(head[0] + size * np.cos(angle)), int(head[1] + size * np.sin(angle)))
            cv2.circle(
                image,
                petal,
                int(0.62 * size),
                (color * rng.uniform(0.85, 1.1)).tolist(),
                -1,
                cv2.LINE_AA,
            )
        cv2.circle(image, head, int(0.5 * size), (90, 66, 20), -1, cv2.LINE_AA)
    pot = np.array([[0.36, 0.6], [0.64, 0.6], [0.58, 0.88], [0.42, 0.88]]) * [width, height]
    cv2.fillPoly(image, [pot.astype(np.int32)], (70, 92, 150), cv2.LINE_AA)
    return to_image(image)


def poster(rng: np.random.Generator, style: str, shape: tuple[int, int]) -> np.ndarray:
    """One of the picture styles: landscape, evening, abstract, flowers."""
    if style == "abstract":
        return abstract(rng, shape)
    if style == "flowers":
        return still_life(rng, shape)
    return landscape(rng, shape, evening=style == "evening")


def cover(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Make a book's cover: title, a rule, an emblem."""
    image = paint(rng, color, (340, 240)).astype(np.float32)
    ink = np.array([244, 236, 214]) if color.mean() < 150 else np.array([46, 42, 60])
    cv2.rectangle(image, (14, 14), (225, 325), ink.tolist(), 3)
    words(rng, image, (30, 78), 178, ink)
    words(rng, image, (60, 112), 118, ink)
    cv2.circle(image, (120, 205), 46, (0.55 * color + 0.45 * ink).tolist(), -1, cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([[88, 225], [152, 225], [120, 172]])], ink.tolist(), cv2.LINE_AA)
    words(rng, image, (68, 305), 104, ink)
    return to_image(image)


def carton(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Make a cardboard box's side: print, tape and a sticker, all but the colour itself small."""
    image = paint(rng, color).astype(np.float32)
    ink = color * 0.55 if color.mean() > 90 else color * 1.5 + 45
    cv2.rectangle(image, (112, 0), (144, 255), (0.75 * color + 50).tolist(), -1)
    words(rng, image, (18, 226), 130, ink)
    cv2.rectangle(image, (176, 176), (236, 236), (232, 226, 210), -1)
    for x in np.cumsum(rng.integers(3, 8, 9)):
        cv2.line(
            image, (180 + int(x), 184), (180 + int(x), 214), (30, 30, 34), int(rng.integers(1, 3))
        )
    cv2.arrowedLine(image, (50, 120), (50, 40), ink.tolist(), 9, cv2.LINE_AA, tipLength=0.4)
    return to_image(image)


def banded(rng: np.random.Generator, color: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Glass or tin with a paper label between two heights (fractions from the top of v)."""
    image = paint(rng, color, (256, 512)).astype(np.float32)
    top, bottom = int(band[0] * 256), int(band[1] * 256)
    paper = np.array([240, 232, 210]) if color.min() < 200 else np.array([96, 128, 150])
    image[top:bottom] = tinted(paper, 0.04 * noise(rng, (bottom - top, 512), 20))
    ink = np.clip(color * 0.75, 0, 190)
    cv2.line(image, (0, top + 4), (511, top + 4), ink.tolist(), 3)
    cv2.line(image, (0, bottom - 5), (511, bottom - 5), ink.tolist(), 3)
    for left in (14, 270):
        words(rng, image, (left, (top + bottom) // 2 + 12), 200, ink)
    return to_image(image)


def striped(rng: np.random.Generator, color: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Glazed pottery with hand-drawn rings at the given heights (fractions from the top of v)."""
    image = paint(rng, color, (256, 512)).astype(np.float32)
    ink = color * 0.6 if color.mean() > 120 else np.clip(color * 1.4 + 50, 0, 255)
    for fraction in at:
        wave = (fraction * 256 + 3 * noise(rng, (8, 512), 90)[4]).astype(np.int32)
        cv2.polylines(
            image, [np.stack([np.arange(512), wave], 1)], False, ink.tolist(), 4, cv2.LINE_AA
        )
    return to_image(image)


def ball_skin(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Make a play ball: seams as meridians and an equator, and scuffs."""
    image = paint(rng, color).astype(np.float32)
    for u in range(0, 256, 64):
        cv2.line(image, (u, 0), (u, 255), (color * 0.45).tolist(), 4, cv2.LINE_AA)
    cv2.line(image, (0, 128), (255, 128), (color * 0.45).tolist(), 6, cv2.LINE_AA)
    return to_image(image)


def clock_face(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Make a dial with numerals and hands inside a coloured rim."""
    image = paint(rng, color).astype(np.float32)
    cv2.circle(image, (128, 128), 104, (246, 244, 236), -1, cv2.LINE_AA)
    for hour in range(1, 13):
        angle = np.radians(30 * hour)
        x, y = 128 + 82 * np.sin(angle), 128 - 82 * np.cos(angle)
        cv2.putText(
            image, str(hour), (int(x) - 9, int(y) + 8), FONTS[1], 0.62, (30, 30, 34), 2, cv2.LINE_AA
        )
    cv2.line(image, (128, 128), (82, 102), (30, 30, 34), 7, cv2.LINE_AA)
    cv2.line(image, (128, 128), (164, 62), (30, 30, 34), 5, cv2.LINE_AA)
    return to_image(image)


def screen(rng: np.random.Generator) -> np.ndarray:
    """Make a laptop's screen: a window of text lines beside a chart."""
    image = np.full((200, 320, 3), (28, 40, 66), np.float32)
    cv2.rectangle(image, (16, 14), (196, 186), (226, 230, 234), -1)
    for row in range(28, 178, 13):
        cv2.line(image, (26, row), (26 + int(rng.integers(60, 155)), row), (70, 80, 100), 4)
    for i, bar in enumerate(rng.integers(20, 120, 6)):
        color = COLORS[("orange", "green", "pink")[i % 3]]
        cv2.rectangle(image, (210 + 16 * i, 170), (221 + 16 * i, 170 - int(bar)), color, -1)
    return to_image(image)


def keyboard(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Make a laptop's lower half from above: keys and a touch pad."""
    image = paint(rng, color, (220, 320)).astype(np.float32)
    key = color * 0.5 if color.mean() > 90 else color + 45
    for row in range(5):
        x = 18
        while x < 290:
            wide = 20 if row < 4 or not 90 < x < 120 else 110
            cv2.rectangle(
                image, (x, 20 + 22 * row), (x + wide - 4, 36 + 22 * row), key.tolist(), -1
            )
            x += wide
    cv2.rectangle(image, (110, 146), (210, 206), (0.5 * (key + color)).tolist(), -1)
    return to_image(image)


def door_leaf(rng: np.random.Generator, grain: np.ndarray) -> np.ndarray:
    """Make a panelled door from a wood texture: four sunken panels with lit and dark edges."""
    image = cv2.resize(grain, (400, 900)).astype(np.float32)
    for top, bottom in ((50, 430), (480, 850)):
        for left, right in ((45, 185), (215, 355)):
            image[top:bottom, left:right] *= rng.uniform(0.86, 0.95)
            cv2.rectangle(image, (left, top), (right, bottom), (50, 34, 22), 5)
            cv2.line(image, (left, bottom + 5), (right + 5, bottom + 5), (226, 200, 170), 3)
    return to_image(image)
