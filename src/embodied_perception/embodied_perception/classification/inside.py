"""What a classifier computes on the way: its first kernels, responses of its layers, features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from embodied_perception.classification.classifier import Classifier
from embodied_perception.errors import InferenceError


@dataclass(frozen=True, eq=False)
class Responses:
    """What one layer says to one image.

    Attributes:
        layer: its name in the network.
        maps: (C, h, w) float32, a map of each channel.

    """

    layer: str
    maps: np.ndarray


def first_kernels(classifier: Classifier) -> np.ndarray:
    """What the first layer looks for: kernels (K, 3, h, w) float32, of RGB.

    Raises:
        InferenceError: the model runs elsewhere than in PyTorch, or does not begin with a
            convolution of images.

    """
    for module in classifier.network.modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != 3:
                break
            kernels = module.weight.detach().float().cpu().numpy()
            return kernels[:, ::-1] if classifier.model.preprocessing.reversed_channels else kernels
    raise InferenceError(
        f"{classifier.model.source}: a {classifier.model.model_type} does not begin with a "
        "convolution of images, so it has no kernels to look at"
    )


def responses(classifier: Classifier, image: np.ndarray) -> list[Responses]:
    """What layers say to an image: the last layer of each size of map, from large to small ones.

    A transformer's tokens are no maps: of one, there is only what it makes patches by.

    Args:
        classifier: in PyTorch.
        image: (H, W, 3) uint8 RGB.

    Raises:
        InferenceError: the model runs elsewhere than in PyTorch, or the image is something else.

    """
    images, _ = classifier.model.prepare([image])
    found: dict[tuple[int, int], tuple[str, Tensor]] = {}
    with torch.inference_mode(), _each_output(classifier.network, found):
        classifier.network(images)
    return [
        Responses(name.removeprefix("network."), maps[0].float().cpu().numpy())
        for name, maps in found.values()
    ]


@contextmanager
def _each_output(
    network: nn.Module, found: dict[tuple[int, int], tuple[str, Tensor]]
) -> Iterator[None]:
    """Keep the newest maps (B, C, h, w) of each size, with the name of the layer they are from."""

    def keep(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            found[output.shape[2], output.shape[3]] = name, output

    def watch(name: str, module: nn.Module) -> RemovableHandle:
        return module.register_forward_hook(lambda _module, _given, output: keep(name, output))

    hooks = [watch(name, module) for name, module in network.named_modules() if name]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def last_features(classifier: Classifier, images: Sequence[np.ndarray]) -> np.ndarray:
    """What the last layer scores the classes by: (N, D) float32.

    Args:
        classifier: in PyTorch.
        images: (H, W, 3) uint8 RGB each, one or more, of any sizes.

    Raises:
        InferenceError: the model runs elsewhere than in PyTorch, does not end with a linear layer,
            or an image is something else.

    """
    kept: list[Tensor] = []
    hook = _last_linear(classifier).register_forward_pre_hook(
        lambda _module, given: kept.append(given[0][0])
    )
    try:
        for image in images:
            batch, _ = classifier.model.prepare([image])
            with torch.inference_mode():
                classifier.network(batch)
    finally:
        hook.remove()
    return torch.stack(kept).float().cpu().numpy()


def _last_linear(classifier: Classifier) -> nn.Linear:
    layers = [each for each in classifier.network.modules() if isinstance(each, nn.Linear)]
    if not layers or layers[-1].out_features != len(classifier.labels):
        raise InferenceError(
            f"{classifier.model.source}: a {classifier.model.model_type} does not end with a "
            "linear layer, so it has no last features to look at"
        )
    return layers[-1]
