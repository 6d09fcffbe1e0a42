"""Messages to the library's types, once a message, for everyone who listens."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.frame import Frame
from embodied_perception.stages.image_messages import frame_from_compressed, frame_from_image

#: What a topic's messages become.
Decoded = Frame | Camera | list[TransformStamped]


class Decoder:
    """Decodes the messages of one topic. A calibration that does not change stays one object."""

    def __init__(self) -> None:
        self._camera_key: object = None
        self._camera: Camera | None = None

    def decode(self, message: Any) -> Decoded:
        """Decode an image, a calibration or transforms.

        Raises:
            FrameError: the image is malformed.
            CameraError: the calibration is.
        """
        if isinstance(message, Image):
            return frame_from_image(message)
        if isinstance(message, CompressedImage):
            return frame_from_compressed(message)
        if isinstance(message, CameraInfo):
            return self._decode_camera(message)
        if isinstance(message, TFMessage):
            return list(message.transforms)
        raise TypeError(f"no stage takes {type(message).__name__}")

    def _decode_camera(self, message: CameraInfo) -> Camera:
        roi = message.roi
        key = (
            message.width, message.height, message.distortion_model,
            bytes(message.k), bytes(message.d), bytes(message.r), bytes(message.p),
            message.binning_x, message.binning_y,
            roi.x_offset, roi.y_offset, roi.width, roi.height,
        )  # fmt: skip
        if self._camera is None or key != self._camera_key:
            self._camera = camera_from_info(message).delivered()
            self._camera_key = key
        return self._camera
