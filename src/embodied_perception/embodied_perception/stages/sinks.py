"""Where a stage's outputs go: a topic for each form, and the message that it carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from embodied_perception.stages.image_messages import (
    compressed_depth_message,
    compressed_image_message,
    image_message,
)
from embodied_perception.stages.stage import Output, Picture, PictureOf
from embodied_perception.stages.transports import RAW, TRANSPORTS, transport_named


@dataclass(frozen=True)
class Sink:
    """A topic that a stage publishes."""

    topic: str
    type: type
    suffix: str = ""  #: of image_transport; added after the topic is remapped
    latched: bool = False
    on_demand: bool = False


def sinks_of(output: Output | Picture) -> list[Sink]:
    """The topics of an output: one, or of a picture each of its forms."""
    if isinstance(output, Picture):
        packed = transport_named("compressed", output.content)
        return [Sink(output.topic, t.type, t.suffix, on_demand=True) for t in (RAW, packed)]
    return [Sink(output.topic, output.type, latched=output.latched, on_demand=output.on_demand)]


def messages_of(
    output: Output | Picture,
    result: Any,
    stamp_ns: int,
    frame_id: str,
    is_wanted: Callable[[Sink], bool],
) -> list[tuple[Sink, Any]]:
    """Turn what a stage gave into messages, a picture only into the forms that are wanted."""
    sinks = sinks_of(output)
    if isinstance(output, Output):
        return [(sinks[0], result)]
    if isinstance(result, PictureOf):
        result, stamp_ns, frame_id = result.array, result.stamp_ns, result.frame_id
    return [
        (sink, _picture_message(sink, result, stamp_ns, frame_id))
        for sink in sinks
        if is_wanted(sink)
    ]


def _picture_message(
    sink: Sink, array: np.ndarray, stamp_ns: int, frame_id: str
) -> Image | CompressedImage:
    if sink.type is Image:
        encoding = "rgb8" if array.ndim == 3 else "mono8"
        if array.dtype == np.float32:
            encoding = "32FC1"
        return image_message(array, encoding, stamp_ns, frame_id)
    if sink.suffix == TRANSPORTS["compressedDepth"].suffix:
        depth_mm = np.nan_to_num(array * 1000).clip(0, 65535)
        return compressed_depth_message(np.rint(depth_mm).astype(np.uint16), stamp_ns, frame_id)
    return compressed_image_message(array, stamp_ns, frame_id)
