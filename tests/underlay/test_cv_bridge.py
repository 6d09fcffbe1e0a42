"""The underlay's cv_bridge, against OpenCV and against messages laid out by hand."""

from __future__ import annotations

import array
import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

core = pytest.importorskip("cv_bridge.core")
if not hasattr(core, "change_depth"):
    pytest.skip("the ROS in use brings its own cv_bridge", allow_module_level=True)

CvBridgeError = core.CvBridgeError
BRIDGE = core.CvBridge()
DTYPES = ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64"]


def picture(dtype: str, channels: int) -> np.ndarray:
    shape = (5, 7) if channels == 1 else (5, 7, channels)
    values = np.random.default_rng(channels).integers(0, 127, shape)
    return values.astype(dtype)


def message(data: bytes, encoding: str, height: int, width: int, step: int, big: int = 0) -> Image:
    return Image(
        height=height, width=width, encoding=encoding, step=step, is_bigendian=big,
        data=array.array("B", data),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_passthrough_round_trip(dtype: str, channels: int) -> None:
    image = picture(dtype, channels)
    sent = BRIDGE.cv2_to_imgmsg(image)
    back = BRIDGE.imgmsg_to_cv2(sent)
    assert sent.encoding == f"{core.DEPTHS[dtype]}C{channels}"
    assert (sent.height, sent.width, sent.step) == (5, 7, 7 * image.itemsize * channels)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [
        ("mono8", "uint8", 1),
        ("rgb8", "uint8", 3),
        ("bgra8", "uint8", 4),
        ("mono16", "uint16", 1),
        ("rgb16", "uint16", 3),
        ("bayer_rggb8", "uint8", 1),
        ("16UC1", "uint16", 1),
        ("32FC1", "float32", 1),
    ],
)
def test_named_encodings_round_trip(encoding: str, dtype: str, channels: int) -> None:
    image = picture(dtype, channels)
    sent = BRIDGE.cv2_to_imgmsg(image, encoding)
    assert sent.encoding == encoding
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(sent, encoding), image)


def test_header_is_kept() -> None:
    header = Header(frame_id="camera_color_optical_frame")
    header.stamp.sec = 12
    sent = BRIDGE.cv2_to_imgmsg(picture("uint8", 3), encoding="bgr8", header=header)
    assert sent.header == header


@pytest.mark.parametrize(
    ("source", "desired", "code"),
    [
        ("rgb8", "bgr8", cv2.COLOR_RGB2BGR),
        ("bgr8", "rgba8", cv2.COLOR_BGR2RGBA),
        ("rgb8", "mono8", cv2.COLOR_RGB2GRAY),
        ("bgr8", "mono8", cv2.COLOR_BGR2GRAY),
        ("mono8", "rgb8", cv2.COLOR_GRAY2RGB),
        ("bgra8", "bgr8", cv2.COLOR_BGRA2BGR),
        # ROS names the first two pixels of the first row, OpenCV those of the second.
        ("bayer_rggb8", "bgr8", cv2.COLOR_BayerBG2BGR),
        ("bayer_grbg8", "rgb8", cv2.COLOR_BayerGB2RGB),
        ("rgb16", "bgr16", cv2.COLOR_RGB2BGR),
        ("yuv422", "bgr8", cv2.COLOR_YUV2BGR_UYVY),
        ("yuv422_yuy2", "rgb8", cv2.COLOR_YUV2RGB_YUYV),
    ],
)
def test_colours_convert_as_in_opencv(source: str, desired: str, code: int) -> None:
    dtype, channels = BRIDGE.encoding_to_dtype_with_channels(source)
    image = np.random.default_rng(3).integers(0, 256, (6, 8, channels)).astype(dtype).squeeze()
    got = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(image, source), desired)
    np.testing.assert_array_equal(got, cv2.cvtColor(image, code))


def test_bayer_red_pixel_is_red() -> None:
    mosaic = np.zeros((6, 6), np.uint8)
    mosaic[::2, ::2] = 200  # RGGB: red is at even rows and columns
    rgb = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(mosaic, "bayer_rggb8"), "rgb8")
    np.testing.assert_array_equal(rgb[2, 2], [200, 0, 0])


@pytest.mark.parametrize(
    ("values", "source", "desired", "expected"),
    [
        ([0, 1, 128, 255], "mono8", "mono16", [0, 257, 32896, 65535]),
        ([0, 128, 200, 65535], "mono16", "mono8", [0, 0, 1, 255]),
        ([0, 1000, 65535], "16UC1", "32FC1", [0.0, 1000.0, 65535.0]),
        ([0.4, 0.6, -3.0, 1e9], "32FC1", "16UC1", [0, 1, 0, 65535]),
        ([np.nan, 2.5], "32FC1", "16UC1", [0, 2]),
    ],
)
def test_depths_scale_round_and_saturate(
    values: list[float], source: str, desired: str, expected: list[float]
) -> None:
    dtype, _ = BRIDGE.encoding_to_dtype_with_channels(source)
    image = np.array([values], dtype)
    got = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(image, source), desired)
    assert got.dtype == BRIDGE.encoding_to_dtype_with_channels(desired)[0]
    np.testing.assert_array_equal(got, [expected])


def test_colour_and_depth_change_together() -> None:
    image = picture("uint16", 3) * 500
    got = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(image, "rgb16"), "mono8")
    exact = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 257.0
    np.testing.assert_array_equal(got, np.rint(exact))


@pytest.mark.parametrize("padding", [1, 2, 5])
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("uint16", 1), ("float32", 2)])
def test_padded_rows(dtype: str, channels: int, padding: int) -> None:
    image = picture(dtype, channels)
    rows = image.reshape(5, -1).view(np.uint8)
    padded = np.hstack([rows, np.full((5, padding), 0xEE, np.uint8)])
    encoding = f"{core.DEPTHS[dtype]}C{channels}"
    sent = message(padded.tobytes(), encoding, 5, 7, padded.shape[1])
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(sent), image)


@pytest.mark.parametrize(("encoding", "code"), [("16UC1", ">u2"), ("32FC1", ">f4")])
def test_big_endian_message(encoding: str, code: str) -> None:
    image = np.array([[1, 2], [300, 4000]], code)
    got = BRIDGE.imgmsg_to_cv2(message(image.tobytes(), encoding, 2, 2, 2 * image.itemsize, 1))
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, [[1, 2], [300, 4000]])


def test_big_endian_array_round_trip() -> None:
    image = np.array([[1, 515]], ">u2")
    sent = BRIDGE.cv2_to_imgmsg(image, "mono16")
    assert sent.is_bigendian == 1
    assert bytes(sent.data) == b"\x00\x01\x02\x03"
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(sent), [[1, 515]])


def test_dense_message_is_not_copied() -> None:
    sent = BRIDGE.cv2_to_imgmsg(picture("uint8", 3), "bgr8")
    assert sys.byteorder != "little" or np.shares_memory(
        BRIDGE.imgmsg_to_cv2(sent), np.frombuffer(sent.data, np.uint8)
    )


def test_slices_and_transposed_arrays_are_sent_as_they_look() -> None:
    image = picture("uint8", 3)[::2, ::-1]
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(image)), image)


@pytest.mark.parametrize(
    ("source", "desired"),
    [
        ("8UC3", "bgr8"),  # names no colours
        ("16UC1", "mono8"),
        ("bgr8", "8UC1"),
        ("mono8", "bayer_rggb8"),
        ("bgr8", "purple8"),
        ("8UC3", "8UC2"),
    ],
)
def test_conversions_that_make_no_sense_are_refused(source: str, desired: str) -> None:
    dtype, channels = BRIDGE.encoding_to_dtype_with_channels(source)
    sent = BRIDGE.cv2_to_imgmsg(picture(dtype, channels), source)
    with pytest.raises(CvBridgeError):
        BRIDGE.imgmsg_to_cv2(sent, desired)


@pytest.mark.parametrize(
    ("data", "encoding", "step"),
    [
        (b"\0" * 11, "rgb8", 6),  # one byte short
        (b"\0" * 12, "rgb8", 5),  # rows longer than the step
        (b"", "mono8", 2),
        (b"\0" * 12, "", 6),
        (b"\0" * 12, "rgb9", 6),
    ],
)
def test_malformed_messages_are_refused(data: bytes, encoding: str, step: int) -> None:
    with pytest.raises(CvBridgeError):
        BRIDGE.imgmsg_to_cv2(message(data, encoding, 2, 2, step))


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CvBridgeError, match="bgr8 holds 8UC3, but the array is 16UC3"):
        BRIDGE.cv2_to_imgmsg(picture("uint16", 3), "bgr8")
    with pytest.raises(CvBridgeError, match="got an array of int64"):
        BRIDGE.cv2_to_imgmsg(np.zeros((2, 2), np.int64))
    with pytest.raises(CvBridgeError, match=r"shape \(4,\)"):
        BRIDGE.cv2_to_imgmsg(np.zeros(4, np.uint8))
    with pytest.raises(TypeError, match="got list"):
        BRIDGE.cv2_to_imgmsg([[1, 2]])


def test_png_round_trip_keeps_16_bits() -> None:
    depth_mm = picture("uint16", 1) * 100
    sent = BRIDGE.cv2_to_compressed_imgmsg(depth_mm, "png")
    assert sent.format == "png"
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(sent), depth_mm)


def test_compressed_colours() -> None:
    bgr = np.full((8, 8, 3), (10, 100, 200), np.uint8)
    sent = BRIDGE.cv2_to_compressed_imgmsg(bgr, "png")
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(sent, "bgr8"), bgr)
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(sent, "rgb8"), bgr[..., ::-1])
    gray = BRIDGE.compressed_imgmsg_to_cv2(sent, "mono8")
    np.testing.assert_array_equal(gray, cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))


def test_jpeg_is_what_opencv_writes_and_reads() -> None:
    bgr = cv2.resize(picture("uint8", 3), (64, 48))
    sent = BRIDGE.cv2_to_compressed_imgmsg(bgr)
    assert sent.format == "jpg"
    data = cv2.imencode(".jpg", bgr)[1]
    assert bytes(sent.data) == data.tobytes()
    np.testing.assert_array_equal(
        BRIDGE.compressed_imgmsg_to_cv2(sent), cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    )


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"not a picture"])
def test_broken_pictures_are_refused(data: bytes) -> None:
    sent = CompressedImage(format="jpeg", data=array.array("B", data))
    with pytest.raises(CvBridgeError, match="are no picture"):
        BRIDGE.compressed_imgmsg_to_cv2(sent)


def test_unknown_format_is_refused() -> None:
    with pytest.raises(CvBridgeError, match="cannot write xyz"):
        BRIDGE.cv2_to_compressed_imgmsg(picture("uint8", 3), "xyz")


def test_opencv_type_numbers() -> None:
    assert BRIDGE.encoding_to_cvtype2("bgr8") == cv2.CV_8UC3
    assert BRIDGE.encoding_to_cvtype2("32FC1") == cv2.CV_32FC1
    assert BRIDGE.encoding_to_dtype_with_channels("rgba16") == ("uint16", 4)
    assert BRIDGE.dtype_with_channels_to_cvtype2(np.dtype("float64"), 2) == "64FC2"
