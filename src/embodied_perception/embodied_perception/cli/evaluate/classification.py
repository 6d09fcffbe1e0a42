"""`perception evaluate classification`: labels of images against the true ones."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embodied_perception.cli.calibrate import output
from embodied_perception.cli.evaluate import report
from embodied_perception.errors import EvaluationError, FrameError, SourceError
from embodied_perception.evaluation.class_folders import open_class_folder
from embodied_perception.evaluation.classification import LabelScores
from embodied_perception.evaluation.confusion_plots import (
    plot_class_scores,
    plot_confusion,
    plot_reliability,
)
from embodied_perception.evaluation.page import Illustration
from embodied_perception.imaging.sources.photos import read_photo

SUMMARY = "top-1, top-5, confusion and calibration of the labels of images"

EPILOG = f"""\
DATA holds a folder for each class, named after it, with images in it: DATA/mug/1.jpg.

  top-1  share of images whose label is right
  top-5  share of images whose class is among the first five labels
  ECE    how far confidence is from the share that is right, on average (15 bins)

{report.MODEL_HELP}
ImageNet's own folder names (n01440764) stand for numbers, in their order, if the model has as many
labels.

Examples:
  perception evaluate classification mugs_and_cups/ --model my_resnet/ -o report
  perception evaluate classification imagenet/val --model hf:microsoft/resnet-18 --limit 1000
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder of folders of images")
    parser.add_argument("--model", required=True, metavar="SOURCE", help="that labels the images")
    report.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the table, and write the report."""
    report.require_limit(arguments.limit)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    data = open_class_folder(arguments.data)
    from embodied_perception.classification.loading import load_classifier

    classifier = load_classifier(arguments.model)
    scores = LabelScores(classifier.labels, data.classes)
    name = arguments.data.resolve().name
    images = data.spread(arguments.limit or len(data.images))
    for path, true in report.shown(images, name, len(images)):
        try:
            image_rgb = read_photo(path)[0].colors_8_bit("RGB")
        except (SourceError, FrameError) as error:
            raise EvaluationError(f"{path}: cannot be read: {error}") from error
        scores.add(str(path.relative_to(arguments.data)), true, classifier.classify([image_rgb])[0])
    figures = _in_words(scores)
    Console().print(report.figures_table(f"{name}: {scores.images} images", figures))
    if scores.wrong:
        Console().print(_wrong_table(scores))
    if arguments.output is not None:
        print(f"wrote {_write(arguments.output, name, arguments.model, scores, figures)}")
    return 0


def _in_words(scores: LabelScores) -> dict[str, str]:
    figures = {"top-1": report.percent(scores.top_1)}
    if scores.top_5 is not None:
        figures["top-5"] = report.percent(scores.top_5)
    return figures | {"ECE": report.percent(scores.reliability.ece)}


def _wrong_table(scores: LabelScores) -> Table:
    table = Table("image", "is", "was said", title="wrong, and most confident")
    table.add_column("confidence", justify="right")
    for wrong in scores.wrong:
        table.add_row(
            *map(escape, (wrong.name, wrong.true, wrong.said)), report.percent(wrong.confidence)
        )
    return table


def _write(
    folder: Path, name: str, source: str, scores: LabelScores, figures: dict[str, str]
) -> Path:
    title = f"{name}: top-1 {figures['top-1']}"
    plot_confusion(scores.confusion.counts[:-1], scores.classes, folder / "confusion.png", title)
    label = "share of its images that was recognised"
    plot_class_scores(scores.recall, scores.classes, folder / "recall.png", title, label)
    plot_reliability(scores.reliability, folder / "reliability.png", name, "images")
    illustrations = [
        Illustration("confusion.png", "What the images of each true class (row) were taken for."),
        Illustration("recall.png", "How many images of each class were recognised."),
        Illustration("reliability.png", "How often labels are right, by their confidence."),
    ]
    wrong = [asdict(each) for each in scores.wrong]
    metrics = {"data": name, "source": source, **scores.figures(), "wrong": wrong}
    return report.write_report(
        folder,
        "Classification",
        f"{scores.images} images of {name}, labels by {source}.",
        metrics,
        figures,
        illustrations,
    )
