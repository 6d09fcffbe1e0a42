"""Texts as points in a model's space: encoded once, then remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from embodied_perception.errors import InferenceError, OpenVocabularyError
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.pytorch import first_line, library
from embodied_perception.inference.runtime import Place
from embodied_perception.open_vocabulary.text_cache import TextCache

_BATCH = 64
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt")
_PROBES = ("a photo of a red mug.", "fire extinguisher", "The floor, 3 m away")


class TextEncoder:
    """Encodes texts with one model, each once.

    Args:
        network: token numbers and mask, (N, T) both, to (N, D).
        checkpoint: whose tokenizer it has.
        place: where it shall run.
        context: how many tokens a text may have.
        padded: whether every text is filled up to that, as the model was trained.
        cache: remembers what was encoded before; None: nothing.

    Attributes:
        encoded: how many texts went through the network since it was loaded.

    """

    def __init__(
        self,
        network: nn.Module,
        checkpoint: Checkpoint,
        place: Place,
        context: int,
        padded: bool,
        cache: TextCache | None,
    ) -> None:
        self._network = network.eval().to(place.device, place.dtype)
        self._tokenizer = load_tokenizer(checkpoint)
        self._place, self._context = place, context
        self._padding: dict[str, Any] = {"padding": True}
        if padded:
            self._padding = {"padding": "max_length", "max_length": context}
        self._cache, self.encoded = cache, 0
        self._model = _identity(checkpoint, self._run(_PROBES))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Points (N, D) float32, as long as the network makes them.

        Raises:
            OpenVocabularyError: a text is longer than the model's context.
            InferenceError: the model fails.

        """
        known = {} if self._cache is None else self._cache.read(self._model, texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            points = self._run(new)
            self.encoded += len(new)
            fresh = dict(zip(new, points, strict=True))
            if self._cache is not None:
                self._cache.write(self._model, fresh)
            known |= fresh
        return np.stack([known[text] for text in texts])

    def _run(self, texts: Sequence[str]) -> np.ndarray:
        batches = [texts[start:][:_BATCH] for start in range(0, len(texts), _BATCH)]
        with text_failures(self._place):
            return np.concatenate([self._run_batch(batch) for batch in batches])

    @torch.inference_mode()
    def _run_batch(self, texts: Sequence[str]) -> np.ndarray:
        tokens = self._tokenizer(list(texts), **self._padding)
        for text, numbers in zip(texts, tokens["input_ids"], strict=True):
            if len(numbers) > self._context:
                own = len(self._tokenizer(text)["input_ids"])
                if own > self._context:
                    raise OpenVocabularyError(
                        f"{text!r} has {own} tokens, the model takes {self._context}; say it in "
                        "fewer words"
                    )
        device = self._place.device
        numbers, mask = (
            torch.tensor(tokens[key], device=device) if key in tokens else None
            for key in ("input_ids", "attention_mask")
        )
        return self._network(numbers, mask).float().cpu().numpy()


@contextmanager
def text_failures(place: Place) -> Iterator[None]:
    """Raise :class:`InferenceError` where the device fails with texts."""
    try:
        yield
    except RuntimeError as error:
        raise InferenceError(
            f"texts on {place.device}: {first_line(error)}; set device: cpu, or load the model "
            "again"
        ) from error


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer of a checkpoint.

    Raises:
        InferenceError: it is not there, or cannot be read.

    """
    transformers, folder = library("transformers"), checkpoint.folder
    if not any((folder / name).is_file() for name in _TOKENIZERS):  # it would make one up
        raise InferenceError(
            f"{folder} has no tokenizer; copy tokenizer.json and tokenizer_config.json from where "
            "the weights are from"
        )
    try:
        if checkpoint.model_type not in transformers.CONFIG_MAPPING:  # it is one of ours
            return transformers.PreTrainedTokenizerFast.from_pretrained(
                folder, local_files_only=True
            )
        return transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of many kinds, from release to release
        raise InferenceError(
            f"{folder}: the tokenizer cannot be read; copy it again: {first_line(error)}"
        ) from error


def _identity(checkpoint: Checkpoint, probes: np.ndarray) -> str:
    """What tells a model from another: its files' texts, and what it makes of some sentences.

    Other weights make other points; weights need not be read once more to see it.
    """
    digest = hashlib.sha256(probes.tobytes())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        path = checkpoint.folder / name
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
