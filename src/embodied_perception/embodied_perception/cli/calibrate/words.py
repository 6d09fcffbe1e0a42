"""`perception calibrate words`: how sure a zero-shot model may be in some place."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from embodied_perception.cli import choosing
from embodied_perception.cli.color_images import some_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.cli.train.labelled_photos import photo_paths, read_photos
from embodied_perception.errors import ConfigError
from embodied_perception.evaluation.reliability import Reliability

SUMMARY = "find how sure words may be in a place, from some images of it"

EPILOG = f"""\
Two things are found. What the model says of a word wherever it looks, the word's offset, is held
against it from then on: that takes images alone, the more different the better, from a recording of
the robot's way. How sure it may be, the temperature, takes the truth: photos that are sorted into
folders named after the words, and into "none of these" for what is none; --sorted says that SOURCE
is such a folder.

Offsets are wrong where nearly all images show the same thing: drive through all the rooms.

{choosing.MODEL_HELP}

Give the same words, templates and model as later: a calibration is of them.

Examples:
  perception calibrate words patrol.mcap --for kitchen corridor office --model clip/ -o places.yaml
  perception calibrate words sorted/ --sorted --for kitchen corridor --model clip/ -o places.yaml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="a bag, a video, or a folder of photos"
    )
    parser.add_argument("--sorted", action="store_true", help="SOURCE holds a folder for each word")
    choosing.configure(parser)
    parser.add_argument("--topic", help="of the bag")
    parser.add_argument(
        "--images", type=int, default=50, help="so many, spread over all; default: %(default)s"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the calibration, YAML"
    )


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, and write the file."""
    if arguments.images < 2:
        raise ConfigError(f"--images: got {arguments.images}, expected 2 or more")
    if arguments.sorted and arguments.topic:
        raise ConfigError("--topic goes with a bag, --sorted with a folder; give one of them")
    classifier = choosing.classifier_of(arguments)
    names = classifier.names
    labels: list[int] | None = None
    problems: list[str] = []
    if arguments.sorted:
        images, labels = _sorted(arguments.source, names, arguments.images, problems)
    else:
        found, problems = some_images(arguments.source, arguments.topic, arguments.images)
        images = [each.rgb for each in found]
    show_problems(Console(stderr=True), problems)
    calibrated = classifier.calibrated(images, labels)
    calibrated.calibration.write(arguments.output, arguments.model)

    table = Table("word")
    table.add_column("offset", justify="right")
    for name, offset in calibrated.calibration.offsets.items():
        table.add_row(Text(name), f"{offset:+.2f}")
    console = Console()
    console.print(table)
    if labels is not None:
        console.print(f"temperature {calibrated.calibration.temperature:.2f}", highlight=False)
        for when, judged in (("before", classifier), ("after", calibrated)):
            shares, true = judged.classify(images), np.array(labels)
            right = shares.argmax(1) == true
            reliability = Reliability.of(shares.max(1), right)
            console.print(
                f"{when}: {right.mean():.1%} right, ECE {reliability.ece:.1%}", highlight=False
            )
    print(f"wrote {arguments.output}, by {len(images)} images")
    return 0


def _sorted(
    folder: Path, names: tuple[str, ...], count: int, problems: list[str]
) -> tuple[list[np.ndarray], list[int]]:
    """Photos of folders named after words, and the words' numbers; evenly of all."""
    paths = photo_paths(folder)
    if unknown := sorted(paths.keys() - set(names)):
        raise ConfigError(
            f"{folder / unknown[0]}: no word of that name; there are: {', '.join(names)}"
        )
    most = max(1, count // len(paths))
    chosen = {name: each[:: max(1, len(each) // most)][:most] for name, each in paths.items()}
    photos = read_photos(
        chosen,
        lambda image: image,
        problems,
        lambda each: track(each, "reading", console=Console(stderr=True), transient=True),
    )
    return photos.images, [names.index(photos.labels[number]) for number in photos.classes]
