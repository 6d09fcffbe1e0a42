"""A video of known pictures, for all who decode it."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 160, 96
GOP = 15


@dataclass(frozen=True)
class Video:
    """Packets in the order of sending: (bytes, number of the picture, whether it is a keyframe).

    ``pictures`` are BGR, in the order of showing.
    """

    codec: str
    packets: list
    pictures: list

    def error(self, picture, number):
        """Mean difference to what was encoded: under 6 where it is that one, over 40 if not."""
        return np.abs(picture.astype(int) - self.pictures[number]).mean()


@cache
def encode_video(encoder: str, b_frames: int, count: int) -> Video:
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT // 12, 40, 3), np.uint8)
    texture = cv2.resize(noise, None, fx=12, fy=12, interpolation=cv2.INTER_CUBIC)
    pictures = [np.ascontiguousarray(texture[:HEIGHT, 7 * n : 7 * n + WIDTH]) for n in range(count)]
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.gop_size, context.max_b_frames = Fraction(1, 30), GOP, b_frames
    context.options = {
        "preset": "fast" if b_frames else "ultrafast",
        "x265-params": f"log-level=none:bframes={b_frames}",
    }
    if not b_frames:
        context.options |= {"tune": "zerolatency"}
    packets = []
    for number, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
        packets += [(bytes(p), p.pts, p.is_keyframe) for p in context.encode(frame)]
    return Video(encoder, packets, pictures)


@pytest.fixture(scope="session")
def make_video():
    """Encode ``count`` pictures of a moving texture, with a keyframe every 15th."""

    def make(encoder="libx264", b_frames=0, count=40):
        return encode_video(encoder, b_frames, count)

    return make
