"""The words that are looked for: labels with their synonyms, thresholds and templates."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from embodied_perception.errors import OpenVocabularyError
from embodied_perception.open_vocabulary.templates import SLOT, expand

MOST_LABELS, MOST_TEXTS = 2000, 20_000
LONGEST_NAME = 200
#: What there is where none of the words is: scores of these texts are what a label has to beat.
BACKGROUND = (
    "a photo.",
    "a photo of a room.",
    "an empty wall.",
    "a floor.",
    "a blurry background.",
    "a texture.",
    "a corner of a piece of furniture.",
    "something else.",
)


#: What words are put into, unless it is said otherwise.
USUAL_TEMPLATES = ("photo",)


@dataclass(frozen=True)
class Label:
    """A thing to look for.

    Attributes:
        name: what results call it.
        synonyms: other words for it; the one that fits best counts.
        threshold: score from which on it is reported; None: that of whoever asks.
        templates: sentences with a slot for the name, or names of sets of them; empty: those of the
            vocabulary.

    """

    name: str
    synonyms: tuple[str, ...] = ()
    threshold: float | None = None
    templates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _clean(self.name))
        object.__setattr__(self, "synonyms", tuple(_clean(word) for word in self.synonyms))
        object.__setattr__(self, "templates", expand(self.templates))
        threshold = self.threshold
        if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
            raise OpenVocabularyError(
                f"{self.name!r}: threshold: got {threshold!r}, expected 0 to 1"
            )

    @property
    def words(self) -> tuple[str, ...]:
        """The name and its synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Vocabulary:
    """Labels that are looked for together.

    Attributes:
        labels: at least one, no word twice.
        templates: sentences with a slot for a name, or names of sets of them.
        background: texts for what is none of the labels; may be empty.

    """

    labels: tuple[Label, ...]
    templates: tuple[str, ...] = USUAL_TEMPLATES
    background: tuple[str, ...] = BACKGROUND

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "templates", expand(self.templates))
        object.__setattr__(self, "background", tuple(_clean(text) for text in self.background))
        if not self.labels:
            raise OpenVocabularyError("the vocabulary is empty; give at least one label")
        if not self.templates:
            raise OpenVocabularyError(f"templates: none was given; give one such as {SLOT!r}")
        if len(self.labels) > MOST_LABELS:
            raise OpenVocabularyError(
                f"got {len(self.labels)} labels, expected at most {MOST_LABELS}; look for fewer at "
                "a time"
            )
        self._require_different_words()
        texts = sum(len(texts) for _, texts in self.prompts())
        if texts > MOST_TEXTS:
            raise OpenVocabularyError(
                f"the words in all their templates are {texts} texts, expected at most "
                f"{MOST_TEXTS}; give fewer labels or templates"
            )

    @classmethod
    def of(cls, *names: str, **others: Any) -> Vocabulary:
        """A vocabulary of names alone."""
        return cls(tuple(map(Label, names)), **others)

    @classmethod
    def from_mapping(cls, values: Any) -> Vocabulary:
        """A vocabulary as a YAML file has it.

        Args:
            values: ``labels``, a list of names, or of mappings with ``name`` and any of
                ``synonyms``, ``threshold`` and ``templates``; and any of ``templates`` and
                ``background``.

        Raises:
            OpenVocabularyError: it is something else; the message names the key.

        """
        known = {"labels", "templates", "background"}
        values = _mapping(values, "the vocabulary", known)
        labels = values.get("labels")
        if not isinstance(labels, list):
            raise OpenVocabularyError(f"labels: got {labels!r}, expected a list of names")
        others = {key: _texts(values[key], key) for key in known - {"labels"} if key in values}
        return cls(tuple(map(_label, labels)), **others)

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a YAML file.

        Raises:
            OpenVocabularyError: it cannot be read, or makes no vocabulary.

        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise OpenVocabularyError(f"{path} cannot be read: {error}") from error
        try:
            return cls.from_mapping(values)
        except OpenVocabularyError as error:
            raise OpenVocabularyError(f"{path}: {error}") from error

    @property
    def names(self) -> tuple[str, ...]:
        """What results call the labels."""
        return tuple(label.name for label in self.labels)

    def prompts(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """For each word: number of its label, and the texts to encode for it."""
        for number, label in enumerate(self.labels):
            for word in label.words:
                yield (
                    number,
                    tuple(
                        template.replace(SLOT, word)
                        for template in label.templates or self.templates
                    ),
                )

    def thresholds(self, otherwise: float) -> list[float]:
        """Of each label."""
        return [otherwise if label.threshold is None else label.threshold for label in self.labels]

    def _require_different_words(self) -> None:
        owners: dict[str, Label] = {}
        for label in self.labels:
            for word in label.words:
                other = owners.setdefault(word.casefold(), label)
                if other is not label:
                    raise OpenVocabularyError(
                        f"{word!r} is in the labels {other.name!r} and {label.name!r}; give every "
                        "word once"
                    )
            if len({word.casefold() for word in label.words}) < len(label.words):
                raise OpenVocabularyError(f"{label.name!r} has a word twice; give every word once")


def _label(given: object) -> Label:
    if not isinstance(given, dict):
        return Label(_clean(given))
    values = _mapping(given, "a label", {"name", "synonyms", "threshold", "templates"})
    if "name" not in values:
        raise OpenVocabularyError(f"a label has no name: {given!r}")
    name = _clean(values["name"])
    lists = {
        key: _texts(values[key], f"{name!r}: {key}")
        for key in ("synonyms", "templates")
        if key in values
    }
    return Label(name, threshold=values.get("threshold"), **lists)


def _mapping(given: object, what: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise OpenVocabularyError(f"{what}: got {given!r}, expected keys and values")
    unknown = sorted(map(str, given.keys() - known))
    if unknown:
        raise OpenVocabularyError(
            f"{what} has no {unknown[0]!r}; it may have: {', '.join(sorted(known))}"
        )
    return given


def _texts(given: object, what: str) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise OpenVocabularyError(f"{what}: got {given!r}, expected a list of texts")
    return tuple(given)


def _clean(given: object) -> str:
    """A word without what nobody sees: one form of each letter, single spaces.

    Raises:
        OpenVocabularyError: nothing is left, it is too long, or it is no text (in YAML, ``no`` and
            ``on`` are none).

    """
    if not isinstance(given, str):
        raise OpenVocabularyError(f"got {given!r}, expected a name; put it into quotes")
    word = " ".join(unicodedata.normalize("NFC", given).split())
    if not word:
        raise OpenVocabularyError(f"got {given!r}, expected a name; it is empty")
    if len(word) > LONGEST_NAME:
        raise OpenVocabularyError(
            f"a name has {len(word)} characters, expected at most {LONGEST_NAME}: {word[:40]!r}..."
        )
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Cn") for letter in word):
        raise OpenVocabularyError(f"{word!r} has characters that are no text; write it anew")
    return word


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
