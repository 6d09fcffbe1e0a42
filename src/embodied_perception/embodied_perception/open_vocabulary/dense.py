"""Detection with two towers alone: each place is held to the words, and regions become boxes.

Source of the idea: C. Zhou et al., Extract Free Dense Labels from CLIP, 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from embodied_perception.errors import InferenceError, OpenVocabularyError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.box_scores import BoxScores
from embodied_perception.open_vocabulary.compact_clip import CompactClip
from embodied_perception.open_vocabulary.detections import MOST, Detections, visible
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words

#: By ``model_type`` of config.json.
ARCHITECTURES = {"compact_clip": Architecture("CompactClip")}

_MOST_WORDS = 1_000_000
_SHOWS = 0.5  # score from which on a point may show a label, whatever threshold boxes have
_LEAST_POINTS = 8


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
    """Detects what words name as connected regions of places that they fit.

    Args:
        model: gives points (B, D, h, w) of length 1.
        texts: encodes texts.
        scale: what cosines are multiplied by to make logits.
        bias: added to that.
        exclusive: whether it was trained to choose one of several texts (softmax), or to say of
            each text alone whether it fits (sigmoid).
        least_points: of a region; what has fewer is a speck.
        box_scores: how sure a region is by how well its places fit; as sure as that, if not given.

    """

    def __init__(
        self,
        model: Model,
        texts: TextEncoder,
        scale: float,
        bias: float,
        exclusive: bool,
        least_points: int,
        box_scores: BoxScores = BoxScores(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(model)
        self.texts, self._box_scores = texts, box_scores
        self._scale, self._bias = scale, bias
        self._exclusive, self._least_points = exclusive, least_points

    @classmethod
    def load(
        cls, source: str, runtime: Runtime = BEST, cache: TextCache | None = None
    ) -> DenseDetector:
        """Load a compact model, and try it on nothing.

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
        return cls(
            model,
            texts,
            scale,
            bias,
            exclusive=False,
            least_points=_LEAST_POINTS,
            box_scores=BoxScores.of(checkpoint),
        )

    def words(self, vocabulary: Vocabulary) -> Words:
        """A word is the mean of its templates; who chooses wants two texts or more."""
        self._require_choice(vocabulary)
        return Words.encode(vocabulary, self.texts)

    def detect(
        self, images: Sequence[np.ndarray], words: Words, threshold: float
    ) -> list[Detections]:
        """A score is by the mean of a region's places.

        A place shows what is more likely than not; where one text is chosen, what is chosen more
        than by chance, and no less than a box has to be sure.
        """
        self._require_choice(words.vocabulary)
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
        scores_of_labels, background = self._scores(points, words)
        by_chance = 1 / _count(words.vocabulary)
        found: list[tuple[tuple[int, ...], float, int, np.ndarray]] = []
        for label, (scores, threshold) in enumerate(zip(scores_of_labels, least, strict=True)):
            shows = max(by_chance, threshold) if self._exclusive else _SHOWS
            is_shown = (scores >= shows) & (scores > background)
            for box, inside in _regions(is_shown.cpu().numpy(), self._least_points):
                left, top, right, bottom = box
                mask = torch.from_numpy(inside).to(points.device)
                fit = float(scores[top:bottom, left:right][mask].mean())
                if (score := self._box_scores.score(fit)) < threshold:
                    continue
                point = points[:, top:bottom, left:right][:, mask].mean(1)
                found.append((box, score, label, normalize(point, dim=0).cpu().numpy()))
        if not found:
            return Detections.none(len(points))
        boxes, means, labels, looks = (np.array(each) for each in zip(*found, strict=True))
        # Points are spread evenly over the input, of whatever size that was in the end.
        height, width = points.shape[1:]
        shares = torch.from_numpy(boxes) / torch.tensor([width, height] * 2)
        surest = np.argsort(-means, kind="stable")[:MOST]
        return Detections(
            placement.boxes_to_image(shares).numpy(), means.astype(np.float32), labels, looks
        ).take(surest)

    def _scores(self, points: Tensor, words: Words) -> tuple[Iterable[Tensor], Tensor]:
        """How well each label, and the best background text, fits points (D, h, w): (h, w)."""
        labels = (
            self._best(points, words.points[words.label_of_word == label])
            for label in range(len(words.vocabulary.labels))
        )
        background = self._best(points, words.background)
        if not self._exclusive:
            return map(torch.sigmoid, labels), background.sigmoid()
        of_labels = torch.stack(list(labels))
        texts = [self._best(points, text[None]) for text in words.background]
        total = torch.stack([*of_labels, *texts]).logsumexp(0)
        return (of_labels - total).exp(), (background - total).exp()

    def _best(self, points: Tensor, texts: np.ndarray) -> Tensor:
        """Logits (h, w) of that of texts (N, D) that fits a point best; -inf without texts."""
        if not len(texts):
            return points.new_full(points.shape[1:], -torch.inf)
        cosines = torch.from_numpy(texts).to(points.device) @ points.flatten(1)
        return self._scale * cosines.amax(0).view(points.shape[1:]) + self._bias

    def _require_choice(self, vocabulary: Vocabulary) -> None:
        """Refuse a single text to a model that chooses: it would be everywhere, surely."""
        if self._exclusive and _count(vocabulary) < 2:
            raise OpenVocabularyError(
                f"{vocabulary.names[0]!r} is all there is, and {self.model.source} chooses among "
                "labels and background texts; give background texts, or more labels or examples"
            )


def _count(vocabulary: Vocabulary) -> int:
    """How many there are to choose from."""
    return len(vocabulary.labels) + len(vocabulary.background)


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
    height, width = placement.image_hw
    boxes = visible(boxes, (width, height))
    # The middle of a box surely shows the thing, its corners what is around.
    middle = boxes + np.tile((boxes[:, 2:] - boxes[:, :2]) / 4, 2) * [1, 1, -1, -1]
    rows, columns = points.shape[-2:]
    shares = placement.boxes_to_input(torch.from_numpy(middle)).numpy()
    grid = shares * [columns, rows, columns, rows]
    last = np.array([columns, rows]) - 1
    starts = np.clip(np.floor(grid[:, :2]), 0, last).astype(int)
    stops = np.clip(np.ceil(grid[:, 2:]), starts + 1, last + 1).astype(int)
    means = [
        points[0, :, top:bottom, left:right].mean((1, 2))
        for (left, top), (right, bottom) in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
    return normalize(torch.stack(means), dim=1).float().cpu().numpy()


def _regions(
    is_shown: np.ndarray, least_points: int
) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Connected regions of a mask (h, w) of so many points at the least.

    Yields:
        Left, top, right, bottom of each, and its mask (bottom - top, right - left).

    """
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(is_shown.astype(np.uint8))
    for number, (left, top, width, height, area) in enumerate(statistics.tolist()):
        if number > 0 and area >= least_points:  # 0 is what is not shown
            inside = numbers[top : top + height, left : left + width] == number
            yield (left, top, left + width, top + height), inside
