"""What a segmentation can do without, besides cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot


def missed_overlap(logits: Tensor, masks: Tensor, unlabelled: int) -> Tensor:
    """One minus the intersection over union of the classes in a batch, by their probabilities.

    Args:
        logits: (B, C, H, W).
        masks: (B, H, W) int64; class numbers, or what is not labelled.
        unlabelled: the number of that.

    Returns:
        Scalar; 0 where nothing is labelled.

    Source: M. A. Rahman and Y. Wang, Optimizing Intersection-Over-Union in Deep Neural Networks
    for Image Segmentation, 2016.

    """
    known = (masks != unlabelled)[:, None]
    true = one_hot(masks.where(known[:, 0], 0), logits.shape[1]).permute(0, 3, 1, 2) * known
    said = logits.softmax(1) * known
    both = (said * true).sum((0, 2, 3))
    pixels = true.sum((0, 2, 3))
    ious = both / (said.sum((0, 2, 3)) + pixels - both).clamp(min=1e-6)
    there = pixels > 0
    return ((1.0 - ious) * there).sum() / there.sum().clamp(min=1)
