"""Image files as messages: unchanged bytes where possible, decoded ones where asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage

from embodied_perception.bags.datasets.dataset import DatasetMessage, ImageStorage
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError
from embodied_perception.stages.image_messages import compressed_depth_message, image_message
from embodied_perception.stages.messages import camera_info_message, header

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class CameraStream:
    """A camera of the dataset and where its images go.

    Attributes:
        name: The topics are ``/camera/NAME/...`` and the frame ``camera_NAME_optical_frame``,
            unless ``frame_id`` says otherwise.
        camera: Its calibration; images of another size are refused.
        storage: How images are kept.
        problems: Gets a line for every image that cannot be used.

    """

    name: str
    camera: Camera
    storage: ImageStorage
    problems: list[str]
    frame_id: str = ""

    @property
    def topic(self) -> str:
        """Common start of the camera's topics."""
        return f"/camera/{self.name}"

    @property
    def optical_frame(self) -> str:
        """The frame of images and calibration."""
        return self.frame_id or f"camera_{self.name}_optical_frame"

    def color(self, path: Path, stamp_ns: int) -> Iterator[DatasetMessage]:
        """Calibration and image of one colour or grey file; a broken file gives no image."""
        yield self._camera_info(stamp_ns)
        try:
            data, pixels = self._read(path, cv2.IMREAD_UNCHANGED)
            if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
                raise BagError(f"{path}: got {_describe(pixels)}, expected 8 bit, grey or colour")
        except BagError as error:
            self.problems.append(str(error))
            return
        is_jpeg = data.startswith(_JPEG_START)
        if self.storage == "compressed" or (self.storage == "auto" and is_jpeg):
            message = CompressedImage(
                header=header(stamp_ns, self.optical_frame),
                format="jpeg" if is_jpeg else "png",
                data=data,
            )
            yield DatasetMessage(f"{self.topic}/image_raw/compressed", message, stamp_ns)
        else:
            encoding = "mono8" if pixels.ndim == 2 else "bgr8"
            message = image_message(pixels, encoding, stamp_ns, self.optical_frame)
            yield DatasetMessage(f"{self.topic}/image_raw", message, stamp_ns)

    def depth(
        self, path: Path, stamp_ns: int, to_millimetres: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[DatasetMessage]:
        """Calibration and depth (16UC1, millimetres, 0 = unknown) of one 16-bit PNG."""
        yield self._camera_info(stamp_ns)
        try:
            _, pixels = self._read(path, cv2.IMREAD_UNCHANGED)
            if pixels.dtype != np.uint16 or pixels.ndim != 2:
                raise BagError(f"{path}: got {_describe(pixels)}, expected 16 bit, one channel")
        except BagError as error:
            self.problems.append(str(error))
            return
        depth_mm = to_millimetres(pixels)
        if self.storage == "compressed":
            message = compressed_depth_message(depth_mm, stamp_ns, self.optical_frame)
            yield DatasetMessage(f"{self.topic}/image_raw/compressedDepth", message, stamp_ns)
        else:
            message = image_message(depth_mm, "16UC1", stamp_ns, self.optical_frame)
            yield DatasetMessage(f"{self.topic}/image_raw", message, stamp_ns)

    def _camera_info(self, stamp_ns: int) -> DatasetMessage:
        message = camera_info_message(self.camera, stamp_ns, self.optical_frame)
        return DatasetMessage(f"{self.topic}/camera_info", message, stamp_ns)

    def _read(self, path: Path, flags: int) -> tuple[bytes, np.ndarray]:
        data, pixels = read_image(path, flags)
        got_wh = pixels.shape[1], pixels.shape[0]
        if got_wh != self.camera.resolution_wh:
            raise BagError(
                f"{path}: got {got_wh[0]}x{got_wh[1]} pixels, expected "
                f"{self.camera.width}x{self.camera.height}"
            )
        return data, pixels


def read_image(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> tuple[bytes, np.ndarray]:
    """Return the bytes of a JPEG or PNG file and its pixels.

    Raises:
        BagError: no such file, another format, or cut off: decoders fill what is missing with
            grey, so the end is looked for.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BagError(f"{path}: cannot read: {error.strerror}") from error
    # Some cameras pad JPEG files behind their end.
    whole = (data.startswith(_JPEG_START) and data.rstrip(b"\0").endswith(_JPEG_END)) or (
        data.startswith(_PNG_START) and data.endswith(_PNG_END)
    )
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if whole else None
    if pixels is None:
        raise BagError(f"{path}: no whole JPEG or PNG image ({len(data)} bytes)")
    return data, pixels


def first_size(paths: list[Path]) -> tuple[int, int]:
    """Width and height of the first image that can be read."""
    for path in paths:
        try:
            height, width = read_image(path)[1].shape[:2]
        except BagError:
            continue
        return width, height
    raise BagError(f"{paths[0].parent if paths else 'dataset'}: no image here can be read")


def _describe(pixels: np.ndarray) -> str:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return f"{pixels.dtype.itemsize * 8} bit, {channels} channels"
