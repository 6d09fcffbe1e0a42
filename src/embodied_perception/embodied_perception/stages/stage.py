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

from embodied_perception.config import Config
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree


@dataclass(frozen=True)
class ImageInput:
    """A camera: its images and its calibration. Several of one stage are paired by stamp."""

    name: str  #: keyword under which :meth:`Stage.process` gets the frame
    topic: str  #: of sensor_msgs/Image, relative
    camera_info_topic: str
    compression: str = "compressed"  #: image_transport's name of its compressed form


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
    """An RGB image to look at; published raw and compressed, made only while someone looks."""

    name: str
    topic: str


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
    inputs: ClassVar[tuple[ImageInput, ...]]
    outputs: ClassVar[tuple[Output | Picture, ...]]
    #: Services without arguments (std_srvs/Trigger): ``~/NAME`` calls the method of that name,
    #: which returns a sentence for the answer.
    commands: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        self.config = config
        self.transforms = transforms
        self.wanted: Callable[[str], bool] = lambda _name: True

    @property
    def sync_tolerance_s(self) -> float:
        """How far apart the stamps of frames may be that are processed together."""
        return 0.0

    @abstractmethod
    def process(self, **frames: Frame) -> dict[str, Any]:
        """Turn one set of frames into messages (arrays for pictures) by output name.

        Raises:
            PerceptionError: the frames cannot be used; the host counts the reason and goes on.
        """

    @abstractmethod
    def restart(self) -> str:
        """Begin anew, because time went back; returns a sentence that says what was forgotten."""

    @abstractmethod
    def status(self) -> Status:
        """How the stage is after what it processed last."""
