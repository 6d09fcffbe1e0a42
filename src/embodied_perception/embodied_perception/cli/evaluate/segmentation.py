"""`perception evaluate segmentation`: masks against the true ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import image_topics, is_bag
from embodied_perception.bags.masks import (
    LabelNames,
    frames_at_one_stamp,
    label_names_beside,
    mask_of,
)
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.evaluate import report
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError, EvaluationError, FrameError
from embodied_perception.evaluation.confusion_plots import (
    plot_class_scores,
    plot_confusion,
    plot_reliability,
)
from embodied_perception.evaluation.labelled_image import LabelledImage
from embodied_perception.evaluation.mask_folders import LAYOUTS, open_mask_folder
from embodied_perception.evaluation.mask_plots import draw_compared
from embodied_perception.evaluation.mask_scores import MaskScores
from embodied_perception.evaluation.page import Illustration, write_picture
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels

SUMMARY = "mIoU, IoU of each class, pixel accuracy, confusion and calibration of masks"

EPILOG = f"""\
DATA is a folder of images with true masks, recognised by its layout,

{LAYOUTS}

or a bag. There, images and masks belong together by their stamps, and the names of classes come
from the vision_msgs/LabelInfo beside the masks. A bag may hold what was said already:
--estimate-topic then takes the place of --model, and confidences come from the topic `confidence`
beside it.

  mIoU            mean over the classes of intersection over union of true and said pixels
  pixel accuracy  share of the labelled pixels whose class is right
  ECE             how far confidence is from the share that is right, on average (15 bins)

{report.MODEL_HELP}
What it does not label, or labels as something that the data does not know, is wrong.

Examples:
  perception evaluate segmentation camvid/ --model builtin:camvid -o report
  perception evaluate segmentation cityscapes/ --model my_segformer/ --split test
  perception evaluate segmentation room.mcap --model builtin:demo --topic /camera/image_raw
  perception evaluate segmentation out.mcap --estimate-topic /segmentation/mask
"""

_TRUE_MASKS = "/ground_truth/labels/compressed"
_CONFIDENCE = "confidence"
_FULL = {"mono8": 255.0, "8UC1": 255.0, "32FC1": 1.0}  # what stands for a confidence of 1


class _Said(Protocol):
    """What a model or a topic says of an image."""

    @property
    def mask(self) -> np.ndarray:
        """(H, W) uint8 or uint16 numbers of labels."""

    @property
    def confidence(self) -> np.ndarray | None:
        """(H, W) from 0 to 1; None where it is not known."""


@dataclass(frozen=True, eq=False)
class _Recorded:
    mask: np.ndarray
    confidence: np.ndarray | None


@dataclass
class _Work:
    """What is to be compared, one pair after the other."""

    name: str
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    pairs: Iterator[tuple[LabelledImage, _Said]]
    count: int
    problems: list[str] = field(default_factory=list)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a data set's folder, or a bag")
    said = parser.add_mutually_exclusive_group(required=True)
    said.add_argument("--model", metavar="SOURCE", help="that segments the images")
    said.add_argument(
        "--estimate-topic", metavar="TOPIC", help="of a bag: masks that are compared instead"
    )
    parser.add_argument("--split", help="of a folder; default: val or validation")
    parser.add_argument("--topic", help="of a bag: the images; default: the only ones")
    parser.add_argument(
        "--mask-topic",
        metavar="TOPIC",
        help=f"of a bag: the true masks; default: {_TRUE_MASKS}",
    )
    report.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the tables, and write the report."""
    report.require_limit(arguments.limit)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    work = _of_bag(arguments) if is_bag(arguments.data) else _of_folder(arguments)
    scores = MaskScores(work.labels, work.classes)
    count = min(work.count, arguments.limit or work.count)
    for image, said in report.shown(islice(work.pairs, count), work.name, count):
        scores.add(image, said.mask, said.confidence)
    show_problems(Console(stderr=True), work.problems)
    if not scores.images:
        raise EvaluationError(
            f"{arguments.data}: no image could be compared: "
            + (work.problems[-1] if work.problems else "the topics are empty")
        )
    figures = _in_words(scores)
    Console().print(report.figures_table(f"{work.name}: {scores.images} images", figures))
    Console().print(_class_table(scores))
    if arguments.output is not None:
        source = arguments.model or arguments.estimate_topic
        print(f"wrote {_write(arguments.output, work.name, source, scores, figures)}")
    return 0


def _of_folder(arguments: argparse.Namespace) -> _Work:
    for option in ("estimate_topic", "topic", "mask_topic"):
        if getattr(arguments, option) is not None:
            raise ConfigError(
                f"--{option.replace('_', '-')}: {arguments.data} is no bag, and has no topics"
            )
    folder = open_mask_folder(arguments.data, arguments.split)
    labels, segment = _model(arguments.model)
    classes = folder.classes
    if classes is None:
        if len(labels) != folder.class_count:
            raise EvaluationError(
                f"{arguments.data}: tells no names for its {folder.class_count} classes, and the "
                f"model has {len(labels)}: put {folder.layout}'s objectInfo150.txt into it"
            )
        classes = labels
    pairs = ((image, segment(image.image_rgb)) for image in (each.read() for each in folder.pairs))
    name = f"{folder.layout} {folder.split}"
    return _Work(name, labels, classes, pairs, len(folder.pairs))


def _of_bag(arguments: argparse.Namespace) -> _Work:
    if arguments.split is not None:
        raise ConfigError(f"--split: {arguments.data} is a bag, and has no splits")
    if arguments.model is None:
        return _of_two_topics(arguments)
    true_topic = arguments.mask_topic or _TRUE_MASKS
    with BagReader(arguments.data) as bag:
        image_topics(bag, [true_topic], 1)
        (topic,) = image_topics(bag, [arguments.topic] if arguments.topic else [], 1)
        if topic == true_topic:
            raise ConfigError(f"--topic: got {topic}, which has the masks: name the images' topic")
        names = label_names_beside(bag, true_topic)
        count = bag.topics[true_topic].count
    labels, segment = _model(arguments.model)
    names = names or LabelNames.counted(labels)
    work = _Work(arguments.data.name, labels, names.classes, iter(()), count)

    def pairs() -> Iterator[tuple[LabelledImage, _Said]]:
        topics = [true_topic, topic]
        for true, image in frames_at_one_stamp(arguments.data, topics, work.problems.append):
            try:
                labelled = _labelled(true, image.rgb, names)
            except (FrameError, EvaluationError) as error:
                work.problems.append(f"{_moment(true)}: {error}")
                continue
            yield labelled, segment(labelled.image_rgb)

    work.pairs = pairs()
    return work


def _of_two_topics(arguments: argparse.Namespace) -> _Work:
    """The masks of one topic beside the true ones of another."""
    true_topic, said_topic = arguments.mask_topic or _TRUE_MASKS, arguments.estimate_topic
    optional = {"confidence": said_topic.rpartition("/")[0] + f"/{_CONFIDENCE}"}
    with BagReader(arguments.data) as bag:
        image_topics(bag, [true_topic, said_topic], 2)
        names, said_names = (label_names_beside(bag, each) for each in (true_topic, said_topic))
        count = bag.topics[true_topic].count
        if arguments.topic is not None:
            image_topics(bag, [arguments.topic], 1)
            optional["image"] = arguments.topic
        optional = {kind: topic for kind, topic in optional.items() if topic in bag.topics}
    if names is None:
        raise EvaluationError(
            f"{arguments.data}: no vision_msgs/LabelInfo tells what the numbers in {true_topic} "
            "mean: record it too"
        )
    said_names = said_names or names
    work = _Work(arguments.data.name, said_names.classes, names.classes, iter(()), count)

    def pairs() -> Iterator[tuple[LabelledImage, _Said]]:
        topics = [true_topic, said_topic, *optional.values()]
        for frames in frames_at_one_stamp(arguments.data, topics, work.problems.append):
            true, said, *others = frames
            beside = dict(zip(optional, others, strict=True))
            try:
                mask = said_names.numbers.classes_of(mask_of(said))
                image = beside["image"].rgb if "image" in beside else _blank(mask)
                labelled = _labelled(true, image, names)
                confidence = _confidence(beside["confidence"]) if "confidence" in beside else None
            except (FrameError, EvaluationError) as error:
                work.problems.append(f"{_moment(true)}: {error}")
                continue
            yield labelled, _Recorded(mask, confidence)

    work.pairs = pairs()
    return work


def _labelled(true: Frame, image_rgb: np.ndarray, names: LabelNames) -> LabelledImage:
    mask = names.numbers.classes_of(mask_of(true))
    if mask.shape != image_rgb.shape[:2]:
        raise EvaluationError(
            f"got a true mask of shape {mask.shape} for an image of {image_rgb.shape[:2]}"
        )
    return LabelledImage(_moment(true), image_rgb, mask)


def _moment(frame: Frame) -> str:
    return f"{frame.stamp_ns * 1e-9:.3f} s"


def _blank(mask: np.ndarray) -> np.ndarray:
    return np.full((*mask.shape, 3), 128, np.uint8)


def _confidence(frame: Frame) -> np.ndarray:
    pixels = frame.pixels
    if not isinstance(pixels, RawPixels) or pixels.encoding not in _FULL:
        got = pixels.encoding if isinstance(pixels, RawPixels) else "a packed image"
        raise FrameError(
            "WRONG_ENCODING", f"got confidences as {got}, expected one of {', '.join(_FULL)}"
        )
    return pixels.array / np.float32(_FULL[pixels.encoding])


def _model(source: str) -> tuple[tuple[str, ...], Callable[[np.ndarray], _Said]]:
    """A model's labels, and what it says of an image."""
    from embodied_perception.segmentation.segmenter import Segmenter

    segmenter = Segmenter.load(source)
    return segmenter.labels, lambda image_rgb: segmenter.segment([image_rgb])[0]


def _in_words(scores: MaskScores) -> dict[str, str]:
    figures = scores.figures()
    rows = {"mIoU": "miou", "pixel accuracy": "pixel_accuracy", "ECE": "ece"}
    return {label: report.percent(figures[key]) for label, key in rows.items()}


def _class_table(scores: MaskScores) -> Table:
    table = Table("class", title="IoU, best first")
    table.add_column("IoU", justify="right")
    table.add_column("of the pixels", justify="right")
    counts = scores.confusion.counts[:-1].sum(axis=1)
    shares = counts / max(1, counts.sum())
    for place in np.argsort(-np.nan_to_num(scores.iou, nan=-1.0), kind="stable"):
        iou = scores.iou[place]
        shown = report.percent(iou) if np.isfinite(iou) else "not there"
        table.add_row(scores.classes[place], shown, report.percent(shares[place]))
    return table


def _write(
    folder: Path, name: str, source: str, scores: MaskScores, figures: dict[str, str]
) -> Path:
    title = f"{name}: mIoU {figures['mIoU']}"
    plot_confusion(scores.confusion.counts[:-1], scores.classes, folder / "confusion.png", title)
    plot_class_scores(scores.iou, scores.classes, folder / "iou.png", title, "IoU")
    illustrations = [
        Illustration("iou.png", "Intersection over union of each class."),
        Illustration("confusion.png", "What the pixels of each true class (row) were taken for."),
    ]
    if scores.reliability.counts.any():
        plot_reliability(scores.reliability, folder / "reliability.png", name, "pixels")
        illustrations.append(
            Illustration("reliability.png", "How often pixels are right, by their confidence.")
        )
    for place, compared in enumerate(scores.worst, start=1):
        file = f"worst_{place}.jpg"
        write_picture(folder / file, draw_compared(compared, scores.classes))
        illustrations.append(Illustration(file, f"{place}. of the worst: {compared.image.name}"))
    metrics = {"data": name, "source": source, **scores.figures()}
    summary = f"{scores.images} images of {name}, masks by {source}."
    return report.write_report(folder, "Segmentation", summary, metrics, figures, illustrations)
