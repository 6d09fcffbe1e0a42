"""The same features in two images, wherever they are."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.features.extraction import Features
from embodied_perception.features.tracking import follow

_CORRECTED_PX = 2.0  # what flow may change of a match; more than that is another feature
_RATIO = 0.75
#: FLANN: trees of float descriptors, hash tables of bits (LSH).
_FLANN_FLOAT: dict[str, bool | int | float | str] = {"algorithm": 1, "trees": 4}
_FLANN_BITS: dict[str, bool | int | float | str] = {
    "algorithm": 6, "table_number": 8, "key_size": 12, "multi_probe_level": 1,
}  # fmt: skip


def match_features(
    first: Features,
    second: Features,
    *,
    ratio: float = _RATIO,
    mutual: bool = True,
    approximate: bool = False,
) -> np.ndarray:
    """Pair features by their descriptors.

    Source: D. Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004, section
    7.1: the ratio test.

    Args:
        first: of one image.
        second: of another, of the same kind.
        ratio: the best must be so many times nearer than the second best; 1 takes every best.
        mutual: the first one must also be the best for the second one.
        approximate: search by FLANN, which is faster where there are very many.

    Returns:
        (M, 2) int indices into both, the nearest pair first.

    """
    if len(first) == 0 or len(second) < 2:
        return np.zeros((0, 2), int)
    nearest, distances = _two_nearest(first, second, approximate)
    good = (nearest[:, 0] >= 0) & (distances[:, 0] < ratio * distances[:, 1])
    if ratio >= 1:
        good = nearest[:, 0] >= 0
    if mutual and len(first) > 1:
        back, _ = _two_nearest(second, first, approximate)
        good &= back[nearest[:, 0], 0] == np.arange(len(first))
    pairs = np.column_stack((np.flatnonzero(good), nearest[good, 0]))
    return pairs[np.argsort(distances[good, 0], kind="stable")]


def _two_nearest(
    first: Features, second: Features, approximate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (N, 2), -1 for none, and distances (N, 2) of the two nearest in ``second``."""
    if approximate:
        matcher: cv2.DescriptorMatcher = cv2.FlannBasedMatcher(
            _FLANN_BITS if first.is_binary else _FLANN_FLOAT, {}
        )
    else:
        matcher = cv2.BFMatcher(cv2.NORM_HAMMING if first.is_binary else cv2.NORM_L2)
    indices = np.full((len(first), 2), -1)
    distances = np.full((len(first), 2), np.inf)
    for place, found in enumerate(matcher.knnMatch(first.descriptors, second.descriptors, k=2)):
        for rank, each in enumerate(found):
            indices[place, rank], distances[place, rank] = each.trainIdx, each.distance
    return indices, distances


def match(
    first: np.ndarray, second: np.ndarray, count: int = 800, *, ratio: float = 0.75
) -> tuple[np.ndarray, np.ndarray]:
    """Match SIFT features, and find to a fraction of a pixel where they are in the second image.

    Sources: D. Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004, with
    his ratio test; the places by flow (:func:`follow`), which is more exact than the detector.

    Args:
        first: (H, W) uint8.
        second: (H, W) uint8.
        count: features in each image, the strongest ones.
        ratio: a match must be so many times nearer than the second best.

    Returns:
        (N, 2) float32 pixels in the first, and (N, 2) in the second image.
    """
    none = np.zeros((0, 2), np.float32)
    sift = cv2.SIFT.create(count)
    (first_points, first_words), (second_points, second_words) = (
        sift.detectAndCompute(gray, None) for gray in (first, second)
    )
    if first_words is None or second_words is None or len(second_words) < 2:
        return none, none
    pairs = cv2.BFMatcher().knnMatch(first_words, second_words, k=2)
    good = [best for best, other in pairs if best.distance < ratio * other.distance]
    if not good:
        return none, none
    pixels = np.array([first_points[each.queryIdx].pt for each in good], np.float32)
    guessed = np.array([second_points[each.trainIdx].pt for each in good], np.float32)
    found, trusted = follow(first, second, pixels, predicted=guessed)
    trusted &= np.linalg.norm(found - guessed, axis=1) < _CORRECTED_PX
    return pixels[trusted], found[trusted]
