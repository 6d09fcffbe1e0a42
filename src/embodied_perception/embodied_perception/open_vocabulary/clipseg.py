"""CLIPSeg: masks what words name, wherever it is in the image.

Source: T. Lüddecke and A. Ecker, Image Segmentation Using Text and Image Prompts, 2022.
"""

from __future__ import annotations

import threading
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
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.vocabulary import Vocabulary

#: By ``model_type`` of config.json.
ARCHITECTURES = {"clipseg": Architecture("CLIPSegForImageSegmentation", any_size=False)}


class _Activations(nn.Module):
    """Images (B, 3, h, w) to what some layers say of them: (B, K, T, D)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._layers = [layer + 1 for layer in network.extract_layers]  # 0 is what enters the first
        del network.clip.vision_model.encoder.layers[max(self._layers) :]  # nobody asks them

    def forward(self, images: Tensor) -> Tensor:
        said = self.network.clip.vision_model(images, output_hidden_states=True).hidden_states
        return torch.stack([said[layer] for layer in self._layers], 1)


class _Text(nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.text_model, self.projection = clip.text_model, clip.text_projection

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        return self.projection(self.text_model(tokens, attention_mask=mask).pooler_output)


class ClipSegMasker(Masker):
    """Masks what words name, with CLIPSeg.

    It is asked for a label's name as it is; synonyms and templates are the detector's. Boxes of one
    label have parts of one mask.

    Args:
        model: gives activations.
        decoder: of transformers; makes logits of activations and a text.
        texts: encodes texts.

    """

    by_words = True

    def __init__(self, model: Model, decoder: Any, texts: TextEncoder) -> None:
        super().__init__(model)
        self._decoder, self.texts = decoder, texts
        self._known: tuple[Vocabulary, Tensor] | None = None
        self._encoding = threading.Lock()  # words change while images are looked at

    @classmethod
    def load(
        cls, source: str, runtime: Runtime = BEST, cache: TextCache | None = None
    ) -> ClipSegMasker:
        """Load a model, and try its image half on nothing.

        Args:
            source: ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            cache: of texts that were encoded before.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint = open_checkpoint(source, ARCHITECTURES)
        require_square(checkpoint)
        kind = ARCHITECTURES[checkpoint.model_type]
        network, place = checkpoint.pretrained(kind.class_name), runtime.place()
        context = network.config.text_config.max_position_embeddings
        texts = TextEncoder(
            _Text(network.clip), checkpoint, place, context, padded=False, cache=cache
        )
        engine = Engine(_Activations(network), place, source, kind.any_size)
        model, _ = Model.tried(source, checkpoint, engine)
        return cls(model, network.decoder, texts)

    def learn(self, vocabulary: Vocabulary) -> None:
        """Encode the names of its labels."""
        self._points(vocabulary)

    @torch.inference_mode()
    def logits(
        self, image: np.ndarray, found: Detections, vocabulary: Vocabulary
    ) -> tuple[Sequence[Tensor], Placement]:
        """The decoder runs once for each label that is in a box."""
        (activations,), placement = self.model.run([image])
        labels, of_box = np.unique(found.labels, return_inverse=True)
        points = self._points(vocabulary)[torch.from_numpy(labels)]
        maps = torch.cat([self._decode(activations, batch) for batch in points.split(BATCH)])
        return [maps[number] for number in of_box.tolist()], placement

    def _decode(self, activations: Tensor, points: Tensor) -> Tensor:
        """Activations (K, T, D) and texts (L, P) to logits (L, h, w)."""
        layers = [layer.expand(len(points), -1, -1) for layer in activations]
        return self._decoder(layers, points.to(activations)).logits

    def _points(self, vocabulary: Vocabulary) -> Tensor:
        """(L, P) float32 of the names of labels; encoded anew where the vocabulary is another."""
        with self._encoding:
            if self._known is None or self._known[0] != vocabulary:
                points = self.texts.encode(vocabulary.names)
                self._known = vocabulary, torch.from_numpy(points)
            return self._known[1]
