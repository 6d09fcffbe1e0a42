"""Networks that put images and texts into one space, each in its own half: two towers.

The halves are run apart, so that texts are encoded once and images for ever after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from embodied_perception.errors import InferenceError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint
from embodied_perception.inference.model import open_checkpoint
from embodied_perception.inference.sources import folder_of
from embodied_perception.open_vocabulary import dense

#: By ``model_type`` of config.json. SigLIP 2 of a fixed size calls itself ``siglip``.
ARCHITECTURES = {
    "clip": Architecture("CLIPModel", any_size=False),
    "siglip": Architecture("SiglipModel", any_size=False),
    **dense.ARCHITECTURES,
}

_FLEXIBLE = "siglip2"


@dataclass(frozen=True)
class Towers:
    """Both halves, and what makes their likeness a logit: ``scale * cosine + bias``.

    Attributes:
        image: images (B, 3, h, w) to (B, D) of length 1.
        text: token numbers and mask, (N, T) both, to (N, D) of length 1.
        scale: of the cosine.
        bias: added to it.
        exclusive: whether it was trained to choose one of several texts (softmax), or to say of
            each text alone whether it fits (sigmoid).
        context: how many tokens a text may have.
        padded: whether it wants texts as long as that, all of them.
        dense: whether images become (B, D, h, w) in place of that, a point for each place.

    """

    image: nn.Module
    text: nn.Module
    scale: float
    bias: float
    exclusive: bool
    context: int
    padded: bool
    dense: bool


class _Image(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.vision_model = network.vision_model
        self.projection = getattr(network, "visual_projection", nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.vision_model(pixel_values=images).pooler_output
        return normalize(self.projection(pooled), dim=-1)


class _Text(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.text_model = network.text_model
        self.projection = getattr(network, "text_projection", nn.Identity())

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        pooled = self.text_model(input_ids=tokens, attention_mask=mask).pooler_output
        return normalize(self.projection(pooled), dim=-1)


def open_towers(source: str) -> Checkpoint:
    """The checkpoint of a source, which must be CLIP, SigLIP, or our compact one.

    Raises:
        InferenceError: it is not there, or another.

    """
    checkpoint = Checkpoint.open(folder_of(source))
    if checkpoint.model_type == _FLEXIBLE:
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: model_type: got {_FLEXIBLE!r}, which takes images as "
            "patches of any number (NaFlex), expected a SigLIP 2 of a fixed size, whose model_type "
            "is 'siglip', such as hf:google/siglip2-base-patch16-224"
        )
    return open_checkpoint(source, ARCHITECTURES)


def load_towers(checkpoint: Checkpoint) -> Towers:
    """Load CLIP, SigLIP, or our compact one.

    Raises:
        InferenceError: the weights are missing, not all there, or do not fit.

    """
    if checkpoint.model_type in dense.ARCHITECTURES:
        compact = dense.load_network(checkpoint)
        scale, bias = float(compact.scale.detach().exp()), float(compact.bias.detach())
        return Towers(
            compact.image,
            compact.text,
            scale,
            bias,
            False,
            compact.context,
            padded=False,
            dense=True,
        )
    exclusive = checkpoint.model_type == "clip"
    network = checkpoint.pretrained(ARCHITECTURES[checkpoint.model_type].class_name)
    return Towers(
        _Image(network),
        _Text(network),
        scale=float(network.logit_scale.detach().exp()),
        bias=0.0 if exclusive else float(network.logit_bias.detach()),
        exclusive=exclusive,
        context=network.config.text_config.max_position_embeddings,
        padded=not exclusive,
        dense=False,
    )
