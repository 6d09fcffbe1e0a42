"""SAM 2: masks the thing that a box is drawn around, whatever it is.

Source: N. Ravi et al., SAM 2: Segment Anything in Images and Videos, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.masks import BATCH, Masker, require_square
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.vocabulary import Vocabulary

#: By ``model_type`` of config.json; of those for videos, the half for images is taken.
ARCHITECTURES = {
    "sam2": Architecture("Sam2Model", any_size=False),
    "sam2_video": Architecture("Sam2VideoModel", any_size=False),
}


class _Features(nn.Module):
    """Images (B, 3, h, w) to feature maps of several sizes, in one row each: (B, F)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps = self.network.get_image_embeddings(images)
        return torch.cat([each.flatten(1) for each in maps], 1)


class Sam2Masker(Masker):
    """Masks what is in boxes, with SAM 2.

    For a box the model has one mask, and several that it falls back to where that one is not
    stable; of those, the one whose overlap with the thing it predicts to be the best.

    Args:
        model: gives features.
        network: of transformers; makes logits of features and boxes.

    """

    by_words = False

    def __init__(self, model: Model, network: Any) -> None:
        super().__init__(model)
        self._network = network
        decoder = network.mask_decoder
        channels = decoder.conv_s0.out_channels, decoder.conv_s1.out_channels, network.hidden_dim
        self._shapes = [
            (1, count, *size)
            for count, size in zip(channels, network.backbone_feature_sizes, strict=True)
        ]

    @classmethod
    def load(
        cls,
        source: str,
        runtime: Runtime = BEST,
        cache: TextCache | None = None,  # noqa: ARG003
    ) -> Sam2Masker:
        """Load a model, and try its image half on nothing.

        Args:
            source: ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            cache: not used: it takes no texts.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint = open_checkpoint(source, ARCHITECTURES)
        network = checkpoint.pretrained("Sam2Model")
        require_square(checkpoint, network.prompt_encoder.input_image_size)
        engine = Engine(_Features(network), runtime.place(), source, any_size=False)
        model, _ = Model.tried(source, checkpoint, engine)
        return cls(model, network)

    @torch.inference_mode()
    def logits(
        self,
        image: np.ndarray,
        found: Detections,
        vocabulary: Vocabulary,  # noqa: ARG002
    ) -> tuple[Sequence[Tensor], Placement]:
        """The image is looked at once, and the boxes are asked for in batches."""
        features, placement = self.model.run([image])
        rows = features.split([int(np.prod(shape)) for shape in self._shapes], 1)
        maps = [row.view(shape) for row, shape in zip(rows, self._shapes, strict=True)]
        height, width = placement.input_hw
        shares = placement.boxes_to_input(torch.from_numpy(found.boxes).float())
        boxes = shares * torch.tensor([width, height] * 2)
        masks = []
        for batch in boxes.to(features.device).split(BATCH):
            said = self._network(
                image_embeddings=maps, input_boxes=batch[None], multimask_output=False
            )
            masks += list(said.pred_masks[0, :, 0])
        return masks, placement
