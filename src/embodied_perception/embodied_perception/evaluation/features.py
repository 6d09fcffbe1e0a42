"""What makes a good feature, measured: found again, matched rightly, placed exactly, and fast.

Each image is compared with itself as another camera might see it: turned, tilted, nearer or
farther, brighter or darker, with noise. So it is known where each feature must be found again.

Source of the measures: K. Mikolajczyk and C. Schmid, A Performance Evaluation of Local Descriptors,
PAMI 2005.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy.spatial import cKDTree

from embodied_perception.features.extraction import Features
from embodied_perception.features.matching import match_features

_NEAR_PX = 3.0  # from where it must be: found again, and matched rightly
_MARGIN_PX = 20.0  # features nearer to the border may be out of the other image


@dataclass(frozen=True)
class Kind:
    """What is compared.

    Attributes:
        name: of the kind.
        extract: finds at most so many features in an image (H, W) uint8.
        match: pairs the features of two images, as (M, 2) indices.

    """

    name: str
    extract: Callable[[np.ndarray, int], Features]
    match: Callable[[Features, Features], np.ndarray] = match_features


@dataclass(frozen=True, eq=False)
class Warp:
    """Another view of an image.

    Attributes:
        image: (H, W) uint8.
        homography: (3, 3), from the image to the view.

    """

    image: np.ndarray
    homography: np.ndarray

    def moved(self, pixels: np.ndarray) -> np.ndarray:
        """Where pixels (N, 2) of the image are in the view."""
        if not len(pixels):
            return np.zeros((0, 2))
        moved = cv2.perspectiveTransform(pixels[None].astype(np.float64), self.homography)
        return moved[0]


@dataclass
class Scores:
    """One kind of feature over all pairs.

    Attributes:
        name: of the kind.
        counts: features an image.
        repeatability: share of features that are found again.
        matching: share of features that are matched rightly.
        precision: share of matches that are right.
        errors_px: median distance of right matches from where they must be.
        ms: to find, describe and match the features of one more image.

    """

    name: str
    counts: list[int] = field(default_factory=list)
    repeatability: list[float] = field(default_factory=list)
    matching: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    errors_px: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Means over all pairs; of times the median."""
        return {
            "features": _mean(self.counts),
            "repeatability": _mean(self.repeatability),
            "matching_score": _mean(self.matching),
            "precision": _mean(self.precision),
            "error_px": _mean(self.errors_px),
            "ms": float(np.median(self.ms)),
        }


@dataclass(frozen=True, eq=False)
class Example:
    """One pair as a picture: right and wrong matches."""

    name: str
    first: np.ndarray
    second: np.ndarray
    first_px: np.ndarray
    second_px: np.ndarray
    right: np.ndarray


def warps(gray: np.ndarray, count: int, seed: int) -> Iterator[Warp]:
    """Views of an image (H, W), from easy to hard."""
    random = np.random.default_rng(seed)
    height, width = gray.shape
    middle = np.array([width, height]) / 2
    for place in range(count):
        hard = (place + 1) / count
        turn = random.uniform(-45, 45) * hard
        scale = 1.8 ** (random.uniform(-1, 1) * hard)
        turned = np.vstack([cv2.getRotationMatrix2D(tuple(middle), turn, scale), (0, 0, 1)])
        tilted = np.eye(3)
        tilted[2, :2] = random.uniform(-0.5, 0.5, 2) * hard / middle
        to_middle = np.eye(3)
        to_middle[:2, 2] = middle
        homography = to_middle @ tilted @ np.linalg.inv(to_middle) @ turned
        view = cv2.warpPerspective(gray, homography, (width, height), flags=cv2.INTER_AREA)
        gain, offset = 1 + random.uniform(-0.4, 0.4) * hard, random.uniform(-30, 30) * hard
        noisy = view * gain + offset + random.normal(0, 4, view.shape)
        yield Warp(np.clip(noisy, 0, 255).astype(np.uint8), homography)


def compare(
    kinds: Sequence[Kind],
    images: Sequence[np.ndarray],
    views: int = 4,
    count: int = 500,
    seed: int = 0,
) -> Iterator[tuple[Scores, list[Example]]]:
    """Yield for each kind its scores, and the pairs of the first image as examples.

    Args:
        kinds: how features are found, described and matched.
        images: (H, W) uint8 each.
        views: of each image.
        count: features of an image, at most.
        seed: of the views, which are the same for all kinds.

    """
    pairs = [(gray, list(warps(gray, views, seed + place))) for place, gray in enumerate(images)]
    for kind in kinds:
        scores = Scores(kind.name)
        examples: list[Example] = []
        for gray, seen in pairs:
            first = kind.extract(gray, count)
            scores.counts.append(len(first))
            for warp in seen:
                example = _score(kind, first, gray, warp, count, scores)
                if gray is images[0]:
                    examples.append(example)
        yield scores, examples


def _score(
    kind: Kind, first: Features, gray: np.ndarray, warp: Warp, count: int, scores: Scores
) -> Example:
    expected = warp.moved(first.pixels)
    size = np.array(gray.shape[::-1])
    common = np.all((expected > _MARGIN_PX) & (expected < size - _MARGIN_PX), axis=1)
    first, expected = first.only(common), expected[common]
    start = time.perf_counter()
    second = kind.extract(warp.image, count)
    pairs = kind.match(first, second)
    scores.ms.append((time.perf_counter() - start) * 1e3)
    scores.counts.append(len(second))
    errors = np.linalg.norm(second.pixels[pairs[:, 1]] - expected[pairs[:, 0]], axis=1)
    right = errors < _NEAR_PX
    if len(first) and len(second):
        nearest, _ = cKDTree(second.pixels).query(expected)
        scores.repeatability.append(float((nearest < _NEAR_PX).mean()))
        scores.matching.append(float(right.sum() / len(first)))
        scores.precision.append(float(right.mean()) if len(pairs) else 0.0)
        if right.any():
            scores.errors_px.append(float(np.median(errors[right])))
    return Example(
        scores.name,
        gray,
        warp.image,
        first.pixels[pairs[:, 0]],
        second.pixels[pairs[:, 1]],
        right,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
