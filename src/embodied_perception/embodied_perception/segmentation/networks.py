"""Networks for semantic segmentation, each as images in and scores of the classes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.logits import Logits
from embodied_perception.segmentation.compact_unet import CompactUNet
from embodied_perception.segmentation.segformer_head import FusedDecodeHead

_OURS, _QUERIES, _SEGFORMER = "compact_unet", "mask2former", "segformer"


@dataclass(frozen=True)
class SegmentationArchitecture(Architecture):
    """A kind of network that scores classes over the image.

    Attributes:
        gives_logits: whether softmax makes probabilities of its scores; else they are shares.

    """

    gives_logits: bool = True


#: By the name that config.json gives them.
ARCHITECTURES = {
    _OURS: SegmentationArchitecture("CompactUNet"),
    _SEGFORMER: SegmentationArchitecture("SegformerForSemanticSegmentation"),
    "upernet": SegmentationArchitecture("UperNetForSemanticSegmentation"),
    _QUERIES: SegmentationArchitecture("Mask2FormerForUniversalSegmentation", gives_logits=False),
    "mobilenet_v2": SegmentationArchitecture("MobileNetV2ForSemanticSegmentation"),
    "mobilevit": SegmentationArchitecture("MobileViTForSemanticSegmentation"),
}


def load_network(checkpoint: Checkpoint) -> nn.Module:
    """Load the network of a checkpoint: images (B, 3, h, w) to scores (B, C, h', w').

    Raises:
        InferenceError: it is none for segmentation, or not whole.

    """
    kind = checkpoint.require_type(*ARCHITECTURES)
    if kind == _OURS:
        return checkpoint.fill(CompactUNet(len(checkpoint.labels)))
    network = checkpoint.pretrained(ARCHITECTURES[kind].class_name)
    if kind == _SEGFORMER and network.config.reshape_last_stage:
        network.decode_head = FusedDecodeHead(network.decode_head)
    return _OfQueries(network) if kind == _QUERIES else Logits(network)


class _OfQueries(nn.Module):
    """Mask2Former's masks of some things, summed up to scores of classes.

    Source: B. Cheng et al., Per-Pixel Classification is Not All You Need, 2021, section 3.4.
    """

    #: What transformers scales the masks to before it sums them, for all checkpoints.
    _SIZE_HW = (384, 384)

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) to scores (B, C, 384, 384) of 0 or more."""
        found = self.network(images)
        masks = interpolate(found.masks_queries_logits, self._SIZE_HW, mode="bilinear")
        classes = found.class_queries_logits.softmax(-1)[..., :-1]  # the last one is "nothing"
        return torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid())
