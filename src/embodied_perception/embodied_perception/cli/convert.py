"""`perception convert`: a public dataset's folder becomes a bag."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from embodied_perception.bags import BagWriter
from embodied_perception.bags.datasets import FORMATS, Dataset, DatasetOptions, open_dataset
from embodied_perception.camera.calibration_file import read_camera_info_yaml
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError

SUMMARY = "turn a dataset's folder into a bag"

_EPILOG = """\
The format is found by the files in the folder:
{formats}

The bag has images, depth (16UC1, millimetres), camera_info, /tf_static, /imu where there is one,
and the true poses of base_link as /ground_truth/odom. Images that cannot be read are left out and
named at the end.

Examples:
  perception convert rgbd_dataset_freiburg1_desk -o desk.mcap
  perception convert sequences/00 -o kitti.mcap --limit 500 --compressed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    formats = "\n".join(f"  {name:9} {FORMATS[name].DESCRIPTION}" for name in FORMATS)
    parser.epilog = _EPILOG.format(formats=formats)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the dataset")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BAG.mcap", help="the bag to write"
    )
    parser.add_argument(
        "--format", choices=["auto", *FORMATS], default="auto", help="default: %(default)s"
    )
    images = parser.add_mutually_exclusive_group()
    images.add_argument(
        "--compressed",
        action="store_const",
        const="compressed",
        dest="images",
        help="keep image files as they are and pack depth as PNG: smallest bag, slower to read",
    )
    images.add_argument(
        "--raw",
        action="store_const",
        const="raw",
        dest="images",
        help="decode every image; default: JPEG files are kept as they are, others are decoded",
    )
    parser.add_argument(
        "--camera",
        type=Path,
        metavar="YAML",
        help="calibration of the colour camera in the camera_info format, for RGB-D sets",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="convert the first N frames only")


def run(arguments: argparse.Namespace) -> int:
    """Convert and say what came out."""
    console = Console(stderr=True)
    if arguments.limit is not None and arguments.limit < 1:
        raise ConfigError(f"--limit: got {arguments.limit}, expected 1 or more")
    camera = read_camera_info_yaml(arguments.camera)[0] if arguments.camera else None
    options = DatasetOptions(arguments.images or "auto", camera, arguments.limit)
    format_name = None if arguments.format == "auto" else arguments.format
    dataset = open_dataset(arguments.folder, options, format_name)
    start = time.perf_counter()
    message_count = _write(dataset, arguments.output, console)
    seconds = time.perf_counter() - start
    show_problems(console, dataset.problems)
    megabytes = arguments.output.stat().st_size / 1e6
    print(
        f"{arguments.output}: {dataset.frame_count} frames, {message_count} messages, "
        f"{megabytes:.1f} MB in {seconds:.1f} s; {len(dataset.problems)} problems"
    )
    return 0


def _write(dataset: Dataset, output: Path, console: Console) -> int:
    message_count = 0
    with BagWriter(output) as bag, Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{dataset.folder.name}", total=dataset.frame_count)
        for entry in dataset.messages():
            message_count += 1
            bag.write(entry.topic, entry.message, entry.stamp_ns, entry.latched)
            progress.advance(task, entry.topic == dataset.frame_topic)
    return message_count
