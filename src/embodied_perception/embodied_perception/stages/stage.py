"""What a stage is: the one place where a capability of the library meets messages.

A stage declares what it takes and gives. Two hosts run any stage: ``ros`` as a lifecycle node on a
graph, ``bags`` over a recording. Whatever a user can observe is decided here and in
:mod:`embodied_perception.stages.runner`, so that both hosts show the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from embodied_perception.config import Config
from embodied_perception.geometry import TransformTree
from embodied_perception.stages.transports import Content


@dataclass(frozen=True)
class ImageInput:
    """A camera: its images and its calibration. Several of one stage are paired by stamp."""

    name: str  #: keyword under which :meth:`Stage.process` gets the frame
    topic: str  #: of sensor_msgs/Image, relative
    camera_info_topic: str = ""  #: empty where the stage asks for no calibration
    content: Content = "color"
    #: Of vision_msgs/LabelInfo, latched, that names the classes of a mask; without it no frame is
    #: processed. Empty where the stage asks for no names.
    label_info_topic: str = ""
    #: Without a calibration no frame is processed. Else a frame has its camera once it is known.
    needs_camera_info: bool = True


@dataclass(frozen=True)
class BoxesInput:
    """Boxes in images, such as another stage's: vision_msgs/Detection2DArray, paired by stamp."""

    name: str  #: keyword under which :meth:`Stage.process` gets the boxes
    topic: str  #: relative


@dataclass(frozen=True)
class Output:
    """Messages that a stage gives."""

    name: str
    topic: str  #: relative or ``~/``
    type: type
    latched: bool = False
    #: Expensive to make and only looked at: asked for with :attr:`Stage.wanted`.
    on_demand: bool = False


@dataclass(frozen=True)
class Picture:
    """An image; published raw and compressed, made only while someone looks.

    A stage gives it as an array: (H, W, 3) uint8 RGB, (H, W) uint8 gray, or (H, W) float32 depth
    in metres.
    """

    name: str
    topic: str
    content: Content = "color"


@dataclass(frozen=True)
class PictureOf:
    """A picture of another image than that of the stage's first input: what a stage gives then."""

    array: np.ndarray
    stamp_ns: int
    frame_id: str


@dataclass(frozen=True)
class Service:
    """A question that a stage answers.

    The response has the fields ``success`` and a text, as std_srvs/Trigger has.
    """

    #: Of the stage: takes the request, and returns the text, or the response's fields by name, or
    #: raises what failed.
    method: str
    type: Any
    #: Answered while an image is processed; the method sees to it that this does no harm.
    at_once: bool = False

    @property
    def topic(self) -> str:
        """Its name on the graph."""
        return f"~/{self.method}"


@dataclass(frozen=True)
class Status:
    """How a stage is, in diagnostic_msgs' terms."""

    OK: ClassVar[int] = 0
    WARN: ClassVar[int] = 1
    ERROR: ClassVar[int] = 2

    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


class Stage(ABC):
    """Base of all stages.

    Attributes:
        config: the parameters in force.
        transforms: what is known of the transform tree; the host feeds it.
        wanted: asks the host whether an on-demand output or a picture is looked at now.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[Config]]
    #: Of the class; an instance may choose others by its parameters.
    inputs: tuple[ImageInput | BoxesInput, ...]
    outputs: tuple[Output | Picture, ...]
    services: ClassVar[tuple[Service, ...]] = ()

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        self.config = config
        self.transforms = transforms
        self.wanted: Callable[[str], bool] = lambda _name: True

    @property
    def sync_tolerance_s(self) -> float:
        """How far apart the stamps of frames may be that are processed together."""
        return 0.0

    def load(self) -> str:
        """Make ready what takes time or memory, such as a model; called before the first image.

        Returns:
            What is not as it was asked for; empty where all is.

        Raises:
            PerceptionError: it cannot be; the stage does not work then.
        """
        return ""

    def unload(self) -> None:  # noqa: B027 - most stages hold nothing
        """Let go what :meth:`load` made ready; called after the last image."""

    def reconfigure(self, config: Config) -> None:
        """Take other parameters from now on.

        Raises:
            ConfigError: they do not fit what is loaded; those of before stay.
        """
        self.config = config

    def announce(self, stamp_ns: int) -> dict[str, Any]:  # noqa: ARG002
        """Say what holds from now on, with or without images: latched outputs by name.

        Asked for at the start, and whenever a service or a parameter may have changed it.

        Args:
            stamp_ns: now.
        """
        return {}

    @abstractmethod
    def process(self, **frames: Any) -> dict[str, Any]:
        """Turn one set of frames and boxes into messages (arrays for pictures) by output name.

        Raises:
            PerceptionError: the frames cannot be used; the host counts the reason and goes on.
        """

    @abstractmethod
    def restart(self) -> str:
        """Begin anew, because time went back; returns a sentence that says what was forgotten."""

    @abstractmethod
    def status(self) -> Status:
        """How the stage is after what it processed last."""
