"""Ten thousand random headers and payloads: each gives what it says, or a reason; none crashes."""

import struct
from collections import Counter

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.errors import CameraError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.imaging import ENCODINGS, DevelopConfig, rvl
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.messages import header

ROUNDS = 10_000
REASONS = {
    "WRONG_SIZE", "WRONG_ENCODING", "TRUNCATED", "UNDECODABLE", "EMPTY_DEPTH", "NO_KEYFRAME",
    "PACKET_LOST",
}  # fmt: skip
DEVELOP = DevelopConfig(white_balance="grey_world", input_curve="linear", demosaic="malvar")
NAMES = [*ENCODINGS, "", "nv24", "64FC1", "rgb", "\u00e9"]


def any_size(rng):
    return int(rng.choice([0, 1, 2, 3, 4, 5, 8, 16, 31, 2**16, 2**31, 2**32 - 1], p=SIZES))


SIZES = np.array([1, 2, 6, 3, 6, 3, 6, 3, 3, 1, 1, 1]) / 36


def random_image(rng):
    """Mostly nearly right: one of size, step and data is off in half of the messages."""
    encoding = ENCODINGS.get(name := str(rng.choice(NAMES)))
    width, height = any_size(rng), any_size(rng)
    pixel_bytes = encoding.pixel_bytes if encoding else 1
    step = width * pixel_bytes + int(rng.choice([0, 0, 0, 1, 3, -1]))
    rows = encoding.stored_rows(height) if encoding else height
    size = step * rows if 0 < step * rows < 20_000 else int(rng.integers(0, 200))
    if rng.random() < 0.2:
        size = max(0, size + int(rng.integers(-3, 4)))
    return Image(
        header=header(int(rng.integers(0, 2**60)), "camera"),
        width=width, height=height, encoding=name, step=int(np.clip(step, 0, 2**32 - 1)),
        is_bigendian=int(rng.integers(0, 256)), data=rng.bytes(size),
    )  # fmt: skip


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(int(rng.integers(0, 4))):
        if data:
            data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
    return bytes(data[: int(rng.integers(0, len(data) + 1))] if rng.random() < 0.4 else data)


@pytest.fixture(scope="module")
def files():
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    depth = np.random.default_rng(1).integers(0, 3, (12, 16)).astype(np.uint16) * 900
    png = cv2.imencode(".png", depth)[1].tobytes()
    head = struct.pack("<iff", 0, 100.0, -3.0)
    return [
        ("jpeg", cv2.imencode(".jpg", picture)[1].tobytes()),
        ("rgb8; jpeg compressed bgr8", cv2.imencode(".jpg", picture)[1].tobytes()),
        ("png", cv2.imencode(".png", picture)[1].tobytes()),
        ("16UC1; compressedDepth png", head + png),
        ("32FC1; compressedDepth png", head + png),
        ("16UC1; compressedDepth", head + png),
        ("16UC1; compressedDepth rvl", head + rvl.encode(depth).tobytes()),
        ("32FC1; compressedDepth rvl", head + rvl.encode(depth).tobytes()),
        ("tiff", b"II*\0"),
        ("", b""),
    ]


VIEWS = {
    "gray": lambda frame: frame.gray,
    "rgb": lambda frame: frame.rgb,
    "bgr": lambda frame: frame.bgr,
    "depth_m": lambda frame: frame.depth_m,
    "developed": lambda frame: frame.develop(DEVELOP),
}


def outcome_of(frame, view):
    """Look at a frame: OK where it gives what it says, or the reason why not."""
    try:
        array = VIEWS[view](frame)
    except FrameError as error:
        return error.reason
    assert array.shape[1::-1] == frame.pixels.resolution_wh
    assert array.dtype == (np.float32 if view == "depth_m" else np.uint8)
    return "OK"


def run(make, rounds, expected):
    """Decode messages; ``expected`` must be among what comes of them, so that all paths are met."""
    counts = Counter()
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        for decoded in Decoder().decode(make(rng)):
            if isinstance(decoded, Frame):
                counts.update(outcome_of(decoded, view) for view in VIEWS)
            else:
                assert isinstance(decoded, FrameError)
                counts[decoded.reason] += 1
    assert expected <= counts.keys() <= REASONS | {"OK"}, counts


def test_raw_images():
    run(random_image, ROUNDS // 2, {"OK", "WRONG_SIZE", "WRONG_ENCODING", "EMPTY_DEPTH"})


def test_compressed_images(files):
    def make(rng):
        name, data = files[int(rng.integers(0, len(files)))]
        return CompressedImage(format=name, data=damaged(rng, data))

    expected = {"OK", "TRUNCATED", "UNDECODABLE", "WRONG_ENCODING", "WRONG_SIZE"}
    run(make, ROUNDS // 4, expected)


def test_video(make_video):
    videos = [make_video(encoder, b, 20) for encoder in ("libx264", "libx265") for b in (0, 2)]
    counts = Counter()
    for seed in range(ROUNDS // 100):
        rng = np.random.default_rng(seed)
        video = videos[seed % 4]
        decoder = Decoder()
        for data, number, _ in video.packets:
            data = damaged(rng, data) if rng.random() < 0.3 else data
            if seed % 2:
                message = CompressedVideo(
                    timestamp=Time(sec=1, nanosec=number), data=data, format=video.codec
                )
            else:
                stamp = header(10**9 + number, "c")
                message = FFMPEGPacket(header=stamp, encoding=video.codec, data=data)
            for decoded in decoder.decode(message):
                if isinstance(decoded, Frame):
                    counts[outcome_of(decoded, "bgr")] += 1
                else:
                    counts[decoded.reason] += 1
    assert counts.keys() >= {"OK", "NO_KEYFRAME", "PACKET_LOST"}
    assert counts.keys() <= REASONS | {"OK"}


def test_calibrations():
    """Half of the numbers are right, so that all checks are met, and none lets nonsense through."""
    models = ("plumb_bob", "rational_polynomial", "equidistant", "", "fisheye")
    counts = Counter()
    for seed in range(ROUNDS // 4 - ROUNDS // 100):
        rng = np.random.default_rng(seed)

        def number(right, rng=rng):
            wrong = rng.choice([0.0, -1.0, 1e-300, 1e300, np.nan, np.inf, rng.normal()])
            return float(right if rng.random() < 0.97 else wrong)

        info = CameraInfo(
            width=int(rng.choice([640, 640, 640, 0, 2**32 - 1])), height=480,
            distortion_model=str(rng.choice(models)),
            d=[number(0.01) for _ in range(int(rng.choice([0, 4, 5, 8, 12, 14])))],
            k=[number(v) for v in (500, 0, 320, 0, 500, 240, 0, 0, 1)],
            r=[number(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)],
            p=[number(v) for v in (500, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0)],
            binning_x=int(rng.integers(0, 4)), binning_y=int(rng.integers(0, 4)),
            roi=RegionOfInterest(
                x_offset=int(rng.integers(0, 700)), width=int(rng.integers(0, 700)),
                height=int(rng.integers(0, 500)),
            ) if rng.random() < 0.3 else RegionOfInterest(),
        )  # fmt: skip
        try:
            camera = camera_from_info(info).delivered()
        except CameraError:
            counts["refused"] += 1
            continue
        counts["taken"] += 1
        assert isinstance(camera, Camera)
        assert min(camera.resolution_wh) > 0
        assert camera.fx > 0
        pixels = camera.project([[0.1, 0.1, 2.0]])
        assert pixels.shape == (1, 2)
    assert min(counts["taken"], counts["refused"]) > 100
