"""What patches on a regular grid over an image look like: RootSIFT of several scales.

Source: D. Lowe, Distinctive Image Features from Scale-Invariant Keypoints, 2004, section 6, for
SIFT; R. Arandjelović and A. Zisserman, Three Things Everyone Should Know to Improve Object
Retrieval, 2012, section 3, for its root; A. Bosch et al., Image Classification using Random Forests
and Ferns, 2007, section 2, for the grid of several scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

_SIDE_PX = 160  # of the longer side, to which every image is scaled
_BINS_PX = (4, 6, 8)  # sides of the 4 x 4 bins of a patch, one scale each
_STEP_PX = 5
_ACROSS = 4
_ORIENTATIONS = 8
_CLIP = 0.2
_FLAT = 0.5  # grey levels a pixel; where brightness changes by less, it is noise and no texture

#: Numbers that describe a patch.
DESCRIPTOR_SIZE = _ACROSS * _ACROSS * _ORIENTATIONS


@dataclass(frozen=True, eq=False)
class Patches:
    """Squares of an image.

    Attributes:
        boxes: (N, 4) left, top, right and bottom, from 0 to 1 of the image's width and height.
        descriptors: (N, DESCRIPTOR_SIZE) float32 of length 1, or 0 where there is no texture.

    """

    boxes: np.ndarray
    descriptors: np.ndarray


def working_image(image: np.ndarray) -> np.ndarray:
    """Scale an RGB image (H, W, 3) uint8 to the size at which patches are described."""
    height, width = image.shape[:2]
    scale = _SIDE_PX / max(height, width)
    # Of a narrow strip, too, the largest patches go into it.
    wide, high = (max(round(side * scale), _ACROSS * max(_BINS_PX)) for side in (width, height))
    if (high, wide) == (height, width):
        return image
    smaller = wide * high < width * height
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (wide, high), interpolation=how))


def dense_root_sift(image: np.ndarray) -> Patches:
    """Describe upright patches of three sizes all over an RGB image (H, W, 3) uint8."""
    image = working_image(image)
    planes = _oriented_gradients(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    size_hw = image.shape[:2]
    boxes, descriptors = [], []
    for bin_px in _BINS_PX:
        side = _ACROSS * bin_px
        top, left = (_starts(whole - side) for whole in size_hw)
        descriptors.append(_root_sift(planes, top, left, bin_px))
        y, x = (each.ravel() for each in np.meshgrid(top, left, indexing="ij"))
        boxes.append(np.column_stack([x, y, x + side, y + side]) / (size_hw * 2)[::-1])
    return Patches(np.concatenate(boxes), np.concatenate(descriptors))


def _starts(room: int) -> np.ndarray:
    """Where patches begin along one side that leaves them so much room, the same at both ends."""
    return np.arange(room % _STEP_PX // 2, room + 1, _STEP_PX)


def _oriented_gradients(gray: np.ndarray) -> np.ndarray:
    """(8, H, W): strength of the gradients, shared out among the two nearest directions."""
    values = gray.astype(np.float32)
    right = cv2.Sobel(values, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    up = cv2.Sobel(values, cv2.CV_32F, 0, 1, ksize=1, scale=-0.5)
    strength, angle = cv2.cartToPolar(right, up)
    turn = angle * (_ORIENTATIONS / (2 * np.pi))
    lower = np.floor(turn)
    share = turn - lower
    rows, columns = np.indices(gray.shape)
    first = lower.astype(int) % _ORIENTATIONS
    planes = np.zeros((_ORIENTATIONS, *gray.shape), np.float32)
    planes[first, rows, columns] = strength * (1 - share)
    planes[(first + 1) % _ORIENTATIONS, rows, columns] = strength * share
    return planes


def _root_sift(planes: np.ndarray, top: np.ndarray, left: np.ndarray, bin_px: int) -> np.ndarray:
    """(rows * columns, DESCRIPTOR_SIZE)."""
    # A pixel counts for the bins around it the more, the nearer their centres are.
    near = 1 - np.abs(np.arange(1 - bin_px, bin_px, dtype=np.float32)) / bin_px
    centres = bin_px // 2 + bin_px * np.arange(_ACROSS)
    y, x = (np.add.outer(start, centres) for start in (top, left))  # (rows, 4), (columns, 4)
    bins = np.stack(
        [
            cv2.sepFilter2D(plane, cv2.CV_32F, near, near)[y[:, None, :, None], x[None, :, None, :]]
            for plane in planes
        ],
        axis=-1,
    )  # (rows, columns, 4, 4, 8)
    found = (bins * _window()).reshape(-1, _ACROSS * _ACROSS * _ORIENTATIONS)
    texture = found.sum(axis=1, keepdims=True) / (bin_px**2 * _window().sum())
    length = np.linalg.norm(found, axis=1, keepdims=True)
    found = np.minimum(found / np.maximum(length, 1e-6), _CLIP)
    root = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6))
    return np.where(texture > _FLAT, root, np.float32(0))


@cache
def _window() -> np.ndarray:
    """(4, 4, 1): what is in the middle of a patch counts most, by a Gaussian of half its width."""
    away = (np.arange(_ACROSS) - (_ACROSS - 1) / 2) / (_ACROSS / 2)
    weights = np.exp(-(away**2) / 2).astype(np.float32)
    return np.multiply.outer(weights, weights)[..., None]
