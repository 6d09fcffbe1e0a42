"""Where in an image the evidence for a class lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import log2

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample


def class_activation_map(features: Tensor, weights: Tensor, label: int) -> Tensor:
    """What each place of the last features adds to a class, where a linear layer sums them up.

    Source: B. Zhou et al., Learning Deep Features for Discriminative Localization, 2016, eq. 2.

    Args:
        features: (B, C, h, w) that are averaged over the image.
        weights: (classes, C) of the linear layer behind the average.
        label: the class.

    Returns:
        (B, h, w): its mean is the class's score, but for the bias.

    """
    return torch.einsum("bchw,c->bhw", features, weights[label])


def grad_cam(network: nn.Module, layer: nn.Module, images: Tensor, label: int) -> Tensor:
    """Where a layer of any convolutional network speaks for a class.

    Source: R. Selvaraju et al., Grad-CAM, 2017, equations 1 and 2.

    Args:
        network: takes the images, and gives scores (B, classes).
        layer: of it, whose output is (B, C, h, w).
        images: (B, 3, H, W).
        label: the class.

    Returns:
        (B, h, w), 0 where nothing speaks for the class.

    """
    with torch.enable_grad(), kept_features(layer) as kept:
        # Also where no parameter asks for gradients.
        scores = network(images.detach().requires_grad_())
        (gradient,) = torch.autograd.grad(scores[:, label].sum(), kept[-1])
    importance = gradient.mean((2, 3))
    return torch.einsum("bchw,bc->bhw", kept[-1].detach(), importance).relu()


def from_first_pixels(heat: Tensor, input_hw: Sequence[int]) -> Tensor:
    """Spread heat whose places look at the first pixels of their strides over a network's input.

    Taken for the middles of their strides, they would lie half a stride too far right and below.

    Args:
        heat: (B, h, w).
        input_hw: height and width of the input, which was halved some times.

    Returns:
        (B, H, W).

    """
    rows, columns = (
        torch.arange(size, device=heat.device) / 2 ** round(log2(size / places))
        for size, places in zip(input_hw, heat.shape[1:], strict=True)
    )
    # grid_sample counts from -1, the first place, to 1, the last one.
    y, x = (
        2 * at / max(1, places - 1) - 1
        for at, places in zip((rows, columns), heat.shape[1:], strict=True)
    )
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), -1).to(heat.dtype)
    grid = grid.expand(len(heat), -1, -1, -1)
    return grid_sample(heat[:, None], grid, "bilinear", "border", align_corners=True)[:, 0]


@contextmanager
def kept_features(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What a layer gives, (B, C, h, w) at each run, is in the list, the newest last."""
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _given, output: kept.append(output))
    try:
        yield kept
    finally:
        hook.remove()


def attention_rollout(attentions: Sequence[Tensor]) -> Tensor:
    """How much the class token of a vision transformer heeds each patch, through all layers.

    Source: S. Abnar and W. Zuidema, Quantifying Attention Flow in Transformers, 2020, section 3.

    Args:
        attentions: (B, heads, N, N) of each layer, the first one first; token 0 is the class's.

    Returns:
        (B, N - 1): shares of the patches, which add up to 1.

    """
    tokens = attentions[0].shape[-1]
    identity = torch.eye(tokens, device=attentions[0].device)
    flow = identity.expand(len(attentions[0]), -1, -1)
    for attention in attentions:
        # Half comes from the token itself, by the residual connection.
        flow = (0.5 * attention.mean(1) + 0.5 * identity) @ flow
    heeded = flow[:, 0, 1:]
    return heeded / heeded.sum(1, keepdim=True)
