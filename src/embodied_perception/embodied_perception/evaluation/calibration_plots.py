"""Pictures of a calibration: how well it fits, where, and what it does to an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import GRID, CalibratedView
from embodied_perception.camera.check import Deviation, Verdict

_COLOURS = "viridis"
_ARROW_CELLS = 0.45  # of a cell's width: the longest arrow
_PICTURE_WIDTH = 1200  # of the drawn ones, at most
_LINE_STEP_PX = 40
_LINE_RGB = (90, 200, 90)
_VERDICT_COLOURS = {Verdict.FINE: "#3a9a4a", Verdict.OFF: "#d03a2e", Verdict.UNKNOWN: "#999999"}


def plot_residuals(views: Sequence[CalibratedView], path: Path, title: str) -> None:
    """Write a picture: the error of each view, of each corner, and over the image plane.

    Args:
        views: of one camera.
        path: the picture; its suffix says the format. The folder must exist.
        title: stands above.

    """
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    FigureCanvasAgg(figure)
    by_view, by_corner, by_place = figure.subplots(1, 3, width_ratios=(1.1, 0.9, 1.25))
    residuals = np.concatenate([each.residuals for each in views])
    rms_px = float(np.sqrt((residuals**2).sum(axis=1).mean()))
    _plot_by_view(by_view, views, rms_px)
    _plot_by_corner(by_corner, residuals)
    _plot_by_place(by_place, views, figure)
    figure.suptitle(f"{title}: {rms_px:.3f} px over {len(residuals)} corners in {len(views)} views")
    figure.savefig(path, dpi=120)


def draw_coverage(views: Sequence[CalibratedView], gray: np.ndarray) -> np.ndarray:
    """All corners of all views over one image (H, W), each view in a colour: (H, W, 3) RGB."""
    picture = cv2.cvtColor((gray // 2 + 96).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    colours = (
        np.array(mpl.colormaps[_COLOURS](np.linspace(0, 1, len(views))))[:, :3] * 255
    ).astype(int)
    radius = max(2, gray.shape[1] // 320)
    for each, colour in zip(views, colours[:, :3].tolist(), strict=True):
        outline = np.rint(each.view.outline * gray.shape[1]).astype(np.int32)
        cv2.polylines(picture, [outline], isClosed=True, color=colour, lineType=cv2.LINE_AA)
        for x, y in np.rint(each.view.pixels).astype(int).tolist():
            cv2.circle(picture, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)
    return _fitting(picture)


def draw_undistorted(gray: np.ndarray, camera: Camera) -> np.ndarray:
    """An image (H, W) as the lens gave it and rectified, side by side, with straight lines: RGB."""
    flat = cv2.remap(gray, *camera.rectification_maps(), cv2.INTER_LINEAR)
    return _fitting(np.hstack([_ruled(gray), _ruled(flat)]))


def draw_rectified_pair(
    left_gray: np.ndarray, right_gray: np.ndarray, left: Camera, right: Camera
) -> np.ndarray:
    """Both images (H, W) rectified, side by side: a line crosses the same things on both."""
    sides = [
        cv2.remap(gray, *camera.rectification_maps(), cv2.INTER_LINEAR)
        for gray, camera in ((left_gray, left), (right_gray, right))
    ]
    return _fitting(_ruled(np.hstack(sides)))


def plot_deviations(deviations: Sequence[Deviation], path: Path) -> None:
    """Write a picture: each deviation with 2 standard deviations, beside what is tolerated."""
    known = [each for each in deviations if np.isfinite(each.sigma)]
    figure = Figure(figsize=(9, 0.55 * len(known) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axvspan(-1, 1, color=_VERDICT_COLOURS[Verdict.FINE], alpha=0.15, lw=0)
    for place, each in enumerate(known):
        axes.errorbar(
            each.value / each.limit, place, xerr=2 * each.sigma / each.limit, fmt="o", capsize=4,
            color=_VERDICT_COLOURS[each.verdict],
        )  # fmt: skip
    axes.set_yticks(range(len(known)), [str(each) for each in known])
    axes.set_ylim(len(known) - 0.5, -0.5)
    reach = max([1.5, *(abs(each.value) / each.limit * 1.2 for each in known)])
    axes.set(xlim=(-reach, reach), xlabel="parts of what is tolerated")
    _plain(axes)
    figure.savefig(path, dpi=110)


def plot_row_errors(rows_px: np.ndarray, path: Path) -> None:
    """Write a picture: how far features (N,) of a rectified pair are from their row."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    median_px = float(np.median(np.abs(rows_px)))
    reach = max(6 * median_px, 1.0)
    axes.hist(np.clip(rows_px, -reach, reach), bins=81, range=(-reach, reach), color="#4878a8")
    axes.axvline(0, color="black", ls=":", lw=1)
    axes.set(
        xlabel="row in the right image less that in the left one [px]", ylabel="features",
        title=f"{len(rows_px)} features, median distance {median_px:.3f} px",
    )  # fmt: skip
    _plain(axes)
    figure.savefig(path, dpi=110)


def plot_depth(gray: np.ndarray, depth_m: np.ndarray, path: Path) -> None:
    """Write a picture: an image (H, W), and the depth of its pixels (H, W), NaN not known."""
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.12))
    left.imshow(gray, cmap="gray", vmin=0, vmax=255)
    known = np.isfinite(depth_m)
    low, high = np.percentile(depth_m[known], (2, 98)) if known.any() else (0.1, 10.0)
    shown = right.imshow(depth_m, cmap="turbo_r", norm=LogNorm(low, high))
    right.set_facecolor("black")
    bar = figure.colorbar(shown, ax=right, label="depth [m]", shrink=0.9)
    ticks = np.geomspace(low, high, 6).tolist()
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks], minor=False)
    bar.minorticks_off()
    right.set_title(f"known in {known.mean():.0%} of the image")
    for axes in (left, right):
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def _plot_by_view(axes: Axes, views: Sequence[CalibratedView], rms_px: float) -> None:
    places = np.arange(len(views))
    axes.barh(places, [each.rms_px for each in views], color="#4878a8", height=0.75)
    axes.axvline(rms_px, color="black", ls=":", lw=1)
    shown = places[:: -(-len(views) // 24)]
    names = [views[place].view.name[-22:] for place in shown]
    axes.set_yticks(shown, names, fontsize=7, parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="RMS error [px]", title="by view")
    _plain(axes)


def _plot_by_corner(axes: Axes, residuals: np.ndarray) -> None:
    limit = float(np.quantile(np.abs(residuals), 0.995)) * 1.3 + 1e-6
    axes.scatter(
        residuals[:, 0],
        residuals[:, 1],
        s=3,
        alpha=0.35,
        color="#4878a8",
        linewidths=0,
        rasterized=True,
    )
    axes.set(xlim=(-limit, limit), ylim=(limit, -limit), xlabel="x [px]", ylabel="y [px]")
    axes.set_title("of each corner")
    axes.set_aspect("equal")
    _plain(axes)


def _plot_by_place(axes: Axes, views: Sequence[CalibratedView], figure: Figure) -> None:
    """Errors averaged in cells: what is left of noise is what the model does not explain."""
    width, height = views[0].view.resolution_wh
    columns, rows = GRID
    pixels = np.concatenate([each.view.pixels for each in views])
    residuals = np.concatenate([each.residuals for each in views])
    cells = ((pixels + 0.5) / (width, height) * GRID).astype(int)
    cell = np.clip(cells, 0, (columns - 1, rows - 1))
    index = cell[:, 1] * columns + cell[:, 0]
    counts = np.bincount(index, minlength=columns * rows)
    squares = np.bincount(index, (residuals**2).sum(axis=1), columns * rows)
    means = (
        np.stack([np.bincount(index, each, columns * rows) for each in residuals.T], axis=-1)
        / np.maximum(counts, 1)[:, None]
    )
    rms = np.sqrt(squares / np.maximum(counts, 1))
    rms[counts == 0] = np.nan
    shown = axes.imshow(
        rms.reshape(rows, columns), extent=(0, width, height, 0), cmap=_COLOURS, vmin=0, alpha=0.85
    )
    figure.colorbar(shown, ax=axes, label="RMS error [px]", shrink=0.8)
    centres_x, centres_y = np.meshgrid(
        (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows
    )
    longest = float(np.linalg.norm(means, axis=1).max())
    if longest > 0:
        scale = longest / (_ARROW_CELLS * width / columns)
        axes.quiver(
            centres_x, centres_y, *means.T.reshape(2, rows, columns), angles="xy",
            scale_units="xy", scale=scale, color="white", width=0.004,
        )  # fmt: skip
    axes.set(
        xlim=(0, width), ylim=(height, 0),
        title=f"over the image (means up to {longest:.2f} px)",
    )  # fmt: skip
    axes.set_aspect("equal")


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _ruled(gray: np.ndarray) -> np.ndarray:
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    for y in range(_LINE_STEP_PX, gray.shape[0], _LINE_STEP_PX):
        cv2.line(picture, (0, y), (gray.shape[1], y), _LINE_RGB, 1)
    return picture


def _fitting(picture: np.ndarray) -> np.ndarray:
    """Not larger than a screen."""
    scale = min(1.0, _PICTURE_WIDTH / picture.shape[1])
    if scale == 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
