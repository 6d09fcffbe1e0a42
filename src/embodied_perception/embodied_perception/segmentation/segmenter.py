"""Semantic segmentation: which class each pixel of an image shows, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embodied_perception.inference.batches import by_size
from embodied_perception.inference.model import Model
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.segmentation.networks import ARCHITECTURES, load_network

#: In masks of one and of two bytes.
UNLABELLED, UNLABELLED_16 = 255, 65535
_BLOCK_VALUES = 2**18  # of scores that are looked at together: what a cache holds


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What an image shows.

    Attributes:
        mask: (H, W) class numbers, uint8, or uint16 where there are more than 255 classes; the
            largest number is where the network did not look.
        confidence: (H, W) float32, the network's probability of that class; 0 where it did not
            look.

    """

    mask: np.ndarray
    confidence: np.ndarray


class Segmenter:
    """Segments images with one model.

    Args:
        model: gives scores (B, C, h, w) over its input.
        are_logits: whether softmax makes probabilities of them; else they are shares.

    """

    def __init__(self, model: Model, are_logits: bool = True) -> None:
        self.model = model
        self._are_logits = are_logits
        self._unlabelled = UNLABELLED if len(model.labels) <= UNLABELLED else UNLABELLED_16

    @classmethod
    def load(cls, source: str, runtime: Runtime = BEST) -> Segmenter:
        """Load a model, and try it on nothing.

        Args:
            source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.

        Raises:
            InferenceError: it is not there, not whole, or none for segmentation.

        """
        model = Model.load(source, runtime, ARCHITECTURES, load_network)
        return cls(model, ARCHITECTURES[model.model_type].gives_logits)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model calls its classes."""
        return self.model.labels

    def segment(self, images: Sequence[np.ndarray]) -> list[Segmentation]:
        """Segment images, those of one size together.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        found: list[Segmentation | None] = [None] * len(images)
        for indices in by_size(images):
            batch = [images[index] for index in indices]
            for index, each in zip(indices, self._segment_batch(batch), strict=True):
                found[index] = each
        return [each for each in found if each is not None]

    @torch.inference_mode()
    def _segment_batch(self, images: list[np.ndarray]) -> list[Segmentation]:
        scores, placement = self.model.run(images)
        seen = None if placement.is_whole else placement.seen().numpy()
        results = []
        for each in scores:
            mask, confidence = self._decide(placement.to_image(each[None])[0])
            if seen is not None:
                mask[~seen], confidence[~seen] = self._unlabelled, 0
            results.append(Segmentation(mask, confidence))
        return results

    def _decide(self, scores: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The best class (H, W) of scores (C, H, W), and its probability (H, W)."""
        classes, height, width = scores.shape
        mask = torch.empty((height, width), dtype=torch.int64, device=scores.device)
        confidence = torch.empty((height, width), device=scores.device)
        # On a GPU there is no cache to stay in, but kernels to start.
        rows = height if scores.is_cuda else max(1, _BLOCK_VALUES // (classes * width))
        for top in range(0, height, rows):
            block = scores[:, top : top + rows].float()
            best, mask[top : top + rows] = block.max(0)
            if self._are_logits:
                # Softmax of the best: 1 / sum of exp(score - best).
                total = (
                    block.sub_(best).exp_().sum(0)
                    if block.is_contiguous()
                    else ((block - best).exp().sum(0))
                )
                confidence[top : top + rows] = total.reciprocal_()
            else:
                confidence[top : top + rows] = best / block.sum(0).clamp_min(1e-6)
        dtype = torch.uint8 if self._unlabelled == UNLABELLED else torch.uint16
        return mask.to(dtype).cpu().numpy(), confidence.cpu().numpy()
