"""Detection by words on messages: images in; boxes with names out, and the words changed any time.

Every result says which vocabulary made it: ~/source bears its stamp.
"""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

from embodied_perception_interfaces.msg import RegionEmbeddings, ResultSource
from embodied_perception_interfaces.srv import SetVocabulary
from vision_msgs.msg import Detection2DArray

from embodied_perception.config import Config, parameter
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.finding import MOST_OVERLAP, THRESHOLD, Finder
from embodied_perception.open_vocabulary.loading import load_detector
from embodied_perception.open_vocabulary.overlay import draw_detections
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path
from embodied_perception.open_vocabulary.tracks import Tracker, TrackerConfig
from embodied_perception.stages.box_messages import detections_message
from embodied_perception.stages.messages import header
from embodied_perception.stages.stage import ImageInput, Output, Picture, Stage, Status
from embodied_perception.stages.vocabularies import (
    VOCABULARY_OUTPUTS,
    VOCABULARY_SERVICES,
    VocabularyConfig,
    WordsInForce,
    require_active,
)


@dataclass(frozen=True)
class OpenVocabularyConfig(VocabularyConfig):
    """Parameters of the open-vocabulary detection stage."""

    model: str = parameter(
        "builtin:demo-clip",
        "builtin:demo-clip, which knows drawn rooms alone; OWL-ViT, OWLv2 or Grounding DINO, such "
        "as hf:google/owlv2-base-patch16-ensemble after `perception models pull`; or a folder",
        fixed=True,
    )
    threshold: float = parameter(
        THRESHOLD,
        "least score of a box, of labels that have none of their own",
        minimum=0.0,
        maximum=1.0,
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
    track: bool = parameter(True, "give things the same id from image to image")

    def finder(self, detector: Detector) -> Finder:
        """What these parameters make of a detector."""
        return Finder(detector, self.threshold, self.most_overlap, self.tiles)


class OpenVocabularyStage(Stage):
    """Detects what words name in the images of one camera."""

    name = "open_vocabulary"
    config_type = OpenVocabularyConfig
    inputs = (ImageInput("image", "camera/image_raw", needs_camera_info=False),)
    outputs = (
        Output("detections", "~/detections", Detection2DArray),
        Output("source", "~/source", ResultSource),
        Output("embeddings", "~/embeddings", RegionEmbeddings, on_demand=True),
        *VOCABULARY_OUTPUTS,
        Picture("overlay", "~/overlay"),
    )
    services = VOCABULARY_SERVICES

    config: OpenVocabularyConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._finder: Finder | None = None
        self._words: WordsInForce | None = None
        self._tracker = Tracker(TrackerConfig())
        self._status = Status(Status.WARN, "no model is loaded yet")

    def load(self) -> str:
        """Load the model, and encode the words.

        Raises:
            InferenceError: it cannot be loaded.
            OpenVocabularyError: the words make no vocabulary.

        """
        vocabulary = self.config.read_vocabulary()
        detector = load_detector(self.config.model, self.config.runtime, TextCache(usual_path()))
        self._words = WordsInForce(detector.words, vocabulary)
        self._finder = self.config.finder(detector)
        self._tracker = Tracker(TrackerConfig())
        self._status = Status(Status.WARN, "no images yet", detector.model.description)
        return detector.model.note

    def unload(self) -> None:
        """Let the model go, and the memory of its device with it."""
        self._finder = self._words = None
        self._status = Status(Status.WARN, "no model is loaded yet")

    def reconfigure(self, config: Config) -> None:
        """Take other words or thresholds.

        Raises:
            OpenVocabularyError: the words make no vocabulary.

        """
        assert isinstance(config, OpenVocabularyConfig)
        if config.asks_for_other_words(self.config):
            vocabulary = config.read_vocabulary()
            if self._words is not None:
                self._words.change(vocabulary)
        if self._finder is not None:
            self._finder = config.finder(self._finder.detector)
        super().reconfigure(config)

    def set_vocabulary(self, request: SetVocabulary.Request) -> dict[str, Any]:
        """Take other words from the next image on.

        Raises:
            OpenVocabularyError: they make no vocabulary, or the node is inactive.
            InferenceError: the model fails.

        """
        return require_active(self._words).answer(request, self.config)

    def announce(self, stamp_ns: int) -> dict[str, Any]:
        """Say which words are in force."""
        if self._words is None:
            return {}
        return self._words.announcement(stamp_ns, self.config.threshold)

    def process(self, image: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Detect what the words name in one image."""
        assert self._finder is not None, "load() comes first"
        assert self._words is not None, "load() comes first"
        revision = self._words.revision
        names = revision.words.vocabulary.names
        found = self._finder.find(image.rgb, revision.words)
        ids = self._tracker.update(found, image.stamp_ns) if self.config.track else None
        head = header(image.stamp_ns, image.frame_id)
        model = self._finder.detector.model
        results: dict[str, Any] = {
            "detections": detections_message(found, names, ids, head),
            "source": ResultSource(
                header=head, model=model.source, vocabulary_revision=revision.number
            ),
        }
        if self.wanted("embeddings"):
            results["embeddings"] = RegionEmbeddings(
                header=head,
                model=model.source,
                dimensions=found.points.shape[1],
                values=array.array("f", found.points.tobytes()),
            )
        if self.wanted("overlay"):
            results["overlay"] = draw_detections(image.rgb, found, names, ids)
        self._status = self._seen(f"{len(found)} found, by revision {revision.number}")
        return results

    def restart(self) -> str:
        """Begin to number things anew."""
        self._tracker.restart()
        return "the ids of things"

    def status(self) -> Status:
        """Which model runs, where, and what it found last."""
        return self._status

    def _seen(self, text: str) -> Status:
        assert self._finder is not None
        model = self._finder.detector.model
        level, text = (Status.WARN, f"{text}; {model.note}") if model.note else (Status.OK, text)
        return Status(level, text, model.description)
