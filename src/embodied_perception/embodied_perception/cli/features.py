"""`perception features`: what makes a good feature, measured on one's own images."""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Column, Table

from embodied_perception.cli.calibrate import output
from embodied_perception.cli.calibrate.images import open_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError, FeatureError
from embodied_perception.evaluation.feature_plots import draw_matches, plot_scores
from embodied_perception.evaluation.features import Kind, compare
from embodied_perception.evaluation.page import Illustration, write_page, write_picture
from embodied_perception.features.extraction import DESCRIPTORS, DETECTORS, Extractor
from embodied_perception.features.learned import LightGlue, SuperPoint

SUMMARY = "compare kinds of features on your images: found again, matched, exact, fast"

_USUAL = ["fast", "shi_tomasi", "harris", "harris+hog", "orb", "sift", "akaze"]
_COLUMNS = {
    "features": ("features", ".0f"),
    "repeatability": ("found again", ".0%"),
    "matching_score": ("matched rightly", ".0%"),
    "precision": ("of matches, right", ".0%"),
    "error_px": ("off by [px]", ".2f"),
    "ms": ("time [ms]", ".1f"),
}

_EPILOG = f"""\
Each image is compared with views of itself that are turned, tilted, scaled, brighter or darker,
and noisy, so that it is known where every feature must be found again.

  found again        share of features that the detector also finds in the other view
  matched rightly    share of features whose descriptor leads to the right place there
  of matches, right  share of matches that are not wrong
  off by             how exactly the right ones are placed
  time               to find, describe and match the features of one more image

A kind is DETECTOR or DETECTOR+DESCRIPTOR.
  detectors    {", ".join(DETECTORS)}
  descriptors  {", ".join(DESCRIPTORS)}

Learned kinds come from folders with a checkpoint of transformers: config.json, model.safetensors,
and preprocessor_config.json. LightGlue's also holds the SuperPoint that it was trained with.

SOURCE is a folder of photos, a video, a bag, or /dev/videoN.

Examples:
  perception features photos/ -o report
  perception features drive.mcap --topic /left/image_raw --kinds orb sift akaze+sift
  perception features photos/ --superpoint superpoint/ --lightglue lightglue_superpoint/
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="see below")
    parser.add_argument("--topic", help="of the bag")
    parser.add_argument(
        "--kinds", nargs="+", default=_USUAL, metavar="KIND", help=f"default: {' '.join(_USUAL)}"
    )
    parser.add_argument(
        "--superpoint", type=Path, metavar="FOLDER", help="also SuperPoint, from this checkpoint"
    )
    parser.add_argument(
        "--lightglue",
        type=Path,
        metavar="FOLDER",
        help="also LightGlue, with its own SuperPoint, from this checkpoint",
    )
    parser.add_argument(
        "--images", type=int, default=5, help="so many, spread over all; default: %(default)s"
    )
    parser.add_argument(
        "--views",
        type=int,
        default=6,
        help="of each image, harder and harder; default: %(default)s",
    )
    parser.add_argument(
        "--count", type=int, default=500, help="features an image; default: %(default)s"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write a report with pictures here"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, and show a table."""
    console = Console(stderr=True)
    for name in ("images", "views", "count"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name}: got {getattr(arguments, name)}, expected 1 or more")
    extractors = [Extractor(name) for name in arguments.kinds]
    kinds = [Kind(each.name, each.extract) for each in extractors]
    kinds += _learned(arguments.superpoint, arguments.lightglue, console)
    images = _images(arguments.source, arguments.topic, arguments.images, console)
    figures: dict[str, dict[str, float]] = {}
    examples = []
    work = compare(kinds, images, arguments.views, arguments.count)
    for scores, pairs in track(work, "kinds", len(kinds), console=console, transient=True):
        figures[scores.name] = scores.figures()
        examples.append(pairs[len(pairs) // 2])
    Console().print(_table(figures))
    if arguments.output is not None:
        output.make_folder(arguments.output)
        plot_scores(figures, arguments.output / "scores.png")
        illustrations = [Illustration("scores.png", "All kinds, all measures.")]
        for example in examples:
            file = f"{example.name}.jpg"
            write_picture(arguments.output / file, draw_matches(example))
            caption = (
                f"{example.name}: {example.right.sum()} of {len(example.right)} matches are right."
            )
            illustrations.append(Illustration(file, caption))
        (arguments.output / "features.json").write_text(json.dumps(figures, indent=2))
        write_page(
            arguments.output / "index.html",
            "Features compared",
            f"{len(images)} images of {arguments.source.name}, {arguments.views} views of each, "
            f"at most {arguments.count} features an image.",
            {},
            illustrations,
        )
        print(f"wrote {arguments.output / 'index.html'}")
    return 0


def _learned(superpoint: Path | None, lightglue: Path | None, console: Console) -> list[Kind]:
    """The kinds that come from checkpoints; says what they run on."""
    kinds = []
    if superpoint is not None:
        detector = SuperPoint.load(superpoint)
        kinds.append(Kind(detector.name, detector.extract))
        console.print(f"{detector.name} runs on {detector.device}")
    if lightglue is not None:
        matcher = LightGlue(lightglue)
        kinds.append(Kind(matcher.name, matcher.superpoint.extract, matcher.match))
        console.print(f"{matcher.name} runs on {matcher.superpoint.device}")
    return kinds


def _images(source: Path, topic: str | None, count: int, console: Console) -> list[np.ndarray]:
    """Some images (H, W) uint8, spread over the source."""
    topics = [topic] if topic else []
    whole = open_images([source], topics, None).count
    every = max(1, whole // count) if whole else 1
    stream = open_images([source], topics, every)
    images = [each.gray for (each,) in islice(stream.images, count)]
    show_problems(console, stream.problems)
    if not images:
        raise FeatureError(f"{source}: no image could be read")
    return images


def _table(figures: dict[str, dict[str, float]]) -> Table:
    table = Table(Column("kind", no_wrap=True))
    for label, _ in _COLUMNS.values():  # a word a line: so all of it fits into 80 columns
        table.add_column(escape(label).replace(" ", "\n"), justify="right", no_wrap=True)
    best = {key: max(each[key] for each in figures.values()) for key in _COLUMNS}
    best |= {key: min(each[key] for each in figures.values()) for key in ("error_px", "ms")}
    for name, values in figures.items():
        cells = []
        for key, (_, form) in _COLUMNS.items():
            text = format(values[key], form)
            is_best = values[key] == best[key] and key != "features"
            cells.append(f"[bold]{text}[/]" if is_best else text)
        table.add_row(name, *cells)
    return table
