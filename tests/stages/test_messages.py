"""Library types to ROS messages and back, and messages that contradict themselves."""

import array
import struct

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.errors import FrameError, GeometryError
from embodied_perception.geometry import Transform
from embodied_perception.stages.image_messages import (
    compressed_depth_message,
    compressed_image_message,
    frame_from_compressed,
    frame_from_image,
    image_message,
)
from embodied_perception.stages.messages import (
    camera_info_message,
    header,
    odometry_message,
    stamp_ns,
    transform_from_message,
    transform_message,
)

STAMP_NS = 1_700_000_000_123_456_789
RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)
GRAY = RNG.integers(0, 256, (6, 5), np.uint8)
DEPTH_MM = RNG.integers(0, 65536, (6, 5), np.uint16)
DEPTH_M = RNG.uniform(0.5, 5, (6, 5)).astype(np.float32)


def refusal(message):
    make = frame_from_image if isinstance(message, Image) else frame_from_compressed
    with pytest.raises(FrameError) as error:
        make(message)
    return error.value


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive(nanoseconds):
    message = header(nanoseconds, "camera")
    assert stamp_ns(message) == nanoseconds
    assert message.frame_id == "camera"
    assert 0 <= message.stamp.nanosec < 10**9


@pytest.mark.parametrize(
    ("pixels", "encoding", "view", "expected"),
    [
        (RGB, "rgb8", "rgb", RGB),
        (RGB[..., ::-1], "bgr8", "rgb", RGB),
        (GRAY, "mono8", "gray", GRAY),
        (DEPTH_MM, "16UC1", "depth_m", np.where(DEPTH_MM, DEPTH_MM / 1000, np.nan)),
        (DEPTH_MM, "mono16", "depth_m", np.where(DEPTH_MM, DEPTH_MM / 1000, np.nan)),
        (DEPTH_M, "32FC1", "depth_m", DEPTH_M),
    ],
)
def test_images_survive(pixels, encoding, view, expected):
    message = image_message(np.ascontiguousarray(pixels), encoding, STAMP_NS, "camera")
    assert (message.width, message.height, message.encoding) == (5, 6, encoding)
    assert message.step == 5 * pixels.itemsize * (3 if pixels.ndim == 3 else 1)
    frame = frame_from_image(message)
    np.testing.assert_allclose(getattr(frame, view), expected, rtol=1e-6)
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, "camera")


def test_a_dense_image_is_not_copied():
    message = image_message(GRAY, "mono8", STAMP_NS, "camera")
    view = frame_from_image(message).gray
    message.data[0] = (message.data[0] + 1) % 256
    assert view[0, 0] == message.data[0]


@pytest.mark.parametrize("padding", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("pixels", "encoding", "view"),
    [(RGB, "rgb8", "rgb"), (GRAY, "mono8", "gray"), (DEPTH_MM, "16UC1", "depth_m")],
)
def test_padded_rows(pixels, encoding, view, padding):
    dense = image_message(pixels, encoding, STAMP_NS, "camera")
    rows = np.frombuffer(dense.data, np.uint8).reshape(6, -1)
    padded = np.full((6, rows.shape[1] + padding), 0xAB, np.uint8)
    padded[:, : rows.shape[1]] = rows
    message = Image(width=5, height=6, encoding=encoding, step=padded.shape[1])
    message.data = array.array("B", padded.tobytes())
    expected = getattr(frame_from_image(dense), view)
    np.testing.assert_array_equal(getattr(frame_from_image(message), view), expected)


@pytest.mark.parametrize(("pixels", "encoding"), [(DEPTH_MM, "16UC1"), (DEPTH_M, "32FC1")])
def test_big_endian_depth(pixels, encoding):
    message = image_message(pixels, encoding, STAMP_NS, "camera")
    expected = frame_from_image(message).depth_m
    message.data = array.array("B", pixels.astype(pixels.dtype.newbyteorder(">")).tobytes())
    message.is_bigendian = 1
    np.testing.assert_array_equal(frame_from_image(message).depth_m, expected)


def test_byte_order_of_bytes_means_nothing():
    message = image_message(RGB, "rgb8", STAMP_NS, "camera")
    message.is_bigendian = 1
    np.testing.assert_array_equal(frame_from_image(message).rgb, RGB)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 0}, "0x6"),
        ({"height": 0}, "5x0"),
        ({"width": 6}, "step of 18 at least"),
        ({"step": 14}, "step of 15 at least"),
        ({"height": 7}, "got 90 bytes, expected step \\* rows = 105"),
        ({"height": 5}, "got 90 bytes, expected step \\* rows = 75"),
        ({"data": array.array("B")}, "got 0 bytes"),
        ({"width": 2**32 - 1, "step": 2**32 - 1}, "expected a step"),
    ],
)
def test_sizes_that_contradict_each_other(change, words):
    message = image_message(RGB, "rgb8", STAMP_NS, "camera")
    for name, value in change.items():
        setattr(message, name, value)
    error = refusal(message)
    assert error.reason == "WRONG_SIZE"
    with pytest.raises(FrameError, match=words):
        raise error


@pytest.mark.parametrize("encoding", ["", "nv24", "8UC2", "16SC1", "32FC3", "RGB8", "bayer"])
def test_unknown_encodings(encoding):
    message = Image(width=2, height=1, step=24, encoding=encoding, data=bytes(24))
    error = refusal(message)
    assert error.reason == "WRONG_ENCODING"
    assert f"got {encoding!r}, expected one of mono8, " in str(error)


def test_compressed_images():
    png = compressed_image_message(RGB, STAMP_NS, "camera", format="png")
    np.testing.assert_array_equal(frame_from_compressed(png).rgb, RGB)
    smooth = np.tile(np.arange(0, 240, 4, np.uint8), (40, 1))
    jpeg = compressed_image_message(smooth, STAMP_NS, "camera")
    assert jpeg.format == "jpeg"
    frame = frame_from_compressed(jpeg)
    assert np.abs(frame.gray.astype(int) - smooth).max() <= 3
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, "camera")


def test_compressed_depth_is_exact():
    message = compressed_depth_message(DEPTH_MM, STAMP_NS, "camera")
    assert "compressedDepth" in message.format
    assert bytes(message.data[12:20]) == b"\x89PNG\r\n\x1a\n"
    depth_m = frame_from_compressed(message).depth_m.astype(np.float64)
    np.testing.assert_array_equal(np.rint(np.nan_to_num(depth_m) * 1000), DEPTH_MM)


def test_compressed_floating_point_depth_is_dequantised():
    quantised = np.array([[0, 100, 1000, 65535]], np.uint16)
    png = cv2.imencode(".png", quantised)[1].tobytes()
    data = struct.pack("<iff", 0, 4000.0, -100.0) + png
    message = CompressedImage(format="32FC1; compressedDepth png", data=data)
    expected = [[np.nan, 4000 / 200, 4000 / 1100, 4000 / 65635]]
    np.testing.assert_allclose(frame_from_compressed(message).depth_m, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [0, 5, 11])
def test_compressed_depth_without_its_header(size):
    message = CompressedImage(format="16UC1; compressedDepth png", data=bytes(size))
    assert refusal(message).reason == "TRUNCATED"


def test_compressed_depth_without_anything_behind_its_header():
    message = CompressedImage(format="16UC1; compressedDepth png", data=bytes(12))
    with pytest.raises(FrameError) as error:
        _ = frame_from_compressed(message).depth_m
    assert error.value.reason == "UNDECODABLE"


def test_run_length_coded_depth_is_exact():
    message = compressed_depth_message(DEPTH_MM, STAMP_NS, "camera", "rvl")
    assert message.format == "16UC1; compressedDepth rvl"
    depth_m = frame_from_compressed(message).depth_m.astype(np.float64)
    np.testing.assert_array_equal(np.rint(np.nan_to_num(depth_m) * 1000), DEPTH_MM)


def test_an_unknown_packing_of_depth_is_refused_in_words():
    error = refusal(CompressedImage(format="16UC1; compressedDepth zstd", data=bytes(40)))
    assert error.reason == "WRONG_ENCODING"
    assert "expected compressedDepth png or rvl" in str(error)


def test_camera_info_survives():
    camera = Camera(
        width=640,
        height=480,
        K=np.array([[500.5, 0, 320.25], [0, 501.5, 241.75], [0, 0, 1]]),
        D=np.array([0.1, -0.2, 0.001, 0.002, 0.05]),
        binning_x=2,
        binning_y=2,
        roi=(10, 20, 600, 400),
    )
    message = camera_info_message(camera, STAMP_NS, "optical")
    back = camera_from_info(message)
    assert stamp_ns(message.header) == STAMP_NS
    assert message.header.frame_id == "optical"
    for name in ("K", "D", "R", "P"):
        np.testing.assert_array_equal(getattr(back, name), getattr(camera, name))
    assert (back.width, back.height, back.roi) == (640, 480, (10, 20, 600, 400))
    assert (back.binning_x, back.binning_y, back.distortion_model) == (2, 2, "plumb_bob")


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_transforms_survive(values):
    parent_from_child = Transform.from_rotation_vector(values[:3], values[3:])
    message = transform_message(parent_from_child, "base", "camera", STAMP_NS)
    assert (message.header.frame_id, message.child_frame_id) == ("base", "camera")
    assert stamp_ns(message.header) == STAMP_NS
    back = transform_from_message(message)
    np.testing.assert_allclose(back.matrix, parent_from_child.matrix, atol=1e-12)


def test_a_transform_without_a_rotation():
    message = TransformStamped()
    message.transform.rotation.w = 0.0
    with pytest.raises(GeometryError, match="quaternion_xyzw"):
        transform_from_message(message)


def test_odometry_holds_pose_and_row_major_covariance():
    covariance = np.arange(36.0).reshape(6, 6)
    quarter_turn = Transform.from_rotation_vector((0, 0, np.pi / 2), (1, 2, 3))
    message = odometry_message(quarter_turn, "odom", "base_link", STAMP_NS, covariance)
    assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_link")
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    assert (position.x, position.y, position.z) == (1, 2, 3)
    got = (orientation.x, orientation.y, orientation.z, orientation.w)
    assert got == pytest.approx((0, 0, 0.5**0.5, 0.5**0.5))
    # REP-103: x, y, z, then rotations about x, y, z; index 6 * row + column.
    assert message.pose.covariance[6 * 1 + 5] == covariance[1, 5]
    assert message.pose.covariance[6 * 5 + 1] == covariance[5, 1]
