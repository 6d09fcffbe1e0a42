"""Masks of boxes: which pixels of a box belong to the thing that was found in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from torch import Tensor

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.model import Model
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.preprocessor_file import FILE, read_preprocessing
from embodied_perception.inference.pytorch import first_line
from embodied_perception.open_vocabulary.detections import MOST, Detections
from embodied_perception.open_vocabulary.vocabulary import Vocabulary

#: Masks that a network makes at once: the memory that it needs grows with them.
BATCH = 16


class Masker(ABC):
    """Masks what is in boxes; :data:`MOST` of an image, the surest.

    A pixel is of a mask where the network gives it a probability of more than half, and its middle
    is in the box.

    Args:
        model: sees images.

    """

    #: Whether it goes by what things are called, and not by the boxes alone.
    by_words: ClassVar[bool]

    def __init__(self, model: Model) -> None:
        self.model = model

    def learn(self, vocabulary: Vocabulary) -> None:  # noqa: B027 - most go by boxes alone
        """Take the words in that images will be looked at with; else the first image does it.

        Raises:
            OpenVocabularyError: a label's name is longer than the model's context.
            InferenceError: the model fails.

        """

    @abstractmethod
    def logits(
        self, image: np.ndarray, found: Detections, vocabulary: Vocabulary
    ) -> tuple[Sequence[Tensor], Placement]:
        """What the network says of the pixels, in its own resolution.

        Args:
            image: (H, W, 3) uint8 RGB.
            found: N boxes in it, at least one.
            vocabulary: whose labels they have.

        Returns:
            Of each box (h, w) over the network's input, and where the image lies in that.

        Raises:
            InferenceError: the image is something else, or the model fails.

        """

    def masks(self, image: np.ndarray, found: Detections, vocabulary: Vocabulary) -> np.ndarray:
        """A mask for each box.

        Args:
            image: (H, W, 3) uint8 RGB.
            found: N boxes in it, the surest first.
            vocabulary: whose labels they have.

        Returns:
            (N, H, W) bool, each within its box.

        Raises:
            OpenVocabularyError: a label's name is longer than the model's context.
            InferenceError: the image is something else, or the model fails.

        """
        masks = np.zeros((len(found), *image.shape[:2]), bool)
        # Those beyond the surest have no part, and stay empty.
        for mask, (window, part) in zip(masks, self._parts(image, found, vocabulary), strict=False):
            mask[window] = part
        return masks

    def numbered(self, image: np.ndarray, found: Detections, vocabulary: Vocabulary) -> np.ndarray:
        """The masks of all boxes as one: (H, W) uint16, 0 nothing, k the k-th box, counted from 1.

        Where masks overlap, the surest is on top. Arguments and errors are those of :meth:`masks`,
        but masks of the image's size are made one at a time.
        """
        numbers = np.zeros(image.shape[:2], np.uint16)
        parts = self._parts(image, found, vocabulary)
        for number, (window, part) in enumerate(parts, start=1):
            inside = numbers[window]
            inside[part & (inside == 0)] = number
        return numbers

    def _parts(
        self, image: np.ndarray, found: Detections, vocabulary: Vocabulary
    ) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """Of each box the rows and columns in it, and its mask there."""
        if not len(found):
            return
        found = found.take(np.arange(len(found))[:MOST])
        with _mask_failures(self.model):
            maps, placement = self.logits(image, found, vocabulary)
            for box, logits in zip(found.boxes, maps, strict=True):
                window = _window(box, placement.image_hw)
                part = placement.to_image(logits[None, None].float(), *window)[0, 0] > 0
                if not placement.is_whole:
                    part &= placement.seen(part.device)[window]
                yield window, part.cpu().numpy()


def require_square(checkpoint: Checkpoint, side: int | None = None) -> None:
    """Refuse a preprocessor_config.json that makes images of another shape than the network takes.

    Args:
        checkpoint: where it is.
        side: of the square; None: any.

    Raises:
        InferenceError: it is no square of that side, or the file makes no sense.

    """
    preprocessing = read_preprocessing(checkpoint.folder)
    got = preprocessing.fixed_hw
    if got is None or got[0] != got[1] or side not in (None, got[0]):
        square = "a square" if side is None else f"{side}x{side}"
        raise InferenceError(
            f"{checkpoint.folder / FILE}: size: got {preprocessing.words}, expected {square}; copy "
            "the file from where the weights are from"
        )


def _window(box: np.ndarray, image_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns whose middles are in a box (4,)."""
    height, width = image_hw
    left, top, right, bottom = (
        np.ceil(np.clip(box, 0, [width, height, width, height]) - 0.5).astype(int).tolist()
    )
    return slice(top, bottom), slice(left, right)


@contextmanager
def _mask_failures(model: Model) -> Iterator[None]:
    """Raise :class:`InferenceError` where the device fails with masks."""
    try:
        yield
    except RuntimeError as error:
        raise InferenceError(
            f"{model.source}: masks on {model.backend.place.device}: {first_line(error)}; close "
            "what else runs there, take a smaller model, or device: cpu"
        ) from error
