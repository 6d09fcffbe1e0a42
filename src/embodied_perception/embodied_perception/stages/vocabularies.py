"""What the stages that look for words have in common: which words, and how they change.

Every result says which vocabulary made it: ~/source bears its stamp.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embodied_perception_interfaces.msg import ResultSource, VocabularyLabel
from embodied_perception_interfaces.msg import Vocabulary as VocabularyMessage
from embodied_perception_interfaces.srv import SetVocabulary
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from embodied_perception.config import Config, parameter
from embodied_perception.errors import OpenVocabularyError
from embodied_perception.geometry import TransformTree
from embodied_perception.inference.model import Model
from embodied_perception.open_vocabulary.finding import THRESHOLD
from embodied_perception.open_vocabulary.vocabulary import (
    BACKGROUND,
    USUAL_TEMPLATES,
    Label,
    Vocabulary,
)
from embodied_perception.open_vocabulary.words import Words
from embodied_perception.stages.messages import header
from embodied_perception.stages.models import ModelConfig
from embodied_perception.stages.stage import Output, Service, Stage, Status

#: Such a stage says what is looked for, and by which words a result was found.
VOCABULARY_OUTPUTS = (
    Output("source", "~/source", ResultSource),
    Output("label_info", "~/label_info", LabelInfo, latched=True),
    Output("vocabulary", "~/vocabulary", VocabularyMessage, latched=True),
)

_NOT_LOADED = Status(Status.WARN, "no model is loaded yet")


@dataclass(frozen=True)
class VocabularyConfig(ModelConfig):
    """Parameters of a stage that looks for words."""

    vocabulary: tuple[str, ...] = parameter(
        ("person", "chair", "table", "door", "cup", "bottle"),
        "what to look for, in words. ~/set_vocabulary changes it without missing an image, and "
        "also takes synonyms, thresholds and templates",
    )
    vocabulary_file: str = parameter(
        "",
        "YAML file with words, synonyms, thresholds and templates in place of that; "
        "config/vocabularies has some",
    )
    templates: tuple[str, ...] = parameter(
        USUAL_TEMPLATES,
        "sentences that words are put into, such as 'a photo of a {}.'; name, photo, clip7 and "
        "robot are sets of them",
    )
    background: bool = parameter(
        True, "texts for walls, floors and whatever is nothing else compete with the words"
    )
    threshold: float = parameter(
        THRESHOLD,
        "least score of what is reported, of labels that have none of their own",
        minimum=0.0,
        maximum=1.0,
    )

    def read_vocabulary(self) -> Vocabulary:
        """The words that the parameters ask for.

        Raises:
            OpenVocabularyError: they make no vocabulary, or the file cannot be read.

        """
        if self.vocabulary_file:
            return Vocabulary.read(Path(self.vocabulary_file).expanduser())
        return Vocabulary(tuple(map(Label, self.vocabulary)), self.templates, self.background_texts)

    @property
    def background_texts(self) -> tuple[str, ...]:
        """What competes with the words."""
        return BACKGROUND if self.background else ()

    def asks_for_other_words(self, before: VocabularyConfig) -> bool:
        """Whether the vocabulary changes with these parameters."""
        return any(
            getattr(self, name) != getattr(before, name)
            for name in ("vocabulary", "vocabulary_file", "templates", "background")
        )


@dataclass(frozen=True, eq=False)
class Revision:
    """Words in force, and how many there were before them."""

    number: int
    words: Words


class WordsInForce:
    """Keeps the words that are looked for; they change between two images.

    Encoding takes a while: whoever processes images goes on with the old words meanwhile.

    Args:
        encode: puts a vocabulary into the model's space.
        vocabulary: the first.

    """

    def __init__(self, encode: Callable[[Vocabulary], Words], vocabulary: Vocabulary) -> None:
        self._encode = encode
        self._changing = threading.Lock()
        self.revision = Revision(1, encode(vocabulary))

    def change(self, vocabulary: Vocabulary) -> Revision:
        """Put other words in force.

        Raises:
            OpenVocabularyError: a text is longer than the model's context; the old words stay.
            InferenceError: the model fails; the old words stay.

        """
        with self._changing:
            words = self._encode(vocabulary)
            self.revision = Revision(self.revision.number + 1, words)
            return self.revision

    def answer(self, request: SetVocabulary.Request, config: VocabularyConfig) -> dict[str, Any]:
        """What ~/set_vocabulary answers; what the request leaves out is as the parameters say.

        Raises:
            OpenVocabularyError: the request makes no vocabulary; the old words stay.
            InferenceError: the model fails; the old words stay.

        """
        labels = tuple(
            Label(
                label.name,
                tuple(label.synonyms),
                None if label.threshold < 0 else label.threshold,
                tuple(label.templates),
            )
            for label in request.labels
        )
        templates = tuple(request.templates) or config.templates
        background = tuple(request.background) or config.background_texts
        revision = self.change(Vocabulary(labels, templates, background))
        count = len(labels)
        return {
            "message": f"revision {revision.number}: {count} label{'s' if count > 1 else ''}, from "
            "the next image on",
            "revision": revision.number,
        }

    def announcement(self, stamp_ns: int, threshold: float) -> dict[str, Any]:
        """Messages that tell the words in force."""
        revision = self.revision
        vocabulary = revision.words.vocabulary
        stamp = header(stamp_ns, "")
        classes = [
            VisionClass(class_id=number, class_name=name)
            for number, name in enumerate(vocabulary.names)
        ]
        return {
            "label_info": LabelInfo(header=stamp, class_map=classes, threshold=threshold),
            "vocabulary": VocabularyMessage(
                header=stamp,
                revision=revision.number,
                labels=list(map(_message, vocabulary.labels)),
                templates=list(vocabulary.templates),
                background=list(vocabulary.background),
            ),
        }


class WordsStage(Stage):
    """A stage that looks for words, which may be changed at any time."""

    services = (Service("set_vocabulary", SetVocabulary, at_once=True),)

    config: VocabularyConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._model: Model | None = None
        self._words: WordsInForce | None = None
        self._status = _NOT_LOADED

    @abstractmethod
    def load_model(self) -> tuple[Model, Callable[[Vocabulary], Words]]:
        """Load what sees images, and what puts a vocabulary into its space.

        Raises:
            PerceptionError: it cannot be loaded.

        """

    def load(self) -> str:
        """Load the model, and encode the words.

        Raises:
            PerceptionError: the model cannot be loaded.
            OpenVocabularyError: the words make no vocabulary.

        """
        vocabulary = self.config.read_vocabulary()
        model, encode = self.load_model()
        self._words, self._model = WordsInForce(encode, vocabulary), model
        self._status = Status(Status.WARN, "no images yet", self._description())
        return "; ".join(self._notes())

    def unload(self) -> None:
        """Let the model go, and the memory of its device with it."""
        self._words = self._model = None
        self._status = _NOT_LOADED

    def reconfigure(self, config: Config) -> None:
        """Take other words or thresholds.

        Raises:
            OpenVocabularyError: the words make no vocabulary.

        """
        assert isinstance(config, VocabularyConfig)
        if config.asks_for_other_words(self.config):
            vocabulary = config.read_vocabulary()
            if self._words is not None:
                self._words.change(vocabulary)
        super().reconfigure(config)

    def set_vocabulary(self, request: SetVocabulary.Request) -> dict[str, Any]:
        """Take other words from the next image on.

        Raises:
            OpenVocabularyError: they make no vocabulary, or the node is inactive.
            InferenceError: the model fails.

        """
        if self._words is None:
            raise OpenVocabularyError("no model is loaded; activate the node first")
        return self._words.answer(request, self.config)

    def announce(self, stamp_ns: int) -> dict[str, Any]:
        """Say which words are in force."""
        if self._words is None:
            return {}
        return self._words.announcement(stamp_ns, self.config.threshold)

    def status(self) -> Status:
        """Which model runs, where, and what it found last."""
        return self._status

    def _source(self, head: Header, revision: Revision) -> ResultSource:
        """What made a result."""
        assert self._model is not None
        return ResultSource(
            header=head, model=self._model.source, vocabulary_revision=revision.number
        )

    def _seen(self, text: str, revision: Revision) -> None:
        """Put into the status what was found, and what is not as it was asked for."""
        notes = self._notes()
        text = "; ".join([f"{text}, by revision {revision.number}", *notes])
        self._status = Status(Status.WARN if notes else Status.OK, text, self._description())

    def _notes(self) -> list[str]:
        """What is not as it was asked for."""
        assert self._model is not None
        return [self._model.note] if self._model.note else []

    def _description(self) -> dict[str, str]:
        """What runs, and where."""
        assert self._model is not None
        return self._model.description


def _message(label: Label) -> VocabularyLabel:
    return VocabularyLabel(
        name=label.name,
        synonyms=list(label.synonyms),
        threshold=-1.0 if label.threshold is None else label.threshold,
        templates=list(label.templates),
    )
