"""The demo's report: pictures, and a page that holds them."""

from __future__ import annotations

import html
from pathlib import Path

import cv2
import numpy as np

from embodied_perception.bags import BagReader
from embodied_perception.errors import BagError
from embodied_perception.evaluation import TrajectoryErrors
from embodied_perception.evaluation.page import Illustration, write_page, write_picture
from embodied_perception.frame import Frame
from embodied_perception.stages.image_messages import frame_from_compressed

_FEATURES_TOPIC = "/odometry/features/compressed"
_COLUMNS, _ROWS = 4, 3
_TILE_WH = (400, 300)

_SUMMARY = (
    "A recorded RGB-D camera moves through a room. Its images went over ROS topics to the odometry "
    "node; what the node said was recorded and compared with the truth."
)
_ILLUSTRATIONS = (
    Illustration(
        "trajectory.png", "The estimated path over the true one, and its error over time."
    ),
    Illustration(
        "features.jpg", "Features on one frame: green ones agree with the pose, red ones do not."
    ),
    Illustration("contact_sheet.jpg", "The whole run, with the features of each frame."),
)
_CLOSING = """\
<p>Everything that was said on the graph is in <code>{bag}</code>: open it in Foxglove, or play it
with <code>./run perception play {bag}</code> and look at it in RViz with
<code>config/rviz/perception.rviz</code>.</p>
"""


def write_report(
    bag_path: Path, errors: TrajectoryErrors, states: dict[str, int], folder: Path
) -> Path:
    """Write features.jpg, contact_sheet.jpg, overview.jpg and index.html beside trajectory.png.

    Args:
        bag_path: the demo's recording.
        errors: of its odometry.
        states: how many frames were in which tracking state.
        folder: holds trajectory.png already.

    Returns:
        The page.
    """
    frames = _feature_frames(bag_path)
    middle = frames[len(frames) // 2].rgb
    write_picture(folder / "features.jpg", middle)
    write_picture(folder / "contact_sheet.jpg", contact_sheet(frames))
    write_picture(folder / "overview.jpg", _overview(middle, folder / "trajectory.png"))
    figures = {
        "position error (ATE, RMSE)": f"{errors.ate_rmse_m * 100:.2f} cm",
        "path": f"{errors.path_length_m:.2f} m",
        "drift": "-" if errors.drift_percent is None else f"{errors.drift_percent:.2f} %",
        "frames": " + ".join(f"{count} {state}" for state, count in states.items()),
    }
    page = folder / "index.html"
    closing = _CLOSING.format(bag=html.escape(str(bag_path)))
    title = "Visual odometry, live on ROS topics"
    write_page(page, title, _SUMMARY, figures, _ILLUSTRATIONS, closing_html=closing)
    return page


def contact_sheet(frames: list[Frame]) -> np.ndarray:
    """Frames spread over a run as one picture (H, W, 3), each with its time."""
    chosen = np.linspace(0, len(frames) - 1, _COLUMNS * _ROWS).round().astype(int)
    tiles = []
    for frame in (frames[index] for index in chosen):
        tile = cv2.resize(frame.rgb, _TILE_WH, interpolation=cv2.INTER_AREA)
        text = f"{(frame.stamp_ns - frames[0].stamp_ns) * 1e-9:.1f} s"
        for thickness, colour in ((3, (0, 0, 0)), (1, (255, 255, 255))):
            cv2.putText(
                tile, text, (10, _TILE_WH[1] - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.55, colour,
                thickness, cv2.LINE_AA,
            )  # fmt: skip
        tiles.append(tile)
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def _feature_frames(bag_path: Path) -> list[Frame]:
    """All of them, still compressed: only the few that are shown get decoded."""
    with BagReader(bag_path) as bag:
        frames = [frame_from_compressed(each) for _, _, each in bag.messages([_FEATURES_TOPIC])]
    if not frames:
        raise BagError(f"{bag_path}: no picture on {_FEATURES_TOPIC}")
    return frames


def _overview(features_rgb: np.ndarray, trajectory_path: Path) -> np.ndarray:
    """Both on one picture, of equal height."""
    trajectory_bgr = cv2.imread(str(trajectory_path))
    assert trajectory_bgr is not None
    trajectory_rgb = cv2.cvtColor(trajectory_bgr, cv2.COLOR_BGR2RGB)
    height = features_rgb.shape[0]
    scale = height / trajectory_rgb.shape[0]
    trajectory_rgb = cv2.resize(
        trajectory_rgb,
        (round(trajectory_rgb.shape[1] * scale), height),
        interpolation=cv2.INTER_AREA,
    )
    return np.hstack((features_rgb, trajectory_rgb))
