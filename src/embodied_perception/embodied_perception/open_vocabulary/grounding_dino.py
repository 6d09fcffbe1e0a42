"""Grounding DINO: image and words are looked at together, and each query proposes a box.

Source: S. Liu et al., Grounding DINO, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from embodied_perception.errors import InferenceError, OpenVocabularyError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.preprocessor_file import FILE
from embodied_perception.inference.runtime import BEST, Place, Runtime
from embodied_perception.open_vocabulary.detections import Detections, choose
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import load_tokenizer, text_failures
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words

#: By ``model_type`` of config.json.
ARCHITECTURES = {"grounding-dino": Architecture("GroundingDinoForObjectDetection")}

_BOX = slice(0, 4)
_BACKGROUND, _UNCOUNTED = -1, -2  # beside the numbers of labels


@dataclass(frozen=True, eq=False)
class GroundedWords(Words):
    """A vocabulary whose texts went through the model's text half.

    What counts as a word here is a token: a label fits as well as the token of its name and
    synonyms that fits best.

    Attributes:
        engine: sees images and looks for these words in them.

    """

    engine: Engine


class _Text(nn.Module):
    """Token numbers and mask of phrases, (N, T) both, to (N, T, D)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.projection = network.text_backbone, network.text_projection

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.projection(self.backbone(tokens, mask).last_hidden_state)


class _Said(nn.Module):
    """Takes the place of the text half: what that said comes as types of tokens."""

    def forward(self, _tokens: Tensor, _mask: Tensor, said: Tensor, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(last_hidden_state=said)


class _Proposals(nn.Module):
    """Images (B, 3, h, w) to (B, Q, 4 + D + C), of one caption: box, point, logits of tokens.

    Boxes are left, top, right, bottom in shares of the input; points have length 1.

    Args:
        network: without its text half.
        tokens: (1, T) numbers of the caption's.
        features: (1, T, D) what the text half says of them.
        counted: (C,) places in the caption of the tokens whose logits are given.

    """

    tokens: Tensor
    features: Tensor
    counted: Tensor

    def __init__(self, network: Any, tokens: Tensor, features: Tensor, counted: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("tokens", tokens)
        self.register_buffer("features", features)
        self.register_buffer("counted", counted)

    def forward(self, images: Tensor) -> Tensor:
        said = self.network(
            pixel_values=images,
            input_ids=self.tokens.expand(len(images), -1),
            token_type_ids=self.features.expand(len(images), -1, -1),
            return_dict=True,
        )
        centres, halves = said.pred_boxes[..., :2], said.pred_boxes[..., 2:] / 2
        points = normalize(said.last_hidden_state, dim=-1)
        logits = said.logits[..., self.counted]
        return torch.cat((centres - halves, centres + halves, points, logits), -1)


class GroundingDinoDetector(Detector):
    """Detects what words name, with Grounding DINO.

    The model was trained on captions of bare phrases, such as "red mug. door.", so names, synonyms
    and background texts are phrases as they are: templates are left out, whose tokens would count
    as much as those of the name. Within the text half a phrase knows nothing of the others; where
    the image is looked at, all of them compete.

    Args:
        source: what the model was asked for by.
        checkpoint: of it.
        network: of transformers; its text half is taken out.
        place: where it shall run.

    """

    def __init__(self, source: str, checkpoint: Checkpoint, network: Any, place: Place) -> None:
        self._source, self._place = source, place
        self._tokenizer = load_tokenizer(checkpoint)
        self._most_tokens: int = network.config.max_text_len
        self._text = _Text(network.model).eval().to(place.device, place.dtype)
        network.model.text_backbone, network.model.text_projection = _Said(), nn.Identity()
        self._network = network
        thing = self.words(Vocabulary.of("thing", background=()))
        model, _ = Model.tried(source, checkpoint, thing.engine)
        if model.preprocessing.pad_hw is not None:
            raise InferenceError(
                f"{checkpoint.folder / FILE}: pad_size: got {model.preprocessing.pad_hw}, expected "
                "none: the model would take what is filled up for a part of the image; take it out"
            )
        super().__init__(model)

    @classmethod
    def load(
        cls,
        source: str,
        runtime: Runtime = BEST,
        cache: TextCache | None = None,  # noqa: ARG003
    ) -> GroundingDinoDetector:
        """Load a model, and try it on nothing.

        Args:
            source: ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            cache: not used: here a text is a point for each of its tokens.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint = open_checkpoint(source, ARCHITECTURES)
        network = checkpoint.pretrained(ARCHITECTURES[checkpoint.model_type].class_name)
        return cls(source, checkpoint, network, runtime.place())

    def words(self, vocabulary: Vocabulary) -> GroundedWords:
        """All phrases together have at most 256 tokens, or what the checkpoint says."""
        said = [
            (number, word) for number, label in enumerate(vocabulary.labels) for word in label.words
        ]
        said += [(_BACKGROUND, text) for text in vocabulary.background]
        tokenizer = self._tokenizer
        # Each with what ends it; the caption's own first and last token stand alone.
        phrases = [
            [tokenizer.cls_token_id],
            *(self._tokens(text) for _, text in said),
            [tokenizer.sep_token_id],
        ]
        lengths = list(map(len, phrases))
        if sum(lengths) > self._most_tokens:
            raise OpenVocabularyError(
                f"the words have {sum(lengths)} tokens, the model takes {self._most_tokens} "
                f"together; give fewer labels, synonyms or background texts (these are "
                f"{len(vocabulary.background)})"
            )
        owners = np.repeat([_UNCOUNTED, *(owner for owner, _ in said), _UNCOUNTED], lengths)
        owners[np.cumsum(lengths) - 1] = _UNCOUNTED
        of_labels, of_background = owners >= 0, owners == _BACKGROUND
        counted = np.r_[np.flatnonzero(of_labels), np.flatnonzero(of_background)]
        tokens, features = self._encode(phrases)
        points = normalize(features.float(), dim=-1).cpu().numpy()
        proposals = _Proposals(
            self._network, tokens[None], features[None], torch.from_numpy(counted)
        )
        return GroundedWords(
            vocabulary,
            points[of_labels],
            owners[of_labels],
            points[of_background],
            Engine(proposals, self._place, self._source),
        )

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """Each query is of the label that fits it best; its point is the query's last state."""
        if not isinstance(words, GroundedWords):
            raise self._knows_words_alone()
        proposals, placement = replace(self.model, backend=words.engine).run(images)
        proposals = proposals.float()
        boxes = placement.boxes_to_image(proposals[..., _BOX]).cpu().numpy()
        first = proposals.shape[-1] - len(words.points) - len(words.background)
        points = proposals[..., _BOX.stop : first].cpu().numpy()
        logits = proposals[..., first:].cpu().numpy()
        of_labels, background = np.split(logits, [len(words.points)], axis=-1)
        least = np.array(words.vocabulary.thresholds(threshold))
        return [
            choose(*each, least)
            for each in zip(boxes, points, words.best_of_label(of_labels), background, strict=True)
        ]

    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:  # noqa: ARG002
        """It cannot: what is in a box has no place among the words."""
        raise self._knows_words_alone()

    def _tokens(self, text: str) -> list[int]:
        """Of a phrase and the dot that ends it; what would end it earlier becomes a space."""
        phrase = text.lower().replace(".", " ").replace("?", " ")
        tokens: list[int] = self._tokenizer(f"{phrase}.", add_special_tokens=False)["input_ids"]
        if not {*tokens[:-1]} - {self._tokenizer.unk_token_id}:
            raise OpenVocabularyError(f"{text!r} has no letters that the model knows; say it anew")
        return tokens

    @torch.inference_mode()
    def _encode(self, phrases: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token numbers (T,) of the caption, and what the text half says of them (T, D).

        The text half is to see each phrase alone, its tokens counted from 0 on (section 3.4, the
        sub-sentence level): each is a row of its own, and the rows are put together afterwards.
        """
        rows = pad_sequence([torch.tensor(phrase) for phrase in phrases], batch_first=True)
        lengths = torch.tensor([len(phrase) for phrase in phrases])
        mask = (torch.arange(rows.shape[1]) < lengths[:, None]).to(self._place.device)
        rows = rows.to(self._place.device)
        with text_failures(self._place):
            return rows[mask], self._text(rows, mask.long())[mask]

    def _knows_words_alone(self) -> OpenVocabularyError:
        return OpenVocabularyError(
            f"{self._source} finds what words name, not what looks like an example; give words, "
            "or an OWL-ViT or OWLv2 such as hf:google/owlv2-base-patch16-ensemble"
        )
