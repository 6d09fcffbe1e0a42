"""Between the library's types and ROS messages."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from geometry_msgs.msg import Pose, TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from embodied_perception.camera import Camera, info_fields
from embodied_perception.errors import FrameError
from embodied_perception.frame import CompressedPixels, Frame, RawPixels
from embodied_perception.geometry import Transform

_BRIDGE = CvBridge()
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}
_DTYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
#: compressed_depth_image_transport's ConfigHeader: an enum, and two floats for inverse depth.
_COMPRESSED_DEPTH_HEADER = struct.Struct("<iff")


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header from nanoseconds and a frame."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def frame_from_image(message: Image) -> Frame:
    """A frame over the message's own bytes; copied only from padded rows or a foreign byte order.

    Raises:
        FrameError: width, height, step, encoding and data do not fit each other.
    """
    channels = _CHANNELS.get(message.encoding, 1)
    dtype = np.dtype(_DTYPES.get(message.encoding, "u1"))
    pixel_bytes = channels * dtype.itemsize
    least_step = message.width * pixel_bytes
    if message.width == 0 or message.height == 0 or message.step < least_step:
        raise FrameError(
            "WRONG_SIZE",
            f"{message.width}x{message.height} {message.encoding} with step {message.step}: "
            f"expected a step of {least_step} at least",
        )
    if len(message.data) != message.step * message.height:
        raise FrameError(
            "WRONG_SIZE",
            f"got {len(message.data)} bytes, expected step * height = "
            f"{message.step * message.height}",
        )
    known = ("mono8", *_CHANNELS, *_DTYPES)
    if message.encoding not in known:
        mend = "; run image_proc's debayer node" if message.encoding.startswith("bayer") else ""
        raise FrameError(
            "WRONG_ENCODING",
            f"got {message.encoding!r}, expected one of {', '.join(known)}{mend}",
        )
    # By strides: cv_bridge misreads rows that are padded to no whole pixel, and big-endian data.
    array: np.ndarray = np.ndarray(
        (message.height, message.width, channels),
        dtype.newbyteorder(">" if message.is_bigendian else "<"),
        message.data,
        strides=(message.step, pixel_bytes, dtype.itemsize),
    )
    array = np.ascontiguousarray(array[..., 0] if channels == 1 else array, dtype)
    pixels = RawPixels(array, message.encoding)
    return Frame(pixels, stamp_ns(message.header), message.header.frame_id)


def frame_from_compressed(message: CompressedImage) -> Frame:
    """A frame over a JPEG, a PNG or a compressedDepth image; decoded when it is first looked at.

    Raises:
        FrameError: compressedDepth is cut off in its header, or not in PNG.
    """
    data, inverse_depth = np.frombuffer(message.data, np.uint8), None
    encoding, _, transport = message.format.partition("compressedDepth")
    if transport.strip() == "rvl":
        raise FrameError("WRONG_ENCODING", f"got {message.format!r}, expected compressedDepth png")
    if "compressedDepth" in message.format:
        size = _COMPRESSED_DEPTH_HEADER.size
        if len(data) < size:
            raise FrameError("TRUNCATED", f"got {len(data)} bytes, expected a header of {size}")
        if encoding.startswith("32FC1"):
            inverse_depth = _COMPRESSED_DEPTH_HEADER.unpack(data[:size].tobytes())[1:]
        data = data[size:]
    pixels = CompressedPixels(data, inverse_depth)
    return Frame(pixels, stamp_ns(message.header), message.header.frame_id)


def image_message(array: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> Image:
    """A raw image."""
    return _BRIDGE.cv2_to_imgmsg(array, encoding, header=header(stamp_ns, frame_id))


def compressed_image_message(
    array: np.ndarray,
    stamp_ns: int,
    frame_id: str,
    format: str = "jpeg",
    quality: int = 90,
) -> CompressedImage:
    """An image (H, W[, 3]), RGB or mono, as ``jpeg`` or ``png``."""
    bgr = array if array.ndim == 2 else cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if format == "jpeg" else []
    _, data = cv2.imencode(f".{format}", bgr, options)
    return CompressedImage(header=header(stamp_ns, frame_id), format=format, data=data.tobytes())


def compressed_depth_message(depth_mm: np.ndarray, stamp_ns: int, frame_id: str) -> CompressedImage:
    """Depth (H, W) uint16 in millimetres, as compressed_depth_image_transport sends it."""
    _, data = cv2.imencode(".png", depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return CompressedImage(
        header=header(stamp_ns, frame_id),
        format="16UC1; compressedDepth png",
        data=bytes(_COMPRESSED_DEPTH_HEADER.size) + data.tobytes(),
    )


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
