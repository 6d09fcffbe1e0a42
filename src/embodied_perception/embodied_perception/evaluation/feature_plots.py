"""Pictures of features compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embodied_perception.evaluation.features import Example

_GREEN, _RED = (70, 220, 90), (235, 60, 50)
_WIDTH = 1000
_SHOWN = {
    "repeatability": "found again",
    "matching_score": "matched rightly",
    "precision": "of matches, right",
    "error_px": "off by [px]",
    "ms": "time [ms]",
}


def draw_matches(example: Example) -> np.ndarray:
    """Both images side by side, right matches green, wrong ones red: (H, W, 3) RGB."""
    width = example.first.shape[1]
    picture = cv2.cvtColor(np.hstack([example.first, example.second]), cv2.COLOR_GRAY2RGB)
    picture = (picture * 0.75).astype(np.uint8)
    order = np.argsort(example.right)[::-1]  # wrong ones on top
    ends = np.rint(np.hstack([example.first_px, example.second_px + np.array([width, 0])])).astype(
        int
    )
    for place in order.tolist():
        x, y, u, v = ends[place].tolist()
        colour = _GREEN if example.right[place] else _RED
        cv2.line(picture, (x, y), (u, v), colour, 1, cv2.LINE_AA)
    scale = _WIDTH / picture.shape[1]
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def plot_scores(figures: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write a picture: all measures of all kinds (kind to measure to value) as bars."""
    names = list(figures)
    figure = Figure(figsize=(13, 0.42 * len(names) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (key, label) in zip(figure.subplots(1, len(_SHOWN)), _SHOWN.items(), strict=True):
        values = [figures[name][key] for name in names]
        bars = axes.barh(range(len(names)), values, color="#4878a8")
        axes.bar_label(bars, [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in values])
        axes.set_yticks(range(len(names)), names if key == "repeatability" else [""] * len(names))
        axes.set_title(label)
        axes.margins(x=0.2)
        axes.set_ylim(len(names) - 0.5, -0.5)  # rows line up, also where a value is not known
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
