"""The conversions. Encodings and colours are those of ``rosbags.image``; depths are scaled here."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import cv2
import numpy as np
from rosbags.image import ImageError
from rosbags.image.image import Format, convert_color, to_cvtype
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

# numpy's names for OpenCV's depths, the other way round from OpenCV's constants.
DEPTHS = {
    "uint8": "8U",
    "int8": "8S",
    "uint16": "16U",
    "int16": "16S",
    "int32": "32S",
    "float32": "32F",
    "float64": "64F",
}
# The same by numpy's code of kind and size, which takes it no time to tell, as its name does.
DEPTHS_BY_CODE = {np.dtype(name).str[1:]: depth for name, depth in DEPTHS.items()}
# Full scale stays full scale between 8 and 16 bits; other depths keep their values.
DEPTH_SCALES = {(8, 16): 65535 / 255, (16, 8): 255 / 65535}
# What an encoded picture holds once OpenCV has decoded it, by its count of channels.
DECODED = {1: "mono", 3: "bgr", 4: "bgra"}


class CvBridgeError(TypeError):
    """A message or array cannot be converted as asked."""


class CvBridge:
    """Converts between ``sensor_msgs`` images and numpy arrays of OpenCV's layout."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Return the image as ``(height, width)`` or ``(height, width, channels)``.

        With ``passthrough`` the values are the message's own; the array shares the message's
        memory where its rows are dense and in this machine's byte order.

        Raises:
            CvBridgeError: the encoding is unknown, the data too short, or there is no such
                conversion (from ``8UC3`` to a colour, for example: it does not say which).
        """
        name, channels = self.encoding_to_dtype_with_channels(img_msg.encoding)
        dtype = np.dtype(name).newbyteorder(">" if img_msg.is_bigendian else "<")
        height, width, step = img_msg.height, img_msg.width, img_msg.step
        row_bytes = width * channels * dtype.itemsize
        data = np.frombuffer(img_msg.data, np.uint8)
        if step < row_bytes or data.size < height * step:
            raise CvBridgeError(
                f"{width} x {height} {img_msg.encoding}: got step {step} and {data.size} bytes, "
                f"expected a step of at least {row_bytes} and height x step bytes"
            )
        rows = data[: height * step].reshape(height, step)[:, :row_bytes]
        shape = (height, width) if channels == 1 else (height, width, channels)
        image = np.ascontiguousarray(rows).view(dtype).reshape(shape)
        image = image.astype(dtype.newbyteorder("="), copy=False)
        if desired_encoding == "passthrough":
            return image
        return convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(
        self, cvim: np.ndarray, encoding: str = "passthrough", header: Header | None = None
    ) -> Image:
        """Return a message that holds the array's values unchanged.

        Raises:
            TypeError: ``cvim`` is no array.
            CvBridgeError: its type or count of channels is not that of ``encoding``.
        """
        image_type = self._array_type(cvim)
        if encoding == "passthrough":
            encoding = image_type
        else:
            wanted = self.dtype_with_channels_to_cvtype2(
                *self.encoding_to_dtype_with_channels(encoding)
            )
            if wanted != image_type:
                raise CvBridgeError(f"{encoding} holds {wanted}, but the array is {image_type}")
        big = ">" if sys.byteorder == "little" else "="
        message = Image(
            height=cvim.shape[0],
            width=cvim.shape[1],
            encoding=encoding,
            is_bigendian=int(cvim.dtype.byteorder == big),
            step=cvim.itemsize * math.prod(cvim.shape[1:]),
        )
        if header is not None:
            message.header = header
        message.data.frombytes(memoryview(np.ascontiguousarray(cvim)).cast("B"))
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = "passthrough"
    ) -> np.ndarray:
        """Decode; colours come as BGR unless ``desired_encoding`` says otherwise.

        Raises:
            CvBridgeError: the bytes are no picture, or there is no such conversion.
        """
        data = np.frombuffer(cmprs_img_msg.data, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if image is None:
            raise CvBridgeError(f"{data.size} bytes of {cmprs_img_msg.format!r} are no picture")
        if desired_encoding == "passthrough":
            return image
        channels = 1 if image.ndim == 2 else image.shape[2]
        encoding = f"{DECODED[channels]}{8 * image.itemsize}"
        return convert(image, encoding, desired_encoding)

    def cv2_to_compressed_imgmsg(
        self, cvim: np.ndarray, dst_format: str = "jpg"
    ) -> CompressedImage:
        """Encode a grey or BGR array in a format that OpenCV writes.

        Raises:
            TypeError: ``cvim`` is no array.
            CvBridgeError: OpenCV cannot write this array in this format.
        """
        self._array_type(cvim)
        try:
            encoded, data = cv2.imencode(f".{dst_format}", cvim)
        except cv2.error as error:
            raise CvBridgeError(f"cannot write {dst_format}: {error}") from error
        if not encoded:
            raise CvBridgeError(f"cannot write an array of {cvim.dtype} as {dst_format}")
        message = CompressedImage(format=dst_format)
        message.data.frombytes(data.tobytes())
        return message

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """Return OpenCV's number of the type, ``cv2.CV_8UC3`` for ``bgr8``."""
        name, channels = self.encoding_to_dtype_with_channels(encoding)
        return cv2.CV_MAKETYPE(getattr(cv2, f"CV_{DEPTHS[name]}"), channels)

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return numpy's name of the type and the count of channels."""
        _, _, name, channels = parse(encoding)
        return name, channels

    def dtype_with_channels_to_cvtype2(self, dtype: Any, n_channels: int) -> str:
        """Return OpenCV's name of a type, ``8UC3`` for three channels of uint8."""
        kind = np.dtype(dtype)
        depth = DEPTHS_BY_CODE.get(kind.str[1:])
        if depth is None:
            raise CvBridgeError(f"got an array of {kind}, expected one of {', '.join(DEPTHS)}")
        return f"{depth}C{n_channels}"

    def _array_type(self, cvim: np.ndarray) -> str:
        if not isinstance(cvim, np.ndarray):
            raise TypeError(f"got {type(cvim).__name__}, expected a numpy array")
        if cvim.ndim not in (2, 3):
            raise CvBridgeError(f"got an array of shape {cvim.shape}, expected 2 or 3 axes")
        return self.dtype_with_channels_to_cvtype2(
            cvim.dtype, 1 if cvim.ndim == 2 else cvim.shape[2]
        )


def parse(encoding: str) -> tuple[int, Format, str, int]:
    """Return bits, kind of colour, numpy's type name and channels of an encoding."""
    try:
        return to_cvtype(encoding)
    except ImageError as error:
        raise CvBridgeError(f"unknown image encoding {encoding!r}") from error


def convert(image: np.ndarray, encoding: str, desired_encoding: str) -> np.ndarray:
    """Convert colours at the depth of ``image``, then the depth."""
    if encoding == desired_encoding:
        return image
    bits, color, name, channels = parse(encoding)
    desired_bits, desired_color, desired_name, desired_channels = parse(desired_encoding)
    if color == Format.GENERIC and desired_color != Format.GENERIC:
        raise CvBridgeError(f"{encoding} names no colours, so it cannot become {desired_encoding}")
    if desired_color == Format.GENERIC and channels != desired_channels:
        raise CvBridgeError(
            f"{encoding} has {channels} channels, {desired_encoding} {desired_channels}"
        )
    if desired_color != Format.GENERIC:
        same_depth = re.sub(r"(8|16)$", str(bits), desired_encoding)
        try:
            image = convert_color(image, encoding, same_depth)
        except (ImageError, cv2.error) as error:
            raise CvBridgeError(f"no conversion {encoding} to {desired_encoding}") from error
    if name == desired_name:
        return image
    return change_depth(image, DEPTH_SCALES.get((bits, desired_bits), 1.0), np.dtype(desired_name))


def change_depth(image: np.ndarray, scale: float, dtype: np.dtype) -> np.ndarray:
    """Scale into another type as OpenCV's ``convertTo`` does: integers round and saturate."""
    values = image * np.float64(scale)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(np.nan_to_num(values)), limits.min, limits.max)
    return values.astype(dtype)
