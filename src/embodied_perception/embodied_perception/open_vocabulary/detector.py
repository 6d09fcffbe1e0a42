"""What all detectors by words can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from embodied_perception.inference.model import Model
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words


class Detector(ABC):
    """Detects what words name.

    Args:
        model: sees images.

    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @abstractmethod
    def words(self, vocabulary: Vocabulary) -> Words:
        """A vocabulary in the model's space.

        Raises:
            OpenVocabularyError: a text is longer than the model's context, or the model chooses
                among texts, and there is one alone.
            InferenceError: the model fails.

        """

    @abstractmethod
    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """Find what the words name in images of one size.

        Where a background text fits better, no label counts. Boxes of one thing are not made one
        here.

        Args:
            images: (H, W, 3) uint8 RGB each.
            words: the vocabulary in the model's space.
            threshold: least score, of labels that have none of their own.

        Returns:
            Of each image, the surest first.

        Raises:
            OpenVocabularyError: a label is known by its looks, and the model knows things by words
                alone; or it chooses, and there is one label alone.
            InferenceError: an image is something else, or the model fails.

        """

    @abstractmethod
    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
        """A thing in an image as a point (D,) of length 1, to find more of it.

        Args:
            image: (H, W, 3) uint8 RGB.
            box: (4,) left, top, right, bottom of the thing in pixels; None: it fills the image.

        Raises:
            OpenVocabularyError: the model knows things by words alone.
            InferenceError: the image is something else, or the model fails.

        """
