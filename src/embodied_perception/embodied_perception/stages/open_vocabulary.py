"""Detection by words on messages: images in; boxes with names out, the words changed any time."""

from __future__ import annotations

import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from embodied_perception_interfaces.msg import RegionEmbeddings
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from embodied_perception.config import Config, parameter
from embodied_perception.errors import InferenceError
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.inference.model import Model
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.finding import MOST_OVERLAP, Finder
from embodied_perception.open_vocabulary.loading import load_detector, load_masker
from embodied_perception.open_vocabulary.masks import Masker
from embodied_perception.open_vocabulary.overlay import draw_detections
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path
from embodied_perception.open_vocabulary.tracks import Tracker, TrackerConfig
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words
from embodied_perception.stages.box_messages import detections_message
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header
from embodied_perception.stages.stage import ImageInput, Output, Picture
from embodied_perception.stages.vocabularies import (
    VOCABULARY_OUTPUTS,
    VocabularyConfig,
    WordsStage,
)


@dataclass(frozen=True)
class OpenVocabularyConfig(VocabularyConfig):
    """Parameters of the open-vocabulary detection stage."""

    model: str = parameter(
        "builtin:demo-clip",
        "builtin:demo-clip, which knows drawn rooms alone; OWL-ViT, OWLv2 or Grounding DINO, such "
        "as hf:google/owlv2-base-patch16-ensemble after `perception models pull`; where none of "
        "them fits the device, CLIP, whose boxes are as coarse as its patches; or a folder",
        fixed=True,
    )
    most_overlap: float = parameter(
        MOST_OVERLAP,
        "of boxes that overlap more (intersection over union), whatever their labels, the surest "
        "stays",
        minimum=0.0,
        maximum=1.0,
    )
    tiles: int = parameter(
        1,
        "for small things, the image is also looked at in as many parts along each side; the time "
        "grows with their number",
        minimum=1,
        maximum=8,
    )
    masks: str = parameter(
        "",
        "what masks the things in the boxes: CLIPSeg by their names, such as "
        "hf:CIDAS/clipseg-rd64-refined, or SAM 2 by their boxes, such as "
        "hf:facebook/sam2.1-hiera-tiny; or a folder. Empty: nothing does",
        fixed=True,
    )
    track: bool = parameter(True, "give things the same id from image to image")

    def finder(self, detector: Detector) -> Finder:
        """What these parameters make of a detector."""
        return Finder(detector, self.threshold, self.most_overlap, self.tiles)


_MASKS = Output("masks", "~/masks", Image, on_demand=True)


class OpenVocabularyStage(WordsStage):
    """Detects what words name in the images of one camera, and masks it where that is asked for."""

    name = "open_vocabulary"
    config_type = OpenVocabularyConfig
    inputs = (ImageInput("image", "camera/image_raw", needs_camera_info=False),)
    outputs: tuple[Output | Picture, ...] = (
        Output("detections", "~/detections", Detection2DArray),
        _MASKS,
        Output("embeddings", "~/embeddings", RegionEmbeddings, on_demand=True),
        *VOCABULARY_OUTPUTS,
        Picture("overlay", "~/overlay"),
    )

    config: OpenVocabularyConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._finder: Finder | None = None
        self._masker: Masker | None = None
        self._masker_failure = ""
        self._tracker = Tracker(TrackerConfig())
        if not self.config.masks:
            self.outputs = tuple(output for output in self.outputs if output != _MASKS)

    def load_model(self) -> tuple[Model, Callable[[Vocabulary], Words]]:
        """Load the detector, and the masker.

        Raises:
            InferenceError: one of them cannot be loaded.

        """
        runtime, cache = self.config.runtime, TextCache(usual_path())
        detector = load_detector(self.config.model, runtime, cache)
        masker = load_masker(self.config.masks, runtime, cache) if self.config.masks else None

        def encode(vocabulary: Vocabulary) -> Words:
            if masker is not None:
                masker.learn(vocabulary)
            return detector.words(vocabulary)

        self._finder, self._masker = self.config.finder(detector), masker
        self._masker_failure = ""
        self._tracker = Tracker(TrackerConfig())
        return detector.model, encode

    def unload(self) -> None:
        """Let the detector and the masker go."""
        self._finder = self._masker = None
        super().unload()

    def reconfigure(self, config: Config) -> None:
        """Take other words, thresholds or parts.

        Raises:
            OpenVocabularyError: the words make no vocabulary.

        """
        super().reconfigure(config)
        if self._finder is not None:
            self._finder = self.config.finder(self._finder.detector)

    def process(self, image: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Detect what the words name in one image."""
        assert self._finder is not None, "load() comes first"
        assert self._words is not None, "load() comes first"
        revision = self._words.revision
        names = revision.words.vocabulary.names
        found = self._finder.find(image.rgb, revision.words)
        ids = self._tracker.update(found, image.stamp_ns) if self.config.track else None
        head = header(image.stamp_ns, image.frame_id)
        results: dict[str, Any] = {
            "detections": detections_message(found, names, ids, head),
            "source": self._source(head, revision),
        }
        if self.wanted("embeddings"):
            results["embeddings"] = RegionEmbeddings(
                header=head,
                model=self._finder.detector.model.source,
                dimensions=found.points.shape[1],
                values=array.array("f", found.points.tobytes()),
            )
        masks = self._masks(image, found, revision.words.vocabulary)
        if masks is not None and self.wanted("masks"):
            results["masks"] = image_message(masks, "16UC1", image.stamp_ns, image.frame_id)
        if self.wanted("overlay"):
            results["overlay"] = draw_detections(image.rgb, found, names, ids, masks)
        self._seen(f"{len(found)} found", revision)
        return results

    def _masks(self, image: Frame, found: Detections, vocabulary: Vocabulary) -> np.ndarray | None:
        """(H, W) uint16 numbers of boxes; None without a masker, if it fails, or nobody looks."""
        if self._masker is None or not (self.wanted("masks") or self.wanted("overlay")):
            return None
        self._masker_failure = ""
        try:
            return self._masker.numbered(image.rgb, found, vocabulary)
        except InferenceError as error:  # the boxes are right without it
            self._masker_failure = str(error)
            return None

    def _notes(self) -> list[str]:
        notes = super()._notes()
        if self._masker is not None:
            notes += [
                f"masks: {note}" for note in (self._masker.model.note, self._masker_failure) if note
            ]
        return notes

    def _description(self) -> dict[str, str]:
        if self._masker is None:
            return super()._description()
        place = self._masker.model.backend.place
        masks = f"{self._masker.model.source}, {place.device}"
        return super()._description() | {"masks": masks}

    def restart(self) -> str:
        """Begin to number things anew."""
        self._tracker.restart()
        return "the ids of things"
