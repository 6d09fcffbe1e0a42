"""Pictures of found boxes: precision over recall, and the boxes beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.average_precision import RECALLS
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.evaluation.labels import DPI
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.overlay import color_of, draw_detections

_MOST_NAMED = 12  # labels with a colour and a name of their own
_LONGEST_NAME = 28  # letters
_GAP = 8  # pixels between two pictures


def plot_precision(scores: DetectionScores, path: Path, title: str) -> None:
    """Write a picture: precision over recall of each label that is in an image, and their mean.

    An overlap of half is enough there. Of more than 12 labels the curves have no names.

    Args:
        scores: of at least one true box.
        path: the picture; its suffix says the format. The folder must exist.
        title: stands above.

    Raises:
        EvaluationError: there is no true box, or the picture cannot be written.

    """
    there = np.flatnonzero(scores.true_counts)
    if not len(there):
        raise EvaluationError("there are no true boxes, and so no recall to draw")
    precision, ap50 = scores.precision[:, 0], scores.average_precision[:, 0]
    figure = Figure(figsize=(7, 6), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    named = len(there) <= _MOST_NAMED
    for label in there:
        # Matplotlib leaves what begins with _ out of the legend.
        name = f"{_short(scores.labels[label])} {100 * ap50[label]:.1f} %" if named else "_"
        colour = tuple(0.8 * part / 255 for part in color_of(int(label))) if named else "0.8"
        (line,) = axes.plot(RECALLS, precision[label], color=colour, lw=1.2)
        line.set_label(name)
    axes.plot(
        RECALLS, precision[there].mean(axis=0), color="0.1", lw=2.4,
        label=f"mean {100 * scores.ap50:.1f} %",
    )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    legend = axes.legend(loc="lower left", frameon=False, fontsize=8, title="AP50")
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix that is no format
        raise EvaluationError(f"{path}: cannot write: {error}") from error


def draw_beside_true(
    image_rgb: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    found: Detections,
    names: Sequence[str],
) -> np.ndarray:
    """Draw true boxes on the left, and what was found on the right.

    Args:
        image_rgb: (H, W, 3) uint8.
        boxes: (N, 4) true left, top, right, bottom in pixels.
        labels: (N,) their numbers.
        found: what to draw beside them, with the same numbers.
        names: of the labels.

    Returns:
        (H, 2 W + 8, 3) uint8 RGB.

    """
    count = len(boxes)
    # What is true is as sure as can be.
    sure, points = np.ones(count, np.float32), np.zeros((count, 0), np.float32)
    true = Detections(boxes.astype(np.float32), sure, labels, points)
    gap = np.full((image_rgb.shape[0], _GAP, 3), 255, np.uint8)
    left, right = (draw_detections(image_rgb, each, names) for each in (true, found))
    return np.hstack([left, gap, right])


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
