"""Convolutions that do the normalisation behind them: one pass over the image less for each."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_normalisation(network: nn.Module) -> None:
    """Fold batch normalisation into the convolution before it, in place.

    Only what stands in an ``nn.Sequential`` is folded: elsewhere the order is not known.

    Args:
        network: in evaluation mode; it can be trained no more.

    """
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for (name, first), (after, second) in pairwise(list(module.named_children())):
                if type(first) is nn.Conv2d and type(second) is nn.BatchNorm2d:
                    setattr(module, name, fuse_conv_bn_eval(first, second))
                    setattr(module, after, nn.Identity())
