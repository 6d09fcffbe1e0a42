"""Some pixels of images and texts to compare them with, and the loss of that.

Source: X. Zhai et al., SigLIP, 2023, equation 1, here of pixels in the place of images.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captioned_pictures import CaptionedPictures
from captions import FALSE, NOTHING, TRUE, Language, texts_and_truth
from masked_pictures import UNLABELLED
from steps import as_batch
from torch import Tensor
from torch.nn.functional import softplus

PIXELS = 256  # of each image
_NOTHING_SHARE = 0.25  # of these; the rest is for things, the same for a small and a large one


@dataclass(frozen=True, eq=False)
class Batch:
    """What is compared in a step.

    Attributes:
        images: (B, 3, H, W) from 0 to 1.
        places: (B, K) of the points that are looked at, raveled.
        texts: T of them.
        truth: (B K, T), whether each text is true of each place.

    """

    images: Tensor
    places: Tensor
    texts: list[str]
    truth: Tensor


def draw_batch(
    pictures: CaptionedPictures,
    chosen: Sequence[int],
    language: Language,
    vary: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    stride: int,
    chance: random.Random,
    rng: np.random.Generator,
    device: torch.device,
) -> Batch:
    """Draw what is compared in a step.

    Args:
        pictures: of the split.
        chosen: those of the batch.
        language: to speak of them in.
        vary: makes another view of an image and its mask.
        stride: pixels from one point to the next.
        chance: decides on texts.
        rng: decides on places.
        device: where to.

    """
    images, places, seen = [], [], []
    for picture in chosen:
        image, mask = vary(pictures.images[picture], pictures.numbers[picture])
        images.append(image)
        numbers = numbers_at_points(mask, stride)
        places.append(draw_places(numbers, PIXELS, rng))
        things = {0: NOTHING} | pictures.things[picture]
        seen += [things[each] for each in numbers.ravel()[places[-1]].tolist()]
    different = list(dict.fromkeys(seen))
    texts, truth = texts_and_truth(different, language, chance)
    row_of = {thing: row for row, thing in enumerate(different)}
    return Batch(
        as_batch(images, device),
        torch.from_numpy(np.stack(places)).to(device),
        texts,
        torch.from_numpy(truth[[row_of[thing] for thing in seen]]).to(device),
    )


def numbers_at_points(numbers: np.ndarray, stride: int) -> np.ndarray:
    """What the image tower's points see of a mask (H, W): (H / stride, W / stride), rounded up."""
    rows, columns = (
        np.minimum(np.arange(0, side, stride) + stride // 2, side - 1) for side in numbers.shape
    )
    return numbers[np.ix_(rows, columns)]


def draw_places(numbers: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw places (count,) in a raveled mask: where there is nothing, and of each thing as many."""
    flat = numbers.ravel()
    present, which, sizes = np.unique(flat, return_inverse=True, return_counts=True)
    shares = np.where(present == UNLABELLED, 0.0, 1.0)
    is_thing = (present != UNLABELLED) & (present != 0)
    if is_thing.any() and present[0] == 0:
        shares[0] = _NOTHING_SHARE / (1.0 - _NOTHING_SHARE) * is_thing.sum()
    weights = (shares / sizes)[which]
    return rng.choice(len(flat), count, p=weights / weights.sum())


def balanced_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Sigmoid loss of logits (P, T): true texts count as much as all others, unknown ones nothing.

    Args:
        logits: of places and texts.
        truth: (P, T), TRUE, FALSE or UNKNOWN.

    """
    halves = []
    for value, sign in ((TRUE, -1.0), (FALSE, 1.0)):
        chosen = (truth == value).float()
        halves.append((softplus(sign * logits) * chosen).sum() / chosen.sum().clamp(min=1.0))
    return 0.5 * (halves[0] + halves[1])
