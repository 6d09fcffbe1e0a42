"""SegFormer's decode head with its linear layers taken together: the same logits in half the work.

The head projects the features of each stage, upsamples them to the finest one, and mixes all of
them by one large convolution of 1x1. All of this is linear, and a projection of single pixels may
as well come before an upsampling whose weights add up to 1. So each stage's two projections become
one, at that stage's own size, with the normalisation behind them folded in; what is left is a sum.

Source: E. Xie et al., SegFormer, 2021, section 3.2, equation 4, for the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class FusedDecodeHead(nn.Module):
    """Takes the place of transformers' SegformerDecodeHead.

    Args:
        head: whose weights it takes over, in evaluation mode.

    """

    def __init__(self, head: Any) -> None:
        super().__init__()
        projections = [each.proj for each in head.linear_projections]
        norm = head.batch_norm
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        # The stages are joined with the coarsest one first.
        parts = head.linear_fuse.weight[:, :, 0, 0].chunk(len(projections), dim=1)[::-1]
        bias = norm.bias - scale * norm.running_mean
        self.projections = nn.ModuleList()
        for projection, part in zip(projections, parts, strict=True):
            fused = nn.Conv2d(projection.in_features, len(scale), 1, bias=False)
            weight = scale[:, None] * (part @ projection.weight)
            fused.weight = nn.Parameter(weight[:, :, None, None].detach())
            bias = bias + scale * (part @ projection.bias)
            self.projections.append(fused)
        self.projections[0].bias = nn.Parameter(bias.detach())
        self.classifier = head.classifier

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Score classes.

        Args:
            features: (B, C_i, h_i, w_i) of the stages, the finest first.

        Returns:
            Logits (B, classes, h_0, w_0).

        """
        mixed = self.projections[0](features[0])
        for projection, each in zip(self.projections[1:], features[1:], strict=True):
            mixed = mixed + interpolate(projection(each), mixed.shape[-2:], mode="bilinear")
        logits: Tensor = self.classifier(mixed.relu())
        return logits
