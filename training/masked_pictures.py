"""Pictures and masks to train by, in folders laid out as CamVid, and variations of them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

#: Those of CamVid, whose folder does not name them.
CAMVID_LABELS = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
UNLABELLED = 255


def read_labels(data: Path) -> tuple[str, ...]:
    """Names of the classes by their numbers, from ``labels.json`` if the folder has one."""
    path = data / "labels.json"
    if not path.exists():
        return CAMVID_LABELS
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SystemExit(f"{path}: no JSON ({error})") from error
    if (
        not isinstance(names, list)
        or not all(isinstance(name, str) and name for name in names)
        or not 1 <= len(set(names)) == len(names) <= UNLABELLED
    ):
        raise SystemExit(f"{path}: expected a list of 1 to {UNLABELLED} different names")
    return tuple(names)


@dataclass(frozen=True)
class Pictures:
    """Images (H, W, 3) uint8 RGB and masks (H, W) uint8 of one split, in memory."""

    images: list[np.ndarray]
    masks: list[np.ndarray]

    @classmethod
    def read(cls, data: Path, split: str, classes: int, limit: int | None = None) -> Pictures:
        """Read a split, or the first ``limit`` of it, in the order of names."""
        masks = sorted((data / f"{split}annot").glob("*.png"))
        if not masks:
            raise SystemExit(f"{data / (split + 'annot')}: no PNG masks; give another --data")
        found = Pictures([], [])
        for path in masks[:limit]:
            image = next(iter((data / split).glob(f"{path.stem}.*")), None)
            pixels = None if image is None else cv2.imread(str(image), cv2.IMREAD_COLOR)
            mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if pixels is None or mask is None or mask.shape != pixels.shape[:2]:
                raise SystemExit(f"{path}: no image of that name and size in {data / split}")
            found.images.append(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            found.masks.append(np.where(mask < classes, mask, UNLABELLED).astype(np.uint8))
        return found

    def weights(self, classes: int, balance: float) -> Tensor:
        """What (C,) a pixel of each class counts: rare ones the more, the nearer balance is to 1.

        Source: A. Paszke et al., ENet, 2016, where it is 1.02.
        """
        counts = np.bincount(np.concatenate([mask.ravel() for mask in self.masks]), minlength=256)
        shares = counts[:classes] / counts[:classes].sum()
        return torch.tensor(1.0 / np.log(balance + shares), dtype=torch.float32)


def varied(
    image: np.ndarray,
    mask: np.ndarray,
    size_hw: tuple[int, int],
    chance: random.Random,
    scales: tuple[float, float] = (0.75, 1.75),
    focus: float = 0.0,
    light: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Another view of an image: scaled, mirrored, cut out, in another light.

    With a probability of ``focus``, what is cut out shows a class that is drawn from those in the
    image, the more likely the less of it is there. The less ``light``, the less that changes; where
    names of colours shall stay true, little may.
    """
    # What is cut out is made as large as it shall be, and the rest of the image left alone.
    scale = chance.uniform(*scales)
    cut_hw = max(1, round(size_hw[0] / scale)), max(1, round(size_hw[1] / scale))
    below, right = (max(0, wanted - side) for wanted, side in zip(cut_hw, mask.shape, strict=True))
    if below or right:
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        mask = cv2.copyMakeBorder(mask, 0, below, 0, right, cv2.BORDER_CONSTANT, value=UNLABELLED)
    corner = _around_a_class(mask, cut_hw, chance) if focus and chance.random() < focus else None
    top, left = corner or (
        chance.randint(0, mask.shape[0] - cut_hw[0]),
        chance.randint(0, mask.shape[1] - cut_hw[1]),
    )
    cut = slice(top, top + cut_hw[0]), slice(left, left + cut_hw[1])
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(image[cut], size_hw[::-1], interpolation=smooth)
    mask = cv2.resize(mask[cut], size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    if chance.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    tint = np.array([chance.uniform(1 - 0.1 * light, 1 + 0.1 * light) for _ in range(3)])
    gain = tint * chance.uniform(1 - 0.3 * light, 1 + 0.3 * light)
    levels = np.arange(256)[:, None] / 255.0 * gain
    curve = 255.0 * np.clip(levels, 0, 1) ** chance.uniform(1 - 0.2 * light, 1 + 0.25 * light)
    lit = cv2.LUT(np.ascontiguousarray(image), curve.astype(np.uint8)[:, None])
    return lit, np.ascontiguousarray(mask)


def plain(
    size_hw: tuple[int, int], number: int, chance: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """A view that shows one class alone, in one colour near grey, with some noise."""
    grey, noise = chance.uniform(20, 235), chance.uniform(0, 4)
    colour = [grey * chance.uniform(0.9, 1.1) for _ in range(3)]
    random_values = np.random.default_rng(chance.getrandbits(32))
    image = colour + noise * random_values.standard_normal((*size_hw, 3))
    return image.clip(0, 255).astype(np.uint8), np.full(size_hw, number, np.uint8)


def _around_a_class(
    mask: np.ndarray, size_hw: tuple[int, int], chance: random.Random
) -> tuple[int, int] | None:
    """Top left of a cut that shows some pixel of a class; None where all is unlabelled."""
    numbers, counts = np.unique(mask[mask != UNLABELLED], return_counts=True)
    if not len(numbers):
        return None
    chosen = chance.choices(numbers.tolist(), (counts**-0.5).tolist())[0]
    places = np.flatnonzero(mask == chosen)
    at = divmod(int(places[chance.randrange(len(places))]), mask.shape[1])
    top, left = (
        min(max(0, centre - chance.randrange(wanted)), side - wanted)
        for centre, wanted, side in zip(at, size_hw, mask.shape, strict=True)
    )
    return top, left
