"""Pictures of results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from embodied_perception.evaluation.trajectory import TrajectoryErrors

_COLOURS = "viridis"


def plot_trajectory(errors: TrajectoryErrors, path: Path, title: str = "Trajectory") -> None:
    """Write a picture: the path from above, and the position error over time.

    Args:
        errors: From :func:`evaluate_trajectory`; the world's z axis points up.
        path: The picture; its suffix says the format. The folder must exist.
        title: Stands above.

    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, over_time = figure.subplots(1, 2, width_ratios=(1.2, 1))
    error_cm = errors.errors_m * 100
    colour_range = (0.0, max(float(error_cm.max()), 1e-3))

    above.plot(
        *errors.reference_m.T[:2], "--", color="0.55", lw=1.2, label="ground truth", zorder=1
    )
    positions = errors.aligned_m[:, :2]
    lines = LineCollection(
        list(np.stack([positions[:-1], positions[1:]], axis=1)), cmap=_COLOURS, lw=2.2, zorder=2
    )
    lines.set_array((error_cm[:-1] + error_cm[1:]) / 2)
    lines.set_clim(*colour_range)
    above.add_collection(lines)
    above.plot(*positions[0], "o", color="black", ms=6, label="start", zorder=3)
    above.set(xlabel="x [m]", ylabel="y [m]", title=f"from above, {errors.alignment} aligned")
    above.set_aspect("equal", adjustable="datalim")
    above.margins(0.08)
    above.legend(loc="best", frameon=False)
    figure.colorbar(lines, ax=above, label="position error [cm]", shrink=0.85)

    seconds = (errors.stamps_ns - errors.stamps_ns[0]) * 1e-9
    over_time.fill_between(seconds, error_cm, color="0.9")
    over_time.scatter(
        seconds, error_cm, c=error_cm, s=9, cmap=_COLOURS, vmin=0, vmax=colour_range[1]
    )
    rmse_cm = errors.ate_rmse_m * 100
    over_time.axhline(rmse_cm, color="black", ls=":", label=f"RMSE {rmse_cm:.2f} cm")
    over_time.set(xlabel="time [s]", ylabel="position error [cm]", title="error over time")
    over_time.set_ylim(0, colour_range[1] * 1.05)
    over_time.legend(loc="best", frameon=False)

    drift = "" if errors.drift_percent is None else f", drift {errors.drift_percent:.2f} %"
    figure.suptitle(f"{title}: {errors.path_length_m:.2f} m, {errors.matched_poses} poses{drift}")
    for axes in (above, over_time):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
