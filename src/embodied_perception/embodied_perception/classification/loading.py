"""A classifier of any kind, by its source: a network, or visual words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from embodied_perception.classification.classifier import Classifier
from embodied_perception.classification.words import WordsClassifier
from embodied_perception.classification.words_folder import MODEL_TYPE
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.inference.sources import folder_of


class AnyClassifier(Protocol):
    """What all kinds can do; see :class:`Classifier`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What it calls its classes."""

    @property
    def note(self) -> str:
        """What is not as it was asked for, and why; empty where all is."""

    @property
    def description(self) -> dict[str, str]:
        """What runs, and where, for people."""

    def classify(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (N, C) float32 of the classes, of images (H, W, 3) uint8 RGB."""

    def evidence(self, image: np.ndarray, label: int, method: str = "auto") -> np.ndarray:
        """Where (H, W), from 0 to 1, the evidence for a class lies in an image (H, W, 3)."""


def load_classifier(source: str, runtime: Runtime = BEST) -> AnyClassifier:
    """Load a classifier, and try it.

    Args:
        source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
        runtime: on what a network shall run; visual words are counted on the CPU.

    Raises:
        InferenceError: it is not there, not whole, or none for classification.

    """
    folder = folder_of(source)
    if Checkpoint.open(folder).model_type == MODEL_TYPE:
        return WordsClassifier.load(folder)
    return Classifier.load(source, runtime)
