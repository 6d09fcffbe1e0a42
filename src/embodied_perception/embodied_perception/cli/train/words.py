"""`perception train words`: a classifier by visual words, from a folder of photos a class."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from embodied_perception.classification.dense_sift import working_image
from embodied_perception.classification.words_training import (
    fit_classifier,
    require_photos,
    scikit_learn,
    train_centres,
)
from embodied_perception.cli.calibrate.output import make_folder
from embodied_perception.cli.problems import show_problems
from embodied_perception.cli.train.card import confusion_table, write_card
from embodied_perception.cli.train.labelled_photos import photo_paths, read_photos
from embodied_perception.errors import ConfigError
from embodied_perception.evaluation.segmentation import Confusion

SUMMARY = "learn to tell classes of photos apart, by visual words and a linear SVM"

EPILOG = """\
PHOTOS holds a folder for each class, whose name is the class's: PHOTOS/cup/1.jpg.

Take this where there are few photos, some 20 to 100 a class, and where it must learn in minutes on
a CPU, run without PyTorch, and show its reasons: every place of an image adds a known amount to the
score of a class. It sees texture and shape, no colour, and wants the thing to fill most of the
photo. With hundreds of photos a class and a GPU, a network tells more.

Photos that are kept aside (--held-out) are not learned from; the figures are of them. If photos
were taken in a row, those kept aside look like those learned from, and the figures are too good.
With --held-out 0 it learns from all, and there are no figures.

FOLDER gets config.json, model.safetensors, and README.md, which says what it was made of and how
good it is. The same photos and seed make the same files.

Examples:
  perception train words photos/ -o mugs
  perception train words photos/ -o mugs --words 1000 --held-out 0.3
"""

_LEAST_WORDS, _MOST_WORDS = 10, 10_000
_MOST_HELD_OUT = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="see below")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write"
    )
    parser.add_argument(
        "--words",
        type=int,
        default=400,
        help="visual words; more tell more, and take longer to learn; default: %(default)s",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of each class's photos, kept aside for the figures; default: %(default)s",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn; default: 0")


def run(arguments: argparse.Namespace) -> int:
    """Read, learn, measure, and write it all."""
    _require_sense(arguments)
    scikit_learn()  # or say now that it is missing
    console = Console(stderr=True)
    show = partial(track, console=console, transient=True)
    problems: list[str] = []
    photos = read_photos(
        photo_paths(arguments.photos),
        working_image,
        problems,
        lambda paths: show(paths, "reading photos"),
    )
    show_problems(console, problems)
    learned, aside = photos.split(arguments.held_out, arguments.seed)
    require_photos(learned.counts, learned.labels)
    make_folder(arguments.output)
    count, seed = len(learned), arguments.seed
    with console.status(f"clustering patches into {arguments.words} words"):
        centres = train_centres(learned.images, count, arguments.words, seed)
    classifier = fit_classifier(
        centres,
        show(learned.images, "counting words"),
        learned.classes,
        learned.labels,
        seed,
    )
    said = np.concatenate(
        [
            classifier.classify([image]).argmax(axis=1)
            for image in show(aside.images, "photos kept aside")
        ]
        or [np.zeros(0, int)]
    )
    confusion = Confusion.of(aside.classes, said, len(aside.labels)).counts
    classifier.save(arguments.output)
    write_card(arguments.output / "README.md", learned.labels, learned.counts, confusion, arguments)
    if len(aside):
        Console().print(confusion_table(learned.labels, confusion))
        print(f"{np.trace(confusion)} of {len(aside)} photos kept aside are told rightly")
    print(f"wrote {arguments.output}")
    return 0


def _require_sense(arguments: argparse.Namespace) -> None:
    if not _LEAST_WORDS <= arguments.words <= _MOST_WORDS:
        raise ConfigError(
            f"--words: got {arguments.words}, expected {_LEAST_WORDS} to {_MOST_WORDS}"
        )
    if not 0 <= arguments.held_out <= _MOST_HELD_OUT:
        raise ConfigError(f"--held-out: got {arguments.held_out}, expected 0 to {_MOST_HELD_OUT}")
    if arguments.seed < 0:
        raise ConfigError(f"--seed: got {arguments.seed}, expected 0 or more")
