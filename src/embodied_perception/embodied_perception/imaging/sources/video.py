"""Video files, and cameras of the kernel (V4L2), through FFmpeg."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from embodied_perception.errors import SourceError
from embodied_perception.imaging.files import JPEG_HEAD
from embodied_perception.imaging.pixels import CompressedPixels, Pixels, RawPixels
from embodied_perception.imaging.sources.source import START_NS, Packet, SourceImage, turned
from embodied_perception.imaging.video import VideoPixels

#: What puts start codes before the units of a file's packets, and parameter sets before keyframes.
_TO_ANNEX_B = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_DEVICES = "/dev/video"


class VideoFile:
    """A video file; its pictures are turned upright as its display matrix asks.

    Raises:
        SourceError: it is no video.

    """

    is_live = False

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.problems: list[str] = []
        self._container = _open(str(path))
        self._stream = self._container.streams.video[0]
        self.count: int | None = self._stream.frames or None

    def images(self) -> Iterator[SourceImage]:
        """Yield the pictures; a damaged end becomes a problem."""
        try:
            for number, picture in enumerate(self._container.decode(self._stream)):
                if picture.pts is None:
                    self.problems.append(f"{self.name}: picture {number} has no time")
                    continue
                stamp_ns = START_NS + round(picture.pts * picture.time_base * 1_000_000_000)
                yield SourceImage(f"picture {number}", stamp_ns, _upright(picture))
        except av.FFmpegError as error:
            self.problems.append(f"{self.name}: ends early: {error}")

    def packets(self) -> Iterator[Packet]:
        """Yield the packets as they are, in the order in which they are to be decoded.

        Raises:
            SourceError: they are neither H.264 nor H.265.

        """
        codec = self._stream.codec_context.name
        if codec not in _TO_ANNEX_B:
            raise SourceError(
                f"{self.name}: holds {codec}, expected h264 or hevc; its pictures can be recorded "
                "as JPEG"
            )
        return self._packets(BitStreamFilterContext(_TO_ANNEX_B[codec], self._stream), codec)

    def _packets(self, annex_b: BitStreamFilterContext, codec: str) -> Iterator[Packet]:
        try:
            for packet in self._container.demux(self._stream):
                for ready in annex_b.filter(packet if packet.size else None):
                    stamp_ns = START_NS + round(ready.pts * self._stream.time_base * 1_000_000_000)
                    yield Packet(stamp_ns, "h264" if codec == "h264" else "h265", bytes(ready))
        except av.FFmpegError as error:
            self.problems.append(f"{self.name}: ends early: {error}")

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class VideoDevice:
    """A camera of the kernel. JPEG comes as the camera made it, YUYV as raw pixels.

    Args:
        path: such as ``/dev/video0``.
        size_wh: what to ask for; None takes the camera's own choice.
        rate_hz: likewise.

    Raises:
        SourceError: there is no such camera, it is busy, or does not give that size.

    """

    is_live = True
    count: int | None = None

    def __init__(
        self,
        path: Path,
        size_wh: tuple[int, int] | None = None,
        rate_hz: float | None = None,
    ) -> None:
        self.name = str(path)
        self.problems: list[str] = []
        options = {}
        if size_wh is not None:
            options["video_size"] = "{}x{}".format(*size_wh)
        if rate_hz is not None:
            options["framerate"] = f"{rate_hz:g}"
        self._container = _open(str(path), "v4l2", options)
        self._stream = self._container.streams.video[0]

    def images(self) -> Iterator[SourceImage]:
        """Yield the images as they are taken, until the camera goes or one stops."""
        try:
            for number, packet in enumerate(self._container.demux(self._stream)):
                stamp_ns = time.time_ns()
                if packet.size:
                    yield SourceImage(f"image {number}", stamp_ns, self._pixels(packet))
        except av.FFmpegError as error:
            self.problems.append(f"{self.name}: the camera is gone: {error}")

    def close(self) -> None:
        """Let go of the camera."""
        self._container.close()

    def _pixels(self, packet: Any) -> Pixels:
        context = self._stream.codec_context
        data = np.frombuffer(bytes(packet), np.uint8)
        if data[:2].tobytes() == JPEG_HEAD:
            return CompressedPixels(data)
        if context.name == "rawvideo" and context.pix_fmt == "yuyv422":
            return RawPixels(data.reshape(context.height, context.width, 2), "yuyv")
        (picture,) = context.decode(packet)
        return VideoPixels(picture)


def is_device(path: Path) -> bool:
    """Whether a path names a camera of the kernel."""
    return str(path).startswith(_DEVICES)


def _open(name: str, format: str | None = None, options: dict[str, str] | None = None) -> Any:
    av.logging.set_level(av.logging.PANIC)  # what goes wrong is said by errors
    try:
        container = av.open(name, format=format, options=options or {})
    except PermissionError as error:
        raise SourceError(f"{name}: not allowed; sudo usermod -aG video $USER") from error
    except OSError as error:
        reason = error.strerror or str(error)
        asked = f" (asked for {options})" if options else ""
        raise SourceError(f"{name}: cannot be opened{asked}: {reason}") from error
    except (av.FFmpegError, ValueError) as error:
        raise SourceError(f"{name}: no video that FFmpeg can read: {error}") from error
    if not container.streams.video:
        container.close()
        raise SourceError(f"{name}: holds no video")
    return container


def _upright(picture: Any) -> Pixels:
    rotation_deg = getattr(picture, "rotation", 0)
    if not rotation_deg:
        return VideoPixels(picture)
    return RawPixels(turned(VideoPixels(picture).colors_8_bit("RGB"), rotation_deg), "rgb8")
