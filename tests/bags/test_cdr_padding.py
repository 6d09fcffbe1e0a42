"""Gaps in serialised messages are cleared, and nothing else is."""

import pytest
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from nav_msgs.msg import Odometry, Path
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2, PointField
from std_msgs.msg import Empty, Float64MultiArray, MultiArrayDimension
from tf2_msgs.msg import TFMessage

from embodied_perception.bags.cdr_padding import clear_padding
from embodied_perception.bags.message_types import type_name_of

names = st.text("abc", max_size=9)
numbers = st.floats(-9, 9)
few_numbers = st.lists(numbers, max_size=4)


def named(message, name):
    message.header.frame_id = name
    return message


messages = st.one_of(
    st.builds(Odometry, child_frame_id=names).flatmap(
        lambda m: st.builds(named, st.just(m), names)
    ),
    st.builds(
        JointState, name=st.lists(names, max_size=3), position=few_numbers, velocity=few_numbers
    ),
    st.builds(CameraInfo, distortion_model=names, d=few_numbers, height=st.integers(0, 9)),
    st.builds(Image, encoding=names, data=st.binary(max_size=9), step=st.integers(0, 9)),
    st.builds(Float64MultiArray, data=few_numbers),
    st.builds(MultiArrayDimension, label=names, size=st.integers(0, 9)),
    st.builds(Path, poses=st.lists(st.builds(named, st.builds(PoseStamped), names), max_size=3)),
    st.builds(
        TFMessage,
        transforms=st.lists(st.builds(TransformStamped, child_frame_id=names), max_size=3),
    ),
    st.builds(PointCloud2, fields=st.lists(st.builds(PointField, name=names), max_size=3)),
    st.builds(named, st.builds(PoseWithCovarianceStamped), names),
    st.builds(Empty),
)


@settings(deadline=None, max_examples=300)
@given(messages)
def test_cleared_bytes_are_the_same_message_and_the_same_every_time(message):
    type_name = type_name_of(type(message))
    first = clear_padding(type_name, serialize_message(message))
    assert deserialize_message(first, type(message)) == message
    assert clear_padding(type_name, serialize_message(message)) == first


def test_known_layout():
    # Header: stamp 8 bytes, string count 4, "ab\0", then the count of the next string at 16.
    message = named(Odometry(), "ab")
    data = bytearray(serialize_message(message))
    assert data[4 + 12 : 4 + 15] == b"ab\0"
    data[4 + 15] = 77
    assert clear_padding("nav_msgs/msg/Odometry", bytes(data))[4 + 15] == 0


@pytest.mark.parametrize("data", [b"\0\1\0\0", b"\0\0\0\0" + bytes(60), b"\0\1\0\0" + b"\xff" * 30])
def test_data_of_another_layout_is_left_alone(data):
    assert clear_padding("nav_msgs/msg/Odometry", data) == data
