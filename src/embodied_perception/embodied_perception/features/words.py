"""Visual words: an image as a bag of words, and images found again by their words.

Descriptors are clustered once into a vocabulary; from then on each feature is the word of the
cluster it falls into, and what was written about finding texts holds for images.

Source: J. Sivic and A. Zisserman, Video Google: A Text Retrieval Approach to Object Matching in
Videos, ICCV 2003. Bits are clustered by majority (C. Grana et al., A Fast Approach for Integrating
ORB Descriptors in the Bag of Words Model, 2013).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from embodied_perception.errors import FeatureError

#: The vocabulary that comes with the package: ORB features of a rendered room.
BUILTIN = Path(__file__).with_name("vocabulary.npz")
_ROUNDS = 15
_SETTLED = 0.002  # share of descriptors that still change their word when clustering ends


class Vocabulary:
    """Words, and how much each tells.

    Attributes:
        centres: (W, D) uint8 bits or float32, as the descriptors.
        weights: (W,) float32, the inverse document frequency: log of images over those with it.

    """

    def __init__(self, centres: np.ndarray, weights: np.ndarray) -> None:
        if centres.ndim != 2 or weights.shape != (len(centres),) or not len(centres):
            raise FeatureError(
                f"got words of shape {centres.shape} and weights of shape {weights.shape}, "
                "expected (W, D) and (W,)"
            )
        self.centres, self.weights = centres, weights.astype(np.float32)
        self._matcher = _matcher(centres)

    def __len__(self) -> int:
        return len(self.centres)

    @classmethod
    def train(cls, images: Sequence[np.ndarray], words: int, seed: int = 0) -> Vocabulary:
        """Cluster descriptors.

        Args:
            images: of each image its descriptors (N, D), uint8 bits or float32.
            words: how many clusters.
            seed: of where clustering begins.

        Raises:
            FeatureError: there are fewer different descriptors than words.

        """
        descriptors = np.concatenate([each for each in images if len(each)] or [np.zeros((0, 1))])
        distinct = np.unique(descriptors, axis=0)
        if len(distinct) < words:
            raise FeatureError(
                f"got {len(distinct)} different descriptors for {words} words; give more images"
            )
        random = np.random.default_rng(seed)
        centres = distinct[random.choice(len(distinct), words, replace=False)]
        before = np.full(len(descriptors), -1)
        for _ in range(_ROUNDS):
            nearest, distances = _nearest(_matcher(centres), descriptors)
            if (nearest != before).mean() < _SETTLED:
                break
            before = nearest
            centres = _centres(descriptors, nearest, distances, centres)
        vocabulary = cls(centres, np.ones(words))
        seen = np.zeros(words)
        for each in images:
            seen[np.unique(vocabulary.words(each))] += 1
        return cls(centres, np.log(len(images) / np.maximum(seen, 1)))

    def words(self, descriptors: np.ndarray) -> np.ndarray:
        """The word of each descriptor (N, D): (N,) int.

        Raises:
            FeatureError: these are no descriptors of this kind.

        """
        if not len(descriptors):
            return np.zeros(0, int)
        expected = self.centres.shape[1], self.centres.dtype
        if (descriptors.shape[1], descriptors.dtype) != expected:
            raise FeatureError(
                f"got descriptors of {descriptors.shape[1]} {descriptors.dtype}, the vocabulary "
                f"has {expected[0]} {expected[1]}: it is of another kind of feature"
            )
        return _nearest(self._matcher, descriptors)[0]

    def bag(self, descriptors: np.ndarray) -> dict[int, float]:
        """An image as its words, weighed by how often they occur and how much they tell (TF-IDF).

        The weights' squares sum up to 1. Words that tell nothing are left out.
        """
        words, counts = np.unique(self.words(descriptors), return_counts=True)
        weights = counts * self.weights[words]
        length = float(np.linalg.norm(weights)) or 1.0
        return {
            word: weight
            for word, weight in zip(words.tolist(), (weights / length).tolist(), strict=True)
            if weight > 0
        }

    def save(self, path: Path) -> None:
        """Write to an .npz file.

        Raises:
            FeatureError: it cannot be written.

        """
        try:
            np.savez_compressed(path, centres=self.centres, weights=self.weights)
        except OSError as error:
            raise FeatureError(f"{path}: cannot write: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path = BUILTIN) -> Vocabulary:
        """Read what :meth:`save` wrote; the one that comes with the package, if not told.

        Raises:
            FeatureError: it is not such a file.

        """
        try:
            with np.load(path, allow_pickle=False) as content:
                return cls(content["centres"], content["weights"])
        except (OSError, ValueError, KeyError, EOFError, AttributeError, BadZipFile) as error:
            raise FeatureError(f"{path}: no vocabulary: {error}") from error


class InvertedIndex:
    """Which images have which words. Images are named by numbers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._bags: dict[int, dict[int, float]] = {}
        self._images: defaultdict[int, dict[int, float]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._bags)

    def add(self, image: int, bag: dict[int, float]) -> None:
        """Take an image, as :meth:`Vocabulary.bag` has it."""
        self.remove(image)
        self._bags[image] = bag
        for word, weight in bag.items():
            self._images[word][image] = weight

    def remove(self, image: int) -> None:
        """Forget an image, if it is there."""
        for word in self._bags.pop(image, {}):
            del self._images[word][image]

    def query(self, bag: dict[int, float]) -> list[tuple[int, float]]:
        """All images with words in common, the most similar first: (image, cosine 0 to 1)."""
        scores: defaultdict[int, float] = defaultdict(float)
        for word, weight in bag.items():
            for image, other in self._images.get(word, {}).items():
                scores[image] += weight * other
        return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def _matcher(centres: np.ndarray) -> cv2.BFMatcher:
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING if centres.dtype == np.uint8 else cv2.NORM_L2)
    matcher.add([centres])
    return matcher


def _nearest(matcher: cv2.BFMatcher, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centre of each descriptor, and how far it is: (N,) each."""
    found = matcher.match(descriptors)
    return (
        np.array([each.trainIdx for each in found]),
        np.array([each.distance for each in found]),
    )


def _centres(
    descriptors: np.ndarray, nearest: np.ndarray, distances: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """The mean of each cluster, of bits their majority; an empty one takes what fits worst."""
    bits = descriptors.dtype == np.uint8
    values = np.unpackbits(descriptors, axis=1) if bits else descriptors
    order = np.argsort(nearest, kind="stable")
    counts = np.bincount(nearest, minlength=len(before))
    full = np.flatnonzero(counts)
    starts = np.cumsum(counts)[full] - counts[full]
    sums = np.add.reduceat(values[order].astype(np.float32), starts, axis=0)
    means = sums / counts[full, None]
    centres = before.copy()
    centres[full] = np.packbits(means > 0.5, axis=1) if bits else means
    empty = np.flatnonzero(counts == 0)
    centres[empty] = descriptors[np.argsort(-distances, kind="stable")[: len(empty)]]
    return centres
