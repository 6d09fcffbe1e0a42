"""`perception record`: photos, a video or a camera become a bag."""

from __future__ import annotations

import argparse
import math
import re
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from embodied_perception.bags import BagWriter
from embodied_perception.bags.recording import CameraTopics, record_source
from embodied_perception.camera import read_camera_info_yaml
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import BagError, ConfigError
from embodied_perception.imaging.sources import Source, open_source

SUMMARY = "make a bag of a folder of photos, a video file or a camera"

_EPILOG = """\
SOURCE is
  a folder     its photos in the order of their names, upright by their EXIF. Where EXIF tells the
               lens, camera_info has a first guess of the focal length; /diagnostics says that it is
               one. Else camera_info says that the camera is uncalibrated.
  a file       any video that FFmpeg reads, turned upright. --storage packets keeps an H.264 or
               H.265 video as it is, on image_raw/foxglove.
  /dev/videoN  a camera of the kernel (V4L2), until Ctrl-C or --duration.

Examples:
  perception record photos/ -o photos.mcap
  perception record drive.mp4 -o drive.mcap --camera dashcam.yaml
  perception record /dev/video0 -o desk.mcap --size 1280x720 --rate 30 --duration 20
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="photos, a video or a camera")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BAG.mcap", help="the bag to write"
    )
    parser.add_argument(
        "--name",
        default="camera",
        help="of the camera: topics are /NAME/image_raw and /NAME/camera_info, the frame is "
        "NAME_optical_frame; default: %(default)s",
    )
    parser.add_argument(
        "--camera", type=Path, metavar="YAML", help="its calibration, in the camera_info format"
    )
    parser.add_argument(
        "--storage",
        choices=["jpeg", "png", "raw", "packets"],
        default="jpeg",
        help="how images are kept; JPEG and PNG files stay as they are; default: %(default)s",
    )
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="photos a second (default: 1), or of the camera"
    )
    parser.add_argument("--size", metavar="WxH", help="what to ask of the camera")
    parser.add_argument("--duration", type=float, metavar="S", help="stop after so many seconds")


def run(arguments: argparse.Namespace) -> int:
    """Record, and say what came out."""
    for name in ("rate", "duration"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"--{name}: got {value:g}, expected more than 0")
    if not re.fullmatch(r"[A-Za-z]\w*(/[A-Za-z]\w*)*", arguments.name):
        raise ConfigError(
            f"--name: got {arguments.name!r}, expected letters, digits, _ and /, as in front/left"
        )
    camera = read_camera_info_yaml(arguments.camera)[0] if arguments.camera else None
    topics = CameraTopics(arguments.name)
    source = open_source(arguments.source, _size(arguments.size), arguments.rate)
    console = Console(stderr=True)
    start = time.perf_counter()
    try:
        if arguments.output.exists() and arguments.output.samefile(arguments.source):
            raise BagError(f"{arguments.output}: is the source itself; choose another -o")
        messages = record_source(source, topics, arguments.storage, camera)
        count = _write(source, messages, arguments, console)
    finally:
        source.close()
    seconds = time.perf_counter() - start
    show_problems(console, source.problems)
    megabytes = arguments.output.stat().st_size / 1e6
    print(
        f"{arguments.output}: {count} images, {megabytes:.1f} MB in {seconds:.1f} s; "
        f"{len(source.problems)} problems"
    )
    return 0


def _write(source: Source, messages: Any, arguments: argparse.Namespace, console: Console) -> int:
    count, first_ns = 0, None
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    limit_ns = None if arguments.duration is None else arguments.duration * 1e9
    with (
        BagWriter(arguments.output) as bag,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task(source.name, total=source.count)
        try:
            for entry in messages:
                first_ns = first_ns or entry.stamp_ns
                if limit_ns is not None and entry.stamp_ns - first_ns > limit_ns:
                    break
                bag.write(entry.topic, entry.message, entry.stamp_ns, entry.latched)
                if "/image_raw" in entry.topic:
                    count += 1
                    progress.advance(task)
                elif entry.topic == "/diagnostics":
                    (told,) = entry.message.status
                    progress.console.print(
                        f"[yellow]{told.name}:[/] {told.message}", soft_wrap=True, highlight=False
                    )
        except KeyboardInterrupt:
            if not source.is_live:
                raise
    if not count:
        arguments.output.unlink()
        why = f": {source.problems[0]}" if source.problems else ""
        raise BagError(f"{arguments.source}: gave no image{why}")
    return count


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise ConfigError(f"--size: got {text!r}, expected WIDTHxHEIGHT, as in 1280x720")
    return int(match[1]), int(match[2])
