"""Which of some words an image shows, or none of them, without training.

Background texts stand for whatever else an image may show. A label has to beat them: what they get
of the probability is that of "none of these". How sure a model may be is read off some images of
the place (temperature), and what it says everywhere there is held against it (offsets).

Source: A. Radford et al., CLIP, 2021; :mod:`.calibration` has those of temperature and offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax

from embodied_perception.errors import OpenVocabularyError
from embodied_perception.open_vocabulary.calibration import Calibration
from embodied_perception.open_vocabulary.encoder import Encoder
from embodied_perception.open_vocabulary.words import Words

#: What results call what is none of the labels.
NONE = "none of these"
_COLDEST, _HOTTEST = 0.05, 20.0


class ZeroShotClassifier:
    """Chooses among the labels of a vocabulary, or none.

    Args:
        encoder: the model.
        words: the vocabulary in its space.
        calibration: None: as the model says it.

    """

    def __init__(
        self, encoder: Encoder, words: Words, calibration: Calibration | None = None
    ) -> None:
        self.encoder, self.words = encoder, words
        self.calibration = calibration or Calibration()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels, and last what is none of them."""
        return (*self.words.vocabulary.names, NONE)

    def classify(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (N, L + 1) of the labels, and of none of them, last.

        For a model that was trained to choose (CLIP), a row sums to 1. One that was trained to say
        yes or no of each text (SigLIP) says so here: labels exclude each other no more than they
        did in its training, and "none" is what is left by the most probable one.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        if not images:
            return np.zeros((0, len(self.names)))
        return self._probabilities(*self._logits(self.encoder.points(images)), self.calibration)

    def classify_boxes(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The same of boxes in an image: (N, L + 1).

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: (N, 4) left, top, right, bottom in pixels.

        Raises:
            InferenceError: the image is something else, a box is not in it, or the model fails.

        """
        if not len(boxes):
            return np.zeros((0, len(self.names)))
        points = self.encoder.points_in(image, boxes)
        return self._probabilities(*self._logits(points), self.calibration)

    def ranked(self, shares: np.ndarray, threshold: float, top: int) -> list[tuple[str, float]]:
        """Names and probabilities of one image, the most probable first.

        Args:
            shares: (L + 1,) as :meth:`classify` gives them.
            threshold: least probability, of labels that have none of their own.
            top: so many at the most.

        """
        names, vocabulary = self.names, self.words.vocabulary
        least = (*vocabulary.thresholds(threshold), threshold)
        order = np.argsort(-shares, kind="stable").tolist()
        # Without background texts, a model that chooses cannot say "none".
        said = [number for number in order if 0 < shares[number] >= least[number]]
        return [(names[number], float(shares[number])) for number in said[:top]]

    def calibrated(
        self, images: Sequence[np.ndarray], labels: Sequence[int] | None = None
    ) -> ZeroShotClassifier:
        """The same, calibrated by some images of the place where it shall work.

        Args:
            images: at least two, the more different the better.
            labels: of each, its number, or L for none; without them only the offsets are found: how
                far each label is above the mean of all of them, whatever the image shows.

        Raises:
            OpenVocabularyError: there are too few images, or labels that there are not.

        """
        if len(images) < 2:
            raise OpenVocabularyError(
                f"got {len(images)} images to calibrate by, expected 2 at least"
            )
        of_labels, of_background = self._logits(self.encoder.points(images))
        count = of_labels.shape[1]
        means = of_labels.mean(0)
        names = self.words.vocabulary.names
        offsets = dict(zip(names, (means - means.mean()).tolist(), strict=True))
        calibration = Calibration(1.0, offsets)
        if labels is not None:
            true = np.asarray(labels)
            if true.shape != (len(images),) or true.min() < 0 or true.max() > count:
                raise OpenVocabularyError(
                    f"got labels {labels!r} for {len(images)} images, expected one each, from 0 to "
                    f"{count}"
                )
            calibration = self._warmed(of_labels, of_background, true, offsets)
        return ZeroShotClassifier(self.encoder, self.words, calibration)

    def _warmed(
        self,
        of_labels: np.ndarray,
        of_background: np.ndarray,
        true: np.ndarray,
        offsets: Mapping[str, float],
    ) -> Calibration:
        """The temperature by which the true labels are the most probable (maximum likelihood)."""

        def surprise(log_temperature: float) -> float:
            calibration = Calibration(float(np.exp(log_temperature)), offsets)
            shares = self._probabilities(of_labels, of_background, calibration)
            return -float(np.log(shares[np.arange(len(true)), true] + 1e-12).mean())

        bounds = np.log(_COLDEST), np.log(_HOTTEST)
        found = minimize_scalar(surprise, bounds=bounds, method="bounded")
        return Calibration(float(np.exp(found.x)), offsets)

    def _logits(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of points (N, D): (N, L) of the labels, and (N, K) of the background."""
        of_words = self.encoder.logits(points, self.words.points)
        return self.words.best_of_label(of_words), self.encoder.logits(
            points, self.words.background
        )

    def _probabilities(
        self, of_labels: np.ndarray, of_background: np.ndarray, calibration: Calibration
    ) -> np.ndarray:
        names = self.words.vocabulary.names
        offsets = np.array([calibration.offsets.get(name, 0.0) for name in names])
        of_labels = (of_labels - offsets) / calibration.temperature
        of_background = of_background / calibration.temperature
        if self.encoder.exclusive:
            return _exclusive(of_labels, of_background)
        return _independent(of_labels, of_background)


def _exclusive(of_labels: np.ndarray, of_background: np.ndarray) -> np.ndarray:
    shares = softmax(np.concatenate([of_labels, of_background], 1), axis=1)
    count = of_labels.shape[1]
    return np.concatenate([shares[:, :count], shares[:, count:].sum(1, keepdims=True)], 1)


def _independent(of_labels: np.ndarray, of_background: np.ndarray) -> np.ndarray:
    """Yes of a label, if it is it and not the background that speaks."""
    shares = expit(of_labels)
    if of_background.shape[1]:
        shares = shares * expit(of_labels - of_background.max(1, keepdims=True))
    return np.concatenate([shares, 1.0 - shares.max(1, keepdims=True)], 1)
