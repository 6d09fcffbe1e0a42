"""The image stage: every geometry with a camera_info of its own that is true of its pixels."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.imaging.encodings import encode
from embodied_perception.stages.image import ImageStage, ImageStageConfig
from embodied_perception.stages.image_messages import frame_from_compressed, frame_from_image
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.runner import StageRunner

STAMP_NS = 1_700_000_000_000_000_000
TURN = cv2.Rodrigues(np.array([0.02, -0.01, 0.015]))[0]
CAMERA = Camera(
    160,
    120,
    np.array([[110.0, 0, 78], [0, 112, 61], [0, 0, 1]]),
    D=np.array([-0.3, 0.1, 0.001, -0.002, 0.0]),
    R=TURN,
    P=np.array([[100.0, 0, 80, -12], [0, 100, 60, 0], [0, 0, 1, 0]]),
)
DOT_SIGMA = 2.5


def spots(pixels_xy, width, height):
    """Bright round spots at sub-pixel places, on dark ground."""
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((height, width))
    for x, y in pixels_xy:
        image += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * DOT_SIGMA**2))
    return (200 * np.clip(image, 0, 1)).astype(np.uint8)


def centres(gray, near_xy):
    """Where the spots near some places are, by their centres of mass."""
    found = []
    for x, y in near_xy:
        left, top = round(x) - 7, round(y) - 7
        patch = gray[max(0, top) : top + 15, max(0, left) : left + 15].astype(float)
        rows, columns = np.indices(patch.shape)
        mass = patch.sum()
        found.append(
            (
                (patch * columns).sum() / mass + max(0, left),
                (patch * rows).sum() / mass + max(0, top),
            )
        )
    return np.array(found)


POINTS = np.array([[x, y, 2.0] for x in (-0.8, 0, 0.8) for y in (-0.6, 0, 0.6)])


class Host:
    """A runner of the stage; only what is looked at is made."""

    def __init__(self, looked_at=None, camera=CAMERA, **parameters):
        self.runner = StageRunner(ImageStage, ImageStageConfig(**parameters))
        self.stamp_ns = STAMP_NS
        sources = {s.type.__name__: s for s in self.runner.sources() if s.input_name}
        self.image, self.info = sources["Image"], sources["CameraInfo"]
        self.runner.is_wanted = lambda sink: (
            not sink.on_demand or looked_at is None or sink.topic + sink.suffix in looked_at
        )
        if camera is not None:
            self.runner.accept(self.info, camera)

    def see(self, array, encoding="rgb8", frame_id="optical"):
        given = {}
        self.stamp_ns += 1
        frame = Frame(RawPixels(array, encoding), self.stamp_ns, frame_id)
        for ready in self.runner.accept(self.image, frame):
            given = {s.topic + s.suffix: m for s, m in self.runner.process(ready)}
        for message in given.values():
            assert stamp_ns(message.header) == self.stamp_ns
            assert message.header.frame_id == frame_id
        return given


def rgb_of(message):
    make = frame_from_image if isinstance(message, Image) else frame_from_compressed
    return make(message).rgb


@pytest.mark.parametrize("size", [{}, {"width": 80}, {"height": 180}, {"width": 100, "height": 90}])
@pytest.mark.parametrize("prefix", ["~/", "~/rect/"])
def test_pixels_are_where_the_camera_info_says(prefix, size):
    """Points of space are drawn where the lens shows them, and found where the result says."""
    picture = spots(CAMERA.project(POINTS), 160, 120)
    given = Host(**size).see(np.repeat(picture[..., None], 3, axis=2))
    camera = camera_from_info(given[f"{prefix}camera_info"])
    gray = frame_from_image(given[f"{prefix}image_mono"]).gray
    assert gray.shape == (camera.height, camera.width)
    seen_from = TURN if "rect" in prefix else np.eye(3)
    expected = camera.project(POINTS @ seen_from.T)
    np.testing.assert_allclose(centres(gray, expected), expected, atol=0.35)


def test_a_rectified_image_has_no_distortion_left_to_undo():
    camera = camera_from_info(Host().see(np.zeros((120, 160, 3), np.uint8))["~/rect/camera_info"])
    assert not camera.D.any()
    np.testing.assert_array_equal(camera.R, np.eye(3))
    np.testing.assert_array_equal(camera.K, CAMERA.P[:, :3])
    assert camera.P[0, 3] == -12  # the baseline of a stereo pair


def test_a_smaller_image_has_a_smaller_camera():
    given = Host(width=80).see(np.zeros((120, 160, 3), np.uint8))
    camera = camera_from_info(given["~/camera_info"])
    assert camera.resolution_wh == (80, 60)
    assert (camera.fx, camera.fy) == (55, 56)
    assert camera.cx == pytest.approx((78 + 0.5) / 2 - 0.5)
    np.testing.assert_array_equal(camera.D, CAMERA.D)
    assert camera_from_info(given["~/rect/camera_info"]).P[0, 3] == -6


def test_without_a_calibration_pictures_are_made_all_the_same():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    host = Host(camera=None)
    given = host.see(picture)
    assert {"~/image_color", "~/image_color/compressed", "~/image_mono"} <= given.keys()
    assert not {topic for topic in given if "rect" in topic or "info" in topic}
    np.testing.assert_array_equal(rgb_of(given["~/image_color"]), picture)
    assert host.runner.stage.status().level == 1
    assert "no camera_info" in host.runner.stage.status().message


def test_nobody_looks_nothing_is_made():
    given = Host(looked_at=()).see(np.zeros((120, 160, 3), np.uint8))
    assert given.keys() == {"~/camera_info", "~/rect/camera_info"}
    given = Host(looked_at=("~/rect/image_mono/compressed",)).see(
        np.zeros((120, 160), np.uint8), "mono8"
    )
    assert given.keys() == {"~/camera_info", "~/rect/camera_info", "~/rect/image_mono/compressed"}


@pytest.mark.parametrize(
    "encoding", ["bayer_rggb8", "bayer_grbg16", "yuv422", "nv12", "bgr8", "mono16"]
)
def test_any_encoding_becomes_rgb(encoding):
    smooth = cv2.resize(
        np.random.default_rng(2).integers(60, 200, (3, 4, 3), np.uint8), (160, 120),
        interpolation=cv2.INTER_LINEAR,
    )  # fmt: skip
    if encoding == "mono16":
        smooth = np.repeat(smooth[..., :1], 3, axis=2)
    given = Host(demosaic="malvar").see(encode(smooth, "RGB", encoding), encoding)
    color = given["~/image_color"]
    assert color.encoding == "rgb8"
    assert np.abs(rgb_of(color).astype(int) - smooth)[2:-2, 2:-2].max() <= 10


def test_development_is_that_of_the_parameters():
    linear = np.full((120, 160, 3), (40, 80, 160), np.uint8)
    given = Host(white_balance="grey_world", input_curve="linear").see(linear)
    color = rgb_of(given["~/image_color"])
    assert np.ptp(color.reshape(-1, 3).mean(axis=0)) <= 1
    assert color[0, 0, 1] == round(255 * (1.055 * (80 / 255) ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_in_metres_and_not_interpolated(encoding):
    """A near square before a far wall: rectified, there is nothing in between."""
    depth_mm = np.full((120, 160), 3000, np.uint16)
    depth_mm[40:80, 50:110] = 1000
    array = depth_mm if encoding == "16UC1" else (depth_mm / 1000).astype(np.float32)
    given = Host().see(array, encoding)
    assert "~/image_color" not in given
    assert given["~/image_depth"].encoding == "32FC1"
    taken = frame_from_image(given["~/image_depth"]).depth_m
    np.testing.assert_allclose(taken, depth_mm / 1000, rtol=1e-6)
    rectified = frame_from_image(given["~/rect/image_depth"]).depth_m
    known = rectified[np.isfinite(rectified)]
    np.testing.assert_allclose(np.unique(known), [1, 3])
    assert np.isnan(rectified).any()  # beyond the raw image's edge
    packed = frame_from_compressed(given["~/image_depth/compressedDepth"]).depth_m
    np.testing.assert_allclose(packed, depth_mm / 1000, rtol=1e-6)


def test_an_image_of_another_size_is_refused():
    host = Host()
    assert host.see(np.zeros((60, 80, 3), np.uint8)) == {}
    assert host.runner.report.dropped == {"SIZE_MISMATCH": 1}
    assert "image is 80x60, its camera_info says 160x120" in host.runner.report.last_problem


def test_a_new_calibration_is_in_force_at_the_next_image():
    host = Host()
    host.see(np.zeros((120, 160, 3), np.uint8))
    other = Camera.pinhole(160, 120, 90.0, 90.0, 80.0, 60.0)
    host.runner.accept(host.info, other)
    given = host.see(np.zeros((120, 160, 3), np.uint8))
    assert camera_from_info(given["~/camera_info"]).fx == 90
