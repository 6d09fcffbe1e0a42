"""Between the library's types and ROS messages, images apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from embodied_perception.camera import Camera, info_fields
from embodied_perception.geometry import ROTATIONS, Transform


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return time_ns(header.stamp)


def time_ns(time: Time) -> int:
    """A time in nanoseconds."""
    return time.sec * 1_000_000_000 + time.nanosec


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header from nanoseconds and a frame."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def camera_info_message(camera: Camera, stamp_ns: int, frame_id: str) -> CameraInfo:
    """A camera's calibration (REP-104)."""
    fields = info_fields(camera)
    roi = fields.pop("roi")
    message = CameraInfo(header=header(stamp_ns, frame_id), **fields)
    for name, value in roi.items():
        setattr(message.roi, name, value)
    return message


def transform_message(
    parent_from_child: Transform, parent: str, child: str, stamp_ns: int
) -> TransformStamped:
    """One edge of the transform tree."""
    message = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
    _set_xyz(message.transform.translation, parent_from_child.translation)
    _set_xyzw(message.transform.rotation, parent_from_child.quaternion_xyzw)
    return message


def transform_from_message(message: TransformStamped) -> Transform:
    """parent_from_child of one edge of the transform tree."""
    translation, rotation = message.transform.translation, message.transform.rotation
    return Transform.from_quaternion(
        (rotation.x, rotation.y, rotation.z, rotation.w),
        (translation.x, translation.y, translation.z),
    )


def pose_message(frame_from_child: Transform) -> Pose:
    """A pose without a header."""
    message = Pose()
    _set_xyz(message.position, frame_from_child.translation)
    _set_xyzw(message.orientation, frame_from_child.quaternion_xyzw)
    return message


def require_pose(pose: Pose) -> Transform:
    """frame_from_child of a pose that somebody asks for.

    Raises:
        GeometryError: a number is not finite, or the quaternion's length is not 1.

    """
    position, turn = pose.position, pose.orientation
    rotation = ROTATIONS["quaternion_xyzw"].read((turn.x, turn.y, turn.z, turn.w), "orientation")
    frame_from_child = Transform(rotation, np.array((position.x, position.y, position.z)))
    frame_from_child.require_rigid()
    return frame_from_child


def odometry_message(
    frame_from_child: Transform,
    frame_id: str,
    child_frame_id: str,
    stamp_ns: int,
    covariance: np.ndarray | None = None,
) -> Odometry:
    """A pose of ``child_frame_id`` in ``frame_id``; the covariance (6, 6) is in that frame."""
    message = Odometry(header=header(stamp_ns, frame_id), child_frame_id=child_frame_id)
    message.pose.pose = pose_message(frame_from_child)
    if covariance is not None:
        message.pose.covariance = np.asarray(covariance, np.float64).ravel()
    return message


def _set_xyz(message: Any, values: np.ndarray) -> None:
    message.x, message.y, message.z = (float(value) for value in values)


def _set_xyzw(message: Any, values: np.ndarray) -> None:
    message.x, message.y, message.z, message.w = (float(value) for value in values)
