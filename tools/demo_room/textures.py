"""Procedural surfaces as (H, W, 3) uint8 sRGB images. None repeats itself strictly within a room.

Detail lives at several scales on purpose: corners for visual odometry must exist at every
distance, yet pure pixel noise would only swell the recording.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Rgb = Sequence[float] | np.ndarray


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, stretch: float = 1.0
) -> np.ndarray:
    """Fractal noise of about -1..1; blobs are up to ``cell_px`` high, ``stretch`` x as wide."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    amplitude = 1.0
    while cell_px >= 2 and amplitude > 0.1:
        grid = (max(2, int(height / cell_px) + 2), max(2, int(width / (cell_px * stretch)) + 2))
        values = rng.uniform(-1, 1, grid).astype(np.float32)
        total += amplitude * cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
        amplitude *= 0.55
        cell_px /= 2
    return total


def to_image(values: np.ndarray) -> np.ndarray:
    """Clip to uint8."""
    return np.ascontiguousarray(np.clip(values, 0, 255).astype(np.uint8))


def tinted(color: Rgb, brightness: np.ndarray) -> np.ndarray:
    """Make a colour whose brightness varies by the factor 1 + ``brightness`` (H, W)."""
    return np.asarray(color, np.float32) * (1 + brightness[..., None])


def wood(rng: np.random.Generator, color: Rgb, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    """Grain running along the image's rows: bent growth rings, fibres and a few knots.

    Mirrored both ways, (2 H, 2 W), so that it continues over its own edges.
    """
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bend = 26 * noise(rng, shape, 160, stretch=3)
    for _ in range(max(1, height * width // 90_000)):
        cx, cy, spread = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(9, 20)
        distance = np.hypot((x - cx) / 2.5, y - cy)
        bend += 30 * np.exp(-((distance / spread) ** 2)) * np.sign(rng.uniform(-1, 1))
    rings = np.sin((y + bend) / rng.uniform(6.0, 9.0) + 2 * noise(rng, shape, 60, stretch=6))
    fibres = noise(rng, shape, 9, stretch=12)
    grain = tinted(color, 0.08 * rings + 0.045 * fibres + 0.08 * noise(rng, shape, 128, 2))
    wide = np.concatenate([grain, grain[:, ::-1]], 1)
    return to_image(np.concatenate([wide, wide[::-1]]))


def planks(
    rng: np.random.Generator, color: Rgb, shape: tuple[int, int], width_px: int
) -> np.ndarray:
    """Floor boards of unequal lengths and shades, each cut from its own wood."""
    height, width = shape
    image = np.zeros((height, width, 3), np.uint8)
    source = [wood(rng, np.asarray(color) * shade, (128, 512)) for shade in (0.86, 0.95, 1.0, 1.08)]
    for top in range(0, height, width_px):
        left = -int(rng.integers(0, 300))
        while left < width:
            length = int(rng.integers(260, 620))
            board = source[rng.integers(len(source))]
            row, column = rng.integers(0, 256 - width_px), rng.integers(0, 1024 - 620)
            cut = board[row : row + width_px, column : column + length]
            cut = to_image(cut * rng.uniform(0.85, 1.12))
            cut[:2] = cut[:2] * 0.45
            cut[:, :2] = cut[:, :2] * 0.45
            x0, y1 = max(left, 0), min(top + width_px, height)
            visible = cut[: y1 - top, x0 - left : width - left]
            image[top:y1, x0 : x0 + visible.shape[1]] = visible
            left += length
    return image


def tiles(
    rng: np.random.Generator, colors: Sequence[Rgb], shape: tuple[int, int], tile_px: int
) -> np.ndarray:
    """Marbled floor tiles with grout; every tile has its own veins and shade."""
    height, width = shape
    veins = np.abs(noise(rng, shape, 150)) ** 0.6
    image = np.zeros((height, width, 3), np.float32)
    for i, top in enumerate(range(0, height, tile_px)):
        for j, left in enumerate(range(0, width, tile_px)):
            turn = rng.integers(4)
            tile = np.rot90(np.roll(veins, rng.integers(0, 999), (0, 1))[:tile_px, :tile_px], turn)
            color = np.asarray(colors[(i + j) % len(colors)]) * rng.uniform(0.9, 1.08)
            cell = image[top : top + tile_px, left : left + tile_px]
            cell[:] = tinted(color, 0.35 * tile - 0.25)[: cell.shape[0], : cell.shape[1]]
            cell[:4] = cell[:, :4] = 105 + rng.uniform(-12, 12)
    return to_image(image + 4 * noise(rng, shape, 14)[..., None])


def bricks(rng: np.random.Generator, color: Rgb, shape: tuple[int, int]) -> np.ndarray:
    """Make a running bond whose bricks differ in length, height and shade, with rough mortar."""
    height, width = shape
    image = np.full((height, width, 3), (196, 188, 176), np.float32)
    top = 0
    while top < height:
        tall = int(rng.integers(26, 33))
        left = -int(rng.integers(0, 80))
        while left < width:
            long = int(rng.integers(68, 98))
            shade = np.asarray(color) * rng.uniform(0.72, 1.15) + rng.uniform(-10, 10, 3)
            dy, dx = rng.integers(-1, 2, 2)
            cv2.rectangle(
                image, (left + dx, top + dy), (left + long - 5, top + tall - 5), shade.tolist(), -1
            )
            left += long
        top += tall
    return to_image(
        image * (1 + 0.12 * noise(rng, shape, 40)[..., None]) + 4 * noise(rng, shape, 12)[..., None]
    )


def plaster(rng: np.random.Generator, color: Rgb, shape: tuple[int, int]) -> np.ndarray:
    """Hand-painted plaster: clouds of shade, trowel strokes, and small chips."""
    strokes = noise(rng, shape, 20, stretch=3)
    image = tinted(color, 0.06 * noise(rng, shape, 260) + 0.04 * strokes)
    for _ in range(shape[0] * shape[1] // 2500):
        x, y = rng.integers(0, shape[1]), rng.integers(0, shape[0])
        axes = tuple(int(v) for v in rng.integers(1, 6, 2))
        dark = (np.asarray(color) * rng.choice([0.74, 0.82, 1.13])).tolist()
        cv2.ellipse(
            image, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, dark, -1, cv2.LINE_AA
        )
    return to_image(image)


def wallpaper(
    rng: np.random.Generator, color: Rgb, accents: Sequence[Rgb], shape: tuple[int, int]
) -> np.ndarray:
    """Sprigs of leaves and dots strewn at jittered places with random turns, sizes and colours."""
    image = tinted(color, 0.04 * noise(rng, shape, 200) + 0.015 * noise(rng, shape, 16)).astype(
        np.float32
    )
    pitch = 78
    for y in range(0, shape[0] + pitch, pitch):
        for x in range(0, shape[1] + pitch, pitch):
            cx, cy = np.array([x + (y // pitch % 2) * pitch / 2, y]) + rng.uniform(-16, 16, 2)
            turn, size = rng.uniform(0, 360), rng.uniform(0.7, 1.4)
            accent = np.asarray(accents[rng.integers(len(accents))]) * rng.uniform(0.85, 1.1)
            for leaf in range(int(rng.integers(3, 7))):
                angle = np.radians(turn + leaf * rng.uniform(45, 75))
                center = (int(cx + 13 * size * np.cos(angle)), int(cy + 13 * size * np.sin(angle)))
                axes = (int(11 * size), int(4 * size))
                cv2.ellipse(
                    image, center, axes, np.degrees(angle), 0, 360, accent.tolist(), -1, cv2.LINE_AA
                )
            cv2.circle(
                image,
                (int(cx), int(cy)),
                int(4 * size),
                (np.asarray(accent) * 0.6).tolist(),
                -1,
                cv2.LINE_AA,
            )
    return to_image(image)


def fabric(rng: np.random.Generator, color: Rgb, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    """Woven cloth: threads both ways with slubs, and worn patches."""
    warp, weft = noise(rng, shape, 7, stretch=6), noise(rng, (shape[1], shape[0]), 7, stretch=6).T
    return to_image(tinted(color, 0.06 * warp + 0.06 * weft + 0.10 * noise(rng, shape, 90)))


def rug(rng: np.random.Generator, colors: Sequence[Rgb], shape: tuple[int, int]) -> np.ndarray:
    """Make a woven rug: borders, and a field of uneven diamonds and zigzags in a few colours."""
    height, width = shape
    image = np.empty((height, width, 3), np.float32)
    image[:] = colors[0]
    for inset, color in ((14, 1), (30, 2), (42, 0)):
        cv2.rectangle(
            image,
            (inset, inset),
            (width - inset, height - inset),
            np.asarray(colors[color % len(colors)], float).tolist(),
            -1,
        )
    for y in range(95, height - 70, 74):
        for x in range(95, width - 70, 74):
            half = rng.uniform(18, 36, 2)
            center = np.array([x, y]) + rng.uniform(-9, 9, 2)
            corners = center + np.array([[half[0], 0], [0, half[1]], [-half[0], 0], [0, -half[1]]])
            outer, inner = rng.choice(len(colors), 2, replace=False)
            cv2.fillPoly(
                image, [corners.astype(np.int32)], np.asarray(colors[outer], float).tolist()
            )
            cv2.fillPoly(
                image,
                [(center + (corners - center) * rng.uniform(0.35, 0.6)).astype(np.int32)],
                np.asarray(colors[inner], float).tolist(),
            )
    ripple = np.stack(np.mgrid[:height, :width][::-1], -1).astype(np.float32)
    ripple += 5 * np.stack([noise(rng, shape, 40), noise(rng, shape, 40)], -1)
    image = cv2.remap(
        image, ripple[..., 0], ripple[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return to_image(image * (1 + 0.05 * noise(rng, shape, 10, stretch=2)[..., None]))


def shaded_edges(image: np.ndarray, reach_px: int, strength: float = 0.35) -> np.ndarray:
    """Darken towards the borders, as corners of a room receive less of the light of the others."""
    height, width = image.shape[:2]
    y, x = np.arange(height), np.arange(width)
    edge_y, edge_x = np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)
    shade = (1 - strength * np.exp(-edge_y / reach_px))[:, None] * (
        1 - strength * np.exp(-edge_x / reach_px)
    )
    return to_image(image * shade[..., None])
