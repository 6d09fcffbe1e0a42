"""What `perception evaluate detection` compares: images of folders and bags, with both boxes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from embodied_perception.bags import BagReader
from embodied_perception.bags.boxes import BoxDecoder, names_in, require_box_topic
from embodied_perception.bags.images import image_topics, is_bag
from embodied_perception.bags.moments import Decodes, exact_moments
from embodied_perception.cli import looking
from embodied_perception.errors import ConfigError, EvaluationError, FrameError
from embodied_perception.evaluation.box_folders import open_box_folder
from embodied_perception.evaluation.class_names import alike
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary
from embodied_perception.stages.box_messages import Boxes
from embodied_perception.stages.decoding import Decoder

#: Where recordings have the true boxes, unless it is said.
TRUE_BOXES = "/ground_truth/objects"


@dataclass(frozen=True, eq=False)
class Compared:
    """An image with its true boxes and what was found.

    Attributes:
        name: for messages to people.
        image_rgb: (H, W, 3) uint8; None where it is not known.
        boxes: (N, 4) true left, top, right, bottom in pixels.
        labels: (N,) int64 their numbers.
        found: with the same numbers.

    """

    name: str
    image_rgb: np.ndarray | None
    boxes: np.ndarray
    labels: np.ndarray
    found: Detections


@dataclass
class Work:
    """What is to be compared.

    Attributes:
        name: of the data, for people.
        labels: what was looked for, by number.
        images: one after the other.
        count: how many there may be.
        problems: what is left out, a line each; grows while images are taken.

    """

    name: str
    labels: tuple[str, ...]
    images: Iterator[Compared]
    count: int
    problems: list[str] = field(default_factory=list)


def open_data(arguments: argparse.Namespace) -> Work:
    """Open a folder or a bag, and load the model that is to find things in it.

    Raises:
        PerceptionError: something is not there, not whole, or arguments do not go together.

    """
    return _of_bag(arguments) if is_bag(arguments.data) else _of_folder(arguments)


def _of_folder(arguments: argparse.Namespace) -> Work:
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

    def images() -> Iterator[Compared]:
        for image in folder.images:
            image_rgb = image.read()
            labels = number_of[image.labels]
            yield Compared(image.name, image_rgb, image.boxes, labels, find(image_rgb))

    name = arguments.data.resolve().name
    work = Work(name, vocabulary.names, images(), len(folder.images))
    if folder.crowds:
        work.problems.append(f"{folder.crowds} true boxes that hold many things each")
    return work


def _of_bag(arguments: argparse.Namespace) -> Work:
    true_topic = arguments.box_topic or TRUE_BOXES
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
    work = Work(arguments.data.name, vocabulary.names, iter(()), count)

    def images() -> Iterator[Compared]:
        decoders: list[tuple[str, Decodes]] = [(true_topic, BoxDecoder()), (topics[0], Decoder())]
        for true, frame in exact_moments(arguments.data, decoders, work.problems.append):
            try:
                image_rgb = frame.rgb
            except FrameError as error:
                work.problems.append(f"{_moment(true)}: {error}")
                continue
            labels = _labels_of(true, numbers)
            yield Compared(_moment(true), image_rgb, true.boxes, labels, find(image_rgb))

    work.images = images()
    return work


def _of_two_topics(
    arguments: argparse.Namespace,
    true_topic: str,
    there: Sequence[str],
    topics: Sequence[str],
    count: int,
) -> Work:
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
    work = Work(arguments.data.name, tuple(names.values()), iter(()), count)

    def images() -> Iterator[Compared]:
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
            yield Compared(_moment(true), image_rgb, true.boxes, labels, found)

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


def _labels_of(named: Boxes, numbers: Mapping[str, int]) -> np.ndarray:
    return np.array([numbers[alike(name)] for name in named.names], np.int64)


def _moment(boxes: Boxes) -> str:
    return f"{boxes.stamp_ns * 1e-9:.3f} s"


def _finding(
    arguments: argparse.Namespace, vocabulary: Vocabulary
) -> Callable[[np.ndarray], Detections]:
    """What finds the vocabulary in an image."""
    finder = looking.finder_of(arguments)
    words = finder.detector.words(vocabulary)
    return lambda image_rgb: finder.find(image_rgb, words)
