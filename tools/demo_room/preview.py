"""A contact sheet of a room: annotated pictures, then a depth image and a class mask."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from demo_room.render import RenderedFrame

COLUMNS = 4


def write_contact_sheet(path: Path, frames: Iterable[RenderedFrame]) -> None:
    """Write the frames, a depth image and a class mask after them, as one PNG."""
    pictures = []
    last: RenderedFrame | None = None
    for frame in frames:
        pictures.append(annotated(frame))
        last = frame
    if last is not None:
        near = np.clip(255 - last.depth_mm / 4000 * 255, 0, 255).astype(np.uint8)
        depth = (
            cv2.applyColorMap(near, cv2.COLORMAP_TURBO)[..., ::-1] * (last.depth_mm > 0)[..., None]
        )
        mask = np.random.default_rng(4).integers(40, 255, (256, 3), np.uint8)[last.labels]
        pictures += [depth, mask]
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def annotated(frame: RenderedFrame) -> np.ndarray:
    """Return the colour picture (H, W, 3) RGB with a box and a name on every object."""
    picture = frame.color_rgb.copy()
    for found in frame.detections:
        x0, y0, x1, y1 = found.box_xyxy
        cv2.rectangle(picture, (x0, y0), (x1, y1), (255, 255, 255), 1, cv2.LINE_AA)
        at = (x0, max(12, y0 - 4))
        cv2.putText(
            picture, found.name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA
        )
        cv2.putText(
            picture, found.name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA
        )
    return picture
