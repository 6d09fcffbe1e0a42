"""Networks for classification, each as images in and scores of the classes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embodied_perception.classification.networks import NETWORKS, network_named
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.logits import Logits


@dataclass(frozen=True)
class ClassificationArchitecture(Architecture):
    """A kind of network that scores whole images, and what its evidence is taken from.

    Attributes:
        last_features: takes the module whose output (B, C, h, w) is the last that knows places;
            None where attention takes their part.
        at_first_pixel: whether a feature looks at the first pixel of its stride and as far to both
            sides, as with odd kernels that are padded around; else at the middle of its stride.
        linear: takes the layer that scores the averaged features, where there is one alone.

    """

    last_features: Callable[[Any], nn.Module] | None = None
    at_first_pixel: bool = False
    linear: Callable[[Any], nn.Linear] | None = None


_VIT = "vit"
#: By the name that config.json gives them.
ARCHITECTURES = {
    "resnet": ClassificationArchitecture(
        "ResNetForImageClassification",
        last_features=lambda network: network.network.resnet.encoder.stages[-1],
        at_first_pixel=True,
        linear=lambda network: network.network.classifier[-1],
    ),
    _VIT: ClassificationArchitecture("ViTForImageClassification", any_size=False),
} | {
    # What the last halving is given: twice as fine as what it gives.
    name: ClassificationArchitecture(name, last_features=lambda network: network.features[-2])
    for name in NETWORKS
}


def load_network(checkpoint: Checkpoint) -> nn.Module:
    """Load the network of a checkpoint: images (B, 3, h, w) to logits (B, C).

    Raises:
        InferenceError: it is none for classification, or not whole.

    """
    kind = checkpoint.require_type(*ARCHITECTURES)
    if kind in NETWORKS:
        return checkpoint.fill(network_named(kind, len(checkpoint.labels)))
    network = checkpoint.pretrained(ARCHITECTURES[kind].class_name)
    return _Transformer(network) if kind == _VIT else Logits(network)


class _Transformer(Logits):
    """A vision transformer, which also says what it attended to."""

    def attentions(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, heads, N, N) of each layer, the first one first."""
        # The fast ways to attend do not say what they attended to.
        usual = self.network.config._attn_implementation
        self.network.set_attn_implementation("eager")
        try:
            with torch.inference_mode():
                found = self.network(images, output_attentions=True).attentions
        finally:
            self.network.set_attn_implementation(usual)
        return tuple(found)
