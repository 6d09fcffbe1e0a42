"""Pictures of what is taken for what, class by class, and of how far confidence can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.labels import DPI, text_width_in
from embodied_perception.evaluation.reliability import Reliability

_COLOURS = "Blues"
_BLUE, _RED, _EMPTY = "#4878a8", "#d03a2e", "0.8"
_MOST_NUMBERS = 25  # classes with numbers in their cells
_MOST_CLASSES, _HARDEST = 160, 100  # of more than this, only so many are drawn
_LONGEST_NAME = 28  # letters
_CELL_IN, _SMALL_CELL_IN = 0.42, 0.155
_TITLE_IN, _LABEL_IN, _BAR_IN = 0.7, 0.3, 1.0
_GAMMA = 0.5  # of the colours: also what is rarely mixed up shows
NONE = "none of these"


def plot_confusion(counts: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Write a picture: for each true class (row), the shares of what was said.

    Of more than 160 classes it shows the 100 that were recognised least.

    Args:
        counts: (C, C + 1) by true class and what was said, the last column none of the classes.
        classes: (C,) their names.
        path: the picture; its suffix says the format. The folder must exist.
        title: stands above.

    Raises:
        EvaluationError: there are more or fewer names, or the picture cannot be written.

    """
    if counts.shape != (len(classes), len(classes) + 1):
        raise EvaluationError(
            f"got counts of shape {counts.shape} for {len(classes)} classes, expected "
            f"{(len(classes), len(classes) + 1)}"
        )
    if len(classes) > _MOST_CLASSES:
        hardest = _hardest(_recall(counts))
        rest = counts[hardest].sum(axis=1) - counts[np.ix_(hardest, hardest)].sum(axis=1)
        counts = np.column_stack([counts[np.ix_(hardest, hardest)], rest])
        title += _of_many(len(classes))
        classes = [classes[place] for place in hardest]
    rows = [_short(name) for name in classes]
    columns = [*rows, NONE]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], rows
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)

    with_numbers = len(rows) <= _MOST_NUMBERS
    cell_in, font = (_CELL_IN, 9.0) if with_numbers else (_SMALL_CELL_IN, 7.0)
    left_in, bottom_in = (
        max(text_width_in(name, font) for name in names) + 0.12 + _LABEL_IN
        for names in (rows, columns)
    )
    wide_in, high_in = cell_in * len(columns), cell_in * len(rows)
    size_in = np.array([left_in + wide_in + _BAR_IN, bottom_in + high_in + _TITLE_IN])
    size_in[0] = max(size_in[0], text_width_in(title, 12) + 0.4)
    figure = Figure(figsize=tuple(size_in), dpi=DPI)
    FigureCanvasAgg(figure)
    box = np.array([left_in, bottom_in, wide_in, high_in]) / np.tile(size_in, 2)
    axes = figure.add_axes(tuple(box))
    axes.set_facecolor(_EMPTY)
    shown = axes.imshow(shares, cmap=_COLOURS, norm=PowerNorm(_GAMMA, 0, 1), aspect="auto")
    for setter, names in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        setter(range(len(names)), names, fontsize=font, parse_math=False)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=90)
    _rule(axes, len(rows), len(columns))
    if with_numbers:
        _write_numbers(axes, shares)
    figure.text(0.12 / size_in[0], box[1] + box[3] / 2, "true", rotation=90, va="center", ha="left")
    figure.text(box[0] + box[2] / 2, 0.12 / size_in[1], "said", ha="center", va="bottom")
    bar_in = min(high_in, 2.5)
    bar_box = (left_in + wide_in + 0.18, bottom_in + high_in - bar_in, 0.14, bar_in)
    bar = figure.colorbar(
        shown, cax=figure.add_axes(tuple(np.array(bar_box) / np.tile(size_in, 2)))
    )
    bar.set_ticks([0, 0.1, 0.5, 1], labels=["0", "10 %", "50 %", "100 %"], fontsize=8)
    bar.minorticks_off()
    bar.outline.set_visible(False)
    figure.suptitle(title, y=1 - 0.2 / size_in[1], fontsize=12, va="top", parse_math=False)
    _save(figure, path)


def plot_class_scores(
    scores: np.ndarray, classes: Sequence[str], path: Path, title: str, label: str
) -> None:
    """Write a picture: the score (C,) of each class, 0 to 1, as bars, the best one on top.

    Of more than 160 classes it shows the 100 worst.

    Args:
        scores: NaN where a class is neither there nor said.
        classes: (C,) names.
        path: the picture; its suffix says the format. The folder must exist.
        title: stands above.
        label: what a score is.

    Raises:
        EvaluationError: the picture cannot be written.

    """
    mean = float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")
    if len(classes) > _MOST_CLASSES:
        hardest = _hardest(scores)
        title += _of_many(len(classes))
        scores, classes = scores[hardest], [classes[place] for place in hardest]
    order = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")
    figure = Figure(figsize=(8, 0.2 * len(order) + 1.1), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    bars = axes.barh(range(len(order)), np.nan_to_num(scores[order]), color=_BLUE, height=0.75)
    texts = [f"{100 * each:.1f} %" if np.isfinite(each) else "not there" for each in scores[order]]
    axes.bar_label(bars, texts, padding=3, fontsize=7)
    names = [_short(classes[place]) for place in order]
    axes.set_yticks(range(len(order)), names, fontsize=8, parse_math=False)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set(xlim=(0, 1.08), xlabel=label)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.axvline(mean, color="0.5", ls=":", lw=1, zorder=0, label=f"mean {100 * mean:.1f} %")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    axes.set_title(title, parse_math=False)
    _plain(axes)
    _save(figure, path)


def plot_reliability(reliability: Reliability, path: Path, title: str, what: str) -> None:
    """Write a picture: how often answers are right, by their confidence, and how many there are.

    Args:
        reliability: of at least one answer.
        path: the picture; its suffix says the format. The folder must exist.
        title: stands above.
        what: the answers are about, ``pixels`` or ``images``.

    Raises:
        EvaluationError: there are no answers, or the picture cannot be written.

    """
    total = reliability.counts.sum()
    if not total:
        raise EvaluationError("there are no confidences to draw")
    figure = Figure(figsize=(6, 7.2), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    width = 1 / len(reliability.counts)
    centres = (np.arange(len(reliability.counts)) + 0.5) * width
    known = reliability.counts > 0
    right, said = reliability.accuracy[known], reliability.mean_confidence[known]
    above.bar(centres[known], right, width * 0.94, color=_BLUE, label="right")
    above.bar(
        centres[known], said - right, width * 0.94, right, color=_RED, alpha=0.25,
        edgecolor=_RED, hatch="//", lw=0.6, label="between confidence and right",
    )  # fmt: skip
    above.plot([0, 1], [0, 1], "--", color="0.35", lw=1.2, label="where confidence is right")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    above.legend(loc="upper left", frameon=False, fontsize=9)
    accuracy = reliability.rights.sum() / total
    mean = reliability.confidences.sum() / total
    direction = "over" if mean > accuracy else "under"
    verdict = f"{direction}confident by {100 * abs(mean - accuracy):.1f} %"
    above.text(
        0.97, 0.06,
        f"ECE {100 * reliability.ece:.1f} %\n{verdict}",
        ha="right", fontsize=11, bbox={"facecolor": "white", "edgecolor": "0.8", "pad": 6},
    )  # fmt: skip
    below.bar(centres, reliability.counts / total, width * 0.94, color="0.6")
    for value, name, colour in ((accuracy, "right", _BLUE), (mean, "confidence", _RED)):
        below.axvline(value, color=colour, lw=1.4, label=f"mean {name} {100 * value:.1f} %")
    below.legend(loc="upper left", frameon=False, fontsize=8)
    below.set(xlabel="confidence", ylabel=f"share of {what}")
    for axes in (above, below):
        _plain(axes)
    figure.suptitle(title, parse_math=False)
    _save(figure, path)


def _write_numbers(axes: Axes, shares: np.ndarray) -> None:
    """Percent in each cell where there is something to tell."""
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share) and (share >= 0.005 or row == column):
            colour = "white" if share > 0.4 else "0.15"
            number = f"{100 * share:.0f}"
            axes.text(column, row, number, color=colour, ha="center", va="center", fontsize=8)


def _rule(axes: Axes, rows: int, columns: int) -> None:
    width = 0.8 if rows <= _MOST_NUMBERS else 0.3
    axes.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, color="0.9", lw=width)
    axes.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, color="0.9", lw=width)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.spines[:].set_visible(False)


def _recall(counts: np.ndarray) -> np.ndarray:
    totals = counts.sum(axis=1)
    return np.where(totals > 0, np.diag(counts) / np.maximum(totals, 1), np.nan)


def _hardest(scores: np.ndarray) -> np.ndarray:
    """The classes with the lowest scores, in the order of their numbers; unknown ones last."""
    return np.sort(np.argsort(scores, kind="stable")[:_HARDEST])


def _of_many(count: int) -> str:
    return f" (the worst {_HARDEST} of {count} classes)"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix that is no format
        raise EvaluationError(f"{path}: cannot write: {error}") from error
