"""Evidence drawn over its image."""

from __future__ import annotations

import cv2
import numpy as np


def draw_evidence(image_rgb: np.ndarray, heat: np.ndarray, title: str = "") -> np.ndarray:
    """Draw a heat map over an image: grey where nothing speaks, then blue, green, yellow and red.

    Args:
        image_rgb: (H, W, 3) uint8.
        heat: (H, W) from 0 to 1.
        title: written into the upper left corner.

    Returns:
        (H, W, 3) uint8 RGB.

    """
    gray = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    levels = np.rint(255 * np.clip(heat, 0, 1)).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    opacity = 0.65 * np.clip(heat, 0, 1)[..., None]
    drawn = np.rint(gray * (1 - opacity) + colors * opacity).astype(np.uint8)
    if title:
        _write(drawn, title)
    return drawn


def _write(image: np.ndarray, text: str) -> None:
    scale = max(0.35, min(image.shape[:2]) / 700)
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.6 * scale))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    margin = height // 2
    corner = image[: height + below + 2 * margin, : width + 2 * margin]
    corner[:] = corner // 4
    place = (margin, margin + height)
    cv2.putText(image, text, place, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
