"""A compact two-tower network: of an image a point for each few pixels, of a text one point.

Small enough to come with the package. It knows the words that it was trained on, and no others.

Source: A. Radford et al., CLIP, 2021, for two towers; X. Zhai et al., SigLIP, 2023, for the logit;
R. Xiong et al., On Layer Normalization in the Transformer Architecture, 2020, for its place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from embodied_perception.segmentation.compact_unet import Body

#: Of half the size at a time.
_CHANNELS = (32, 64, 96)
_POINT = 64
_LAYERS, _HEADS = 2, 4


class CompactClip(nn.Module):
    """Both towers.

    Args:
        words: how many the tokenizer knows.

    Attributes:
        image: images (B, 3, H, W), RGB from 0 to 1, to points (B, D, H / 2, W / 2) of length 1;
            sizes are rounded up.
        text: token numbers and mask, (N, T) both, to points (N, D) of length 1.
        scale: logarithm of what the cosine of two points is multiplied by.
        bias: added to that; the logit of an image's place showing what a text says.

    """

    #: How many tokens a text may have, and pixels from one point to the next.
    context, stride = 16, 2

    def __init__(self, words: int) -> None:
        super().__init__()
        self.image = ImageTower()
        self.text = TextTower(words, self.context)
        # SigLIP, 2023, section 3.2: at first, nothing fits anything.
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def logits(self, places: Tensor, texts: Tensor) -> Tensor:
        """Score each text (N, D) at each place (P, D): logits (P, N)."""
        return self.scale.exp() * places @ texts.T + self.bias


class ImageTower(Body):
    """The compact U-Net's body, wider, and a point for every other pixel."""

    def __init__(self) -> None:
        super().__init__(_CHANNELS)
        self.project = nn.Conv2d(_CHANNELS[0], _POINT, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, D, H / 2, W / 2), rounded up."""
        height, width = (math.ceil(side / CompactClip.stride) for side in images.shape[-2:])
        points = self.project(self.features(images))
        return normalize(points[..., :height, :width].float(), dim=1)


class TextTower(nn.Module):
    """A small transformer; a text is the mean of what it makes of the tokens."""

    def __init__(self, words: int, context: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, _POINT)
        self.order = nn.Parameter(0.02 * torch.randn(context, _POINT))
        layer = nn.TransformerEncoderLayer(
            _POINT, _HEADS, 2 * _POINT, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, _LAYERS, nn.LayerNorm(_POINT), enable_nested_tensor=False
        )
        self.project = nn.Linear(_POINT, _POINT)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token numbers and mask, (N, T) both, to (N, D); a text has a token or more."""
        said = self.words(tokens) + self.order[: tokens.shape[1]]
        hidden = self.layers(said, src_key_padding_mask=mask == 0)
        counted = mask[..., None].to(hidden.dtype)
        mean = (hidden * counted).sum(1) / counted.sum(1)
        return normalize(self.project(mean).float(), dim=-1)
