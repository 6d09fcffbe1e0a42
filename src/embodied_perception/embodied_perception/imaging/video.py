"""Images out of H.264 and H.265 packets, as they arrive one by one."""

from __future__ import annotations

from collections import deque

import av
import numpy as np

from embodied_perception.errors import FrameError
from embodied_perception.imaging.bayer import BILINEAR
from embodied_perception.imaging.encodings import DEPTHS, Target, unknown_encoding
from embodied_perception.imaging.limits import MOST_PIXELS
from embodied_perception.imaging.nal import H264Stream, H265Stream

# A stamp that goes back by more is of another time; by less, its picture is shown earlier than one
# that was needed to decode it.
_RESTART_NS = 500_000_000
_MOST_WAITING = 16  # pictures that a stream may hold back to put them in order (H.264, A.3.1)
_MOST_AHEAD = 65536  # bytes of parameter sets
_FORMATS = {"RGB": "rgb24", "BGR": "bgr24", "GRAY": "gray"}
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "nv12", "gray")


class VideoPixels:
    """One decoded picture of a video."""

    is_depth = False

    def __init__(self, picture: av.VideoFrame) -> None:
        self._picture = picture

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self._picture.width, self._picture.height

    def colors(self, target: Target, method: str = BILINEAR) -> np.ndarray:  # noqa: ARG002
        """(H, W, 3) or (H, W) uint8; gray is the luma that the video holds."""
        return self.colors_8_bit(target)

    def colors_8_bit(self, target: Target) -> np.ndarray:
        """(H, W, 3) or (H, W) uint8."""
        if target == "GRAY" and self._picture.format.name in _LUMA_FIRST:
            luma = self._picture.planes[0]
            rows = np.frombuffer(luma, np.uint8).reshape(-1, luma.line_size)
            return np.ascontiguousarray(rows[: luma.height, : luma.width])
        return self._picture.to_ndarray(format=_FORMATS[target])

    def depth_m(self) -> np.ndarray:
        """Refuse: a video holds no depth."""
        raise unknown_encoding("video", DEPTHS)


class VideoDecoder:
    """Decodes one stream. Starts at a keyframe, and again after a packet was lost.

    Args:
        codec: as a message names it: ``h264``, ``h265``, ``hevc``, or an encoder's name such as
            ``libx264`` or ``hevc_nvenc``.

    Raises:
        FrameError: another codec.

    """

    def __init__(self, codec: str) -> None:
        av.logging.set_level(av.logging.PANIC)  # what goes wrong is said by errors
        self._name = codec_of(codec)
        self._stream = H264Stream() if self._name == "h264" else H265Stream()
        self._context = av.CodecContext.create(self._name, "r")
        self._context.thread_type = "SLICE"  # threads for whole pictures would hold them back
        self._context.options = {"max_pixels": str(MOST_PIXELS)}
        self._is_started = False
        self._ahead = b""
        self._waiting: deque[int] = deque()  # stamps of what went in and did not come out

    def decode(self, data: bytes, stamp_ns: int) -> list[tuple[int, VideoPixels] | FrameError]:
        """Take a packet in Annex B's form; returns the pictures that are complete now.

        Where pictures are shown in another order than they are sent, one comes out some packets
        later, with the stamp of its own packet. For every packet that gives no picture there is an
        error: NO_KEYFRAME before the first keyframe, PACKET_LOST where something is missing,
        UNDECODABLE where it is damaged.
        """
        if self._waiting and stamp_ns < self._waiting[-1] - _RESTART_NS:
            self.finish()
        picture = self._stream.look(data)
        if picture is None:
            # Parameter sets on their own: FFmpeg wants them together with the picture behind.
            self._ahead = (self._ahead + data)[-_MOST_AHEAD:]
            return []
        data, self._ahead = self._ahead + data, b""
        if picture.misses_reference:
            return [*self.finish(), self._lost("the picture before this one never came")]
        if picture.is_key:
            self._is_started = True
        if not self._is_started:
            return [
                FrameError(
                    "NO_KEYFRAME",
                    f"{self._name}: a picture before the first keyframe cannot be decoded; the "
                    "next keyframe mends it (the encoder's gop_size says how often one comes)",
                )
            ]
        packet = av.Packet(data)
        packet.pts = stamp_ns
        try:
            shown = self._context.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            return [*self.finish(), FrameError("UNDECODABLE", f"{self._name}: {error}")]
        self._waiting.append(stamp_ns)
        results = self._in_order(shown)
        # H.265 shows nothing that misses a reference, and does not say so.
        return results + self.finish() if len(self._waiting) > _MOST_WAITING else results

    def finish(self) -> list[tuple[int, VideoPixels] | FrameError]:
        """Give out the pictures that waited for their turn; then decoding starts anew."""
        try:
            shown = self._context.decode(None) if self._is_started else []
        except (av.FFmpegError, ValueError):
            shown = []
        results = self._in_order(shown)
        results += [self._lost("which this one builds upon") for _ in self._waiting]
        self._waiting.clear()
        self._is_started = False
        self._context.flush_buffers()  # parameter sets stay: some encoders send them once
        return results

    def _in_order(self, shown: list[av.VideoFrame]) -> list[tuple[int, VideoPixels] | FrameError]:
        results: list[tuple[int, VideoPixels] | FrameError] = []
        for picture in shown:
            if picture.pts is None:
                continue  # counts as lost when the next one comes
            # They come out in the order in which they are shown: what is older never will.
            older = [stamp_ns for stamp_ns in self._waiting if stamp_ns < picture.pts]
            self._waiting = deque(stamp for stamp in self._waiting if stamp > picture.pts)
            results += [self._lost("which this one builds upon") for _ in older]
            results.append((picture.pts, VideoPixels(picture)))
        return results

    def _lost(self, what: str) -> FrameError:
        return FrameError(
            "PACKET_LOST",
            f"{self._name}: a packet is missing, {what}; images go on at the next keyframe. Over a "
            "network, make the subscription reliable and deeper (qos_overrides)",
        )


def codec_of(name: str) -> str:
    """FFmpeg's name of a codec from what messages call it.

    Raises:
        FrameError: neither H.264 nor H.265.

    """
    # ffmpeg_image_transport names its encoder; newer releases add pixel formats behind semicolons.
    first = name.partition(";")[0].lower()
    if "264" in first or "avc" in first:
        return "h264"
    if "265" in first or "hevc" in first:
        return "hevc"
    raise FrameError("WRONG_ENCODING", f"got video codec {name!r}, expected h264 or h265")
