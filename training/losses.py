"""What a segmentation can do without, besides cross entropy."""

from __future__ import annotations

from torch import Tensor


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
    known = masks != unlabelled
    true = masks.where(known, 0)
    # Sums of what is true by its number: one plane a class would be slower by far.
    shares = logits.softmax(1) * known[:, None]
    said = shares.sum((0, 2, 3))
    rightly = shares.gather(1, true[:, None]).flatten()
    both = said.new_zeros(said.shape).index_add(0, true.flatten(), rightly)
    pixels = said.new_zeros(said.shape).index_add(0, true.flatten(), known.flatten().to(said.dtype))
    ious = both / (said + pixels - both).clamp(min=1e-6)
    there = pixels > 0
    return ((1.0 - ious) * there).sum() / there.sum().clamp(min=1)
