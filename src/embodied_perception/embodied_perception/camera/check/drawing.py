"""What the checks see, as pictures."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.camera.check.epipolar import PairLook
from embodied_perception.camera.model import Camera

_SHOWN = 80
_GOOD_PX, _BAD_PX = 0.5, 2.0
_GREEN, _YELLOW, _RED = (70, 220, 90), (250, 205, 60), (235, 60, 50)


def draw_rows(
    left_gray: np.ndarray, right_gray: np.ndarray, left: Camera, right: Camera, look: PairLook
) -> np.ndarray:
    """Both images rectified, side by side, (H, 2 W, 3) RGB: a line is a row, dots are features.

    A feature of the right image that is on its row is green, one that is far from it red.
    """
    sides, dots = [], []
    for gray, camera, pixels in (
        (left_gray, left, look.left_px),
        (right_gray, right, look.right_px),
    ):
        flat = cv2.remap(gray, *camera.rectification_maps(), cv2.INTER_LINEAR)
        sides.append(cv2.cvtColor(flat, cv2.COLOR_GRAY2RGB))
        rays = camera.unproject(pixels.astype(np.float64)) @ camera.R.T
        dots.append(camera.rectified().project(rays))
    picture = np.hstack(sides)
    width = sides[0].shape[1]
    chosen = np.linspace(0, len(look.rows_px) - 1, min(_SHOWN, len(look.rows_px))).astype(int)
    for place in chosen:
        off_px = abs(look.rows_px[place])
        colour = _GREEN if off_px < _GOOD_PX else _YELLOW if off_px < _BAD_PX else _RED
        (left_x, left_y), (right_x, right_y) = (np.rint(side[place]).astype(int) for side in dots)
        cv2.line(picture, (left_x, left_y), (width + right_x, left_y), colour, 1, cv2.LINE_AA)
        for dot in ((left_x, left_y), (width + right_x, right_y)):
            cv2.circle(picture, dot, 3, colour, 1, cv2.LINE_AA)
    return picture


def draw_edges(
    image_rgb: np.ndarray, calibrated: np.ndarray, corrected: np.ndarray | None
) -> np.ndarray:
    """An image (H, W, 3) with edges of depth (N, 2): as calibrated red, as they fit best green."""
    picture = (image_rgb * 0.65).astype(np.uint8)
    for pixels, colour in ((calibrated, _RED), (corrected, _GREEN)):
        if pixels is None:
            continue
        for x, y in np.rint(pixels).astype(int).tolist():
            cv2.circle(picture, (x, y), 1, colour, cv2.FILLED)
    return picture
