"""SuperPoint: a network that finds corners and describes them.

Source: D. DeTone, T. Malisiewicz and A. Rabinovich, SuperPoint: Self-Supervised Interest Point
Detection and Description, CVPR workshops 2018.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from embodied_perception.errors import FeatureError
from embodied_perception.features.extraction import Features
from embodied_perception.features.learned.network_input import NetworkInput
from embodied_perception.features.selection import select_balanced
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import Runtime

_STRIDE_PX = 8  # a cell of the network; transformers takes it as given
_STAGES = 4  # of its encoder, which make that stride
_SCORES = 65  # of a cell: its pixels, and none of them
_FIELD_PX = 84.0  # what a descriptor sees: ten 3x3 convolutions and three halvings


class SuperPoint:
    """Finds and describes features by a network.

    Args:
        network: transformers' SuperPointForKeypointDetection.
        network_input: what it wants its images to be.

    Attributes:
        name: of the kind.
        descriptor_size: how many numbers describe a feature.

    Raises:
        FeatureError: the network's configuration is none of SuperPoint's, or does not work.

    """

    name = "superpoint"

    def __init__(self, network: Any, network_input: NetworkInput) -> None:
        config = network.config
        if (len(config.encoder_hidden_sizes), config.keypoint_decoder_dim) != (_STAGES, _SCORES):
            raise FeatureError(
                f"SuperPoint: got {len(config.encoder_hidden_sizes)} encoder_hidden_sizes and "
                f"keypoint_decoder_dim {config.keypoint_decoder_dim}, expected {_STAGES} and "
                f"{_SCORES}; use a checkpoint of the published architecture"
            )
        self.descriptor_size: int = config.descriptor_decoder_dim
        self.network_input = network_input
        self._network = network
        try:  # once, so that numbers that do not fit are found here and not on the robot
            self._run(np.zeros((64, 64), np.float32))
        except Exception as error:
            raise FeatureError(
                f"SuperPoint: its config.json does not work; copy the checkpoint again: {error}"
            ) from error

    @classmethod
    def load(cls, folder: Path) -> SuperPoint:
        """Load a checkpoint from a folder.

        Raises:
            InferenceError: see :meth:`Checkpoint.open` and :meth:`Checkpoint.pretrained`.

        """
        checkpoint = Checkpoint.open(folder)
        checkpoint.require_type("superpoint")
        network = checkpoint.pretrained("SuperPointForKeypointDetection")
        return cls(network.to(Runtime().place().device), NetworkInput.read(folder))

    @property
    def device(self) -> str:
        """Where the network runs: ``cpu`` or ``cuda``."""
        return self._network.device.type

    def extract(self, gray: np.ndarray, count: int = 1000) -> Features:
        """Find features and describe them.

        Args:
            gray: (H, W) uint8; one that is smaller than a cell of the network holds nothing.
            count: the strongest, spread over the image.

        Returns:
            With descriptors (N, D) float32 of length 1, and the probability of being a corner as
            responses.

        Raises:
            FeatureError: that is no gray image.

        """
        if gray.ndim != 2 or gray.dtype != np.uint8 or not gray.size:
            raise FeatureError(
                f"SuperPoint: got {gray.dtype} of shape {gray.shape}, expected uint8 (H, W)"
            )
        resolution_wh = (gray.shape[1], gray.shape[0])
        pixels, responses, descriptors = self._run(self.network_input.prepare(gray))
        pixels = self.network_input.to_image(pixels, resolution_wh)
        chosen = select_balanced(pixels, responses, count, resolution_wh)
        enlarged = max(np.array(resolution_wh) / self.network_input.size_of(resolution_wh))
        return Features(
            pixels[chosen].astype(np.float32),
            np.full(len(chosen), _FIELD_PX * enlarged, np.float32),
            np.zeros(len(chosen), np.float32),
            responses[chosen],
            descriptors[chosen],
            resolution_wh,
        )

    def _run(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels (N, 2), scores (N,) and descriptors (N, D) of the network's input (h, w)."""
        import torch

        height, width = values.shape
        if min(height, width) < _STRIDE_PX:
            none = np.zeros(0, np.float32)
            return none.reshape(0, 2), none, none.reshape(0, self.descriptor_size)
        with torch.inference_mode():
            batch = torch.from_numpy(values)[None, None].to(self._network.device)
            found = self._network(batch)
        relative = found.keypoints[0].cpu().numpy()
        return (
            np.rint(relative * (width, height)),  # whole pixels, before they were made relative
            found.scores[0].cpu().numpy(),
            found.descriptors[0].cpu().numpy(),
        )
