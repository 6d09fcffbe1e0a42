"""Detection with two towers alone: each pixel is held to the words, and regions become boxes.

Source of the idea: C. Zhou et al., Extract Free Dense Labels from CLIP, 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words

#: By ``model_type`` of config.json.
ARCHITECTURES = {"compact_clip": Architecture("CompactClip")}

_MOST_WORDS = 1_000_000
_SHOWS = 0.5  # score from which on a point shows a label, whatever threshold boxes have
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


class DenseDetector(Detector):
    """Detects what words name as connected regions of pixels that they fit.

    Args:
        model: gives points (B, D, h, w) of length 1.
        texts: encodes texts.
        scale: what cosines are multiplied by to make logits.
        bias: added to that.

    """

    def __init__(self, model: Model, texts: TextEncoder, scale: float, bias: float) -> None:
        super().__init__(model)
        self.texts = texts
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
        """A word is the mean of its templates."""
        return Words.encode(vocabulary, self.texts)

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """A score is the mean of a region's pixels: a pixel shows what is more likely than not."""
        points, placement = self.model.run(images)
        least = words.vocabulary.thresholds(threshold)
        return [self._things(each, placement, words, least) for each in points]

    def point_of(self, image: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
        """The mean of what is in the middle of the box."""
        points, placement = self.model.run([image])
        height, width = image.shape[:2]
        whole = np.array([0, 0, width, height])
        return middles(points, placement, (whole if box is None else box)[None])[0]

    @torch.inference_mode()
    def _things(
        self, points: Tensor, placement: Placement, words: Words, least: Sequence[float]
    ) -> Detections:
        """Regions of points (D, h, w) that show a label, label by label.

        All words at once would take a gigabyte where there are thousands of them. Regions of
        several labels may overlap: one argument about each pixel would tear things apart of which
        a mug and a cup are both said.
        """
        background = self._scores(points, words.background)
        found: list[tuple[tuple[int, ...], float, int, np.ndarray]] = []
        for label, threshold in enumerate(least):
            scores = self._scores(points, words.points[words.label_of_word == label])
            is_shown = (scores >= max(_SHOWS, threshold)) & (scores > background)
            for box, inside in _regions(is_shown.cpu().numpy()):
                left, top, right, bottom = box
                mask = torch.from_numpy(inside).to(points.device)
                score = float(scores[top:bottom, left:right][mask].mean())
                point = points[:, top:bottom, left:right][:, mask].mean(1)
                found.append((box, score, label, normalize(point, dim=0).cpu().numpy()))
        if not found:
            return Detections.none(len(points))
        boxes, means, labels, looks = (np.array(each) for each in zip(*found, strict=True))
        # In shares of the input, which the last row and column of points may reach beyond.
        height, width = placement.input_hw
        shares = torch.from_numpy(boxes) * CompactClip.stride / torch.tensor([width, height] * 2)
        surest = np.argsort(-means, kind="stable")[:MOST]
        return Detections(
            placement.boxes_to_image(shares).numpy(), means.astype(np.float32), labels, looks
        ).take(surest)

    def _scores(self, points: Tensor, texts: np.ndarray) -> Tensor:
        """Of points (D, h, w), how well the best of texts (N, D) fits (h, w); 0 without texts."""
        if not len(texts):
            return points.new_zeros(points.shape[1:])
        cosines = torch.from_numpy(texts).to(points.device) @ points.flatten(1)
        best = cosines.amax(0).view(points.shape[1:])
        return torch.sigmoid(self._scale * best + self._bias)


def middles(points: Tensor, placement: Placement, boxes: np.ndarray) -> np.ndarray:
    """What boxes show, by the mean of the points in their middles.

    Args:
        points: (1, D, h, w) of an image, of length 1.
        placement: of the image in the network's input.
        boxes: (N, 4) left, top, right, bottom in pixels of the image.

    Returns:
        (N, D) float32 of length 1.

    Raises:
        InferenceError: a box is not in the image.

    """
    over_image = placement.to_image(points)[0]
    height, width = over_image.shape[1:]
    found = []
    for box in np.asarray(boxes, np.float64):
        left, top, right, bottom = box
        # The middle of a box surely shows the thing, its corners what is around.
        rows, columns = (
            slice(max(0, int(low + (high - low) / 4)), max(0, int(high - (high - low) / 4) + 1))
            for low, high in ((top, bottom), (left, right))
        )
        seen = over_image[:, rows, columns]
        if not seen.numel():
            raise InferenceError(
                f"the box {left:g}, {top:g}, {right:g}, {bottom:g} is not in the image of "
                f"{width}x{height}"
            )
        found.append(normalize(seen.mean((1, 2)), dim=0).float().cpu().numpy())
    return np.stack(found)


def _regions(is_shown: np.ndarray) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Connected regions of a mask (h, w), but specks.

    Yields:
        Left, top, right, bottom of each, and its mask (bottom - top, right - left).

    """
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(is_shown.astype(np.uint8))
    for number, (left, top, width, height, area) in enumerate(statistics.tolist()):
        if number > 0 and area >= _LEAST_POINTS:  # 0 is what is not shown
            inside = numbers[top : top + height, left : left + width] == number
            yield (left, top, left + width, top + height), inside
