"""Classification by visual words: which words an image holds, and a linear SVM over them.

Source: G. Csurka et al., Visual Categorization with Bags of Keypoints, 2004; S. Lazebnik et al.,
Beyond Bags of Features, 2006, for the words' places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embodied_perception.classification.word_pyramid import WordPyramid
from embodied_perception.classification.words_folder import MODEL_TYPE, read_folder, write_folder
from embodied_perception.errors import InferenceError


class WordsClassifier:
    """Tells what an image shows, on the CPU and without PyTorch.

    Args:
        labels: C names of classes.
        centres: (W, D) float32, the words.
        coefficients: (C, CELLS * W) float32 of each class against all others.
        intercepts: (C,) float32.
        temperature: (1,) float32, by which scores are divided before they become probabilities.

    """

    def __init__(
        self,
        labels: tuple[str, ...],
        centres: np.ndarray,
        coefficients: np.ndarray,
        intercepts: np.ndarray,
        temperature: np.ndarray,
    ) -> None:
        self.labels = labels
        self._pyramid = WordPyramid(centres)
        self._coefficients = coefficients
        self._intercepts = intercepts
        self._temperature = temperature

    @property
    def note(self) -> str:
        """Empty: it runs as it was asked for."""
        return ""

    @property
    def description(self) -> dict[str, str]:
        """What runs, and where, for people."""
        return {
            "architecture": MODEL_TYPE,
            "classes": str(len(self.labels)),
            "words": str(len(self._pyramid.centres)),
            "device": "cpu",
        }

    @classmethod
    def load(cls, folder: Path | str) -> WordsClassifier:
        """Load what :meth:`save` wrote.

        Raises:
            InferenceError: the folder holds no such classifier; the message names file and key.

        """
        labels, tensors = read_folder(Path(folder))
        return cls(labels, **tensors)

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors into a folder, which is made.

        Raises:
            InferenceError: it cannot be written.

        """
        tensors = {
            "centres": self._pyramid.centres,
            "coefficients": self._coefficients,
            "intercepts": self._intercepts,
            "temperature": self._temperature,
        }
        write_folder(folder, self.labels, tensors)

    def classify(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Tell how probable each class is.

        Args:
            images: RGB, (H, W, 3) uint8 of any sizes.

        Returns:
            (N, C) float32; rows add up to 1.

        Raises:
            InferenceError: something is no such image.

        """
        scores = np.array([self.scores(image) for image in images], np.float32)
        scores = scores.reshape(-1, len(self.labels))
        return probabilities(scores, self._temperature)

    def scores(self, image: np.ndarray) -> np.ndarray:
        """The SVM's decision for each class: (C,) float32, positive where it says yes.

        Raises:
            InferenceError: it is no RGB image (H, W, 3) uint8.

        """
        _require_image(image)
        _, bins = self._pyramid.bins(image)
        return self._coefficients @ self._pyramid.histogram(bins) + self._intercepts

    def evidence(self, image: np.ndarray, label: int, method: str = "auto") -> np.ndarray:  # noqa: ARG002
        """Where in an image the evidence for a class lies.

        Args:
            image: (H, W, 3) uint8 RGB.
            label: number of the class.
            method: there is one alone.

        Returns:
            (H, W) float32 from 0 to 1, the strongest: what :meth:`contributions` speaks for it.

        Raises:
            InferenceError: it is no such image.

        """
        heat = self.contributions(image, self.labels[label]).clip(0)
        return heat / max(float(heat.max()), 1e-12)

    def contributions(self, image: np.ndarray, label: str) -> np.ndarray:
        """Where an image speaks for a class, and where against it.

        A word's share in the score is known; all patches with the word, in the same cell of the
        pyramid, have equal parts in it, and a patch spreads its own evenly over its pixels.

        Args:
            image: (H, W, 3) uint8 RGB.
            label: one of :attr:`labels`.

        Returns:
            (H, W) float32: its sum is the class's score, but for the intercept, which is what the
            score would be without an image.

        Raises:
            InferenceError: it is no such image, or no such label.

        """
        _require_image(image)
        if label not in self.labels:
            raise InferenceError(f"got label {label!r}, expected one of {', '.join(self.labels)}")
        boxes, bins = self._pyramid.bins(image)
        histogram = self._pyramid.histogram(bins)
        counts = np.bincount(bins.ravel(), minlength=len(histogram))
        weights = self._coefficients[self.labels.index(label)]
        parts = weights * histogram / np.maximum(counts, 1)
        return _spread(boxes, parts[bins].sum(axis=1), image.shape[:2])

    def intercept(self, label: str) -> float:
        """What the score of a class would be without an image."""
        return float(self._intercepts[self.labels.index(label)])


def probabilities(scores: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Softmax of scores (N, C) divided by a temperature.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    scaled = scores / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _spread(boxes: np.ndarray, amounts: np.ndarray, size_hw: tuple[int, ...]) -> np.ndarray:
    """Amounts (N,) spread evenly over boxes (N, 4), parts of an image: (H, W) float32."""
    height, width = size_hw
    # A pixel at the least, in images smaller than the grid.
    left, top = np.floor(boxes[:, :2] * (width, height)).astype(int).T
    right, bottom = np.ceil(boxes[:, 2:] * (width, height)).astype(int).T
    right, bottom = np.minimum(right, width), np.minimum(bottom, height)
    density = amounts / ((right - left) * (bottom - top))
    # The sums of all that is to the left of a pixel and above it: a box is its four corners.
    corners = np.zeros((height + 1, width + 1))
    np.add.at(corners, (top, left), density)
    np.add.at(corners, (bottom, right), density)
    np.add.at(corners, (top, right), -density)
    np.add.at(corners, (bottom, left), -density)
    return corners.cumsum(axis=0).cumsum(axis=1)[:height, :width].astype(np.float32)


def _require_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InferenceError(
            f"got an image of {image.dtype} and shape {image.shape}, expected uint8 RGB (H, W, 3)"
        )
