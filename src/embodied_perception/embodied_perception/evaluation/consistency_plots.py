"""A picture of whether odometry errs by as much as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import chi2

from embodied_perception.evaluation.consistency import CONFIDENCE, Consistency, Nees

_WHOLE, _STRETCHES = "0.55", "#31688e"
_LEAST = 1e-3  # of the degrees of freedom: what is less is drawn there


def plot_consistency(consistency: Consistency, path: Path, title: str = "Odometry") -> None:
    """Write a picture: NEES over time of pose, position and rotation, and where it should be.

    Args:
        consistency: From :func:`evaluate_consistency`.
        path: The picture; its suffix says the format. The folder must exist.
        title: Stands above.

    """
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharex=True)
    start_ns = consistency.stamps_ns[0]
    whole_s = (consistency.stamps_ns - start_ns) * 1e-9
    ends_s = (consistency.ends_ns - start_ns) * 1e-9
    for axes, (name, nees) in zip(panels, consistency.stretches.items(), strict=True):
        _draw(axes, nees, ends_s, consistency.whole[name], whole_s)
        low, high = nees.band
        axes.set_title(f"{name}: mean {nees.mean:.3g}, should be {low:.1f} to {high:.1f}")
    panels[0].set_ylabel("NEES")
    panels[0].legend(loc="best", frameon=False, fontsize=8)
    figure.suptitle(f"{title}: errors weighed by the covariance that odometry states")
    figure.savefig(path, dpi=120)


def _draw(
    axes: Axes, nees: Nees, ends_s: np.ndarray, whole: np.ndarray, whole_s: np.ndarray
) -> None:
    least = _LEAST * nees.freedom
    inside = chi2.interval(CONFIDENCE, nees.freedom)
    axes.axhspan(*inside, color="#35b779", alpha=0.2, lw=0, label="95 % of single ones")
    axes.axhspan(*nees.band, color="#35b779", alpha=0.45, lw=0, label="95 % of means")
    axes.plot(whole_s, np.maximum(whole, least), color=_WHOLE, lw=1, label="from the start")
    axes.plot(
        ends_s, np.maximum(nees.values, least), "o", color=_STRETCHES, ms=5, label="stretches"
    )
    axes.axhline(max(nees.mean, least), color=_STRETCHES, ls=":", label="their mean")
    axes.set_yscale("log")
    axes.set_ylim(bottom=least)
    axes.set_xlabel("time [s]")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
