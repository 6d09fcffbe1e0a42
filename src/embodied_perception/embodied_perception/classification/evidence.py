"""Where in an image the evidence for a class lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


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


def grad_cam(
    network: nn.Module,
    layer: nn.Module,
    images: Tensor,
    label: int | None = None,
    scores: Callable[[object], Tensor] | None = None,
) -> Tensor:
    """Where a layer of any convolutional network speaks for a class.

    Source: R. Selvaraju et al., Grad-CAM, 2017, equations 1 and 2.

    Args:
        network: takes the images.
        layer: of it, whose output is (B, C, h, w).
        images: (B, 3, H, W).
        label: the class; the winning one of each image, if not given.
        scores: takes (B, classes) out of what the network gives, where it does not give them alone.

    Returns:
        (B, h, w), 0 where nothing speaks for the class.

    """
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _given, output: kept.append(output))
    try:
        with torch.enable_grad():
            # Also where no parameter asks for gradients.
            given = network(images.detach().requires_grad_())
            values = given if scores is None else scores(given)
            chosen = values.amax(1) if label is None else values[:, label]
            (gradient,) = torch.autograd.grad(chosen.sum(), kept[-1])
    finally:
        hook.remove()
    importance = gradient.mean((2, 3))
    return torch.einsum("bchw,bc->bhw", kept[-1].detach(), importance).relu()


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
