"""Biases of the classes that make mIoU on the training images as high as it goes.

Weights for rare classes make a network find them, and then see them where they are not. How much
they have to give back is told by the images it was trained on: no other image is looked at.

Source: A. Menon et al., Long-Tail Learning via Logit Adjustment, 2021, section 4.1, for adjusting
logits after the training; mIoU is climbed here, where they take the classes' shares.
"""

from __future__ import annotations

import numpy as np
import torch
from masked_pictures import UNLABELLED, Pictures
from steps import scores
from torch import Tensor

from embodied_perception.evaluation.segmentation import Confusion
from embodied_perception.segmentation.compact_unet import CompactUNet

# Of so many pictures, and of so many pixels in them, one is looked at.
_PICTURES, _PIXELS = 3, 33
_STEPS = (0.5, 0.25, 0.125)
_LEAST_GAIN = 1e-5


def adjust_classes(
    network: CompactUNet, pictures: Pictures, classes: int, size_hw: tuple[int, int]
) -> None:
    """Change the biases of a network's classes, in place.

    Args:
        network: in evaluation mode.
        pictures: that it was trained on.
        classes: number of them.
        size_hw: that the network runs at.

    """
    logits, true = _seen(network, pictures, size_hw)
    biases = climb(logits, true, classes)
    last = network.classify[0]
    with torch.no_grad():
        last.bias.view(classes, -1).add_(biases.to(last.bias.device)[:, None])


def climb(logits: Tensor, true: Tensor, classes: int) -> Tensor:
    """Biases (C,) by which mIoU is highest, changed one after the other as long as that helps.

    Args:
        logits: (C, P) of P pixels.
        true: (P,) their classes.
        classes: number of them.

    """
    biases = torch.zeros(classes)
    best = _miou(logits, true, biases)
    for step in _STEPS:
        for change in (step, -step):
            for label in range(classes):
                while (found := _changed(logits, true, biases, label, change))[0] > (
                    best + _LEAST_GAIN
                ):
                    best, biases = found
    return biases


def _changed(
    logits: Tensor, true: Tensor, biases: Tensor, label: int, change: float
) -> tuple[float, Tensor]:
    other = biases.clone()
    other[label] += change
    return _miou(logits, true, other), other


def _miou(logits: Tensor, true: Tensor, biases: Tensor) -> float:
    said = (logits + biases[:, None].to(logits.dtype)).argmax(0)
    return Confusion.of(true.numpy(), said.numpy(), len(biases)).miou


@torch.inference_mode()
def _seen(
    network: CompactUNet, pictures: Pictures, size_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Logits (C, P) and classes (P,) of a part of the labelled pixels of all images."""
    logits, true = [], []
    for image, mask in list(zip(pictures.images, pictures.masks, strict=True))[::_PICTURES]:
        labelled = np.flatnonzero(mask.ravel() != UNLABELLED)[::_PIXELS]
        logits.append(scores(network, image, size_hw).flatten(1).cpu()[:, labelled])
        true.append(torch.from_numpy(mask.ravel()[labelled].astype(np.int64)))
    return torch.cat(logits, 1), torch.cat(true)
