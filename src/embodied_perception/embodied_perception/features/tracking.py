"""Features followed from image to image by pyramidal Lucas-Kanade flow."""

from __future__ import annotations

import cv2
import numpy as np

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
    window = (window_px, window_px)
    guess = np.ascontiguousarray(pixels if predicted is None else predicted, np.float32)
    start = np.ascontiguousarray(pixels, np.float32)
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
