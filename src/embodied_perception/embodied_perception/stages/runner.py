"""Runs a stage on messages: what both hosts have in common."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from embodied_perception.camera import Camera
from embodied_perception.config import Config
from embodied_perception.errors import (
    CameraError,
    FrameError,
    GeometryError,
    InferenceError,
    PerceptionError,
)
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.stages.box_messages import Boxes
from embodied_perception.stages.decoding import ClassNumbers, Decoded
from embodied_perception.stages.pairing import RESTART_NS, StampPairer
from embodied_perception.stages.report import Report
from embodied_perception.stages.sinks import Sink, messages_of, sinks_of
from embodied_perception.stages.stage import BoxesInput, ImageInput, Service, Stage
from embodied_perception.stages.transforms import TRANSFORM_TOPICS, learn_transform
from embodied_perception.stages.transports import RAW, Transport, transport_named

#: Pairs that wait for their calibration at the most.
_WAITING = 5


@dataclass(frozen=True)
class Source:
    """A topic that a stage listens to."""

    topic: str
    type: type
    suffix: str = ""  #: of image_transport; added after the topic is remapped
    input_name: str = ""  #: of the stage; empty for transforms
    latched: bool = False


@dataclass(frozen=True)
class FrameSet:
    """Frames, and boxes, of one moment, by input name, ready to be processed."""

    stamp_ns: int
    frames: dict[str, Frame | Boxes] = field(default_factory=dict)


class StageRunner:
    """Feeds a stage: calibrates frames, pairs them, and counts what cannot be used.

    :meth:`accept` takes what arrived and gives out complete sets; :meth:`process` runs the stage
    on one. They may be called from two threads.
    """

    def __init__(self, stage_type: type[Stage], config: Config) -> None:
        self.transforms = TransformTree()
        self.stage = stage_type(config, self.transforms)
        self.report = Report()
        self.is_wanted: Callable[[Sink], bool] = lambda _sink: True
        self.stage.wanted = self._wanted
        self._cameras: dict[str, Camera] = {}
        self._class_numbers: dict[str, dict[str, int]] = {}
        self._waiting: deque[tuple[int, dict[str, Frame | Boxes]]] = deque()
        self._pairer: StampPairer[Frame | Boxes] = StampPairer(
            [each.name for each in self.stage.inputs],
            round(self.stage.sync_tolerance_s * 1e9),
            self.report.drop,
        )
        self._last_ns = 0
        self._lock = threading.Lock()

    # What it listens to and publishes.

    @property
    def cameras(self) -> list[ImageInput]:
        """The stage's inputs that are images."""
        return [each for each in self.stage.inputs if isinstance(each, ImageInput)]

    def transports(self, name: str) -> dict[str, Transport]:
        """Each input's transport where ``image_transport`` is that name."""
        return {i.name: transport_named(name, i.content) for i in self.cameras}

    def sources(self, transports: Mapping[str, Transport] | None = None) -> list[Source]:
        """The topics to listen to; an input's images come raw unless ``transports`` has it."""
        sources = [
            Source(topic, TFMessage, latched=static) for topic, static in TRANSFORM_TOPICS.items()
        ]
        for image in self.cameras:
            name = image.name
            if image.camera_info_topic:
                sources.append(Source(image.camera_info_topic, CameraInfo, input_name=name))
            if image.label_info_topic:
                topic = image.label_info_topic
                sources.append(Source(topic, LabelInfo, input_name=name, latched=True))
            transport = (transports or {}).get(name, RAW)
            sources.append(Source(image.topic, transport.type, transport.suffix, name))
        sources += [
            Source(each.topic, Detection2DArray, input_name=each.name)
            for each in self.stage.inputs
            if isinstance(each, BoxesInput)
        ]
        return sources

    def sinks(self) -> list[Sink]:
        """The topics to publish."""
        return [sink for output in self.stage.outputs for sink in sinks_of(output)]

    # What happens to a message.

    def load(self) -> str:
        """Make the stage ready; returns what is not as it was asked for.

        Raises:
            PerceptionError: it cannot be.
        """
        with self._lock:
            return self.stage.load()

    def unload(self) -> None:
        """Let go what :meth:`load` made ready."""
        with self._lock:
            self.stage.unload()

    def announce(self, stamp_ns: int) -> list[tuple[Sink, Any]]:
        """What the stage says without any image; returns where each message goes, and it."""
        results = self.stage.announce(stamp_ns)
        return self._messages(results, stamp_ns, "")

    def accept(self, source: Source, decoded: Decoded) -> list[FrameSet]:
        """Take what arrived on a topic; returns the sets that are ready now."""
        if isinstance(decoded, PerceptionError):
            self._refuse(source, decoded)
            return []
        if isinstance(decoded, Camera):
            self._cameras[source.input_name] = decoded
        elif isinstance(decoded, ClassNumbers):
            self._class_numbers[source.input_name] = decoded.by_name
        elif isinstance(decoded, Frame | Boxes):
            self._waiting.extend(self._pairer.push(source.input_name, decoded.stamp_ns, decoded))
        else:
            for message in decoded:
                self._learn_transform(message, source.latched)
        return self._calibrated()

    def process(self, ready: FrameSet) -> list[tuple[Sink, Any]]:
        """Run the stage on a set; returns where each message goes, and the message."""
        with self._lock:
            if ready.stamp_ns < self._last_ns - RESTART_NS:
                back_s = (self._last_ns - ready.stamp_ns) / 1e9
                self.transforms.clear_dynamic()
                forgotten = self.stage.restart()
                self.report.drop("TIME_WENT_BACK", f"by {back_s:.1f} s: {forgotten}")
            self._last_ns = ready.stamp_ns
            try:
                results = self.stage.process(**ready.frames)
            except PerceptionError as error:
                self.report.drop(reason_of(error), str(error))
                return []
        self.report.count_processed()
        frame_id = ready.frames[self.stage.inputs[0].name].frame_id
        return self._messages(results, ready.stamp_ns, frame_id)

    def finish(self) -> list[FrameSet]:
        """At the end of a recording: the sets that waited for what did not come."""
        self._waiting.extend(self._pairer.finish())
        return self._calibrated(patience=0)

    def call(self, service: Service, request: Any) -> str | dict[str, Any]:
        """Put a question to the stage; returns its answer, or raises what stands against it."""
        with nullcontext() if service.at_once else self._lock:
            return getattr(self.stage, service.method)(request)

    def reconfigure(self, config: Config) -> None:
        """Put new parameters in force, between two images.

        Raises:
            ConfigError: they do not fit what the stage has loaded.
        """
        with self._lock:
            self.stage.reconfigure(config)

    # Steps.

    def _refuse(self, source: Source, error: PerceptionError) -> None:
        if isinstance(error, CameraError):
            self._cameras.pop(source.input_name, None)
        self.report.drop(reason_of(error), f"{source.topic}: {error}")

    def _learn_transform(self, message: TransformStamped, static: bool) -> None:
        try:
            learn_transform(self.transforms, message, static)
        except GeometryError as error:
            self.report.drop("BAD_TRANSFORM", str(error))

    def _calibrated(self, patience: int = _WAITING) -> list[FrameSet]:
        """Sets whose cameras and classes are all known; the others wait a little."""
        unknown = self._unknown()
        if unknown is not None:
            while len(self._waiting) > patience:
                self._waiting.popleft()
                self.report.drop(unknown.reason, str(unknown))
            return []
        ready = []
        for stamp_ns, frames in self._waiting:
            for name, frame in frames.items():
                if isinstance(frame, Frame) and name in self._cameras:
                    frame.camera = self._cameras[name]
                if isinstance(frame, Frame) and name in self._class_numbers:
                    frame.class_numbers = self._class_numbers[name]
            ready.append(FrameSet(stamp_ns, frames))
        self._waiting.clear()
        return ready

    def _unknown(self) -> FrameError | None:
        """Why no frame can be processed yet."""
        for image in self.cameras:
            camera, names = image.camera_info_topic, image.label_info_topic
            if camera and image.needs_camera_info and image.name not in self._cameras:
                return FrameError("NO_CAMERA_INFO", f"no valid calibration on {camera}")
            if names and image.name not in self._class_numbers:
                return FrameError("NO_LABEL_INFO", f"no names of the mask's classes on {names}")
        return None

    def _wanted(self, output_name: str) -> bool:
        outputs = {output.name: output for output in self.stage.outputs}
        return any(self.is_wanted(sink) for sink in sinks_of(outputs[output_name]))

    def _messages(
        self, results: dict[str, Any], stamp_ns: int, frame_id: str
    ) -> list[tuple[Sink, Any]]:
        return [
            found
            for output in self.stage.outputs
            if output.name in results
            for found in messages_of(
                output, results[output.name], stamp_ns, frame_id, self.is_wanted
            )
        ]


def reason_of(error: PerceptionError) -> str:
    """A short code for what went wrong."""
    if isinstance(error, FrameError):
        return error.reason
    if isinstance(error, CameraError):
        return "UNCALIBRATED"
    if isinstance(error, InferenceError):
        return "MODEL_FAILED"
    return type(error).__name__.removesuffix("Error").upper()
