"""Between pixels and the messages that carry them."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from cv_bridge import CvBridge
from sensor_msgs.msg import CompressedImage, Image

from embodied_perception.errors import FrameError
from embodied_perception.frame import Frame
from embodied_perception.imaging import (
    ENCODINGS,
    CompressedDepth,
    CompressedPixels,
    RawPixels,
    rvl,
)
from embodied_perception.stages.messages import header, stamp_ns

_BRIDGE = CvBridge()
#: compressed_depth_image_transport's ConfigHeader: an enum, and two floats for inverse depth.
_COMPRESSED_DEPTH_HEADER = struct.Struct("<iff")


def frame_from_image(message: Image) -> Frame:
    """A frame over the message's own bytes; copied only from padded rows or a foreign byte order.

    Raises:
        FrameError: width, height, step, encoding and data do not fit each other.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        known = ", ".join(ENCODINGS)
        raise FrameError("WRONG_ENCODING", f"got {message.encoding!r}, expected one of {known}")
    least_step = message.width * encoding.pixel_bytes
    if message.width == 0 or message.height == 0 or message.step < least_step:
        raise FrameError(
            "WRONG_SIZE",
            f"{message.width}x{message.height} {message.encoding} with step {message.step}: "
            f"expected a step of {least_step} at least",
        )
    rows = encoding.stored_rows(message.height)
    if len(message.data) != message.step * rows:
        raise FrameError(
            "WRONG_SIZE",
            f"got {len(message.data)} bytes, expected step * rows = {message.step * rows}",
        )
    encoding.require_size(message.width, message.height)
    # By strides: cv_bridge misreads rows that are padded to no whole pixel, and big-endian data.
    dtype = np.dtype(encoding.dtype)
    array: np.ndarray = np.ndarray(
        (rows, message.width, encoding.channels),
        dtype.newbyteorder(">" if message.is_bigendian else "<"),
        message.data,
        strides=(message.step, encoding.pixel_bytes, dtype.itemsize),
    )
    array = np.ascontiguousarray(array[..., 0] if encoding.channels == 1 else array, dtype)
    pixels = RawPixels(array, encoding.name)
    return Frame(pixels, stamp_ns(message.header), message.header.frame_id)


def frame_from_compressed(message: CompressedImage) -> Frame:
    """A frame over a JPEG, a PNG or a compressedDepth image; decoded when it is first looked at.

    Raises:
        FrameError: compressedDepth is cut off in its header, or neither in PNG nor in RVL.
    """
    data = np.frombuffer(message.data, np.uint8)
    pixels: CompressedDepth | CompressedPixels = CompressedPixels(data)
    if "compressedDepth" in message.format:
        pixels = _compressed_depth(data, message.format)
    return Frame(pixels, stamp_ns(message.header), message.header.frame_id)


def _compressed_depth(data: np.ndarray, format: str) -> CompressedDepth:
    encoding, _, packing = format.partition("compressedDepth")
    if packing.strip() not in ("", "png", "rvl"):
        raise FrameError("WRONG_ENCODING", f"got {format!r}, expected compressedDepth png or rvl")
    size = _COMPRESSED_DEPTH_HEADER.size
    if len(data) < size:
        raise FrameError("TRUNCATED", f"got {len(data)} bytes, expected a header of {size}")
    inverse_depth = None
    if encoding.startswith("32FC1"):
        inverse_depth = _COMPRESSED_DEPTH_HEADER.unpack(data[:size].tobytes())[1:]
    return CompressedDepth(data[size:], packing.strip() == "rvl", inverse_depth)


def image_message(array: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> Image:
    """A raw image of pixels as the encoding lays them out (:class:`RawPixels`)."""
    message: Image = _BRIDGE.cv2_to_imgmsg(array, header=header(stamp_ns, frame_id))
    message.encoding = encoding
    if ENCODINGS[encoding].is_planar:
        message.height = message.height * 2 // 3
    return message


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


def compressed_depth_message(
    depth_mm: np.ndarray, stamp_ns: int, frame_id: str, packing: str = "png"
) -> CompressedImage:
    """Depth (H, W) uint16 in millimetres, as compressed_depth_image_transport sends it.

    Args:
        depth_mm: 0 where unknown.
        stamp_ns: when it was taken.
        frame_id: the camera's optical frame.
        packing: ``png``, or ``rvl``.
    """
    if packing == "rvl":
        data = rvl.encode(depth_mm)
    else:
        _, data = cv2.imencode(".png", depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return CompressedImage(
        header=header(stamp_ns, frame_id),
        format=f"16UC1; compressedDepth {packing}",
        data=bytes(_COMPRESSED_DEPTH_HEADER.size) + data.tobytes(),
    )
