"""A detector of any kind, by its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.model import Model
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.inference.sources import folder_of
from embodied_perception.open_vocabulary import dense, owl
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words


class Detector(Protocol):
    """What all kinds can do; see :class:`~embodied_perception.open_vocabulary.owl.OwlDetector`."""

    model: Model

    def words(self, vocabulary: Vocabulary) -> Words:
        """A vocabulary in the model's space."""

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """Find what the words name in images (H, W, 3) uint8 RGB of one size."""

    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
        """A thing in an image, in a box (4,) of it, as a point (D,), to find more of it."""


#: By ``model_type`` of config.json.
ARCHITECTURES = dense.ARCHITECTURES | owl.ARCHITECTURES
_KINDS: dict[str, type[dense.DenseDetector | owl.OwlDetector]] = {
    **dict.fromkeys(dense.ARCHITECTURES, dense.DenseDetector),
    **dict.fromkeys(owl.ARCHITECTURES, owl.OwlDetector),
}


def load_detector(source: str, runtime: Runtime = BEST, cache: TextCache | None = None) -> Detector:
    """Load a detector, and try it.

    Args:
        source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
        runtime: on what it shall run.
        cache: of texts that were encoded before.

    Raises:
        InferenceError: it is not there, not whole, or none for detection by words.

    """
    checkpoint = Checkpoint.open(folder_of(source))
    return _KINDS[checkpoint.require_type(*_KINDS)].load(source, runtime, cache)
