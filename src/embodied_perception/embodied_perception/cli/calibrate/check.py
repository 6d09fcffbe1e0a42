"""`perception calibrate check`: whether a calibration still holds, by ordinary images."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_topic, frame_sets, image_topics
from embodied_perception.bags.replay import Replay
from embodied_perception.camera.check import Deviation, Verdict
from embodied_perception.camera.check.deviation import LOOKS
from embodied_perception.camera.dense_stereo import dense_stereo
from embodied_perception.cli.calibrate import output
from embodied_perception.errors import CameraError, PerceptionError
from embodied_perception.evaluation.calibration_plots import (
    plot_depth,
    plot_deviations,
    plot_row_errors,
)
from embodied_perception.evaluation.page import Illustration, write_page, write_picture
from embodied_perception.frame import Frame
from embodied_perception.stages.calibration_check import (
    CheckConfig,
    RgbdCheckStage,
    StereoCheckStage,
    fitted,
)
from embodied_perception.stages.image_messages import frame_from_compressed

SUMMARY = "see whether a calibration still holds, without a board"

EPILOG = """\
The bag holds the images of a pair of cameras, or of a colour and a depth camera, and camera_info (a
pair's rectified for each other, as `perception calibrate stereo` writes it). They look at any scene
with texture and with things before others. Where a camera was knocked, the images contradict the
calibration: a pair sees a thing in different rows, edges of depth lie beside those of colour, and
motion does not fit the focal length. What the images do not say is said to be not known. While a
robot works, the nodes stereo_check and rgbd_check do the same.

The exit status is 0 where the calibration holds, 1 where it is off, 2 where nothing can be said.

Examples:
  perception calibrate check drive.mcap
  perception calibrate check drive.mcap --topics /left/image_raw /right/image_raw -o check
"""

_COLOURS = {Verdict.FINE: "green", Verdict.OFF: "red", Verdict.UNKNOWN: "yellow"}


@dataclass(frozen=True)
class Outcome:
    """What a check of a recording came to.

    Attributes:
        stage: that took the looks.
        topics: of the images: left and right, or colour and depth.
        deviations: of the calibration.
        overlay: the last look as a picture (H, W, 3) RGB.

    """

    stage: StereoCheckStage | RgbdCheckStage
    topics: tuple[str, str]
    deviations: list[Deviation]
    overlay: np.ndarray


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="with images and camera_info")
    parser.add_argument(
        "--topics",
        nargs=2,
        default=[],
        metavar=("A", "B"),
        help="left and right images, or colour and depth; default: the only two of the bag",
    )
    parser.add_argument(
        "--rotation-limit",
        type=float,
        default=0.5,
        metavar="DEG",
        help="what is tolerated about each axis; default: %(default)s",
    )
    parser.add_argument(
        "--focal-limit",
        type=float,
        default=1.0,
        metavar="%",
        help="what is tolerated of focal lengths; default: %(default)s",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write a report with pictures here"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at the recording, and say what it says."""
    console = Console(stderr=True)
    outcome = look_through(
        arguments.bag,
        arguments.topics,
        {
            "rotation_limit_deg": arguments.rotation_limit,
            "focal_limit_percent": arguments.focal_limit,
        },
        console,
    )
    figures = _figures(outcome)
    console.print(_table(outcome.deviations))
    for name, value in figures.items():
        console.print(f"{name}: {value}", highlight=False, soft_wrap=True)
    status = outcome.stage.status()
    if arguments.output is not None:
        page = _write_report(arguments.output, arguments.bag, outcome, figures, status.message)
        console.print(f"report: {page}", highlight=False, soft_wrap=True)
    print(f"{arguments.bag}: {status.message}")
    return int(status.level == status.ERROR)


def look_through(bag: Path, wanted: list[str], limits: dict[str, Any], console: Console) -> Outcome:
    """Take looks all through a recording.

    Args:
        bag: the recording.
        wanted: the two topics of images; empty where there are no others.
        limits: parameters of the check.
        console: shows how far one is.

    Raises:
        CameraError: the images say nothing.
        PerceptionError: the recording has not what is needed.

    """
    with BagReader(bag) as reader:
        topics = image_topics(reader, wanted, 2)
        infos = [calibration_topic(reader, topic) for topic in topics]
        duration_s = (reader.end_ns - reader.start_ns) * 1e-9
    stage_type, places = _kind(bag, topics)
    ordered = [(topics[place], infos[place]) for place in places]
    remappings: dict[str, str] = {}
    for image, (topic, info) in zip(stage_type.inputs, ordered, strict=True):
        remappings |= {image.topic: topic, image.camera_info_topic: info}
    config = CheckConfig.from_mapping({**limits, "period_s": min(duration_s / LOOKS, 3600.0)})
    replay = Replay(bag, [(stage_type, config)], remappings)
    overlays: list[Any] = []

    def take(topic: str, message: Any) -> None:
        if "/overlay" in topic:
            overlays[:] = [message]

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(bag.name, total=replay.message_count)
        summary = replay.look(lambda done: progress.update(task, completed=done), take)
    stage = replay.stages[stage_type.name]
    assert isinstance(stage, StereoCheckStage | RgbdCheckStage)
    deviations = stage.deviations()
    if all(each.verdict is Verdict.UNKNOWN for each in deviations):
        (done,) = summary.stages
        why = f": {done.last_problem}" if done.last_problem else ", expected more, and motion"
        raise CameraError(f"{bag}: {stage.looks} looks say nothing of the calibration{why}")
    overlay = frame_from_compressed(overlays[0]).rgb
    return Outcome(stage, (ordered[0][0], ordered[1][0]), deviations, overlay)


def _kind(
    bag: Path, topics: list[str]
) -> tuple[type[StereoCheckStage | RgbdCheckStage], tuple[int, int]]:
    """Which check these images are for, and which of them comes first."""
    depths = [_first(bag, [topic])[0].pixels.is_depth for topic in topics]
    if all(depths):
        raise CameraError(f"{bag}: {' and '.join(topics)} are depth; expected one with colours")
    if any(depths):
        return RgbdCheckStage, (0, 1) if depths[1] else (1, 0)
    return StereoCheckStage, (0, 1)


def _first(bag: Path, topics: list[str]) -> tuple[Frame, ...]:
    """The first images of one time."""
    problems: list[str] = []
    tolerance_ns = round(CheckConfig().sync_tolerance_s * 1e9)
    for frames in frame_sets(bag, topics, tolerance_ns, problems.append):
        return frames
    raise CameraError(f"{bag}: no image could be read: {problems[:1] or 'there is none'}")


def _figures(outcome: Outcome) -> dict[str, str]:
    """What else there is to be said."""
    figures = {"looks": str(outcome.stage.looks)}
    if isinstance(outcome.stage, StereoCheckStage):
        rows_px, depth_m = _rows_and_depth(outcome.stage)
        low, middle, high = np.nanpercentile(depth_m, (5, 50, 95))
        figures["features seen by both"] = str(len(rows_px))
        figures["distance from their row"] = f"{np.median(np.abs(rows_px)):.3f} px (median)"
        figures["their depth"] = f"{middle:.2f} m (median), {low:.2f} to {high:.2f} m (90 %)"
    return figures


def _rows_and_depth(stage: StereoCheckStage) -> tuple[np.ndarray, np.ndarray]:
    """Of all features of all looks: row errors in pixels, and depths in metres."""
    assert stage.check is not None
    looks = stage.check.recent
    return (
        np.concatenate([look.rows_px for look in looks]),
        np.concatenate([look.left_depth_m for look in looks]),
    )


def _table(deviations: list[Deviation]) -> Table:
    table = Table("calibration", "is off by", "±", "unit", "tolerated", "verdict")
    for column in (1, 2, 4):
        table.columns[column].justify = "right"
    for each in deviations:
        verdict = each.verdict
        known = verdict is not Verdict.UNKNOWN
        table.add_row(
            each.name,
            f"{each.value:+.2f}" if known else "",
            f"{each.sigma:.2f}" if known else "",
            each.unit,
            f"{each.limit:g}",
            f"[{_COLOURS[verdict]}]{verdict.value}[/]",
        )
    return table


def _write_report(
    folder: Path, bag: Path, outcome: Outcome, figures: dict[str, str], message: str
) -> Path:
    """Write index.html with its pictures, and check.json; returns the page."""
    output.make_folder(folder)
    plot_deviations(outcome.deviations, folder / "deviations.png")
    write_picture(folder / "overlay.jpg", outcome.overlay)
    illustrations = [
        Illustration(
            "deviations.png",
            "By how much the calibration is off, as a part of what is tolerated, with 2 standard "
            "deviations.",
        )
    ]
    if isinstance(outcome.stage, StereoCheckStage):
        illustrations += _stereo_pictures(folder, bag, outcome)
    else:
        illustrations.append(
            Illustration(
                "overlay.jpg",
                "Edges of depth in the colour image: red where the calibration puts them, green "
                "where they fit best.",
            )
        )
    content = {
        "message": message,
        "looks": outcome.stage.looks,
        "deviations": {
            each.name: {
                "value": each.value if np.isfinite(each.sigma) else None,
                "sigma": each.sigma if np.isfinite(each.sigma) else None,
                "unit": each.unit,
                "limit": each.limit,
                "verdict": each.verdict.name,
            }
            for each in outcome.deviations
        },
    }
    if isinstance(outcome.stage, StereoCheckStage):
        rows_px, depth_m = _rows_and_depth(outcome.stage)
        content["features"] = len(rows_px)
        content["median_row_error_px"] = float(np.median(np.abs(rows_px)))
        content["depth_m_at_5_50_95_percent"] = np.nanpercentile(depth_m, (5, 50, 95)).tolist()
    (folder / "check.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    table = {each.name: f"{each} ({each.verdict.value})" for each in outcome.deviations}
    page = folder / "index.html"
    topics = " and ".join(outcome.topics)
    write_page(
        page, f"Calibration check of {bag.name}", f"{topics}: {message}.", table | figures,
        illustrations,
    )  # fmt: skip
    return page


def _stereo_pictures(folder: Path, bag: Path, outcome: Outcome) -> list[Illustration]:
    stage = outcome.stage
    assert isinstance(stage, StereoCheckStage)
    assert stage.check is not None
    cameras = stage.check.left, stage.check.right
    rows_px, _ = _rows_and_depth(stage)
    plot_row_errors(rows_px, folder / "rows.png")
    pictures = [
        Illustration(
            "overlay.jpg",
            "Both images rectified: what is at a line's left end should be on it at its right end. "
            "Green is within half a pixel, red beyond two.",
        ),
        Illustration("rows.png", "How far features are from their row, in all looks."),
    ]
    try:
        left, right = _first(bag, list(outcome.topics))
        flat, depth_m = dense_stereo(
            fitted(left.gray, cameras[0]), fitted(right.gray, cameras[1]), *cameras
        )
    except PerceptionError:
        return pictures
    plot_depth(flat, depth_m, folder / "depth.png")
    caption = "The first image, and the depth of its pixels by semi-global matching."
    return [*pictures, Illustration("depth.png", caption)]
