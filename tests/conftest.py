"""What several folders of tests need: a video of known pictures, and tiny networks."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import settings

pytest_plugins = ("checkpoints", "open_checkpoints")

# How long a test takes says how busy the machine is, and not whether it passes.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

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


@pytest.fixture(scope="session")
def make_superpoint():
    """Write a small SuperPoint with random weights into a folder, and return transformers' own."""
    torch, transformers = import_learned()

    def make(folder: Path, **config):
        torch.manual_seed(0)
        network = transformers.SuperPointForKeypointDetection(
            transformers.SuperPointConfig(**superpoint_config(), **config)
        )
        spread_descriptors(torch, network)
        network.save_pretrained(folder)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def make_lightglue():
    """Write a small LightGlue and its SuperPoint into a folder, and return transformers' own.

    It matches what is alike, which random weights alone would not. ``sureness`` makes it stop
    after fewer layers.
    """
    torch, transformers = import_learned()

    def make(folder: Path, sureness=0.0, detector=None, **config):
        torch.manual_seed(0)
        own = transformers.SuperPointConfig(**superpoint_config(), **(detector or {}))
        usual = {
            "descriptor_dim": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
            "initializer_range": 0.03, "filter_threshold": 0.05,
        }  # fmt: skip
        network = transformers.LightGlueForKeypointMatching(
            transformers.LightGlueConfig(keypoint_detector_config=own, **(usual | config))
        )
        spread_descriptors(torch, network.keypoint_detector)
        with torch.no_grad():
            for layer in network.match_assignment_layers:
                layer.final_projection.weight.copy_(10 * torch.eye(32))
                layer.matchability.weight.normal_(0, 1)
                layer.matchability.bias.fill_(2)
            for layer in network.token_confidence:
                layer.token.weight.normal_(0, 3)
                layer.token.bias.fill_(sureness)
        network.save_pretrained(folder)
        return network.eval()

    return make


def import_learned():
    why = "learned features need the group: pip install --group learned"
    return pytest.importorskip("torch", reason=why), pytest.importorskip("transformers", reason=why)


def superpoint_config():
    return {
        "encoder_hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 32,
        "descriptor_decoder_dim": 32, "initializer_range": 0.3,
    }  # fmt: skip


def spread_descriptors(torch, network):
    """Take the common part out of random descriptors: they would all point the same way."""
    with torch.no_grad():
        decoder = network.descriptor_decoder
        for layer in (decoder.conv_descriptor_a, decoder.conv_descriptor_b):
            layer.weight -= layer.weight.mean((1, 2, 3), keepdim=True)
