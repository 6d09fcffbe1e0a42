"""An image on its way through the house: decoded once, seen in many ways."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.errors import FrameError

#: Raw encodings of sensor_msgs/Image that have views, with the conversion to RGB.
_TO_RGB = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
}
_TO_GRAY = {
    "rgb8": cv2.COLOR_RGB2GRAY,
    "bgr8": cv2.COLOR_BGR2GRAY,
    "rgba8": cv2.COLOR_RGBA2GRAY,
    "bgra8": cv2.COLOR_BGRA2GRAY,
    "mono8": None,
}
_DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class RawPixels:
    """Pixels as a driver sends them: ``array`` (H, W[, C]) in a ROS ``encoding``."""

    def __init__(self, array: np.ndarray, encoding: str) -> None:
        self.array = array
        self.encoding = encoding

    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self._convert(_TO_RGB)

    def gray(self) -> np.ndarray:
        """(H, W) uint8."""
        return self._convert(_TO_GRAY)

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, NaN where unknown (REP-118: 16UC1 is millimetres, 0 unknown)."""
        if self.encoding not in _DEPTH_ENCODINGS:
            raise _wrong_encoding(self.encoding, _DEPTH_ENCODINGS)
        if self.array.dtype == np.uint16:
            depth_m = self.array * np.float32(0.001)
            depth_m[self.array == 0] = np.nan
            return depth_m
        return np.where(np.isfinite(self.array) & (self.array > 0), self.array, np.float32(np.nan))

    def _convert(self, table: dict[str, int | None]) -> np.ndarray:
        if self.encoding not in table:
            raise _wrong_encoding(self.encoding, tuple(table))
        code = table[self.encoding]
        return self.array if code is None else cv2.cvtColor(self.array, code)


class CompressedPixels:
    """A JPEG or PNG file in memory. Each view is decoded straight from the file.

    Args:
        data: (N,) uint8, the file.
        inverse_depth: (a, b) where a 16-bit PNG holds values v of depth a / (v - b) in metres, as
            compressed_depth_image_transport writes floating-point depth; None for millimetres.
    """

    def __init__(self, data: np.ndarray, inverse_depth: tuple[float, float] | None = None) -> None:
        self._data = data
        self._inverse_depth = inverse_depth

    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        self._refuse_depth()
        return cv2.cvtColor(self._decode(cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def gray(self) -> np.ndarray:
        """(H, W) uint8; of a JPEG it is the luma that the file holds."""
        self._refuse_depth()
        return self._decode(cv2.IMREAD_GRAYSCALE)

    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres, from a 16-bit PNG of millimetres or of quantised 1/depth."""
        array = self._decode(cv2.IMREAD_UNCHANGED)
        if array.dtype != np.uint16 or array.ndim != 2:
            raise _wrong_encoding(f"{array.dtype} image of shape {array.shape}", _DEPTH_ENCODINGS)
        if self._inverse_depth is None:
            return RawPixels(array, "16UC1").depth_m()
        scale, offset = (np.float32(value) for value in self._inverse_depth)
        with np.errstate(divide="ignore"):
            depth_m = scale / (array - offset)
        return RawPixels(np.where(array > 0, depth_m, np.float32(0)), "32FC1").depth_m()

    def _decode(self, flags: int) -> np.ndarray:
        self._require_whole()
        try:
            array = cv2.imdecode(self._data, flags) if len(self._data) else None
        except cv2.error:
            array = None
        if array is None:
            raise FrameError("UNDECODABLE", f"{len(self._data)} bytes are no JPEG or PNG image")
        return array

    def _refuse_depth(self) -> None:
        # OpenCV would cut 16 bits down to 8. Bit depth and colour type follow the size in IHDR.
        if bytes(self._data[:8]) == _PNG_HEAD and bytes(self._data[24:26]) == b"\x10\x00":
            raise _wrong_encoding("PNG of 16-bit gray", ("JPEG", "PNG of 8 bits"))

    def _require_whole(self) -> None:
        # OpenCV pads what is missing of a cut-off file with grey and says nothing.
        # Zeros behind the end are harmless: cameras fill up their buffers with them.
        head, tail = bytes(self._data[:8]), self._data.tobytes().rstrip(b"\0")[-64:]
        cut_jpeg = head[:2] == b"\xff\xd8" and b"\xff\xd9" not in tail
        cut_png = head == _PNG_HEAD and b"IEND" not in tail
        if cut_jpeg or cut_png:
            kind = "JPEG" if cut_jpeg else "PNG"
            raise FrameError(
                "TRUNCATED", f"{kind} of {len(self._data)} bytes ends before its end marker"
            )


class Frame:
    """One image, when and where it was taken, and its views, each computed once.

    Views raise :class:`FrameError` with a reason when the image cannot be read that way. They are
    shared by everyone who holds the frame, so they must not be written to.
    """

    def __init__(
        self,
        pixels: RawPixels | CompressedPixels,
        stamp_ns: int,
        frame_id: str,
        camera: Camera | None = None,
    ) -> None:
        self._pixels = pixels
        self._camera = camera
        self.stamp_ns = stamp_ns
        self.frame_id = frame_id

    @property
    def camera(self) -> Camera:
        """The camera that took the image."""
        if self._camera is None:
            raise FrameError("NO_CAMERA_INFO", f"no camera is known for frame {self.frame_id!r}")
        return self._camera

    @camera.setter
    def camera(self, camera: Camera) -> None:
        self._camera = camera

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self._fitting(self._pixels.rgb())

    @cached_property
    def gray(self) -> np.ndarray:
        """(H, W) uint8."""
        return self._fitting(self._pixels.gray())

    @cached_property
    def depth_m(self) -> np.ndarray:
        """(H, W) float32 metres along the optical axis, NaN where unknown."""
        depth_m = self._fitting(self._pixels.depth_m())
        if not np.isfinite(depth_m).any():
            raise FrameError("EMPTY_DEPTH", "no pixel of the depth image holds a reading")
        return depth_m

    def _fitting(self, array: np.ndarray) -> np.ndarray:
        height, width = array.shape[:2]
        if self._camera is not None and (width, height) != self._camera.resolution_wh:
            raise FrameError(
                "SIZE_MISMATCH",
                f"image is {width}x{height}, its camera_info says "
                f"{self._camera.width}x{self._camera.height}: calibrate at the size that is sent",
            )
        return array


def _wrong_encoding(got: str, expected: tuple[str, ...]) -> FrameError:
    return FrameError("WRONG_ENCODING", f"got {got!r}, expected one of {', '.join(expected)}")
