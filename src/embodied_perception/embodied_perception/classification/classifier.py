"""Classification of whole images, with the evidence for what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from embodied_perception.classification.architectures import ARCHITECTURES, load_network
from embodied_perception.classification.evidence import (
    attention_rollout,
    class_activation_map,
    from_first_pixels,
    grad_cam,
    kept_features,
)
from embodied_perception.errors import InferenceError
from embodied_perception.inference.batches import by_size
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model
from embodied_perception.inference.runtime import BEST, Runtime

#: Ways to show evidence; ``auto`` is attention rollout for transformers, Grad-CAM for the others.
METHODS = ("auto", "grad_cam", "cam", "attention_rollout")


class Classifier:
    """Classifies images with one network.

    Args:
        model: gives logits (B, C).

    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def load(cls, source: str, runtime: Runtime = BEST) -> Classifier:
        """Load a model, and try it on nothing.

        Args:
            source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.

        Raises:
            InferenceError: it is not there, not whole, or none for classification.

        """
        return cls(Model.load(source, runtime, ARCHITECTURES, load_network))

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model calls its classes."""
        return self.model.labels

    @property
    def note(self) -> str:
        """What is not as it was asked for, and why; empty where all is."""
        return self.model.note

    @property
    def description(self) -> dict[str, str]:
        """What runs, and where, for people."""
        return self.model.description

    @property
    def network(self) -> nn.Module:
        """The network, to look into: images (B, 3, h, w) to logits (B, C).

        Raises:
            InferenceError: it runs elsewhere than in PyTorch.

        """
        engine = self.model.backend
        if not isinstance(engine, Engine):
            raise InferenceError(
                f"{self.model.source} runs in ONNX, which keeps its values to itself; give the "
                "checkpoint that it was exported from"
            )
        return engine.network

    def classify(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (N, C) float32 of the classes.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        probabilities = np.zeros((len(images), len(self.labels)), np.float32)
        for indices in by_size(images):
            scores, _ = self.model.run([images[index] for index in indices])
            probabilities[indices] = scores.float().softmax(1).cpu().numpy()
        return probabilities

    def evidence(self, image: np.ndarray, label: int, method: str = "auto") -> np.ndarray:
        """Where in an image the evidence for a class lies.

        Args:
            image: (H, W, 3) uint8 RGB.
            label: number of the class.
            method: one of :data:`METHODS`.

        Returns:
            (H, W) float32 from 0 to 1, the strongest; 0 everywhere where nothing speaks for it.

        Raises:
            InferenceError: the network has no such evidence, or it runs elsewhere than in PyTorch.

        """
        network, architecture = self.network, ARCHITECTURES[self.model.model_type]
        if method == "auto":
            method = "attention_rollout" if architecture.last_features is None else "grad_cam"
        images, placement = self.model.prepare([image])
        heat = self._heat(network, images, label, method)
        if architecture.at_first_pixel:
            heat = from_first_pixels(heat, images.shape[-2:])
        heat = placement.to_image(heat[:, None].float())[0, 0].clamp_min(0)
        heat = torch.where(placement.seen(heat.device), heat, 0)
        strongest = heat.max()
        return (heat / strongest if strongest > 0 else heat).cpu().numpy()

    def _heat(self, network: Any, images: Tensor, label: int, method: str) -> Tensor:
        """(B, h, w) over the network's input."""
        architecture = ARCHITECTURES[self.model.model_type]
        find = architecture.last_features
        if method == "grad_cam" and find is not None:
            return grad_cam(network, find(network), images, label)
        if method == "cam" and find is not None and architecture.linear is not None:
            with torch.inference_mode(), kept_features(find(network)) as kept:
                network(images)
            weights = architecture.linear(network).weight.detach()
            return class_activation_map(kept[-1], weights, label)
        if method == "attention_rollout" and find is None:
            heeded = attention_rollout(network.attentions(images))
            side = round(heeded.shape[1] ** 0.5)
            return heeded.reshape(len(images), side, -1)
        raise InferenceError(f"a {self.model.model_type} has no {method}; set auto")
