"""What every dataset format is turned into: messages in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import Camera
from embodied_perception.errors import GeometryError
from embodied_perception.geometry import BODY_FROM_OPTICAL, Transform
from embodied_perception.stages.messages import odometry_message, transform_message

GROUND_TRUTH_TOPIC = "/ground_truth/odom"

#: Where a dataset's clock starts at zero, its bag starts here: to ROS, a stamp of 0 means 'none'.
START_NS = 1_000_000_000

ImageStorage = Literal["auto", "compressed", "raw"]


@dataclass(frozen=True)
class DatasetOptions:
    """What the user may choose.

    Attributes:
        images: ``auto`` keeps JPEG files as they are and decodes all others; ``compressed`` keeps
            every colour file as it is and packs depth as PNG; ``raw`` decodes all.
        camera: Replaces the calibration of the (left) colour camera.
        limit: Convert the first ``limit`` frames only.

    """

    images: ImageStorage = "auto"
    camera: Camera | None = None
    limit: int | None = None


@dataclass(frozen=True)
class DatasetMessage:
    """One message for the bag."""

    topic: str
    message: Any
    stamp_ns: int
    latched: bool = False


@dataclass
class Dataset:
    """A folder as a stream of messages.

    Attributes:
        folder: Where it was read from.
        frame_count: How many frames ``messages`` will give.
        frame_topic: Has exactly one message a frame, so that progress can be counted.
        streams: Each in the order of time; at equal stamps the earlier stream goes first.
        problems: One line for everything that was left out, complete once all messages are read.

    """

    folder: Path
    frame_count: int
    frame_topic: str
    streams: Sequence[Iterable[DatasetMessage]]
    problems: list[str] = field(default_factory=list)

    def messages(self) -> Iterator[DatasetMessage]:
        """Yield the messages of all streams in the order of their stamps."""
        return heapq.merge(*self.streams, key=lambda message: message.stamp_ns)


def static_transforms(
    edges: Iterable[tuple[str, str, Transform]], stamp_ns: int
) -> list[DatasetMessage]:
    """One latched /tf_static message of (parent, child, parent_from_child)."""
    transforms = [
        transform_message(parent_from_child, parent, child, stamp_ns)
        for parent, child, parent_from_child in edges
    ]
    return [DatasetMessage("/tf_static", TFMessage(transforms=transforms), stamp_ns, latched=True)]


def ground_truth(world_from_base: Transform, stamp_ns: int) -> DatasetMessage:
    """Build the message of base_link's true pose."""
    message = odometry_message(world_from_base, "world", "base_link", stamp_ns)
    return DatasetMessage(GROUND_TRUTH_TOPIC, message, stamp_ns)


def upright_from_camera_world(camera_world_from_optical: Transform) -> Transform:
    """Return world_from_base where the dataset's world has optical axes (z forward, y down).

    The bag's world has its z axis up, as REP-103 wants it, and base_link sits at the camera.
    """
    return BODY_FROM_OPTICAL @ camera_world_from_optical @ BODY_FROM_OPTICAL.inverse()


def ground_truth_stream(
    stamps_ns: Iterable[int], world_from_base: Iterable[Transform]
) -> Iterator[DatasetMessage]:
    """Build the stream of base_link's true poses."""
    return (
        ground_truth(transform, stamp)
        for stamp, transform in zip(stamps_ns, world_from_base, strict=True)
    )


def rigid_from_rows(rows: np.ndarray) -> Transform:
    """Return the nearest rigid transform of a (3, 4) or (4, 4) matrix printed with few digits.

    Raises:
        GeometryError: it is not finite or far from rigid (0.01).

    """
    rotation = np.asarray(rows, float)[:3, :3]
    if not np.isfinite(rows).all():
        raise GeometryError("got a value that is not finite, expected a rigid transform")
    u, _, vt = np.linalg.svd(rotation)
    nearest = u @ vt
    if np.linalg.det(nearest) < 0 or np.abs(nearest - rotation).max() > 0.01:
        raise GeometryError(f"got rotation {rotation.tolist()}, expected an orthonormal one")
    return Transform(nearest, np.array(rows, float)[:3, 3])
