"""`perception calibrate stereo`: two cameras, and how they stand to each other."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from embodied_perception.camera import write_camera_info_yaml
from embodied_perception.camera.calibration import calibrate_stereo
from embodied_perception.cli.calibrate import boards, camera, images, output
from embodied_perception.cli.calibrate.collect import collect, summary
from embodied_perception.cli.calibrate.report import (
    figures_table,
    stereo_figures,
    write_stereo_report,
)
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError

_TAKEN = ("extrinsics", "pair", "calibration", "index", "rectified")  # by what is written beside

SUMMARY = "find the intrinsics of a pair of cameras, and their pose to each other"

EPILOG = f"""\
Give two folders of photos (which belong together in the order of their names), two videos or two
cameras, left before right; or a bag; without them, --topics are of the graph. Both cameras must see
the board. See also `perception calibrate camera --help`.

It writes a calibration for each camera, rectified for each other (R and P; P holds the baseline),
extrinsics.yaml with the right camera's place, a report with pictures, and calibration.json with
the uncertainties.

{boards.HELP}
Examples:
  perception calibrate stereo left/ right/ --size 9x6 --square 0.025
  perception calibrate stereo rig.mcap --topics /left/image_raw /right/image_raw --size 9x6 \\
      --square 0.025
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "sources", type=Path, nargs="*", metavar="SOURCE", help="LEFT RIGHT, or a bag"
    )
    parser.add_argument(
        "--topics", nargs=2, default=[], metavar=("L", "R"), help="of the bag, or of the graph"
    )
    images.configure(parser)
    boards.configure(parser)
    camera.configure_model(parser)
    parser.add_argument(
        "--names",
        nargs=2,
        default=["left", "right"],
        metavar=("L", "R"),
        help="of the cameras, and of their files; default: left right",
    )
    output.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Collect pairs of views, calibrate, and write it all."""
    names = tuple(arguments.names)
    for name in names:
        output.require_name(name)
    if len({*names, *_TAKEN}) < len(names) + len(_TAKEN):
        raise ConfigError(
            f"--names: got {' '.join(names)}, expected two that differ, and none of "
            f"{', '.join(_TAKEN)}"
        )
    console = Console(stderr=True)
    board = boards.board_of(arguments)
    stream = images.open_images(arguments.sources, arguments.topics, arguments.every, cameras=2)
    collection = collect(stream, board, arguments.views, console)
    show_problems(console, stream.problems)
    console.print(summary(collection), highlight=False)
    pairs = list(zip(collection.of_camera(0), collection.of_camera(1), strict=True))
    with console.status("calibrating"):
        calibration = calibrate_stereo(pairs, arguments.model)
    folder = arguments.output
    output.make_folder(folder)
    sides = (calibration.left_calibration, calibration.right_calibration)
    for name, side in zip(names, sides, strict=True):
        write_camera_info_yaml(folder / f"{name}.yaml", side.camera, name)
    parent, child = (
        frame_id or f"{name}_optical_frame"
        for frame_id, name in zip(collection.frame_ids, names, strict=True)
    )
    file = folder / "extrinsics.yaml"
    output.write_extrinsics(file, parent, child, calibration.left_from_right)
    page = write_stereo_report(folder, names, calibration, board, collection.samples)
    console.print(figures_table(stereo_figures(calibration)))
    remarks = [
        f"{name}: {each}" for name, side in zip(names, sides, strict=True) for each in side.remarks
    ]
    output.show_remarks(console, calibration.rejected, [*calibration.remarks, *remarks])
    print(
        f"{folder / names[0]}.yaml, {names[1]}.yaml: {calibration.rms_px:.3f} px over "
        f"{len(calibration.left_calibration.views)} pairs; report: {page}"
    )
    return 0
