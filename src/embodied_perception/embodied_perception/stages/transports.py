"""The ways in which an image travels: raw, or packed on a topic beside (image_transport)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from sensor_msgs.msg import CompressedImage, Image

from embodied_perception.errors import ConfigError

#: What an input's images show.
Content = Literal["color", "depth", "labels", "any"]


@dataclass(frozen=True)
class Transport:
    """A topic beside the raw one, and what it carries."""

    suffix: str
    type: type


RAW = Transport("", Image)
#: By image_transport's name, the one to be preferred first.
TRANSPORTS = {
    "raw": RAW,
    "compressed": Transport("/compressed", CompressedImage),
    "compressedDepth": Transport("/compressedDepth", CompressedImage),
    "ffmpeg": Transport("/ffmpeg", FFMPEGPacket),
    "foxglove": Transport("/foxglove", CompressedVideo),
}
_CARRIERS: dict[Content, tuple[str, ...]] = {
    "color": ("raw", "compressed", "ffmpeg", "foxglove"),
    "depth": ("raw", "compressedDepth"),
    "labels": ("raw",),  # a lossy one would make up classes
    "any": tuple(TRANSPORTS),
}


def transports_of(content: Content) -> list[Transport]:
    """All that can carry such images, the one to be preferred first."""
    return [TRANSPORTS[name] for name in _CARRIERS[content]]


def transport_named(name: str, content: Content) -> Transport:
    """The transport of a name, or what does its work for such images.

    Depth is never a video, and labels are never packed.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in TRANSPORTS:
        raise ConfigError(f"image_transport: got {name!r}, expected one of {', '.join(TRANSPORTS)}")
    if name in _CARRIERS[content]:
        return TRANSPORTS[name]
    return TRANSPORTS[_CARRIERS[content][-1] if content in ("depth", "labels") else "compressed"]
