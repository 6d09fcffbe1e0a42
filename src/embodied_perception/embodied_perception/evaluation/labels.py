"""Places for labels beside points, so that none lies on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

DPI = 120  #: of pictures; text is a little wider or narrower in other resolutions
_DIRECTIONS = 32
_RINGS = (0.8, 1.4, 2.2, 3.2, 4.4, 6.0, 8.0, 11.0)  #: in heights of a row of text
_SAMPLES = np.linspace(0, 1, 15)[:, None]  #: a line is taken for points along it
#: What else costs as much as being one height of a row farther away, times this.
_OUTSIDE, _ON_LABEL, _ON_LEADER, _ON_STROKE = 1e4, 1e3, 2.0, 0.15
_MARGIN = 0.2


@dataclass(frozen=True)
class LabelPlaces:
    """Where labels go.

    Attributes:
        centres: (N, 2) of the labels.
        leader_ends: (N, 2) the point of each label's rim that a line from its anchor leads to.

    """

    centres: np.ndarray
    leader_ends: np.ndarray


def place_labels(
    anchors: np.ndarray,
    sizes: np.ndarray,
    strokes: np.ndarray,
    taken: np.ndarray,
    area: np.ndarray,
    row: float,
) -> LabelPlaces:
    """Choose a place near each anchor, the most crowded first; all in one unit of length.

    Args:
        anchors: (N, 2) the points that are named.
        sizes: (N, 2) width and height of each label.
        strokes: (M, 2, 2) lines that labels had better not cover.
        taken: (K, 2, 2) lower left and upper right corners of what labels must not cover.
        area: (2, 2) lower left and upper right corner, which no label leaves if it can.
        row: height of one row of text.

    """
    places = LabelPlaces(np.zeros_like(anchors), np.zeros_like(anchors))
    labels = taken
    leader_points = np.empty((0, 2))
    stroke_points = (strokes[:, :1] + _SAMPLES * (strokes[:, 1:] - strokes[:, :1])).reshape(-1, 2)
    for index in _most_crowded_first(anchors):
        centres, ends = _candidates(anchors[index], sizes[index], row)
        half = sizes[index] / 2 + _MARGIN * row
        boxes = np.stack([centres - half, centres + half], axis=1)
        leaders = anchors[index] + _SAMPLES * (ends - anchors[index])[:, None]
        outside = np.maximum(area[0] - boxes[:, 0], 0) + np.maximum(boxes[:, 1] - area[1], 0)
        cost = np.linalg.norm(ends - anchors[index], axis=1) / row
        cost += _OUTSIDE * outside.sum(axis=1)
        cost += _ON_LABEL * _overlapping(boxes, labels)
        cost += _ON_LEADER * (_inside(leader_points, boxes) + _crossing(leaders, labels))
        cost += _ON_STROKE * _inside(stroke_points, boxes)
        best = int(cost.argmin())
        places.centres[index], places.leader_ends[index] = centres[best], ends[best]
        labels = np.concatenate([labels, boxes[best : best + 1]])
        leader_points = np.concatenate([leader_points, leaders[best]])
    return places


def _most_crowded_first(anchors: np.ndarray) -> np.ndarray:
    gaps = np.linalg.norm(anchors[:, None] - anchors, axis=2)
    return np.argsort(gaps.sum(axis=1), kind="stable")


def _candidates(anchor: np.ndarray, size: np.ndarray, row: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres (C, 2) of labels on rings around the anchor, and the nearest points of their rims."""
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    ends = anchor + np.concatenate([radius * row * directions for radius in _RINGS])
    toward = np.tile(directions, (len(_RINGS), 1))
    # Beside the anchor the rim's side is met in its middle, above and below it in its corner.
    offsets = np.clip(2.0 * toward, -1, 1) * size / 2
    return ends + offsets, ends


def _overlapping(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of the others (B, 2, 2) each box (C, 2, 2) lies on: (C,)."""
    apart = (boxes[:, None, 0] >= others[:, 1]) | (others[:, 0] >= boxes[:, None, 1])
    return (~apart.any(axis=2)).sum(axis=1)


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How many of the points (P, 2) lie in each box (C, 2, 2): (C,)."""
    within = (points >= boxes[:, None, 0]) & (points <= boxes[:, None, 1])
    return within.all(axis=2).sum(axis=1)


def _crossing(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How many points of each line (C, P, 2) lie in any of the boxes (B, 2, 2): (C,)."""
    within = (lines[:, :, None] >= boxes[:, 0]) & (lines[:, :, None] <= boxes[:, 1])
    return within.all(axis=3).sum(axis=(1, 2))


def text_width_in(text: str, font_size: float) -> float:
    """How wide a line of text will be, in inches; the size is in points."""
    renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()
    font = FontProperties(size=font_size)
    pixels, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
    return pixels / DPI
