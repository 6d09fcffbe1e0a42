"""Pictures of what a classifier looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from embodied_perception.classification.overlay import draw_evidence

_TILE_PX, _GAP_PX = 56, 4
_MOST_KERNELS, _KERNEL_COLUMNS = 96, 16
_CHANNELS = 8
_EVIDENCE_COLUMNS, _CELL_INCHES = 3, 2.1
_THUMBNAIL_PX = 64
_DPI = 110


@dataclass(frozen=True, eq=False)
class Evidence:
    """One image and what speaks for its class.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        heat: (H, W) from 0 to 1; None where the model has none.
        words: below the image.

    """

    image_rgb: np.ndarray
    heat: np.ndarray | None
    words: Sequence[str]


def draw_kernels(kernels: np.ndarray) -> np.ndarray:
    """Kernels (K, 3, h, w) as a grid of small pictures, each from its darkest to its brightest.

    Returns:
        (H, W, 3) uint8 RGB; of many kernels, the strongest ones in their order.

    """
    if len(kernels) > _MOST_KERNELS:
        strength = np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1)
        kernels = kernels[np.sort(np.argsort(-strength)[:_MOST_KERNELS])]
    columns = min(_KERNEL_COLUMNS, len(kernels))
    rows = -(-len(kernels) // columns)
    pitch = _TILE_PX + _GAP_PX
    picture = np.full((rows * pitch + _GAP_PX, columns * pitch + _GAP_PX, 3), 255, np.uint8)
    for place, kernel in enumerate(kernels):
        low, high = kernel.min(), kernel.max()
        shown = (kernel - low) / max(high - low, 1e-12)
        tile = np.ascontiguousarray((255 * shown).round().astype(np.uint8).transpose(1, 2, 0))
        top, left = (_GAP_PX + pitch * index for index in divmod(place, columns))
        picture[top : top + _TILE_PX, left : left + _TILE_PX] = cv2.resize(
            tile, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_NEAREST
        )
    return picture


def plot_evidence(evidence: Sequence[Evidence], path: Path) -> None:
    """Write a picture: images, beside each one its evidence, and words below."""
    columns = min(_EVIDENCE_COLUMNS, len(evidence))
    rows = -(-len(evidence) // columns)
    lines = max(len(each.words) for each in evidence)
    tallest = max(each.image_rgb.shape[0] / each.image_rgb.shape[1] for each in evidence)
    height = _CELL_INCHES * min(tallest, 2.0) + 0.22 * lines
    figure = _figure(2 * columns * _CELL_INCHES, rows * height)
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    for pair in grid.flat:
        pair.axis("off")
    for (left, right), each in zip(grid, evidence, strict=False):
        left.imshow(each.image_rgb)
        left.set_title("\n".join(each.words), y=-0.05, va="top", fontsize=9)
        if each.heat is not None:
            right.imshow(draw_evidence(each.image_rgb, each.heat))
    figure.savefig(path, dpi=_DPI)


def plot_responses(
    image_rgb: np.ndarray, layers: Sequence[tuple[str, np.ndarray]], path: Path
) -> None:
    """Write a picture: an image, and a row for each layer with what its loudest channels say.

    Args:
        image_rgb: (H, W, 3) uint8.
        layers: name and maps (C, h, w) of each, the first one first.
        path: the picture.

    """
    figure = _figure((_CHANNELS + 1) * 1.35, len(layers) * 1.6)
    grid = figure.subplots(len(layers), _CHANNELS + 1, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    grid[0, 0].imshow(image_rgb)
    for row, (name, maps) in zip(grid, layers, strict=True):
        channels, height, width = maps.shape
        row[1].set_title(
            f"{name}: {channels} channels of {width}x{height}", loc="left", fontsize=9
        ).set_in_layout(False)
        spread = maps.reshape(channels, -1).std(axis=1)
        for axes, channel in zip(row[1:], np.argsort(-spread, kind="stable"), strict=False):
            axes.imshow(maps[channel], cmap="viridis")
    figure.savefig(path, dpi=_DPI)


def plot_map(
    images_rgb: Sequence[np.ndarray], places: np.ndarray, classes: Sequence[str], path: Path
) -> None:
    """Write a picture: small images at their places, with frames coloured by class.

    Args:
        images_rgb: (H, W, 3) uint8 each.
        places: (N, 2) from 0 to 1.
        classes: name of each one's class.
        path: the picture.

    """
    figure = _figure(10, 7.5)
    axes: Axes = figure.subplots()
    names = sorted(set(classes))
    palette = colormaps["tab20"]
    colours = {name: palette(number % palette.N) for number, name in enumerate(names)}
    for image, place, name in zip(images_rgb, places, classes, strict=True):
        scale = _THUMBNAIL_PX / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        frame = {"edgecolor": colours[name], "linewidth": 2.5, "boxstyle": "square,pad=0.05"}
        axes.add_artist(
            AnnotationBbox(OffsetImage(small, zoom=0.6), tuple(place), pad=0.0, bboxprops=frame)
        )
    axes.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), xticks=[], yticks=[])
    keys = [
        Line2D([], [], marker="s", ls="", color=colours[name], ms=9, label=name) for name in names
    ]
    figure.legend(handles=keys, loc="outside right upper", frameon=False, fontsize=9)
    figure.savefig(path, dpi=_DPI)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
