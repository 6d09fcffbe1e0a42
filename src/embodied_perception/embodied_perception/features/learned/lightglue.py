"""LightGlue: a network that matches features by what they are and by how they lie to each other.

Source: P. Lindenberger, P.-E. Sarlin and M. Pollefeys, LightGlue: Local Feature Matching at Light
Speed, ICCV 2023.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embodied_perception.errors import FeatureError, InferenceError
from embodied_perception.features.extraction import Features
from embodied_perception.features.learned.network_input import NetworkInput
from embodied_perception.features.learned.superpoint import SuperPoint
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint
from embodied_perception.inference.runtime import Runtime


class LightGlue:
    """Matches features of the SuperPoint that it was trained with, which its checkpoint holds.

    Args:
        folder: of the checkpoint.

    Attributes:
        name: of the kind.
        superpoint: finds the features that can be matched.

    Raises:
        InferenceError: see :meth:`Checkpoint.open` and :meth:`Checkpoint.pretrained`.
        FeatureError: its configuration does not work.

    """

    name = "lightglue"

    def __init__(self, folder: Path) -> None:
        checkpoint = Checkpoint.open(folder)
        checkpoint.require_type("lightglue")
        _require_superpoint(checkpoint)
        network = checkpoint.pretrained("LightGlueForKeypointMatching").to(Runtime().place().device)
        config = network.config
        if (config.depth_confidence > 0) != (config.width_confidence > 0):
            # transformers breaks off in the middle of a match.
            raise FeatureError(
                f"{folder / 'config.json'}: got depth_confidence {config.depth_confidence} and "
                f"width_confidence {config.width_confidence}; set both above 0, or both to -1"
            )
        self.superpoint = SuperPoint(network.keypoint_detector, NetworkInput.read(folder))
        import torch

        network.keypoint_detector = torch.nn.Module()  # features are handed over in its place
        self._network = network

    def match(self, first: Features, second: Features) -> np.ndarray:
        """Pair features.

        Args:
            first: of one image.
            second: of another.

        Returns:
            (M, 2) int indices into both, the surest pair first; no index is there twice.

        Raises:
            FeatureError: the features are of another kind, or the images of different sizes where
                the checkpoint does not resize them.

        """
        import torch

        width, height = self._common_size(first, second)
        if not len(first) or not len(second):
            return np.zeros((0, 2), int)
        device = self._network.device
        handed_over = tuple(
            torch.from_numpy(each).to(device)
            for each in self._padded(first, second, (width, height))
        )
        self._network.keypoint_detector.forward = lambda _: handed_over
        with torch.inference_mode():
            # Of the images only their size is looked at.
            found = self._network(torch.zeros(1, device=device).expand(1, 2, 1, height, width))
        # (1, 2, N), or (2, N) where nothing was left out on the way.
        partners, scores = (
            each.reshape(2, -1)[0, : len(first)].cpu().numpy()
            for each in (found.matches, found.matching_scores)
        )
        matched = np.flatnonzero((partners >= 0) & (partners < len(second)) & (scores > 0))
        surest_first = matched[np.argsort(-scores[matched], kind="stable")]
        return np.column_stack((surest_first, partners[surest_first]))

    def _common_size(self, first: Features, second: Features) -> tuple[int, int]:
        """Width and height of both images inside the network."""
        for features in (first, second):
            got, expected = features.descriptors.shape[1], self.superpoint.descriptor_size
            if features.is_binary or got != expected:
                raise FeatureError(
                    f"LightGlue matches what its own SuperPoint describes: got descriptors of "
                    f"{got} {features.descriptors.dtype}, expected {expected} float32"
                )
        network_input = self.superpoint.network_input
        size, other = (network_input.size_of(each.resolution_wh) for each in (first, second))
        if size != other:
            raise FeatureError(
                f"LightGlue: got images of {size[0]}x{size[1]} and {other[0]}x{other[1]}, but its "
                "checkpoint does not resize; set do_resize in preprocessor_config.json"
            )
        return size

    def _padded(
        self, first: Features, second: Features, size_wh: tuple[int, int]
    ) -> tuple[np.ndarray, ...]:
        """What SuperPoint would say: relative pixels, scores, descriptors, and which are there."""
        most = max(len(first), len(second))
        pixels = np.zeros((2, most, 2), np.float32)
        scores = np.zeros((2, most), np.float32)
        descriptors = np.zeros((2, most, self.superpoint.descriptor_size), np.float32)
        mask = np.zeros((2, most), np.int32)
        for place, each in enumerate((first, second)):
            inside = self.superpoint.network_input.to_network(each.pixels, each.resolution_wh)
            pixels[place, : len(each)] = inside / size_wh
            scores[place, : len(each)] = each.responses
            descriptors[place, : len(each)] = each.descriptors
            mask[place, : len(each)] = 1
        return pixels, scores, descriptors, mask


def _require_superpoint(checkpoint: Checkpoint) -> None:
    key = "keypoint_detector_config"
    detector = checkpoint.config.get(key)
    got = detector.get("model_type") if isinstance(detector, dict) else detector
    if got != "superpoint":
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: {key}: model_type: got {got!r}, expected "
            "'superpoint'; give the folder of a LightGlue that was trained with SuperPoint"
        )
