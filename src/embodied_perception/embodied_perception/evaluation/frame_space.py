"""Frames in space: each as three short axes, with its name beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from embodied_perception.evaluation.labels import place_labels, text_width_in
from embodied_perception.geometry import FrameNode, Transform

_COLOURS = ("#d7191c", "#1a9641", "#2158d0")  # x, y, z
_AXIS, _LEAST_SIDE, _LEAST_EXTENT_M = 0.13, 0.55, 0.5  # the first two in parts of the extent
_FONT = 9.0
_ROW_IN = _FONT * 1.32 / 72
_VIEW_DEG = (24, -128)  # elevation and azimuth: x away to the right, y to the left, z up
_TICKS_IN = 0.55  # room for the numbers around the space
_HALO = (Stroke(linewidth=2.5, foreground="white"), Normal())
_TOGETHER_IN = 0.07  # frames that are seen nearer to each other share a label

#: Of one tree: where each frame is in the root.
Poses = Mapping[str, Transform]


class FrameSpace:
    """A part of a figure in which frames are drawn, seen from above and behind.

    Args:
        figure: must have its final size.
        panel_in: (2, 2) lower left and upper right corner of the part, in inches.

    """

    def __init__(self, figure: Figure, panel_in: np.ndarray) -> None:
        self._figure = figure
        self._panel_in = panel_in
        # Space is drawn into a square, and cut off at its rim: one that is larger than the panel.
        side_in = np.ptp(panel_in, axis=0).max()
        corner = self._part(panel_in.mean(axis=0) - side_in / 2)
        with rc_context({"grid.color": "0.87", "grid.linewidth": 0.7}):
            self._axes: Any = figure.add_axes(
                (*corner, *self._part(np.full(2, side_in))),
                projection="3d",
                proj_type="ortho",
                facecolor="none",
            )

    def draw(self, trees: Sequence[FrameNode], poses: Sequence[Poses]) -> None:
        """Draw the frames of trees, joined by lines.

        Args:
            trees: say which frames are joined.
            poses: root_from_frame by frame, of each tree; frames that it lacks are left out.

        """
        placed = _side_by_side(poses)
        for tree in trees:
            self._draw_lines(tree, placed)
        origins_m = np.array([pose.translation for pose in placed.values()])
        extent_m = max(float(np.ptp(origins_m, axis=0).max()), _LEAST_EXTENT_M)
        axes_m = np.array(
            [
                [pose.apply(_AXIS * extent_m * axis) for axis in np.eye(3)]
                for pose in placed.values()
            ]
        )
        for origin_m, tips_m in zip(origins_m, axes_m, strict=True):
            for tip_m, colour in zip(tips_m, _COLOURS, strict=True):
                self._axes.plot(*np.array([origin_m, tip_m]).T, color=colour, lw=1.9)
        self._frame_the_view(np.concatenate([origins_m, axes_m.reshape(-1, 3)]))
        self._write_names(list(placed), origins_m, axes_m)
        self._write_key()

    def _draw_lines(self, tree: FrameNode, placed: Poses) -> None:
        for _, node in tree.walk():
            if node.edge is not None and {node.edge.parent, node.frame} <= placed.keys():
                ends = [placed[frame].translation for frame in (node.edge.parent, node.frame)]
                line = "-" if node.edge.static else (0, (4, 3))
                self._axes.plot(*np.array(ends).T, color="0.6", lw=0.9, ls=line)

    def _frame_the_view(self, points_m: np.ndarray) -> None:
        """Equal scale on all axes, no side so short that space looks flat, as large as fits."""
        axes = self._axes
        low, high = points_m.min(axis=0), points_m.max(axis=0)
        half_m = np.maximum(high - low, _LEAST_SIDE * (high - low).max()) / 2 * 1.05
        limits = np.column_stack([(low + high) / 2 - half_m, (low + high) / 2 + half_m])
        axes.set(xlim=limits[0], ylim=limits[1], zlim=limits[2])
        axes.view_init(*_VIEW_DEG)
        axes.set(xlabel="x [m]", ylabel="y [m]", zlabel="z [m]")
        axes.tick_params(labelsize=7.5, colors="0.4", pad=5)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((0.975, 0.975, 0.975, 1.0))
            axis.label.set(color="0.4", fontsize=8.5)
            axis.line.set_color("0.75")
            axis.labelpad = 13
            axis.set_major_locator(MaxNLocator(4))
        axes.set_box_aspect(half_m)
        self._figure.draw_without_rendering()  # what is seen where is known only then
        corners_in = self._seen(np.array(np.meshgrid(*limits)).reshape(3, -1).T)
        room_in = np.ptp(self._panel_in, axis=0) - 2 * _TICKS_IN
        axes.set_box_aspect(half_m, zoom=(room_in / np.ptp(corners_in, axis=0)).min())
        self._figure.draw_without_rendering()

    def _write_names(self, names: Sequence[str], origins_m: np.ndarray, axes_m: np.ndarray) -> None:
        """Beside the origins, as they are seen; frames at one place share a label.

        Args:
            names: N of them.
            origins_m: (N, 3) where the frames are.
            axes_m: (N, 3, 3) the tips of their axes.

        """
        seen_in = self._seen(origins_m)
        tips_in = self._seen(axes_m.reshape(-1, 3))
        strokes_in = np.stack([np.repeat(seen_in, 3, axis=0), tips_in], axis=1)
        groups = _together(seen_in)
        rows = [sorted(names[index] for index in group) for group in groups]
        anchors_in = np.array([seen_in[group].mean(axis=0) for group in groups])
        sizes_in = np.array(
            [[max(text_width_in(row, _FONT) for row in each), len(each) * _ROW_IN] for each in rows]
        )
        places = place_labels(
            anchors_in, sizes_in, strokes_in, self._ticks(), self._panel_in, _ROW_IN
        )
        for index, label in enumerate(rows):
            self._write_label(
                label,
                anchors_in[index],
                places.leader_ends[index],
                places.centres[index],
                sizes_in[index],
            )

    def _write_label(
        self,
        rows: Sequence[str],
        anchor_in: np.ndarray,
        leader_end_in: np.ndarray,
        centre_in: np.ndarray,
        size_in: np.ndarray,
    ) -> None:
        ends = np.array([self._part(anchor_in), self._part(leader_end_in)])
        self._figure.add_artist(Line2D(*ends.T, color="0.5", lw=0.6))
        side, align = (-1, "left") if centre_in[0] > anchor_in[0] else (1, "right")
        corner_in = centre_in + size_in / 2 * (side, 1)
        for row, text in enumerate(rows):
            x, y = self._part(corner_in - (0, (row + 0.5) * _ROW_IN))
            self._figure.text(
                x, y, text, fontsize=_FONT, ha=align, va="center_baseline", parse_math=False,
                path_effects=_HALO,
            )  # fmt: skip

    def _write_key(self) -> None:
        """Which colour is which axis, in the lower right corner."""
        for place, (axis, colour) in enumerate(zip("xyz", _COLOURS, strict=True)):
            x, y = self._part(
                np.array([self._panel_in[1, 0] - 0.6 + 0.2 * place, self._panel_in[0, 1]])
            )
            self._figure.text(x, y, axis, fontsize=_FONT, weight="bold", color=colour)

    def _ticks(self) -> np.ndarray:
        """Where the numbers at the axes are: (N, 2, 2) boxes in inches."""
        boxes = [
            tick.label1.get_window_extent()  # get_ticklabels would put them elsewhere
            for axis in (self._axes.xaxis, self._axes.yaxis, self._axes.zaxis)
            for tick in axis.get_major_ticks()
        ]
        return np.array([[box.min, box.max] for box in boxes]) / self._figure.dpi

    def _seen(self, points_m: np.ndarray) -> np.ndarray:
        """Where points (N, 3) are on the picture: (N, 2) inches from its lower left corner."""
        homogeneous = np.column_stack([points_m, np.ones(len(points_m))]) @ self._axes.get_proj().T
        seen = homogeneous[:, :2] / homogeneous[:, 3:]
        return self._axes.transData.transform(seen) / self._figure.dpi

    def _part(self, place_in: np.ndarray) -> np.ndarray:
        """Inches (2,) as parts of the figure's size."""
        return place_in / self._figure.get_size_inches()


def _side_by_side(trees: Sequence[Poses]) -> dict[str, Transform]:
    """All frames in one space: separate trees stand in a row along y, a little apart."""
    placed: dict[str, Transform] = {}
    spans = [np.array([pose.translation for pose in poses.values()]) for poses in trees]
    extent_m = max([_LEAST_EXTENT_M, *(float(np.ptp(span, axis=0).max()) for span in spans)])
    y_m = 0.0
    for poses, span in zip(trees, spans, strict=True):
        shift = np.array([0.0, y_m - span[:, 1].min() if len(trees) > 1 else 0.0, 0.0])
        placed |= {frame: Transform(np.eye(3), shift) @ pose for frame, pose in poses.items()}
        y_m += np.ptp(span[:, 1]) + 0.6 * extent_m
    return placed


def _together(seen_in: np.ndarray) -> list[list[int]]:
    """Points (N, 2) grouped by nearness to the first of each group."""
    groups: list[list[int]] = []
    for index, point in enumerate(seen_in):
        near = (g for g in groups if np.linalg.norm(seen_in[g[0]] - point) < _TOGETHER_IN)
        group = next(near, None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups
