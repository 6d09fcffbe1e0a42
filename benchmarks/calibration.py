"""Calibrations against the truth, and against OpenCV's own on the same corners, in one run.

Three parts: a folder of photos of a chessboard (how well the lens is explained); the rendered
recording of the demo, whose cameras are known exactly (how true what is found is: intrinsics, a
stereo pair, a camera on a hand); and a EuRoC folder, if one lies beside the photos (whether things
are in the same row of both rectified images, and at plausible depths).

    ./run benchmark calibration --data ../shared/data/chessboard
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_of
from embodied_perception.bags.transforms import read_transforms
from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import (
    Board,
    CalibratedView,
    Chessboard,
    HandEyeCalibration,
    StereoCalibration,
    calibrate_camera,
    calibrate_hand_eye,
    calibrate_stereo,
)
from embodied_perception.cli.calibrate.collect import Collection, collect
from embodied_perception.cli.calibrate.images import open_images
from embodied_perception.cli.calibrate.report import write_camera_report, write_stereo_report
from embodied_perception.cli.main import main as perception
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import transform_from_message

DEMO_BAG = Path(__file__).parents[1] / "src/embodied_perception_bringup/demo/calibration.mcap"
DEMO_BOARD = Chessboard(9, 6, 0.05)
DEMO_TOPICS = tuple(f"/{side}/image_raw/compressed" for side in ("left", "right"))
HAND, WORLD = "tool0", "world"
MOST_VIEWS = 400
#: What is asked for, at most.
TARGETS = {
    "rms_px": 0.5,
    "K_error_percent": 0.3,
    "stereo_error_mm": 2.0,
    "stereo_error_deg": 0.1,
    "hand_eye_error_mm": 2.0,
    "hand_eye_error_deg": 0.1,
    "median_row_error_px": 0.3,
}

Figures = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Truth:
    """What the rendered recording was made with."""

    left: Camera
    right: Camera
    left_from_right: Transform
    hand_from_left: Transform


def read_truth() -> Truth:
    """Read the topics that hold it."""
    with BagReader(DEMO_BAG) as bag:
        ((_, _, message),) = bag.messages(["/ground_truth/tf_static"])
    placed = {edge.child_frame_id: transform_from_message(edge) for edge in message.transforms}
    left, right = placed["left_optical_frame"], placed["right_optical_frame"]
    cameras = [calibration_of(DEMO_BAG, f"/ground_truth/{side}/x") for side in ("left", "right")]
    return Truth(cameras[0], cameras[1], left.inverse() @ right, left)


def views_of(
    sources: Sequence[Path], topics: Sequence[str], board: Board, console: Console
) -> Collection:
    """Find the board in all images."""
    stream = open_images(sources, topics, 1, cameras=max(1, len(topics)))
    return collect(stream, board, MOST_VIEWS, console)


def opencv_camera(views: Sequence[CalibratedView]) -> tuple[float, np.ndarray, np.ndarray]:
    """OpenCV's calibrateCamera on corners that ours used: RMS in pixels, K, and D."""
    points, pixels, size = _for_opencv(views)
    rms_px, K, D, _, _ = cv2.calibrateCamera(points, pixels, size, None, None)
    return rms_px, K, D


def _for_opencv(views: Sequence[CalibratedView]) -> tuple[list[Any], list[Any], tuple[int, int]]:
    points = [each.view.points.astype(np.float32) for each in views]
    pixels = [each.view.pixels.astype(np.float32) for each in views]
    return points, pixels, views[0].view.resolution_wh


def intrinsics_error_percent(found: np.ndarray, true: Camera) -> float:
    """The largest relative error of fx, fy, cx and cy."""
    entries = ((0, 0), (1, 1), (0, 2), (1, 2))
    return 100 * max(abs(found[place] / true.K[place] - 1) for place in entries)


def pose_errors(kind: str, found: Transform, true: Transform) -> Figures:
    """How far a pose is off, in place and in angle."""
    off = true.inverse() @ found
    return {
        f"{kind}_error_mm": float(np.linalg.norm(found.translation - true.translation)) * 1e3,
        f"{kind}_error_deg": float(np.degrees(np.linalg.norm(off.rotation_vector))),
    }


def photos(
    folder: Path, board: Board, out: Path, with_peers: bool, console: Console
) -> tuple[Figures, Figures]:
    """How well the lens behind a folder of photos is explained."""
    collection = views_of([folder], [], board, console)
    found, seconds = timed(lambda: calibrate_camera(collection.of_camera(0)))
    out.mkdir(parents=True, exist_ok=True)
    page = write_camera_report(out, "camera", found, board, collection.samples[0])
    console.print(f"{folder.name}: {page}", highlight=False, soft_wrap=True)
    ours = {
        "rms_px": found.rms_px,
        "images": collection.looked_at,
        "views": len(found.views),
        "left_out": dict(found.rejected),
        "fx_px": found.camera.fx,
        "fx_sigma_px": found.sigmas["fx"],
        "calibrate_s": seconds,
        "remarks": found.remarks,
    }
    if not with_peers:
        return ours, {}
    (rms_px, K, _), seconds = timed(lambda: opencv_camera(found.views))
    return ours, {"rms_px": rms_px, "fx_px": float(K[0, 0]), "calibrate_s": seconds}


def rendered(out: Path, with_peers: bool, console: Console) -> tuple[Figures, Figures]:
    """How true what is found in the rendered recording is."""
    truth = read_truth()
    collection = views_of([DEMO_BAG], DEMO_TOPICS, DEMO_BOARD, console)
    left_views, right_views = collection.of_camera(0), collection.of_camera(1)
    pair = calibrate_stereo(list(zip(left_views, right_views, strict=True)))
    out.mkdir(parents=True, exist_ok=True)
    page = write_stereo_report(out, ("left", "right"), pair, DEMO_BOARD, collection.samples)
    console.print(f"rendered recording: {page}", highlight=False, soft_wrap=True)
    tree = read_transforms(DEMO_BAG)[0].tree
    hand = [tree.lookup(WORLD, HAND, view.stamp_ns) for view in left_views]
    # As on a robot: by the camera that was just calibrated.
    placed = calibrate_hand_eye(pair.left, left_views, hand)
    alone = calibrate_camera(left_views)
    ours = {
        "views": len(left_views),
        "K_error_percent": max(
            intrinsics_error_percent(alone.camera.K, truth.left),
            intrinsics_error_percent(pair.left.K, truth.left),
            intrinsics_error_percent(pair.right.K, truth.right),
        ),
        "distortion_error_px": distortion_error_px(alone.camera, truth.left),
        **pose_errors("stereo", pair.left_from_right, truth.left_from_right),
        **pose_errors("hand_eye", placed.parent_from_camera, truth.hand_from_left),
    }
    if not with_peers:
        return ours, {}
    hand_at = {view.stamp_ns: pose for view, pose in zip(left_views, hand, strict=True)}
    return ours, opencv_rendered(pair, placed, hand_at, truth)


def distortion_error_px(found: Camera, true: Camera) -> float:
    """Root mean square distance, over the image, of where both project the same rays to."""
    u, v = np.meshgrid(np.linspace(0, true.width - 1, 33), np.linspace(0, true.height - 1, 25))
    rays = true.unproject(np.stack([u, v], axis=-1))
    off = found.project(rays) - true.project(rays)
    return float(np.sqrt((off**2).sum(axis=-1).mean()))


def opencv_rendered(
    pair: StereoCalibration,
    placed: HandEyeCalibration,
    hand_at: dict[int, Transform],
    truth: Truth,
) -> Figures:
    """OpenCV's own of all three on the same corners (Park's method for the hand)."""
    sides = (pair.left_calibration.views, pair.right_calibration.views)
    (_, left_K, left_D), (_, right_K, right_D) = (opencv_camera(views) for views in sides)
    points, left_pixels, size = _for_opencv(sides[0])
    _, right_pixels, _ = _for_opencv(sides[1])
    together = cv2.stereoCalibrate(
        points, left_pixels, right_pixels, left_K, left_D, right_K, right_D, size,
        flags=cv2.CALIB_USE_INTRINSIC_GUESS,
    )  # fmt: skip
    _, left_K, left_D, right_K, _, rotation, translation = together[:7]
    left_from_right = Transform(np.asarray(rotation), np.asarray(translation).ravel()).inverse()
    hands, boards = [], []
    for each in placed.views:
        view = each.view
        _, rvec, tvec = cv2.solvePnP(view.points, view.pixels, left_K, left_D)
        boards.append(Transform.from_rotation_vector(rvec.ravel(), tvec.ravel()))
        hands.append(hand_at[view.stamp_ns])
    rotation, translation = cv2.calibrateHandEye(
        [pose.rotation for pose in hands],
        [pose.translation for pose in hands],
        [pose.rotation for pose in boards],
        [pose.translation for pose in boards],
        method=cv2.CALIB_HAND_EYE_PARK,
    )
    hand_from_left = Transform(np.asarray(rotation), np.asarray(translation).ravel())
    return {
        "K_error_percent": max(
            intrinsics_error_percent(left_K, truth.left),
            intrinsics_error_percent(right_K, truth.right),
        ),
        **pose_errors("stereo", left_from_right, truth.left_from_right),
        **pose_errors("hand_eye", hand_from_left, truth.hand_from_left),
    }


def euroc(folder: Path, out: Path, console: Console) -> Figures:
    """Whether a recorded stereo pair, rectified by its calibration, has things in their rows."""
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(console.file):
        bag = Path(scratch) / f"{folder.name}.mcap"
        for words in (["convert", str(folder)], ["calibrate", "check", str(bag)]):
            target = bag if words[0] == "convert" else out
            if (status := perception([*words, "-o", str(target)])) not in (0, 1):
                raise SystemExit(status)
    found: Figures = json.loads((out / "check.json").read_text(encoding="utf-8"))
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def show(console: Console, ours: Figures, opencv: Figures) -> None:
    """What is asked for, beside what was found."""
    table = Table("", "ours", "OpenCV", "at most")
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for name, target in TARGETS.items():
        found = [flat.get(name) for flat in map(_flat, (ours, opencv))]
        shown = ["-" if value is None else f"{value:.4f}" for value in found]
        table.add_row(name, *shown, f"{target:g}")
    console.print(table)


def _flat(figures: Figures) -> Figures:
    """Figures of all parts; names differ."""
    inner = [value for value in figures.values() if isinstance(value, dict)]
    return {name: value for part in (*inner, figures) for name, value in part.items()}


def main() -> int:
    """Measure, and print a table and one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="photos of a chessboard")
    parser.add_argument("--size", default="24x17", help="inner corners; default: %(default)s")
    parser.add_argument(
        "--euroc", type=Path, help="a EuRoC folder; default: euroc_v1_01_static beside --data"
    )
    parser.add_argument("-o", "--output", type=Path, help="keep the reports with pictures here")
    parser.add_argument("--no-peers", action="store_true", help="leave out OpenCV's own")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    columns, rows = map(int, arguments.size.split("x"))
    beside = arguments.data.resolve().parent / "euroc_v1_01_static"
    stereo = arguments.euroc or (beside if beside.is_dir() else None)
    with_peers = not arguments.no_peers
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.output or Path(scratch)
        ours, opencv = photos(
            arguments.data, Chessboard(columns, rows, 1.0), out / "photos", with_peers, console
        )
        ours["rendered"], opencv["rendered"] = rendered(out / "rendered", with_peers, console)
        if stereo is not None:
            ours["euroc"] = euroc(stereo, out / "euroc", console)
    show(console, ours, opencv)
    print(json.dumps({"ours": ours, "peers": {"opencv": opencv} if with_peers else {}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
