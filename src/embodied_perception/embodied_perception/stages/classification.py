"""Classification on messages: images in; classes in words, and the evidence for them, out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from vision_msgs.msg import Classification, ObjectHypothesis

from embodied_perception.classification.classifier import METHODS
from embodied_perception.classification.loading import AnyClassifier, load_classifier
from embodied_perception.classification.overlay import draw_evidence
from embodied_perception.config import Config, parameter
from embodied_perception.errors import ConfigError
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.stages.messages import header
from embodied_perception.stages.models import ModelConfig
from embodied_perception.stages.stage import ImageInput, Output, Picture, Stage, Status


@dataclass(frozen=True)
class ClassificationConfig(ModelConfig):
    """Parameters of the classification stage."""

    model: str = parameter(
        "builtin:objects",
        "builtin:NAME, hf:OWNER/REPO after `perception models pull`, or a folder with config.json "
        "and model.safetensors or model.onnx, also one of `perception train words`",
        fixed=True,
    )
    top: int = parameter(
        5, "classes that are published, the most probable first", minimum=1, maximum=1000
    )
    least_probability: float = parameter(
        0.0, "classes below it are not published", minimum=0.0, maximum=1.0
    )
    evidence_class: str = parameter(
        "", "class whose evidence ~/evidence shows; empty: the most probable one"
    )
    evidence_method: str = parameter(
        "auto",
        "how evidence is found; auto: attention rollout for ViT, Grad-CAM for convolutions",
        choices=METHODS,
    )


class ClassificationStage(Stage):
    """Classifies the images of one camera."""

    name = "classification"
    config_type = ClassificationConfig
    inputs = (ImageInput("image", "camera/image_raw", needs_camera_info=False),)
    outputs = (
        Output("classification", "~/classification", Classification),
        Picture("evidence", "~/evidence"),
    )

    config: ClassificationConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._classifier: AnyClassifier | None = None
        self._status = Status(Status.WARN, "no model is loaded yet")

    def load(self) -> str:
        """Load the model.

        Raises:
            InferenceError: it cannot be loaded.
            ConfigError: evidence_class is none of its classes.

        """
        classifier = load_classifier(self.config.model, self.config.runtime)
        _require_class(self.config, classifier.labels)
        self._classifier = classifier
        self._status = Status(Status.WARN, "no images yet", classifier.description)
        return classifier.note

    def unload(self) -> None:
        """Let the model go, and the memory of its device with it."""
        self._classifier = None
        self._status = Status(Status.WARN, "no model is loaded yet")

    def reconfigure(self, config: Config) -> None:
        """Show the evidence for another class, or in another way.

        Raises:
            ConfigError: evidence_class is none of the model's classes.

        """
        assert isinstance(config, ClassificationConfig)
        if self._classifier is not None:
            _require_class(config, self._classifier.labels)
        super().reconfigure(config)

    def process(self, image: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Classify one image."""
        assert self._classifier is not None, "load() comes first"
        labels = self._classifier.labels
        probabilities = self._classifier.classify([image.rgb])[0]
        order = np.argsort(-probabilities, kind="stable")
        best = order[: self.config.top]
        best = best[probabilities[best] >= self.config.least_probability]
        message = Classification(
            header=header(image.stamp_ns, image.frame_id),
            results=[
                ObjectHypothesis(class_id=labels[number], score=float(probabilities[number]))
                for number in best
            ],
        )
        results: dict[str, Any] = {"classification": message}
        if self.wanted("evidence"):
            chosen = self.config.evidence_class
            shown = labels.index(chosen) if chosen else int(order[0])
            heat = self._classifier.evidence(image.rgb, shown, self.config.evidence_method)
            title = f"{labels[shown]} {probabilities[shown]:.0%}"
            results["evidence"] = draw_evidence(image.rgb, heat, title)
        note = self._classifier.note
        said = f"{labels[order[0]]} {probabilities[order[0]]:.0%}"
        self._status = Status(
            Status.WARN if note else Status.OK,
            f"{said}; {note}" if note else said,
            self._classifier.description,
        )
        return results

    def restart(self) -> str:
        """Images do not depend on each other."""
        return "nothing depends on time here"

    def status(self) -> Status:
        """Which model runs, where, and what it said last."""
        return self._status


def _require_class(config: ClassificationConfig, labels: tuple[str, ...]) -> None:
    if config.evidence_class not in ("", *labels):
        raise ConfigError(
            f"evidence_class: {config.model} has no class {config.evidence_class!r}; it has: "
            f"{', '.join(labels)}"
        )
