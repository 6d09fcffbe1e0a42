"""Trains :class:`WordsClassifier` on photos; needs scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

import numpy as np
from scipy.optimize import minimize_scalar

from embodied_perception.classification.dense_sift import dense_root_sift
from embodied_perception.classification.word_pyramid import WordPyramid
from embodied_perception.classification.words import WordsClassifier, probabilities
from embodied_perception.errors import InferenceError
from embodied_perception.features.words import Vocabulary

_FOLDS = 4
#: Photos of a class: at least so many to learn from, one a fold.
LEAST_PHOTOS = _FOLDS
_PATCHES = 60_000  # of all photos together, which are clustered
_SLACK = 1.0  # the SVM's C
_TEMPERATURES = (0.01, 10.0)


def train_centres(images: Iterable[np.ndarray], count: int, words: int, seed: int) -> np.ndarray:
    """Cluster patches into visual words.

    Args:
        images: RGB (H, W, 3) uint8.
        count: how many images there are.
        words: how many to make.
        seed: of the patches that are taken, and of where clustering begins.

    Returns:
        (W, DESCRIPTOR_SIZE) float32.

    Raises:
        FeatureError: there are fewer different patches than words.

    """
    random = np.random.default_rng(seed)
    most = max(1, _PATCHES // max(1, count))
    chosen = []
    for image in images:
        descriptors = dense_root_sift(image).descriptors
        size = min(most, len(descriptors))
        chosen.append(descriptors[random.choice(len(descriptors), size, replace=False)])
    return Vocabulary.train(chosen, words, seed).centres


def fit_classifier(
    centres: np.ndarray,
    images: Iterable[np.ndarray],
    classes: np.ndarray,
    labels: tuple[str, ...],
    seed: int,
) -> WordsClassifier:
    """Fit the SVM and its probabilities.

    Args:
        centres: see :func:`train_centres`.
        images: N of them, RGB (H, W, 3) uint8.
        classes: (N,) int, which of the labels each one is.
        labels: two or more.
        seed: of the SVM, and of how photos are shared out for the probabilities.

    Raises:
        InferenceError: a class has fewer than :data:`LEAST_PHOTOS`, there is only one, or
            scikit-learn is missing.

    """
    sklearn = scikit_learn()
    require_photos(np.bincount(classes, minlength=len(labels)), labels)
    pyramid = WordPyramid(centres)
    histograms = np.array([pyramid.histogram(pyramid.bins(image)[1]) for image in images])
    svm = sklearn.svm.LinearSVC(C=_SLACK, dual=True, max_iter=10_000, random_state=seed)
    folds = sklearn.model_selection.StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    # What an SVM says of photos that it learned from would be surer than it is of others.
    unseen = sklearn.model_selection.cross_val_predict(
        svm, histograms, classes, cv=folds, method="decision_function"
    )
    scores = _of_each_class(unseen.reshape(len(classes), -1).T).T
    temperature = _temperature(scores, classes)
    svm.fit(histograms, classes)
    return WordsClassifier(
        labels,
        centres,
        _of_each_class(svm.coef_).astype(np.float32, order="C"),
        _of_each_class(svm.intercept_).astype(np.float32),
        np.array([temperature], np.float32),
    )


def scikit_learn() -> ModuleType:
    """Import scikit-learn.

    Raises:
        InferenceError: it is missing.

    """
    try:
        import sklearn.model_selection
        import sklearn.svm
    except ImportError as error:
        raise InferenceError(
            f"training visual words needs scikit-learn ({error}): pip install 'scikit-learn>=1.3' "
            "safetensors, or ./run shell -c 'pip install --group learned'"
        ) from error
    return sklearn


def require_photos(counts: np.ndarray, labels: tuple[str, ...]) -> None:
    """Raise :class:`InferenceError` unless there are classes with photos (C,) to learn from."""
    if len(labels) < 2:
        raise InferenceError(
            f"got one class, {', '.join(labels)}, expected two or more: what else might it be?"
        )
    for label, count in zip(labels, counts.tolist(), strict=True):
        if count < LEAST_PHOTOS:
            raise InferenceError(
                f"class {label!r} has {count} photos to learn from, expected {LEAST_PHOTOS} or "
                "more: add photos"
            )


def _of_each_class(values: np.ndarray) -> np.ndarray:
    """(C, ...) of what scikit-learn gives; of two classes it gives (1, ...), the second's."""
    return np.concatenate([-values, values]) if len(values) == 1 else values


def _temperature(scores: np.ndarray, classes: np.ndarray) -> float:
    """What makes the true classes of scores (N, C) most probable."""

    def surprise(logarithm: float) -> float:
        said = probabilities(scores, np.exp(logarithm))
        return -float(np.log(said[np.arange(len(classes)), classes] + 1e-12).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=np.log(_TEMPERATURES)).x))
