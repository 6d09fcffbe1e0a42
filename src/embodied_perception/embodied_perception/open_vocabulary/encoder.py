"""CLIP and its kin: images and texts as points of one space; what belongs together is near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.inference.batches import by_size
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.dense import middles
from embodied_perception.open_vocabulary.detections import visible
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.towers import ARCHITECTURES, load_towers, open_towers
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words


@dataclass(frozen=True, eq=False)
class Encoder:
    """A model of two towers that has been tried once.

    Attributes:
        model: encodes images.
        texts: encodes texts.
        scale: of the cosine between them, in a logit.
        bias: added to it.
        exclusive: whether it was trained to choose one of several texts (softmax), or to say of
            each text alone whether it fits (sigmoid).
        dense: whether it sees each place of an image apart.

    """

    model: Model
    texts: TextEncoder
    scale: float
    bias: float
    exclusive: bool
    dense: bool

    @classmethod
    def load(cls, source: str, runtime: Runtime = BEST, cache: TextCache | None = None) -> Encoder:
        """Load a model, and try it on nothing.

        Args:
            source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            cache: of texts that were encoded before.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint = open_towers(source)
        towers = load_towers(checkpoint)
        place = runtime.place()
        any_size = ARCHITECTURES[checkpoint.model_type].any_size
        model, _ = Model.tried(
            source, checkpoint, Engine(towers.image, place, source, any_size=any_size)
        )
        texts = TextEncoder(
            towers.text, checkpoint, place, towers.context, padded=towers.padded, cache=cache
        )
        return cls(model, texts, towers.scale, towers.bias, towers.exclusive, towers.dense)

    def words(self, vocabulary: Vocabulary) -> Words:
        """A vocabulary in the model's space.

        Raises:
            OpenVocabularyError: a text is longer than the model's context.
            InferenceError: the model fails.

        """
        return Words.encode(vocabulary, self.texts)

    def points(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Images as points (N, D) float32 of length 1.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        if self.dense:
            return np.concatenate([self.points_in(image, _whole(image)) for image in images])
        found: dict[int, np.ndarray] = {}
        for indices in by_size(images):
            points, _ = self.model.run([images[index] for index in indices])
            found |= dict(zip(indices, points.float().cpu().numpy(), strict=True))
        return np.stack([found[index] for index in range(len(images))])

    def points_in(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """What boxes of an image show, as points (N, D) float32 of length 1.

        A dense model looks at the image once, and sees each box in its surroundings; to others,
        each box is an image.

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: (N, 4) left, top, right, bottom in pixels, N is 1 or more.

        Raises:
            InferenceError: the image is something else, a box is not in it, or the model fails.

        """
        if self.dense:
            return middles(*self.model.run([image]), boxes)
        height, width = image.shape[:2]
        seen = visible(boxes, (width, height))
        starts, ends = np.floor(seen[:, :2]).astype(int), np.ceil(seen[:, 2:]).astype(int)
        return self.points(
            [
                np.ascontiguousarray(image[top:bottom, left:right])
                for (left, top), (right, bottom) in zip(starts.tolist(), ends.tolist(), strict=True)
            ]
        )

    def logits(self, points: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """How well texts (W, D) fit images (..., D): (..., W)."""
        return self.scale * (points @ texts.T) + self.bias


def _whole(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.array([[0, 0, width, height]])
