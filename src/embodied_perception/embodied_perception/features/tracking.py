"""Features followed from image to image by pyramidal Lucas-Kanade flow."""

from __future__ import annotations

import cv2
import numpy as np

_MOST_ARE_LOST = 0.6
#: Exposure is measured on every so many pixels, and left where it differs by less: a share of the
#: contrast, and grey values. More than the most, and only noise would be seen.
_SPARSE, _SAME_GAIN, _SAME_LEVEL, _MOST_GAIN = 8, 0.1, 8.0, 4.0
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)


def follow(
    before: np.ndarray,
    after: np.ndarray,
    pixels: np.ndarray,
    *,
    predicted: np.ndarray | None = None,
    window_px: int = 17,
    tolerance_px: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Follow pixels from one image to the next, and back again as the check.

    A patch is taken to look the same in both. Where most are lost, exposure may have changed: they
    are followed again with the first image's brightness and contrast.

    Source: J.-Y. Bouguet, Pyramidal Implementation of the Lucas Kanade Feature Tracker, 2000; the
    forward-backward check: Z. Kalal et al., Forward-Backward Error, ICPR 2010.

    Args:
        before: (H, W) uint8 image in which ``pixels`` lie.
        after: (H, W) uint8 image in which they are looked for.
        pixels: (N, 2) float32 (x, y).
        predicted: (N, 2) first guess in ``after``; where they were, if not given.
        window_px: side of the patch that is followed.
        tolerance_px: a feature that comes back farther away than this is lost.

    Returns:
        (N, 2) float32 pixels in ``after``, and (N,) bool: which of them can be trusted.
    """
    if len(pixels) == 0:
        return np.zeros((0, 2), np.float32), np.zeros(0, bool)
    start = np.ascontiguousarray(pixels, np.float32)
    guess = np.ascontiguousarray(pixels if predicted is None else predicted, np.float32)
    found, trusted = _there_and_back(before, after, start, guess, window_px, tolerance_px)
    if trusted.mean() < _MOST_ARE_LOST:
        like_before = _exposed_as(before, after)
        if like_before is not after:
            again = _there_and_back(before, like_before, start, guess, window_px, tolerance_px)
            if again[1].sum() > trusted.sum():
                return again
    return found, trusted


def _there_and_back(
    before: np.ndarray,
    after: np.ndarray,
    start: np.ndarray,
    guess: np.ndarray,
    window_px: int,
    tolerance_px: float,
) -> tuple[np.ndarray, np.ndarray]:
    window = (window_px, window_px)
    found, forward, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, guess.copy(),
        winSize=window, maxLevel=3, criteria=_CRITERIA, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    # The way back starts near its end, so that one pyramid level is enough.
    back, backward, _ = cv2.calcOpticalFlowPyrLK(
        after, before, found, start.copy(),
        winSize=window, maxLevel=1, criteria=_CRITERIA, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    height, width = after.shape
    inside = np.all((found >= 1) & (found < (width - 2, height - 2)), axis=1)
    returned = np.linalg.norm(back - start, axis=1) < tolerance_px
    return found, inside & returned & (forward.ravel() == 1) & (backward.ravel() == 1)


def _exposed_as(model: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The image with the model's brightness and contrast, or as it is where they hardly differ."""
    (level, spread), (own_level, own_spread) = (
        map(float, np.ravel(cv2.meanStdDev(each[::_SPARSE, ::_SPARSE]))) for each in (model, image)
    )
    gain = spread / max(own_spread, 1.0)
    if abs(gain - 1.0) < _SAME_GAIN and abs(level - own_level) < _SAME_LEVEL:
        return image
    gain = float(np.clip(gain, 1.0 / _MOST_GAIN, _MOST_GAIN))
    return cv2.addWeighted(image, gain, image, 0.0, level - gain * own_level)
