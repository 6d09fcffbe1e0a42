"""What a checkpoint is for, decided by its config.json alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embodied_perception.classification import architectures as classification
from embodied_perception.classification.classifier import Classifier
from embodied_perception.errors import InferenceError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint
from embodied_perception.inference.runtime import Runtime
from embodied_perception.open_vocabulary import loading as open_vocabulary
from embodied_perception.open_vocabulary import towers
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.encoder import Encoder
from embodied_perception.open_vocabulary.masks import Masker
from embodied_perception.segmentation import networks as segmentation
from embodied_perception.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class Task:
    """Something that networks are for.

    Attributes:
        name: in a word.
        architectures: by the names that ``model_type`` of config.json has for them.
        load: loads a model of it by its source, on what it shall run.
        takes_words: whether words are given at run time, in place of classes.

    """

    name: str
    architectures: Mapping[str, Architecture]
    load: Callable[[str, Runtime], Segmenter | Classifier | Detector | Encoder | Masker]
    takes_words: bool = False


_TASKS = (
    Task("segmentation", segmentation.ARCHITECTURES, Segmenter.load),
    Task("classification", classification.ARCHITECTURES, Classifier.load),
    Task(
        "detection by words",
        open_vocabulary.ARCHITECTURES,
        open_vocabulary.load_detector,
        takes_words=True,
    ),
    Task("classification by words", towers.ARCHITECTURES, Encoder.load, takes_words=True),
    Task(
        "masks of boxes",
        open_vocabulary.MASKERS,
        open_vocabulary.load_masker,
        takes_words=True,
    ),
)


def tasks_of(checkpoint: Checkpoint) -> tuple[Task, ...]:
    """What a checkpoint is for; where it is loaded for one task alone, that is the first.

    Raises:
        InferenceError: for none of ours; the message says which kinds there are.

    """
    named = [task for task in _TASKS if checkpoint.model_type in task.architectures]
    fitting = tuple(
        task
        for task in named
        if checkpoint.is_of(task.architectures[checkpoint.model_type].class_name)
    )
    if fitting:
        return fitting
    if named:
        expected = " or ".join(
            dict.fromkeys(task.architectures[checkpoint.model_type].class_name for task in named)
        )
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: architectures: got "
            f"{checkpoint.config['architectures']!r}, expected {expected}; give a checkpoint for "
            + " or ".join(task.name for task in named)
        )
    known = "; ".join(f"for {task.name}: {', '.join(task.architectures)}" for task in _TASKS)
    raise InferenceError(
        f"{checkpoint.folder / CONFIG}: model_type: got {checkpoint.config.get('model_type')!r}, "
        f"expected one of these; {known}"
    )
