"""`perception classify`: which of some words images show, or none of them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from embodied_perception.cli import choosing
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.color_images import some_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError
from embodied_perception.evaluation.page import write_picture
from embodied_perception.open_vocabulary.calibration import Calibration
from embodied_perception.open_vocabulary.overlay import draw_answers

SUMMARY = "say which of some words images show, or none of them"

_EPILOG = f"""\
SOURCE is a photo, a folder of photos, a video, a bag, or /dev/videoN.

{choosing.MODEL_HELP}

Other texts, for rooms, walls and whatever is nothing else, compete with the words: what they get is
"none of these". Synonyms, templates and thresholds go into a file for --vocabulary.

Probabilities are as the model says them, and too sure in most places. A calibration by images of
the place mends that: perception calibrate words.

Examples:
  perception classify hall.jpg --for kitchen corridor office --model clip/
  perception classify patrol.mcap --vocabulary config/vocabularies/places.yaml --model clip/
  perception classify patrol.mcap --for kitchen corridor --model clip/ --calibration places.yaml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="see below")
    choosing.configure(parser)
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="of `perception calibrate words`"
    )
    parser.add_argument(
        "--top", type=int, default=3, help="so many words an image; default: %(default)s"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.0, help="least probability; default: %(default)s"
    )
    parser.add_argument("--topic", help="of the bag")
    parser.add_argument(
        "--images", type=int, default=20, help="so many, spread over all; default: %(default)s"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="draw the answers here")


def run(arguments: argparse.Namespace) -> int:
    """Classify, print, and draw."""
    if not 0 <= arguments.threshold <= 1:
        raise ConfigError(f"--threshold: got {arguments.threshold}, expected 0 to 1")
    for option in ("images", "top"):
        if getattr(arguments, option) < 1:
            raise ConfigError(f"--{option}: got {getattr(arguments, option)}, expected 1 or more")
    path = arguments.calibration
    calibration = None if path is None else Calibration.read(path, arguments.model)
    classifier = choosing.classifier_of(arguments, calibration)
    images, problems = some_images(arguments.source, arguments.topic, arguments.images)
    show_problems(Console(stderr=True), problems)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    table = Table("image", "what")
    table.add_column("probability", justify="right")
    console = Console(stderr=True)
    for number, image in enumerate(track(images, "looking", console=console, transient=True)):
        shares = classifier.classify([image.rgb])[0]
        said = classifier.ranked(shares, arguments.threshold, arguments.top)
        for line, (name, share) in enumerate(said or [("", float("nan"))]):
            shown = f"{share:.1%}" if name else ""
            table.add_row(Text("" if line else image.name), Text(name), shown)
        if arguments.output is not None:
            height, width = image.rgb.shape[:2]
            drawn = draw_answers(image.rgb, np.array([[0, 0, width, height]]), [said])
            write_picture(arguments.output / f"{number:04d}.png", drawn)
    Console().print(table)
    if note := classifier.encoder.model.note:
        Console().print(Text.assemble(("note: ", "yellow"), note), soft_wrap=True)
    if arguments.output is not None:
        print(f"wrote {len(images)} picture{'s' if len(images) > 1 else ''} to {arguments.output}")
    return 0
