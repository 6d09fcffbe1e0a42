"""What networks of transformers give, cut down to what counts."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Logits(nn.Module):
    """A network of transformers that gives its logits alone.

    Args:
        network: takes images, gives an answer with ``logits`` among others.

    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) to logits (B, C, ...)."""
        logits: Tensor = self.network(images).logits
        return logits
