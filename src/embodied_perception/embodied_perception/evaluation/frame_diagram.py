"""A diagram of which frame hangs on which: a row for each frame, below its parent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from embodied_perception.evaluation.labels import text_width_in
from embodied_perception.geometry import FrameNode

# All lengths are in inches, so that boxes fit their text.
_ROW, _BOX, _PAD, _RIM = 0.36, 0.25, 0.09, 0.02
_INDENT, _STEM, _HEAD, _GAP = 0.42, 0.17, 0.06, 0.1
_FONT, _SMALL = 9.5, 8.5
_STATIC, _DYNAMIC, _UNKNOWN = "0.3", "#1668b0", "0.6"
_FILLS = {_STATIC: "0.955", _DYNAMIC: "#e8f1fa", _UNKNOWN: "white"}
_DASHED = (0, (3.5, 2))


@dataclass(frozen=True)
class _Row:
    frame: str
    depth: int
    is_dynamic: bool
    remark: str
    colour: str


class FrameDiagram:
    """Boxes and arrows; solid ones are static, dashed ones dynamic, with their rate.

    Args:
        trees: what to draw.
        unknown: frames that are drawn pale, as not there at the time.

    Attributes:
        size_in: width and height that it needs, in inches.

    """

    def __init__(self, trees: Sequence[FrameNode], unknown: Collection[str] = ()) -> None:
        self._rows: list[_Row] = []
        self._children: dict[int, list[int]] = {}
        for depth, node in (found for tree in trees for found in tree.walk()):
            if depth:
                parent = max(at for at, row in enumerate(self._rows) if row.depth == depth - 1)
                self._children.setdefault(parent, []).append(len(self._rows))
            self._rows.append(_row(node, depth, node.frame in unknown))
        width = max((_right(row) for row in self._rows), default=0.0)
        self.size_in = (max(width, 3.3), (len(self._rows) + 1.2) * _ROW)

    def draw(self, axes: Axes, height: float) -> None:
        """Draw into axes of the width of ``size_in``, in the middle of their height in inches."""
        axes.set(xlim=(0, self.size_in[0]), ylim=(height, 0))
        axes.axis("off")
        top = (height - self.size_in[1]) / 2
        heights = [top + (index + 0.5) * _ROW for index in range(len(self._rows))]
        for parent, children in self._children.items():
            self._draw_arrows(axes, parent, children, heights)
        for row, y in zip(self._rows, heights, strict=True):
            _draw_box(axes, row, y)
        _draw_legend(axes, top + (len(self._rows) + 0.9) * _ROW)

    def _draw_arrows(
        self, axes: Axes, parent: int, children: list[int], heights: list[float]
    ) -> None:
        """One stem down, and an arrow to each child; a stem is dashed where all of them are."""
        rows = [self._rows[child] for child in children]
        x = self._rows[parent].depth * _INDENT + _STEM
        stem = rows[0] if len({row.is_dynamic for row in rows}) == 1 else None
        _line(
            axes,
            [x, x],
            [heights[parent] + _BOX / 2, heights[children[-1]]],
            stem is not None and stem.is_dynamic,
            _STATIC if stem is None else stem.colour,
        )
        for child, row in zip(children, rows, strict=True):
            end_x = row.depth * _INDENT + _RIM
            _arrow(axes, x, end_x, heights[child], row.is_dynamic, row.colour)


def _row(node: FrameNode, depth: int, is_unknown: bool) -> _Row:
    """A frame, with what stands beside its box."""
    is_dynamic = node.edge is not None and not node.edge.static
    if is_unknown:
        return _Row(node.frame, depth, is_dynamic, "not here at this time", _UNKNOWN)
    if node.edge is None or node.edge.static:
        return _Row(node.frame, depth, False, "", _STATIC)
    rate_hz = node.edge.rate_hz
    remark = "once" if rate_hz is None else f"{rate_hz:.3g} Hz"
    return _Row(node.frame, depth, True, remark, _DYNAMIC)


def _right(row: _Row) -> float:
    remark = _GAP + text_width_in(row.remark, _SMALL) if row.remark else 0.0
    return row.depth * _INDENT + _box_width(row) + remark + 2 * _RIM


def _box_width(row: _Row) -> float:
    return text_width_in(row.frame, _FONT) + 2 * _PAD


def _draw_box(axes: Axes, row: _Row, y: float) -> None:
    x, width = row.depth * _INDENT + _RIM, _box_width(row)
    axes.add_patch(
        FancyBboxPatch(
            (x, y - _BOX / 2), width, _BOX, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=_FILLS[row.colour], edgecolor=row.colour, lw=0.9, zorder=3,
        )
    )  # fmt: skip
    _write(axes, x + _PAD, y, row.frame, _FONT, _UNKNOWN if row.colour == _UNKNOWN else "black")
    _write(axes, x + width + _GAP, y, row.remark, _SMALL, row.colour)


def _draw_legend(axes: Axes, y: float) -> None:
    x = _RIM
    for word, is_dynamic in (("static", False), ("dynamic, with its rate", True)):
        _arrow(axes, x, x + 0.35, y, is_dynamic, _DYNAMIC if is_dynamic else _STATIC)
        _write(axes, x + 0.35 + _GAP, y, word, _SMALL, "0.35")
        x += 0.35 + _GAP + text_width_in(word, _SMALL) + 0.3


def _arrow(axes: Axes, x: float, end_x: float, y: float, is_dynamic: bool, colour: str) -> None:
    _line(axes, [x, end_x - _HEAD], [y, y], is_dynamic, colour)
    axes.plot([end_x - _HEAD], [y], marker=">", ms=4.5, color=colour, mew=0)


def _line(axes: Axes, x: list[float], y: list[float], is_dynamic: bool, colour: str) -> None:
    axes.plot(x, y, color=colour, lw=1.1, ls=_DASHED if is_dynamic else "-")


def _write(axes: Axes, x: float, y: float, text: str, size: float, colour: str) -> None:
    # Frames may have any name: it is not mathematics that $ stands for.
    axes.text(
        x, y, text, fontsize=size, color=colour, va="center_baseline", parse_math=False, zorder=4
    )
