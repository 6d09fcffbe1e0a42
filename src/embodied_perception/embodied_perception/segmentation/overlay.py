"""A mask drawn over its image, with a legend of what is seen."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_MOST_ENTRIES = 12
_LEAST_SHARE = 0.002  # of the image; what is less is too small to look for


def draw_overlay(
    image_rgb: np.ndarray,
    mask: np.ndarray,
    labels: Sequence[str],
    colors: np.ndarray,
    opacity: float = 0.5,
) -> np.ndarray:
    """Draw a mask over its image.

    Args:
        image_rgb: (H, W, 3) uint8.
        mask: (H, W) class numbers; what is none of the classes stays as it is.
        labels: what the C classes are called.
        colors: (C, 3) uint8 RGB.
        opacity: of the colours, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB, with the largest classes named in the upper left corner.

    """
    is_class = mask < len(labels)
    table = np.zeros((int(mask.max(initial=0)) + 1, 3), np.uint8)
    table[: len(colors)] = colors[: len(table)]
    blended = cv2.addWeighted(image_rgb, 1 - opacity, table[mask], opacity, 0)
    drawn = np.where(is_class[..., None], blended, image_rgb)
    counts = np.bincount(mask[is_class].ravel(), minlength=len(labels))
    seen = np.argsort(-counts, kind="stable")[:_MOST_ENTRIES]
    seen = seen[counts[seen] > _LEAST_SHARE * mask.size]
    _draw_legend(drawn, [labels[index] for index in seen], colors[seen])
    return drawn


def _draw_legend(image: np.ndarray, names: Sequence[str], colors: np.ndarray) -> None:
    """Boxes of colour with names beside them, on a darkened corner; in place."""
    if not names:
        return
    scale = max(0.35, min(image.shape[:2]) / 1000)
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.4 * scale))
    row = round(34 * scale)
    sizes = [cv2.getTextSize(name, font, scale, thickness)[0][0] for name in names]
    height, width = row * len(names) + row // 3, max(sizes) + 2 * row
    corner = image[:height, :width]
    corner[:] = corner // 4
    for index, (name, color) in enumerate(zip(names, colors, strict=True)):
        top = row // 4 + index * row
        box = (row // 3, top + row // 8), (row // 3 + 3 * row // 4, top + 7 * row // 8)
        cv2.rectangle(image, *box, color.tolist(), cv2.FILLED)
        place = (row // 3 + row, top + 3 * row // 4)
        cv2.putText(image, name, place, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
