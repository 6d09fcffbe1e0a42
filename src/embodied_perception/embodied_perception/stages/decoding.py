"""Messages to the library's types, once a message, for everyone who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.errors import FrameError, PerceptionError
from embodied_perception.frame import Frame
from embodied_perception.imaging.video import VideoDecoder, VideoPixels
from embodied_perception.stages.box_messages import Boxes, boxes_of
from embodied_perception.stages.image_messages import frame_from_compressed, frame_from_image
from embodied_perception.stages.messages import stamp_ns, time_ns


@dataclass(frozen=True)
class ClassNumbers:
    """Numbers of the classes in masks, by their names."""

    by_name: dict[str, int]


#: What a topic's messages become, or why one cannot be used.
Decoded = Frame | Boxes | Camera | ClassNumbers | list[TransformStamped] | PerceptionError


class Decoder:
    """Decodes the messages of one topic. A calibration that does not change stays one object."""

    def __init__(self) -> None:
        self._camera_key: object = None
        self._camera: Camera | None = None
        self._video: VideoDecoder | None = None
        self._video_format = ""
        self._frame_id = ""

    def decode(self, message: Any) -> list[Decoded]:
        """Decode an image, boxes, a calibration, transforms, or a packet of a video.

        Nearly always it is one result; a packet can complete several images, or none yet.
        """
        try:
            if isinstance(message, Image):
                return [frame_from_image(message)]
            if isinstance(message, CompressedImage):
                return [frame_from_compressed(message)]
            if isinstance(message, CameraInfo):
                return [self._decode_camera(message)]
            if isinstance(message, LabelInfo):
                named = {each.class_name: each.class_id for each in message.class_map}
                return [ClassNumbers(named)]
            if isinstance(message, Detection2DArray):
                return [boxes_of(message)]
            if isinstance(message, TFMessage):
                return [list(message.transforms)]
            if isinstance(message, FFMPEGPacket):
                stamp, frame_id = stamp_ns(message.header), message.header.frame_id
                return self._decode_packet(message.data, message.encoding, stamp, frame_id)
            if isinstance(message, CompressedVideo):
                stamp, frame_id = time_ns(message.timestamp), message.frame_id
                return self._decode_packet(message.data, message.format, stamp, frame_id)
        except PerceptionError as error:
            return [error]
        raise TypeError(f"no stage takes {type(message).__name__}")

    def finish(self) -> list[Decoded]:
        """At the end of a recording: the images that a video still held back."""
        return self._frames(self._video.finish()) if self._video else []

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

    def _decode_packet(
        self, data: Any, video_format: str, stamp_ns: int, frame_id: str
    ) -> list[Decoded]:
        if self._video is None or video_format != self._video_format:
            self._video, self._video_format = VideoDecoder(video_format), video_format
        self._frame_id = frame_id
        return self._frames(self._video.decode(bytes(data), stamp_ns))

    def _frames(self, results: list[tuple[int, VideoPixels] | FrameError]) -> list[Decoded]:
        return [
            each if isinstance(each, FrameError) else Frame(each[1], each[0], self._frame_id)
            for each in results
        ]
