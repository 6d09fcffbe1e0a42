"""`perception evaluate detection`: boxes against the true ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.bags.boxes import BoxDecoder, NamedBoxes, names_in, require_box_topic
from embodied_perception.bags.images import image_topics, is_bag
from embodied_perception.bags.moments import Decodes, exact_moments
from embodied_perception.cli import looking
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.evaluate import report
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError, EvaluationError, FrameError
from embodied_perception.evaluation.box_folders import LAYOUT, open_box_folder
from embodied_perception.evaluation.class_names import alike
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.evaluation.detection_plots import draw_beside_true, plot_precision
from embodied_perception.evaluation.page import Illustration, write_picture
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary
from embodied_perception.stages.decoding import Decoder

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

_TRUE_BOXES = "/ground_truth/objects"
_RECALLS = (0.5, 0.8)
_SHOWN = 6  # images that are drawn


@dataclass(frozen=True, eq=False)
class _Compared:
    """An image, where it is known, with its true boxes and what was found."""

    name: str
    image_rgb: np.ndarray | None
    boxes: np.ndarray
    labels: np.ndarray
    found: Detections


@dataclass
class _Work:
    """What is to be compared, one image after the other."""

    name: str
    labels: tuple[str, ...]
    images: Iterator[_Compared]
    count: int
    problems: list[str] = field(default_factory=list)


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
        "--box-topic", metavar="TOPIC", help=f"of a bag: the true boxes; default: {_TRUE_BOXES}"
    )
    report.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the tables, and write the report."""
    report.require_limit(arguments.limit)
    looking.require_sense(arguments)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    work = _of_bag(arguments) if is_bag(arguments.data) else _of_folder(arguments)
    scores = DetectionScores(work.labels)
    count = min(work.count, arguments.limit or work.count)
    kept: list[_Compared] = []
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


def _of_folder(arguments: argparse.Namespace) -> _Work:
    for option in ("estimate_topic", "topic", "box_topic"):
        if getattr(arguments, option) is not None:
            raise ConfigError(
                f"--{option.replace('_', '-')}: {arguments.data} is no bag, and has no topics"
            )
    folder = open_box_folder(arguments.data)
    there = {folder.labels[label] for image in folder.images for label in image.labels}
    vocabulary = _looked_for(arguments, folder.labels, there)
    numbers = _numbers(vocabulary)
    # -1 is no box's: what the vocabulary does not name is in no image.
    number_of = np.array([numbers.get(alike(name), -1) for name in folder.labels])
    find = _finding(arguments, vocabulary)

    def images() -> Iterator[_Compared]:
        for image in folder.images:
            image_rgb = image.read()
            labels = number_of[image.labels]
            yield _Compared(image.name, image_rgb, image.boxes, labels, find(image_rgb))

    name = arguments.data.resolve().name
    work = _Work(name, vocabulary.names, images(), len(folder.images))
    if folder.crowds:
        work.problems.append(f"{folder.crowds} true boxes that hold many things each")
    return work


def _of_bag(arguments: argparse.Namespace) -> _Work:
    true_topic = arguments.box_topic or _TRUE_BOXES
    with BagReader(arguments.data) as bag:
        require_box_topic(bag, true_topic)
        count = bag.topics[true_topic].count
        if arguments.model is None:
            require_box_topic(bag, arguments.estimate_topic)
        wanted = [arguments.topic] if arguments.topic else []
        # What was found already can be compared without the images.
        is_needed = wanted or arguments.model is not None
        topics = image_topics(bag, wanted, 1) if is_needed else []
    there = names_in(arguments.data, [true_topic])
    if arguments.model is None:
        return _of_two_topics(arguments, true_topic, there, topics, count)
    vocabulary = _looked_for(arguments, there, set(there))
    numbers = _numbers(vocabulary)
    find = _finding(arguments, vocabulary)
    work = _Work(arguments.data.name, vocabulary.names, iter(()), count)

    def images() -> Iterator[_Compared]:
        decoders: list[tuple[str, Decodes]] = [(true_topic, BoxDecoder()), (topics[0], Decoder())]
        for true, frame in exact_moments(arguments.data, decoders, work.problems.append):
            try:
                image_rgb = frame.rgb
            except FrameError as error:
                work.problems.append(f"{_moment(true)}: {error}")
                continue
            labels = _labels_of(true, numbers)
            yield _Compared(_moment(true), image_rgb, true.boxes, labels, find(image_rgb))

    work.images = images()
    return work


def _of_two_topics(
    arguments: argparse.Namespace,
    true_topic: str,
    there: Sequence[str],
    topics: Sequence[str],
    count: int,
) -> _Work:
    """The boxes of one topic beside the true ones of another."""
    for option in ("vocabulary", "absent"):
        if getattr(arguments, option):
            raise ConfigError(
                f"--{option}: {arguments.estimate_topic} tells what was found; it is for --model"
            )
    names: dict[str, str] = {}
    for name in (*there, *names_in(arguments.data, [arguments.estimate_topic])):
        names.setdefault(alike(name), name)
    if not names:
        raise EvaluationError(f"{arguments.data}: neither of the topics has any boxes")
    numbers = {key: number for number, key in enumerate(names)}
    work = _Work(arguments.data.name, tuple(names.values()), iter(()), count)

    def images() -> Iterator[_Compared]:
        decoders: list[tuple[str, Decodes]] = [
            (true_topic, BoxDecoder()),
            (arguments.estimate_topic, BoxDecoder()),
            *((topic, Decoder()) for topic in topics),
        ]
        moments = exact_moments(arguments.data, decoders, work.problems.append)
        for true, said, *frames in moments:
            try:
                image_rgb = frames[0].rgb if frames else None
            except FrameError as error:
                work.problems.append(f"{_moment(true)}: {error}")
                continue
            sure = said.scores >= arguments.threshold
            found = Detections(
                said.boxes.astype(np.float32),
                said.scores.astype(np.float32),
                _labels_of(said, numbers),
                np.zeros((len(sure), 0), np.float32),
            ).take(np.flatnonzero(sure))
            labels = _labels_of(true, numbers)
            yield _Compared(_moment(true), image_rgb, true.boxes, labels, found)

    work.images = images()
    return work


def _looked_for(arguments: argparse.Namespace, names: Sequence[str], there: set[str]) -> Vocabulary:
    """The labels of the data, in the words of the vocabulary if there is one, and what is absent.

    Args:
        arguments: of the command.
        names: of the data's labels.
        there: those of them that have true boxes.

    """
    if not (names or arguments.vocabulary):
        raise EvaluationError(
            f"{arguments.data}: has no true boxes, which would tell what to look for: name it in "
            "--vocabulary"
        )
    # Two spellings of one word are one label.
    words = {alike(name): " ".join(name.replace("_", " ").split()) for name in names}
    vocabulary = looking.vocabulary_of(arguments, list(words.values()))
    known = _numbers(vocabulary)
    unnamed = sorted(name for name in there if alike(name) not in known)
    if unnamed:
        raise EvaluationError(
            f"{arguments.vocabulary}: has no word for {', '.join(unnamed)}, which {arguments.data} "
            "has true boxes of: add it to the labels or synonyms"
        )
    present = {known[alike(name)] for name in there}
    wrong = [word for word in arguments.absent if known.get(alike(word)) in present]
    if wrong:
        raise ConfigError(
            f"--absent: {arguments.data} has true boxes of {', '.join(wrong)}: give words for what "
            "is in no image"
        )
    more = tuple(Label(word) for word in arguments.absent if alike(word) not in known)
    labels = tuple(replace(label, threshold=None) for label in vocabulary.labels)
    return replace(vocabulary, labels=labels + more)


def _numbers(vocabulary: Vocabulary) -> dict[str, int]:
    """Numbers of the labels, by their words as :func:`alike` has them."""
    return {
        alike(word): number
        for number, label in enumerate(vocabulary.labels)
        for word in label.words
    }


def _labels_of(named: NamedBoxes, numbers: Mapping[str, int]) -> np.ndarray:
    return np.array([numbers[alike(name)] for name in named.names], np.int64)


def _moment(boxes: NamedBoxes) -> str:
    return f"{boxes.stamp_ns * 1e-9:.3f} s"


def _finding(
    arguments: argparse.Namespace, vocabulary: Vocabulary
) -> Callable[[np.ndarray], Detections]:
    """What finds the vocabulary in an image."""
    finder = looking.finder_of(arguments)
    words = finder.detector.words(vocabulary)
    return lambda image_rgb: finder.find(image_rgb, words)


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
    kept: Sequence[_Compared],
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
    folder: Path, scores: DetectionScores, kept: Sequence[_Compared]
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
