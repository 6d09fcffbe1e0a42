"""Classification by words on messages: which of them an image shows, or a box in it, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import Classification, Detection2D, Detection2DArray, ObjectHypothesis

from embodied_perception.config import Config, parameter
from embodied_perception.errors import FrameError, InferenceError
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.inference.model import Model
from embodied_perception.open_vocabulary.calibration import Calibration
from embodied_perception.open_vocabulary.detections import visible
from embodied_perception.open_vocabulary.encoder import Encoder
from embodied_perception.open_vocabulary.overlay import draw_answers
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.words import Words
from embodied_perception.open_vocabulary.zero_shot import ZeroShotClassifier
from embodied_perception.stages.box_messages import Boxes, bounding_box, hypothesis
from embodied_perception.stages.messages import header
from embodied_perception.stages.stage import BoxesInput, ImageInput, Output, Picture
from embodied_perception.stages.vocabularies import (
    VOCABULARY_OUTPUTS,
    VocabularyConfig,
    WordsStage,
)

_IMAGE, _BOXES = "image", "boxes"
_CAMERA = ImageInput("image", "camera/image_raw", needs_camera_info=False)
_LABELS = Output("classification", "~/classification", Classification)
_LABELLED = Output("detections", "~/detections", Detection2DArray)
_OTHERS = (*VOCABULARY_OUTPUTS, Picture("overlay", "~/overlay"))


@dataclass(frozen=True)
class ZeroShotConfig(VocabularyConfig):
    """Parameters of the zero-shot classification stage."""

    model: str = parameter(
        "builtin:demo-clip",
        "builtin:demo-clip, which knows the things of drawn rooms alone; CLIP or SigLIP, such as "
        "hf:google/siglip2-base-patch16-224 after `perception models pull`; or a folder",
        fixed=True,
    )
    regions: str = parameter(
        _IMAGE,
        "what is classified: the image as a whole, or the boxes of it that come on `detections`, "
        "such as another detector's",
        choices=(_IMAGE, _BOXES),
        fixed=True,
    )
    calibration_file: str = parameter(
        "",
        "how sure the model may be in this place, by `perception calibrate words`; empty: as it "
        "says itself",
        fixed=True,
    )
    top: int = parameter(
        3, "labels that are published, the most probable first", minimum=1, maximum=1000
    )
    threshold: float = parameter(
        0.0,
        "least probability of what is published, of labels that have no threshold of their own",
        minimum=0.0,
        maximum=1.0,
    )


class ZeroShotStage(WordsStage):
    """Classifies the images of one camera, or boxes in them, by words."""

    name = "zero_shot"
    config_type = ZeroShotConfig
    inputs: tuple[ImageInput | BoxesInput, ...] = (_CAMERA,)
    outputs: tuple[Output | Picture, ...] = (_LABELS, *_OTHERS)

    config: ZeroShotConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._encoder: Encoder | None = None
        self._calibration = Calibration()
        if self.config.regions == _BOXES:
            # Boxes lead: images that nobody drew boxes in are not asked for.
            self.inputs = (BoxesInput("boxes", "detections"), _CAMERA)
            self.outputs = (_LABELLED, *_OTHERS)

    def load_model(self) -> tuple[Model, Callable[[Vocabulary], Words]]:
        """Load the encoder, and the calibration.

        Raises:
            InferenceError: the model cannot be loaded.
            OpenVocabularyError: the calibration cannot be read, or is another model's.

        """
        model, path = self.config.model, self.config.calibration_file
        if path:
            self._calibration = Calibration.read(Path(path).expanduser(), model)
        self._encoder = Encoder.load(model, self.config.runtime, TextCache(usual_path()))
        return self._encoder.model, self._encoder.words

    def unload(self) -> None:
        """Let the encoder go."""
        self._encoder = None
        super().unload()

    def process(self, image: Frame, boxes: Boxes | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Classify one image, or its boxes."""
        assert self._encoder is not None, "load() comes first"
        assert self._words is not None, "load() comes first"
        revision = self._words.revision
        classifier = ZeroShotClassifier(self._encoder, revision.words, self._calibration)
        height, width = image.rgb.shape[:2]
        places = np.array([[0, 0, width, height]]) if boxes is None else boxes.boxes
        _require_inside(places, (width, height))
        said = [
            classifier.ranked(shares, self.config.threshold, self.config.top)
            for shares in classifier.classify_boxes(image.rgb, places)
        ]
        head = header(image.stamp_ns, image.frame_id)
        results: dict[str, Any] = {"source": self._source(head, revision)}
        if boxes is None:
            results["classification"] = Classification(
                header=head,
                results=[ObjectHypothesis(class_id=name, score=share) for name, share in said[0]],
            )
        else:
            results["detections"] = _detections(boxes, said, head)
        if self.wanted("overlay"):
            results["overlay"] = draw_answers(image.rgb, places, said)
        self._seen(_summary(said), revision)
        return results

    def restart(self) -> str:
        """Images do not depend on each other."""
        return "nothing depends on time here"


def _require_inside(boxes: np.ndarray, resolution_wh: tuple[int, int]) -> None:
    """Say of a box that is not in the image that it is the box, and no fault of the model."""
    try:
        visible(boxes, resolution_wh)
    except InferenceError as error:
        message = f"{error}; check that the boxes are of this camera"
        raise FrameError("BAD_BOX", message) from error


def _detections(
    boxes: Boxes, said: list[list[tuple[str, float]]], head: Header
) -> Detection2DArray:
    """The same boxes and ids, with what they show."""
    return Detection2DArray(
        header=head,
        detections=[
            Detection2D(
                header=head,
                id=name,
                bbox=bounding_box(box),
                results=[hypothesis(*each) for each in answers],
            )
            for name, box, answers in zip(boxes.ids, boxes.boxes, said, strict=True)
        ],
    )


def _summary(said: list[list[tuple[str, float]]]) -> str:
    first = [answers[0] for answers in said if answers]
    shown = ", ".join(f"{name} {share:.0%}" for name, share in first[:3])
    return shown or "nothing above the threshold"
