"""`perception calibrate camera`: intrinsics and distortion of one camera."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from embodied_perception.camera import write_camera_info_yaml
from embodied_perception.camera.calibration import COEFFICIENTS, calibrate_camera
from embodied_perception.cli.calibrate import boards, images, output
from embodied_perception.cli.calibrate.collect import collect, summary
from embodied_perception.cli.calibrate.report import intrinsics_table, write_camera_report
from embodied_perception.cli.problems import show_problems

SUMMARY = "find the intrinsics and distortion of a camera"

EPILOG = f"""\
SOURCE is a folder of photos, a video file, /dev/videoN, or a bag; without it, --topic is one of
the graph, and images are taken until there are enough, or until Ctrl-C. Show the board in all parts
of the image, near and far, and tilted by 20 to 40 degrees to all sides; hold it still for a moment
in each place. 15 to 40 views are good.

It writes the calibration as drivers read it (camera_info_url), a report with pictures, and
calibration.json with the uncertainties.

{boards.HELP}
Examples:
  perception calibrate camera photos/ --size 9x6 --square 0.025
  perception calibrate camera fisheye.mcap --topic /camera/image_raw --size 8x6 --board charuco \\
      --square 0.04 --model equidistant
  perception calibrate camera --topic /camera/image_raw --size 9x6 --name front
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", type=Path, nargs="?", metavar="SOURCE", help="see below")
    parser.add_argument("--topic", help="of the bag, or of the graph")
    images.configure(parser)
    boards.configure(parser)
    configure_model(parser)
    parser.add_argument(
        "--name", default="camera", help="of the camera, and of its file; default: %(default)s"
    )
    output.configure(parser)


def configure_model(parser: argparse.ArgumentParser) -> None:
    """Declare the model of the lens."""
    parser.add_argument(
        "--model",
        choices=list(COEFFICIENTS),
        default="plumb_bob",
        help="of the distortion: plumb_bob for most lenses, rational_polynomial for wide ones, "
        "equidistant for fisheyes; default: %(default)s",
    )


def run(arguments: argparse.Namespace) -> int:
    """Collect views, calibrate, and write it all."""
    output.require_name(arguments.name)
    console = Console(stderr=True)
    board = boards.board_of(arguments)
    sources = [arguments.source] if arguments.source else []
    topics = [arguments.topic] if arguments.topic else []
    stream = images.open_images(sources, topics, arguments.every)
    collection = collect(stream, board, arguments.views, console)
    show_problems(console, stream.problems)
    console.print(summary(collection), highlight=False)
    with console.status("calibrating"):
        calibration = calibrate_camera(collection.of_camera(0), arguments.model)
    output.make_folder(arguments.output)
    file = arguments.output / f"{arguments.name}.yaml"
    write_camera_info_yaml(file, calibration.camera, arguments.name)
    page = write_camera_report(
        arguments.output, arguments.name, calibration, board, collection.samples[0]
    )
    console.print(intrinsics_table(calibration))
    output.show_remarks(console, calibration.rejected, calibration.remarks)
    print(
        f"{file}: {calibration.rms_px:.3f} px over {len(calibration.views)} views; report: {page}"
    )
    return 0
