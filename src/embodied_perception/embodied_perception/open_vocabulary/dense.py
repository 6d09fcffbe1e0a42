"""Detection with two towers alone: each pixel is held to the words, and regions become boxes.

Source of the idea: C. Zhou et al., Extract Free Dense Labels from CLIP, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from embodied_perception.errors import InferenceError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.compact_clip import CompactClip
from embodied_perception.open_vocabulary.detections import MOST, Detections
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words

#: By ``model_type`` of config.json.
ARCHITECTURES = {"compact_clip": Architecture("CompactClip")}

_MOST_WORDS = 1_000_000
_LEAST_POINTS = 8  # of a region; what has fewer is a speck


def load_network(checkpoint: Checkpoint) -> CompactClip:
    """Load both towers of a checkpoint.

    Raises:
        InferenceError: it is of another kind, or not whole.

    """
    checkpoint.require_type(*ARCHITECTURES)
    words = checkpoint.config.get("words")
    if type(words) is not int or not 1 <= words <= _MOST_WORDS:
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: words: got {words!r}, expected how many words the "
            "tokenizer knows"
        )
    network: CompactClip = checkpoint.fill(CompactClip(words))
    return network


class DenseDetector:
    """Detects what words name as connected regions of pixels that they fit.

    Args:
        model: gives points (B, D, h, w) of length 1.
        texts: encodes texts.
        scale: what cosines are multiplied by to make logits.
        bias: added to that.

    """

    def __init__(self, model: Model, texts: TextEncoder, scale: float, bias: float) -> None:
        self.model, self.texts = model, texts
        self._scale, self._bias = scale, bias

    @classmethod
    def load(
        cls, source: str, runtime: Runtime = BEST, cache: TextCache | None = None
    ) -> DenseDetector:
        """Load a model, and try it on nothing.

        Args:
            source: ``builtin:NAME``, or a folder.
            runtime: on what it shall run.
            cache: of texts that were encoded before.

        Raises:
            InferenceError: it is not there, not whole, or of another kind.

        """
        checkpoint, place = open_checkpoint(source, ARCHITECTURES), runtime.place()
        network = load_network(checkpoint)
        scale, bias = network.scale.exp().item(), network.bias.item()
        texts = TextEncoder(
            network.text, checkpoint, place, network.context, padded=False, cache=cache
        )
        model, _ = Model.tried(source, checkpoint, Engine(network.image, place, source))
        return cls(model, texts, scale, bias)

    def words(self, vocabulary: Vocabulary) -> Words:
        """A vocabulary in the model's space.

        Raises:
            OpenVocabularyError: a text is longer than the model's context.
            InferenceError: the model fails.

        """
        return Words.encode(vocabulary, self.texts)

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """Find what the words name in images of one size.

        A pixel is of the label that fits best, if no background text fits better.

        Args:
            images: (H, W, 3) uint8 RGB each.
            words: the vocabulary in the model's space.
            threshold: least score, of labels that have none of their own.

        Returns:
            Of each image, the surest first; a score is the mean of a region's pixels.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        points, placement = self.model.run(images)
        least = torch.tensor(words.vocabulary.thresholds(threshold), device=points.device)
        return [self._things(each, placement, words, least) for each in points]

    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
        """A thing in an image as a point (D,) of length 1, to find more of it.

        Args:
            image: (H, W, 3) uint8 RGB.
            box: (4,) left, top, right, bottom of the thing in pixels; None: it fills the image.

        Raises:
            InferenceError: the image is something else, or the model fails.

        """
        points, placement = self.model.run([image])
        over_image = placement.to_image(points)[0]
        height, width = image.shape[:2]
        left, top, right, bottom = (0, 0, width, height) if box is None else box
        # The middle of a box surely shows the thing, its corners what is around.
        rows, columns = (
            slice(int(low + (high - low) / 4), int(high - (high - low) / 4) + 1)
            for low, high in ((top, bottom), (left, right))
        )
        seen = over_image[:, rows, columns]
        if not seen.numel():
            raise InferenceError(
                f"the box {left:g}, {top:g}, {right:g}, {bottom:g} is not in the image of "
                f"{width}x{height}"
            )
        return normalize(seen.mean((1, 2)), dim=0).cpu().numpy()

    @torch.inference_mode()
    def _things(
        self, points: Tensor, placement: Placement, words: Words, least: Tensor
    ) -> Detections:
        """Regions of points (D, h, w) that show a label."""
        flat = points.flatten(1)
        logits, labels = self._best_label(flat, words)
        scores = torch.sigmoid(logits)
        is_shown = (scores >= least[labels]) & (logits > self._logits(flat, words.background))
        size_hw = points.shape[1:]
        regions, boxes = _regions(
            *(each.view(size_hw).cpu().numpy() for each in (labels, is_shown))
        )
        if not len(boxes):
            return Detections.none(len(points))
        shown = torch.from_numpy(regions.ravel() - 1).to(flat.device)
        inside = torch.nonzero(shown >= 0)[:, 0]
        shown = shown[inside]
        counts = torch.bincount(shown, minlength=len(boxes))

        def means(values: Tensor) -> Tensor:
            sums = values.new_zeros(len(boxes), *values.shape[1:])
            return sums.index_add_(0, shown, values)

        # Rows and columns of points in shares of the input, which the last ones may reach beyond.
        height, width = placement.input_hw
        stride = CompactClip.stride
        shares = torch.from_numpy(boxes) * stride / torch.tensor([width, height] * 2)
        found = Detections(
            placement.boxes_to_image(shares).numpy(),
            (means(scores[inside]) / counts).cpu().numpy(),
            labels[inside]
            .new_zeros(len(boxes))
            .index_copy_(0, shown, labels[inside])
            .cpu()
            .numpy(),
            normalize(means(flat.T[inside]), dim=1).cpu().numpy(),
        )
        return found.take(np.argsort(-found.scores, kind="stable")[:MOST])

    def _best_label(self, flat: Tensor, words: Words) -> tuple[Tensor, Tensor]:
        """Of points (D, P) the best logit (P,) and whose it is (P,); a label at a time.

        All words at once would take a gigabyte where there are thousands of them.
        """
        best = flat.new_full(flat.shape[1:], -torch.inf)
        labels = torch.zeros(flat.shape[1:], dtype=torch.long, device=flat.device)
        for label in range(len(words.vocabulary.labels)):
            logits = self._logits(flat, words.points[words.label_of_word == label])
            labels[logits > best] = label
            best = torch.maximum(best, logits)
        return best, labels

    def _logits(self, flat: Tensor, texts: np.ndarray) -> Tensor:
        """Of points (D, P) and texts (N, D) the best logit (P,); -inf without texts."""
        if not len(texts):
            return flat.new_full(flat.shape[1:], -torch.inf)
        cosines = torch.from_numpy(texts).to(flat.device) @ flat
        return self._scale * cosines.amax(0) + self._bias


def _regions(labels: np.ndarray, is_shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected regions of one label each, those that are no specks.

    Args:
        labels: (h, w).
        is_shown: (h, w) bool; the rest is of no label.

    Returns:
        (h, w) int64 numbers of regions from 1, 0 where there is none; and (R, 4) float32 left, top,
        right, bottom of each.

    """
    regions = np.zeros(labels.shape, np.int64)
    boxes: list[tuple[int, int, int, int]] = []
    for label in np.unique(labels[is_shown]):
        of_label = ((labels == label) & is_shown).astype(np.uint8)
        _, numbers, statistics, _ = cv2.connectedComponentsWithStats(of_label)
        is_large = statistics[:, cv2.CC_STAT_AREA] >= _LEAST_POINTS
        is_large[0] = False  # what is not of the label
        chosen = np.flatnonzero(is_large)
        renumbered = np.zeros(len(statistics), np.int64)
        renumbered[chosen] = len(boxes) + 1 + np.arange(len(chosen))
        regions += renumbered[numbers]
        boxes += [
            (left, top, left + width, top + height)
            for left, top, width, height, _ in statistics[chosen].tolist()
        ]
    return regions, np.array(boxes, np.float32).reshape(-1, 4)
