"""A vocabulary as a model sees it: a point in its space for each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary


class EncodesTexts(Protocol):
    """What puts texts into a model's space."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Points (N, D) float32 of length 1."""


@dataclass(frozen=True, eq=False)
class Words:
    """A vocabulary and its points, all of length 1.

    Attributes:
        vocabulary: which.
        points: (W, D) float32 of the words: names and synonyms, each the mean of its templates.
        label_of_word: (W,) int64, numbers of the labels; not falling.
        background: (K, D) float32 of the background texts.

    """

    vocabulary: Vocabulary
    points: np.ndarray
    label_of_word: np.ndarray
    background: np.ndarray

    @classmethod
    def encode(cls, vocabulary: Vocabulary, encoder: EncodesTexts) -> Words:
        """Put a vocabulary into a model's space.

        Raises:
            OpenVocabularyError: a text is longer than the model's context.
            InferenceError: the model fails.

        """
        prompts = list(vocabulary.prompts())
        texts = [text for _, several in prompts for text in several]
        points = encoder.encode([*texts, *vocabulary.background])
        ends = np.cumsum([len(several) for _, several in prompts])
        # CLIP, 2021, section 3.1.4: the mean of what a word is in its templates, of length 1 again.
        means = np.add.reduceat(points[: len(texts)], np.r_[0, ends[:-1]])
        return cls(
            vocabulary,
            means / np.linalg.norm(means, axis=1, keepdims=True),
            np.array([number for number, _ in prompts]),
            points[len(texts) :],
        )

    @classmethod
    def of_example(cls, label: Label, point: np.ndarray) -> Words:
        """One label that is known by its looks: a point (D,) of length 1; no background."""
        vocabulary = Vocabulary((label,), background=())
        return cls(vocabulary, point[None], np.zeros(1, np.int64), point[None, :][:0])

    def with_example(self, label: Label, point: np.ndarray) -> Words:
        """These and one more label, which is known by its looks: a point (D,) of length 1."""
        labels = (*self.vocabulary.labels, label)
        return Words(
            replace(self.vocabulary, labels=labels),
            np.concatenate([self.points, point[None]]),
            np.append(self.label_of_word, len(labels) - 1),
            self.background,
        )

    def best_of_label(self, scores: np.ndarray) -> np.ndarray:
        """Of scores (..., W) of words, those (..., L) of the word of each label that fits best."""
        starts = np.flatnonzero(np.diff(self.label_of_word, prepend=-1))
        return np.maximum.reduceat(scores, starts, axis=-1)
