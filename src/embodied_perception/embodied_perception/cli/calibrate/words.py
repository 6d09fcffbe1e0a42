"""`perception calibrate words`: how sure a zero-shot model may be in some place."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embodied_perception.cli import choosing
from embodied_perception.cli.color_images import some_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError
from embodied_perception.evaluation.reliability import Reliability

SUMMARY = "find how sure words may be in a place, from some images of it"

EPILOG = f"""\
Two things are found. What the model says of a word wherever it looks, the word's offset, is held
against it from then on: that takes images alone, the more different the better, from a recording of
the robot's way. How sure it may be, the temperature, takes the truth: give a recording, or a folder
of photos, for each word, as WORD=SOURCE, and "none of these"=SOURCE for what is none.

Offsets are wrong where nearly all images show the same thing: drive through all the rooms, and give
each word about as long a recording.

A SOURCE is a bag, a video, or a folder of photos.

{choosing.MODEL_HELP}

Give the same words, templates and model as later: a calibration is of them.

Examples:
  perception calibrate words patrol.mcap --for kitchen corridor office --model clip/ -o places.yaml
  perception calibrate words kitchen=first.mcap corridor=second.mcap "none of these=garden.mcap" \\
      --for kitchen corridor --model clip/ -o places.yaml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("sources", nargs="+", metavar="[WORD=]SOURCE", help="see below")
    choosing.configure(parser)
    parser.add_argument("--topic", help="of the bags")
    parser.add_argument(
        "--images",
        type=int,
        default=50,
        help="so many of each source, spread over all; default: %(default)s",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the calibration, YAML"
    )


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, and write the file."""
    if arguments.images < 1:
        raise ConfigError(f"--images: got {arguments.images}, expected 1 or more")
    classifier = choosing.classifier_of(arguments)
    sources = [_told(text, classifier.names) for text in arguments.sources]
    are_told = {number is not None for _, number in sources}
    if len(are_told) > 1:
        raise ConfigError("some sources have a word and some have none; give one to each, or none")
    images: list[np.ndarray] = []
    truth: list[int] = []
    for path, number in sources:
        found, problems = some_images(path, arguments.topic, arguments.images)
        show_problems(Console(stderr=True), problems)
        images += [each.rgb for each in found]
        truth += [] if number is None else [number] * len(found)
    calibrated = classifier.calibrated(images, truth or None)
    calibrated.calibration.write(arguments.output, arguments.model)

    table = Table("word")
    table.add_column("offset", justify="right")
    for name, offset in calibrated.calibration.offsets.items():
        table.add_row(Text(name), f"{offset:+.2f}")
    console = Console()
    console.print(table)
    if truth:
        console.print(f"temperature {calibrated.calibration.temperature:.2f}", highlight=False)
        for when, judged in (("before", classifier), ("after", calibrated)):
            shares = judged.classify(images)
            right = shares.argmax(1) == np.array(truth)
            reliability = Reliability.of(shares.max(1), right)
            console.print(
                f"{when}: {right.mean():.1%} right, ECE {reliability.ece:.1%}", highlight=False
            )
    print(f"wrote {arguments.output}, by {len(images)} images")
    return 0


def _told(text: str, names: tuple[str, ...]) -> tuple[Path, int | None]:
    """A source, and the number of the word that it shows, if that is told."""
    name, told, path = text.partition("=")
    if not told or Path(text).exists():
        return Path(text), None
    if name not in names:
        raise ConfigError(f"{text}: {name!r} is no word of these: {', '.join(names)}")
    return Path(path), names.index(name)
