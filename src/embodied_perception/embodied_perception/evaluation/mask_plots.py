"""Masks over their images: the true one, what was said, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from embodied_perception.evaluation.mask_scores import ComparedImage
from embodied_perception.segmentation.palettes import colors_of

_WIDTH = 520  # of each of three pictures
_OPACITY = 0.6
_WRONG_RGB, _NONE_RGB = (235, 60, 50), (60, 60, 60)
_ROW, _SWATCH, _PAD = 22, 14, 8
_FONT, _FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_INK = (30, 30, 30)


def draw_compared(compared: ComparedImage, classes: Sequence[str]) -> np.ndarray:
    """Side by side truth, what was said, and where it is wrong (red), with a legend: RGB."""
    count = len(classes)
    colours = np.vstack([colors_of(classes), np.array([_NONE_RGB], np.uint8)])
    image, true = compared.image.image_rgb, np.minimum(compared.image.mask, count)
    wrong = (true < count) & (true != compared.said)
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    red = np.where(wrong[..., None], np.array(_WRONG_RGB, np.uint8), gray)
    titles = ("true", "said", f"wrong: {1 - compared.accuracy:.0%} of the pixels")
    pictures = (
        _blended(image, colours[true]),
        _blended(image, colours[compared.said]),
        _blended(gray, red),
    )
    panels = [_titled(_scaled(each), title) for each, title in zip(pictures, titles, strict=True)]
    seen = np.union1d(true, compared.said)
    names = [classes[place] if place < count else "no class" for place in seen]
    body = np.hstack(panels)
    return np.vstack([body, _legend(names, colours[seen], body.shape[1])])


def _blended(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(image, 1 - _OPACITY, colours, _OPACITY, 0)


def _scaled(picture: np.ndarray) -> np.ndarray:
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    return cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA)


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    head = np.full((_ROW + 4, picture.shape[1], 3), 255, np.uint8)
    _write(head, title, 4, _ROW - 4)
    panel = np.vstack([head, picture])
    return cv2.copyMakeBorder(panel, 0, 0, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _legend(names: Sequence[str], colours: np.ndarray, width: int) -> np.ndarray:
    """Names beside their colours, in as many rows as they need."""
    places, x, row = [], _PAD, 0
    for name in names:
        (text, _), _ = cv2.getTextSize(name, _FONT, _FONT_SIZE, 1)
        needed = _SWATCH + text + 3 * _PAD
        if x + needed > width and x > _PAD:
            x, row = _PAD, row + 1
        places.append((x, row))
        x += needed
    legend = np.full(((row + 1) * _ROW + _PAD, width, 3), 255, np.uint8)
    for name, colour, (left, line) in zip(names, colours.tolist(), places, strict=True):
        top = line * _ROW + _PAD
        cv2.rectangle(legend, (left, top), (left + _SWATCH, top + _SWATCH), colour, cv2.FILLED)
        _write(legend, name, left + _SWATCH + _PAD, top + _SWATCH - 2)
    return legend


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), _FONT, _FONT_SIZE, _INK, 1, cv2.LINE_AA)
