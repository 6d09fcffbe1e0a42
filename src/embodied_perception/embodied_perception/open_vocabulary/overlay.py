"""Boxes drawn over their image, each with what it is, in any script that DejaVu Sans has."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from embodied_perception.open_vocabulary.detections import Detections

_LONGEST = 40  # letters of a name that are shown
_OPACITY = 0.5  # of masks
_GOLDEN = 0.618034  # turns the hue, so that neighbouring numbers look unlike


def draw_detections(
    image_rgb: np.ndarray,
    found: Detections,
    names: Sequence[str],
    ids: np.ndarray | None = None,
    masks: np.ndarray | None = None,
) -> np.ndarray:
    """Draw boxes over an image, each in its label's colour, with name and score above it.

    Args:
        image_rgb: (H, W, 3) uint8.
        found: what to draw, N.
        names: of the labels.
        ids: (N,) of the things, written before their names.
        masks: (H, W) uint16, which are filled: 0 nothing, k the k-th thing, counted from 1.

    Returns:
        (H, W, 3) uint8 RGB.

    """
    drawn = image_rgb.copy() if masks is None else _filled(image_rgb, found.labels, masks)
    height, width = drawn.shape[:2]
    line = max(1, round(min(height, width) / 240))
    boxes = np.rint(np.clip(found.boxes, 0, [width, height] * 2)).astype(int)
    # The surest, which come first, end on top.
    order = range(len(found) - 1, -1, -1)
    for number in order:
        left, top, right, bottom = boxes[number].tolist()
        color = color_of(int(found.labels[number]))
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), color, line)
    canvas = Image.fromarray(drawn)
    pen, font = ImageDraw.Draw(canvas), _font(max(11, min(height, width) // 34))
    for number in order:
        title = _title(found, names, ids, number)
        _write(pen, font, title, boxes[number], color_of(int(found.labels[number])))
    return np.asarray(canvas)


def draw_answers(
    image_rgb: np.ndarray, boxes: np.ndarray, answers: Sequence[Sequence[tuple[str, float]]]
) -> np.ndarray:
    """Draw what boxes show, each a line an answer, the most probable one first.

    Args:
        image_rgb: (H, W, 3) uint8.
        boxes: (N, 4) left, top, right, bottom in pixels.
        answers: of each box, names and probabilities; may be none.

    Returns:
        (H, W, 3) uint8 RGB.

    """
    height, width = image_rgb.shape[:2]
    canvas = Image.fromarray(image_rgb)
    pen, font = ImageDraw.Draw(canvas), _font(max(11, min(height, width) // 34))
    line = max(1, round(min(height, width) / 240))
    edges = np.rint(np.clip(boxes, 0, [width, height] * 2)).astype(int)
    for number, (box, said) in enumerate(zip(edges, answers, strict=True)):
        left, top, right, bottom = box.tolist()
        color = color_of(number)
        pen.rectangle(
            (left, top, max(left, right - 1), max(top, bottom - 1)), outline=color, width=line
        )
        text = "\n".join(f"{_shortened(name)} {share:.0%}" for name, share in said)
        _write(pen, font, text or "?", box, color)
    return np.asarray(canvas)


def color_of(label: int) -> tuple[int, int, int]:
    """RGB of a label's number, bright, and unlike those of its neighbours."""
    red, green, blue = colorsys.hsv_to_rgb((0.6 + label * _GOLDEN) % 1.0, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _filled(image_rgb: np.ndarray, labels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The image seen through the colours of labels (N,) where masks are."""
    colors = np.array([(0, 0, 0), *map(color_of, labels.tolist())], np.uint8)
    blended = cv2.addWeighted(image_rgb, 1 - _OPACITY, colors[masks], _OPACITY, 0)
    return np.where(masks[..., None] > 0, blended, image_rgb)


def _title(found: Detections, names: Sequence[str], ids: np.ndarray | None, number: int) -> str:
    thing = "" if ids is None else f"{ids[number]} "
    return f"{thing}{_shortened(names[found.labels[number]])} {found.scores[number]:.2f}"


def _shortened(name: str) -> str:
    name = " ".join(name.split())  # one line
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _write(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    title: str,
    box: np.ndarray,
    color: tuple[int, int, int],
) -> None:
    """Write a title above a box, or in it where there is no room above; always in the image."""
    # Several lines have no "lt" anchor.
    width, height = (round(side) for side in pen.textbbox((0, 0), title, font)[2:])
    margin = max(2, height // 4)
    left = max(0, min(int(box[0]), pen.im.size[0] - width - 2 * margin))
    top = int(box[1]) - height - 2 * margin
    top = top if top >= 0 else int(box[1])
    pen.rectangle((left, top, left + width + 2 * margin, top + height + 2 * margin), color)
    pen.text((left + margin, top + margin), title, (0, 0, 0), font)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
