"""Steps of a training: images as a batch, the learning rate, and batches that teach nothing.

Source of the schedule: L.-C. Chen et al., DeepLab, 2017 (poly).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils import clip_grad_norm_

_STEEPEST = 5.0  # norm of all gradients together; one bad batch must not throw everything off
_LEAST_LEARNT = 0.9  # of the batches of an epoch


def as_batch(images: list[np.ndarray], device: torch.device) -> Tensor:
    """(B, 3, H, W) from 0 to 1."""
    stacked = torch.from_numpy(np.stack(images)).to(device)
    return stacked.permute(0, 3, 1, 2).float().div(255.0)


def scores(network: nn.Module, image: np.ndarray, size_hw: tuple[int, int]) -> Tensor:
    """Score the classes of an image as the model's folder says: scaled to a size, and back.

    Args:
        network: gives (1, C, h, w) of the images' size.
        image: (H, W, 3) uint8 RGB.
        size_hw: that the network runs at.

    Returns:
        Logits (C, H, W).

    """
    batch = as_batch([image], next(network.parameters()).device)
    given = network(interpolate(batch, size_hw, mode="bilinear", antialias=True))
    return interpolate(given, image.shape[:2], mode="bilinear")[0]


def set_rate(optimiser: torch.optim.Optimizer, first: float, done: float) -> None:
    """Set the learning rate when a share of the training is done, ``times`` that of a group."""
    for group in optimiser.param_groups:
        group["lr"] = group.get("times", 1.0) * first * (1.0 - done) ** 0.9


class Steps:
    """The steps of an epoch; a batch whose gradients are not finite is left out.

    Compiled, it happens once in thousands, and not again with the same images.
    """

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self._network, self._optimiser = network, optimiser
        self._total, self._learnt, self._taken = 0.0, 0, 0

    def take(self, loss_of_batch: Callable[[], Tensor]) -> float:
        """Go down the gradient of a loss, and return that."""
        before = [buffer.clone() for buffer in self._network.buffers()]
        loss = loss_of_batch()
        self._optimiser.zero_grad()
        loss.backward()
        self._taken += 1
        if torch.isfinite(clip_grad_norm_(self._network.parameters(), _STEEPEST)):
            self._optimiser.step()
            self._total += float(loss.detach())
            self._learnt += 1
        else:
            for buffer, value in zip(self._network.buffers(), before, strict=True):
                buffer.copy_(value)
        return float(loss.detach())

    def mean(self, epoch: int) -> float:
        """The loss, once all batches of an epoch are through; ends the run if many taught none."""
        if self._learnt < _LEAST_LEARNT * self._taken:
            raise SystemExit(
                f"epoch {epoch}: of {self._taken} batches, {self._taken - self._learnt} had no "
                "finite gradient; go on from the epoch before with a lower --rate"
            )
        return self._total / max(1, self._learnt)
