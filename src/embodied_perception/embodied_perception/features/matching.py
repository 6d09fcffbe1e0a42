"""The same features in two images, wherever they are."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.features.tracking import follow

_CORRECTED_PX = 2.0  # what flow may change of a match; more than that is another feature


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
