"""A picture of a transform tree: who hangs on whom, and where the frames are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embodied_perception.errors import EvaluationError, GeometryError
from embodied_perception.evaluation.frame_diagram import FrameDiagram
from embodied_perception.evaluation.frame_space import FrameSpace
from embodied_perception.evaluation.labels import DPI
from embodied_perception.geometry import (
    LATEST,
    FrameNode,
    Transform,
    TransformTree,
    hierarchy,
)

_LEAST_SPACE_IN, _MOST_SPACE_IN = 6.8, 12.0  # width of the right half
_TITLE_IN, _MARGIN_IN, _LEAST_HEIGHT_IN = 0.6, 0.3, 5.4
_MOST_M = 1e12  # farther away, the smaller distances are lost in rounding
_SEPARATE = "separate trees: where they are to each other is not known"


def plot_frames(
    tree: TransformTree, path: Path, title: str = "Frames", stamp_ns: int = LATEST
) -> None:
    """Write a picture: left the tree as a diagram, right its frames in space.

    Args:
        tree: what to draw; frames of separate trees stand side by side.
        path: the picture; its suffix says the format. Its folder is made.
        title: stands above.
        stamp_ns: when; frames that are not known then are only in the diagram. By default each is
            where it was last.

    Raises:
        EvaluationError: there are no frames, one is absurdly far away, or the picture cannot be
            written.

    """
    trees = hierarchy(tree.edges())
    if not trees:
        raise EvaluationError("there are no frames to draw")
    poses = [_poses(tree, root, stamp_ns) for root in trees]
    known = {frame for each in poses for frame in each}
    diagram = FrameDiagram(trees, unknown=set(tree.frames()) - known)

    left_in = diagram.size_in[0] + 2 * _MARGIN_IN
    height_in = max(_LEAST_HEIGHT_IN, diagram.size_in[1] + _TITLE_IN + _MARGIN_IN)
    width_in = left_in + min(max(_LEAST_SPACE_IN, height_in), _MOST_SPACE_IN)
    figure = Figure(figsize=(width_in, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    top_in = height_in - _TITLE_IN
    panel_in = np.array([[left_in, _MARGIN_IN], [width_in - _MARGIN_IN, top_in]])
    FrameSpace(figure, panel_in).draw(trees, poses)
    corner, size = (_MARGIN_IN, _MARGIN_IN), (diagram.size_in[0], top_in - _MARGIN_IN)
    size_in = figure.get_size_inches()
    diagram.draw(figure.add_axes((*(corner / size_in), *(size / size_in))), size[1])
    title_at = (_MARGIN_IN / width_in, 1 - (_MARGIN_IN + 0.05) / height_in)
    figure.text(*title_at, title, fontsize=12, weight="bold", parse_math=False)
    if len(trees) > 1:
        x, y = panel_in[0] / size_in
        figure.text(x, y, _SEPARATE, fontsize=8.5, color="0.35")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format=path.suffix.removeprefix("."))
    except (OSError, ValueError) as error:  # the latter for a format that is not known
        raise EvaluationError(f"{path}: cannot write: {error}") from error


def _poses(tree: TransformTree, root: FrameNode, stamp_ns: int) -> dict[str, Transform]:
    """root_from_frame of each frame that is known at a time."""
    found = {node.frame: _pose(tree, root.frame, node.frame, stamp_ns) for _, node in root.walk()}
    poses = {frame: pose for frame, pose in found.items() if pose is not None}
    for frame, pose in poses.items():
        if np.abs(pose.translation).max() > _MOST_M:
            raise EvaluationError(
                f"{frame!r} is {np.abs(pose.translation).max():.3g} m away from {root.frame!r}, "
                f"expected {_MOST_M:g} m at the most: mend its publisher"
            )
    return poses


def _pose(tree: TransformTree, root: str, frame: str, stamp_ns: int) -> Transform | None:
    try:
        return tree.lookup(root, frame, stamp_ns)
    except GeometryError:  # the diagram says so
        return None
