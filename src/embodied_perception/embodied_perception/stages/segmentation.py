"""Semantic segmentation on messages: images in; masks, confidences and class names out.

The topics are what Nav2's semantic segmentation layer takes: a mask of class numbers, a confidence
of 0 to 255 with the same stamp, and the names of the classes, latched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo, VisionClass

from embodied_perception.config import Config, parameter
from embodied_perception.errors import ConfigError
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.segmentation.overlay import draw_overlay
from embodied_perception.segmentation.palettes import colors_of
from embodied_perception.segmentation.segmenter import Segmentation, Segmenter
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header
from embodied_perception.stages.models import ModelConfig
from embodied_perception.stages.stage import ImageInput, Output, Picture, PictureOf, Stage, Status

_CAMERA = "camera"


@dataclass(frozen=True)
class SegmentationConfig(ModelConfig):
    """Parameters of the segmentation stage."""

    model: str = parameter(
        "builtin:camvid",
        "builtin:NAME, hf:OWNER/REPO after `perception models pull`, or a folder with config.json "
        "and model.safetensors or model.onnx; `perception models list` lists what is here",
        fixed=True,
    )
    cameras: tuple[str, ...] = parameter(
        (_CAMERA,),
        "namespaces of the cameras: images come on NAME/image_raw. Several are segmented together, "
        "and their topics go to ~/NAME/mask and so on",
        fixed=True,
    )
    sync_tolerance_s: float = parameter(
        0.02,
        "how far apart the stamps of several cameras' images may be that are segmented together",
        unit="s",
        minimum=0.0,
        maximum=1.0,
        fixed=True,
    )
    threshold: float = parameter(
        0.0,
        "confidence below which a pixel is unlabelled (255, or 65535 in masks of 16 bits)",
        minimum=0.0,
        maximum=1.0,
    )
    class_thresholds: tuple[str, ...] = parameter(
        (), "thresholds of single classes in place of that, such as person=0.3"
    )
    overlay_opacity: float = parameter(0.5, "of the colours in ~/overlay", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        named = set(map(_key, self.cameras))
        if not named or len(named) < len(self.cameras) or not all(map(_is_topic, self.cameras)):
            raise ConfigError(
                f"cameras: got {list(self.cameras)}, expected different names of letters, digits, "
                "_ and /, such as front and rear"
            )
        self.thresholds_by_name()

    def thresholds_by_name(self) -> dict[str, float]:
        """Thresholds of single classes.

        Raises:
            ConfigError: one is not NAME=SHARE with a share of 0 to 1.

        """
        found = {}
        for text in self.class_thresholds:
            name, _, value = text.rpartition("=")
            try:
                share = float(value)
            except ValueError:
                share = -1.0
            if not name.strip() or not 0 <= share <= 1:
                raise ConfigError(
                    f"class_thresholds: got {text!r}, expected NAME=SHARE, such as person=0.3"
                )
            found[name.strip()] = share
        return found


def _inputs(cameras: tuple[str, ...]) -> tuple[ImageInput, ...]:
    return tuple(
        ImageInput(_key(camera), f"{camera}/image_raw", needs_camera_info=False)
        for camera in cameras
    )


def _outputs(cameras: tuple[str, ...]) -> tuple[Output | Picture, ...]:
    outputs: list[Output | Picture] = [
        Output("label_info", "~/label_info", LabelInfo, latched=True)
    ]
    for camera in cameras:
        within = "~" if len(cameras) == 1 else f"~/{camera}"
        outputs += [
            Output(f"{_key(camera)} mask", f"{within}/mask", Image),
            Output(f"{_key(camera)} confidence", f"{within}/confidence", Image),
            Picture(f"{_key(camera)} overlay", f"{within}/overlay"),
        ]
    return tuple(outputs)


def _key(camera: str) -> str:
    """A camera's namespace as the name of an argument."""
    return camera.replace("/", "_")


class SegmentationStage(Stage):
    """Segments the images of one or several cameras."""

    name = "segmentation"
    config_type = SegmentationConfig
    inputs = _inputs((_CAMERA,))
    outputs = _outputs((_CAMERA,))

    config: SegmentationConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self.inputs = _inputs(self.config.cameras)
        self.outputs = _outputs(self.config.cameras)
        self._segmenter: Segmenter | None = None
        self._colors = np.zeros((0, 3), np.uint8)
        self._least = np.zeros(0, np.float32)
        self._status = Status(Status.WARN, "no model is loaded yet")

    @property
    def sync_tolerance_s(self) -> float:
        """How far apart the stamps of several cameras' images may be."""
        return self.config.sync_tolerance_s if len(self.config.cameras) > 1 else 0.0

    def load(self) -> str:
        """Load the model.

        Raises:
            InferenceError: it cannot be loaded.
            ConfigError: class_thresholds names a class that it has not.

        """
        segmenter = Segmenter.load(self.config.model, self.config.runtime)
        self._least = _least_confidence(self.config, segmenter.labels)
        self._segmenter = segmenter
        self._colors = colors_of(segmenter.labels)
        self._status = self._ready("no images yet", Status.WARN)
        return segmenter.model.note

    def unload(self) -> None:
        """Let the model go, and the memory of its device with it."""
        self._segmenter = None
        self._status = Status(Status.WARN, "no model is loaded yet")

    def reconfigure(self, config: Config) -> None:
        """Take other thresholds.

        Raises:
            ConfigError: class_thresholds names a class that the model has not.

        """
        assert isinstance(config, SegmentationConfig)
        if self._segmenter is not None:
            self._least = _least_confidence(config, self._segmenter.labels)
        super().reconfigure(config)

    def announce(self, stamp_ns: int) -> dict[str, Any]:
        """Say what the numbers in the masks mean."""
        if self._segmenter is None:
            return {}
        classes = [
            VisionClass(class_id=number, class_name=name)
            for number, name in enumerate(self._segmenter.labels)
        ]
        threshold = self.config.threshold
        info = LabelInfo(header=header(stamp_ns, ""), class_map=classes, threshold=threshold)
        return {"label_info": info}

    def process(self, **frames: Frame) -> dict[str, Any]:
        """Segment one image of each camera."""
        assert self._segmenter is not None, "load() comes first"
        found = self._segmenter.segment([frame.rgb for frame in frames.values()])
        results: dict[str, Any] = {}
        for (camera, frame), each in zip(frames.items(), found, strict=True):
            results |= self._messages(camera, frame, each)
        height, width = found[0].mask.shape
        self._status = self._ready(f"{width}x{height}", Status.OK)
        return results

    def restart(self) -> str:
        """Images do not depend on each other."""
        return "nothing depends on time here"

    def status(self) -> Status:
        """Which model runs, and where."""
        return self._status

    def _messages(self, camera: str, frame: Frame, found: Segmentation) -> dict[str, Any]:
        mask = self._sure(found)
        encoding = "mono8" if mask.dtype == np.uint8 else "16UC1"
        shares = np.rint(255 * found.confidence).astype(np.uint8)
        results: dict[str, Any] = {
            f"{camera} mask": image_message(mask, encoding, frame.stamp_ns, frame.frame_id),
            f"{camera} confidence": image_message(shares, "mono8", frame.stamp_ns, frame.frame_id),
        }
        if self.wanted(f"{camera} overlay"):
            assert self._segmenter is not None
            drawn = draw_overlay(
                frame.rgb, mask, self._segmenter.labels, self._colors, self.config.overlay_opacity
            )
            results[f"{camera} overlay"] = PictureOf(drawn, frame.stamp_ns, frame.frame_id)
        return results

    def _sure(self, found: Segmentation) -> np.ndarray:
        """The mask, unlabelled where confidence is below the threshold of the class."""
        if not self._least.any():
            return found.mask
        unlabelled = np.iinfo(found.mask.dtype).max
        # What is unlabelled already is no class, and stays.
        least = self._least[np.minimum(found.mask, len(self._least) - 1)]
        return np.where(found.confidence < least, unlabelled, found.mask)

    def _ready(self, text: str, level: int) -> Status:
        assert self._segmenter is not None
        model = self._segmenter.model
        if model.note:
            level, text = Status.WARN, f"{text}; {model.note}"
        return Status(level, text, model.description)


def _least_confidence(config: SegmentationConfig, labels: tuple[str, ...]) -> np.ndarray:
    """The threshold (C,) of each class.

    Raises:
        ConfigError: class_thresholds names a class that there is not.

    """
    single = config.thresholds_by_name()
    unknown = sorted(single.keys() - set(labels))
    if unknown:
        raise ConfigError(
            f"class_thresholds: {config.model} has no class {unknown[0]!r}; it has: "
            f"{', '.join(labels)}"
        )
    return np.array([single.get(label, config.threshold) for label in labels], np.float32)


def _is_topic(name: str) -> bool:
    return all(part.isidentifier() and part.isascii() for part in name.split("/"))
