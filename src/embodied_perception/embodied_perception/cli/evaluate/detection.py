"""`perception evaluate detection`: boxes against the true ones."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embodied_perception.cli import looking
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.evaluate import boxed_images, report
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.box_folders import LAYOUT
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.evaluation.detection_plots import draw_beside_true, plot_precision
from embodied_perception.evaluation.page import Illustration, write_picture

SUMMARY = "AP and AP50 of boxes, and how much is found that is not there"

EPILOG = f"""\
DATA is a folder of images with true boxes, or its JSON file, in COCO's layout,

{LAYOUT}

or a bag. There, images and boxes (vision_msgs/Detection2DArray) belong together by their stamps. A
bag may hold what was found already: --estimate-topic then takes the place of --model.

  AP         average precision, the mean over the labels that are there, and over overlaps
             (intersection over union) of 50, 55, ... 95 %, from which on a box is right
  AP50       the same where half is enough
  recall     share of the true boxes that are found; the highest threshold that finds 50 % and 80 %
             of them tells how a detector does in use:
  precision  share of the boxes from this threshold on that are right
  absent     boxes of a label in an image where it is not, divided by the number of images

{looking.MODEL_HELP}

The labels of DATA are looked for, with blanks for _. A vocabulary says it in other words, and with
synonyms: its labels, or their synonyms, are then matched with the labels of DATA; upper and lower
case, blanks, _ and - make no difference. What it looks for and DATA does not have is absent, and so
are the words of --absent: whatever is found of them is wrong. Thresholds of a vocabulary do not
count here, as curves need every box.

Examples:
  perception evaluate detection coco_val/ --model hf:google/owlv2-base-patch16-ensemble -o report
  perception evaluate detection kitchen/boxes.json --model my_owl/ --absent dog "fire extinguisher"
  perception evaluate detection room.mcap --model my_owl/ --topic /camera/image_raw --limit 50
  perception evaluate detection out.mcap --estimate-topic /open_vocabulary/detections
"""

_RECALLS = (0.5, 0.8)
_SHOWN = 6  # images that are drawn


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a data set's folder, or a bag")
    found = parser.add_mutually_exclusive_group(required=True)
    found.add_argument("--model", help="that finds what the words name")
    found.add_argument(
        "--estimate-topic", metavar="TOPIC", help="of a bag: boxes that are compared instead"
    )
    parser.add_argument(
        "--absent", nargs="+", default=[], metavar="WORDS", help="look for this, which is nowhere"
    )
    looking.configure(parser, 0.0)
    parser.add_argument("--topic", help="of a bag: the images; default: the only ones")
    parser.add_argument(
        "--box-topic",
        metavar="TOPIC",
        help=f"of a bag: the true boxes; default: {boxed_images.TRUE_BOXES}",
    )
    report.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the tables, and write the report."""
    report.require_limit(arguments.limit)
    looking.require_sense(arguments)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    work = boxed_images.open_data(arguments)
    scores = DetectionScores(work.labels)
    count = min(work.count, arguments.limit or work.count)
    kept: list[boxed_images.Compared] = []
    for each in report.shown(islice(work.images, count), work.name, count):
        scores.add(each.name, each.boxes, each.labels, each.found)
        # Spread over all, as neighbours in a recording look the same.
        if len(kept) * count <= (scores.images - 1) * _SHOWN:
            kept.append(each)
    show_problems(Console(stderr=True), work.problems)
    if not scores.images:
        raise EvaluationError(
            f"{arguments.data}: no image could be compared: "
            + (work.problems[-1] if work.problems else "the topics are empty")
        )
    figures = _in_words(scores)
    Console().print(_label_table(scores))
    Console().print(report.figures_table(f"{work.name}: {scores.images} images", figures))
    if arguments.output is not None:
        source = arguments.model or arguments.estimate_topic
        print(f"wrote {_write(arguments.output, work.name, source, scores, figures, kept)}")
    return 0


def _in_words(scores: DetectionScores) -> dict[str, str]:
    figures = {"AP": _percent(scores.ap), "AP50": _percent(scores.ap50)}
    for recall in _RECALLS:
        where, point = f"at recall {100 * recall:.0f} %", scores.at_recall(recall)
        if point is None:
            figures[where] = scores.why_not_reached()
            continue
        figures[f"{where}: threshold"] = f"{point.threshold:.3f}"
        figures[f"{where}: precision"] = _percent(point.precision)
        figures[f"{where}: absent boxes per image"] = f"{point.absent_per_image.sum():.3f}"
    return figures


def _percent(share: float) -> str:
    return report.percent(share if np.isfinite(share) else None)


def _label_table(scores: DetectionScores) -> Table:
    points = [scores.at_recall(recall) for recall in _RECALLS]
    absent = [f"absent\nat {100 * recall:.0f} %" for recall in _RECALLS]
    table = Table("label", title="labels, best first; absent: boxes per image, at that recall")
    for heading in ("true\nboxes", "AP", "AP50", *absent):
        table.add_column(heading, justify="right")
    ap, ap50 = scores.average_precision.mean(axis=1), scores.average_precision[:, 0]
    for label in np.argsort(-np.nan_to_num(ap, nan=-1.0), kind="stable"):
        count = int(scores.true_counts[label])
        table.add_row(
            escape(scores.labels[label]),
            str(count),
            *(report.percent(each[label]) if count else "not there" for each in (ap, ap50)),
            *(f"{at.absent_per_image[label]:.3f}" if at else "not known" for at in points),
        )
    return table


def _write(
    folder: Path,
    name: str,
    source: str,
    scores: DetectionScores,
    figures: dict[str, str],
    kept: Sequence[boxed_images.Compared],
) -> Path:
    illustrations = []
    if scores.true_counts.any():
        title = f"{name}: AP50 {figures['AP50']}"
        plot_precision(scores, folder / "precision.png", title)
        illustrations.append(
            Illustration("precision.png", "Precision over recall, where half an overlap is enough.")
        )
    illustrations += _drawn(folder, scores, kept)
    metrics = {"data": name, "source": source, **scores.figures(_RECALLS)}
    summary = f"{scores.images} images of {name}, boxes by {source}."
    return report.write_report(folder, "Detection", summary, metrics, figures, illustrations)


def _drawn(
    folder: Path, scores: DetectionScores, kept: Sequence[boxed_images.Compared]
) -> Iterator[Illustration]:
    """Pictures of images with what is found by a threshold that one would choose."""
    point = scores.at_recall(_RECALLS[0])
    for place, each in enumerate(kept, start=1):
        if each.image_rgb is None:
            continue
        found = each.found
        if point is not None:
            found = found.take(np.flatnonzero(found.scores >= point.threshold))
            what = f"what was found, from a score of {point.threshold:.3f} on"
        else:
            surest = np.argsort(-found.scores, kind="stable")[: max(1, len(each.boxes))]
            found, what = found.take(surest), "the surest of what was found"
        file = f"image_{place}.jpg"
        drawn = draw_beside_true(each.image_rgb, each.boxes, each.labels, found, scores.labels)
        write_picture(folder / file, drawn)
        yield Illustration(file, f"{each.name}: the true boxes, and {what}.")
