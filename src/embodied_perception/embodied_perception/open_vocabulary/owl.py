"""OWL-ViT and OWLv2: each patch of the image proposes a box, and a point that texts are held to.

Sources: M. Minderer et al., Simple Open-Vocabulary Object Detection with Vision Transformers, 2022;
the same, Scaling Open-Vocabulary Object Detection, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import elu, normalize

from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.detections import Detections, choose, overlaps
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words

#: By ``model_type`` of config.json.
ARCHITECTURES = {
    "owlvit": Architecture("OwlViTForObjectDetection", any_size=False),
    "owlv2": Architecture("Owlv2ForObjectDetection", any_size=False),
}
_BOX, _SHIFT, _SCALE, _POINT = slice(0, 4), 4, 5, slice(6, None)


class _Proposals(nn.Module):
    """Images (B, 3, h, w) to (B, P, 4 + 1 + 1 + D): box, shift and scale of logits, point.

    Boxes are left, top, right, bottom in shares of the input; points have length 1.
    """

    def __init__(self, network: Any, body: str) -> None:
        super().__init__()
        self.network = network
        # The text half is run apart.
        self.vision_model = getattr(network, body).vision_model

    def forward(self, images: Tensor) -> Tensor:
        network = self.network
        tokens = self.vision_model(pixel_values=images)[0]
        tokens = self.vision_model.post_layernorm(tokens)
        patches = network.layer_norm(tokens[:, 1:] * tokens[:, :1])
        centre_size = torch.sigmoid(network.box_head(patches) + network.box_bias)
        centres, halves = centre_size[..., :2], centre_size[..., 2:] / 2
        head = network.class_head
        shift, scale = head.logit_shift(patches), elu(head.logit_scale(patches)) + 1
        points = normalize(head.dense0(patches), dim=-1)
        return torch.cat((centres - halves, centres + halves, shift, scale, points), -1)


class _Text(nn.Module):
    def __init__(self, body: Any) -> None:
        super().__init__()
        self.text_model, self.projection = body.text_model, body.text_projection

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        pooled = self.text_model(input_ids=tokens, attention_mask=mask).pooler_output
        return normalize(self.projection(pooled), dim=-1)


class OwlDetector(Detector):
    """Detects what words name, with OWL-ViT or OWLv2.

    Args:
        model: gives proposals.
        texts: encodes texts.

    """

    def __init__(self, model: Model, texts: TextEncoder) -> None:
        super().__init__(model)
        self.texts = texts

    @classmethod
    def load(
        cls, source: str, runtime: Runtime = BEST, cache: TextCache | None = None
    ) -> OwlDetector:
        """Load a model, and try it on nothing.

        Args:
            source: ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            cache: of texts that were encoded before.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint = open_checkpoint(source, ARCHITECTURES)
        kind = checkpoint.model_type
        network = checkpoint.pretrained(ARCHITECTURES[kind].class_name)
        body, place = getattr(network, kind), runtime.place()
        context = network.config.text_config.max_position_embeddings
        texts = TextEncoder(_Text(body), checkpoint, place, context, padded=True, cache=cache)
        engine = Engine(_Proposals(network, kind), place, source, ARCHITECTURES[kind].any_size)
        return cls(Model.tried(source, checkpoint, engine)[0], texts)

    def words(self, vocabulary: Vocabulary) -> Words:
        """A word is the mean of its templates."""
        return Words.encode(vocabulary, self.texts)

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """Each patch is of the label that fits it best."""
        proposals, placement = self.model.run(images)
        proposals = proposals.float()
        boxes = placement.boxes_to_image(proposals[..., _BOX]).cpu().numpy()
        logits = self._logits(proposals, words.points)
        background = self._logits(proposals, words.background)
        points = proposals[..., _POINT].cpu().numpy()
        least = np.array(words.vocabulary.thresholds(threshold))
        return [
            choose(*each, least)
            for each in zip(boxes, points, words.best_of_label(logits), background, strict=True)
        ]

    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
        """What the box that is nearest says."""
        height, width = image.shape[:2]
        wanted = np.array([0, 0, width, height]) if box is None else np.asarray(box)
        proposals, placement = self.model.run([image])
        proposals = proposals[0].float()
        boxes = placement.boxes_to_image(proposals[:, _BOX]).cpu().numpy()
        nearest = int(overlaps(boxes, wanted[None]).argmax())
        return proposals[nearest, _POINT].cpu().numpy()

    def _logits(self, proposals: Tensor, texts: np.ndarray) -> np.ndarray:
        """(B, P, W) of texts (W, D)."""
        cosines = proposals[..., _POINT] @ torch.from_numpy(texts.T).to(proposals.device)
        shift, scale = proposals[..., _SHIFT, None], proposals[..., _SCALE, None]
        return ((cosines + shift) * scale).cpu().numpy()
