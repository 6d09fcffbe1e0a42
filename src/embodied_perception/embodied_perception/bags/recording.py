"""Images of any source as the messages of a camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from foxglove_msgs.msg import CompressedVideo
from sensor_msgs.msg import CameraInfo, CompressedImage

from embodied_perception.bags.datasets import DatasetMessage
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError, FrameError
from embodied_perception.imaging import CompressedPixels, Pixels, RawPixels
from embodied_perception.imaging.sources import Packet, Source, SourceImage, VideoFile
from embodied_perception.stages.image_messages import compressed_image_message, image_message
from embodied_perception.stages.messages import camera_info_message, header
from embodied_perception.stages.stage import Status

Storage = Literal["jpeg", "png", "raw", "packets"]
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class CameraTopics:
    """Under which names a camera's messages go.

    Attributes:
        name: of the camera; its topics are ``/NAME/image_raw`` and so on.

    """

    name: str

    @property
    def image(self) -> str:
        """The topic of raw images."""
        return f"/{self.name}/image_raw"

    @property
    def camera_info(self) -> str:
        """The topic of calibrations."""
        return f"/{self.name}/camera_info"

    @property
    def frame_id(self) -> str:
        """The camera's optical frame."""
        return f"{self.name}_optical_frame"


def record_source(
    source: Source, topics: CameraTopics, storage: Storage, camera: Camera | None = None
) -> Iterator[DatasetMessage]:
    """Turn a source into messages: each image behind its camera_info.

    A camera that is only guessed is said to be so on /diagnostics, once; without a guess the
    camera_info says that the camera is uncalibrated.

    Args:
        source: gets a problem for each image that cannot be used.
        topics: where the messages go.
        storage: ``jpeg`` and ``png`` keep files of these kinds as they are, and pack all others;
            ``packets`` keeps those of an H.264 or H.265 file.
        camera: the calibration; images of another size are left out.

    Raises:
        BagError: the source has no packets.
        SourceError: they are of another codec.

    """
    if storage == "packets":
        if not isinstance(source, VideoFile):
            raise BagError(f"{source.name}: only a video file has packets to keep")
        return _packets(source.packets(), topics, camera)
    return _images(source, topics, storage, camera)


def _images(
    source: Source, topics: CameraTopics, storage: Storage, camera: Camera | None
) -> Iterator[DatasetMessage]:
    is_told = False
    for image in source.images():
        described = camera or image.guess
        try:
            if camera is not None:
                _require_size(image, camera)
            message = _image_message(image.pixels, storage, image.stamp_ns, topics.frame_id)
        except (BagError, FrameError) as error:
            source.problems.append(f"{image.name}: {error}")
            continue
        if camera is None and described is not None and not is_told:
            is_told = True
            yield DatasetMessage(
                "/diagnostics", _guess_told(described, image, topics), image.stamp_ns
            )
        info = _info(described, image, topics.frame_id)
        yield DatasetMessage(topics.camera_info, info, image.stamp_ns)
        packed = "/compressed" if isinstance(message, CompressedImage) else ""
        yield DatasetMessage(topics.image + packed, message, image.stamp_ns)


def _packets(
    packets: Iterable[Packet], topics: CameraTopics, camera: Camera | None
) -> Iterator[DatasetMessage]:
    sent_ns = 0
    for packet in packets:
        head = header(packet.stamp_ns, topics.frame_id)
        message = CompressedVideo(
            timestamp=head.stamp, frame_id=topics.frame_id, format=packet.codec, data=packet.data
        )
        sent_ns = max(packet.stamp_ns, sent_ns)  # in the order of decoding, not of showing
        if camera is not None:
            info = camera_info_message(camera, packet.stamp_ns, topics.frame_id)
            yield DatasetMessage(topics.camera_info, info, sent_ns)
        yield DatasetMessage(f"{topics.image}/foxglove", message, sent_ns)


def _image_message(pixels: Pixels, storage: Storage, stamp_ns: int, frame_id: str) -> object:
    if storage == "raw":
        if isinstance(pixels, RawPixels):
            return image_message(pixels.array, pixels.encoding, stamp_ns, frame_id)
        return image_message(pixels.colors_8_bit("RGB"), "rgb8", stamp_ns, frame_id)
    if isinstance(pixels, CompressedPixels):
        pixels.require_whole()
        kind = "png" if pixels.is_png else "jpeg"
        if kind == storage or storage == "jpeg":
            head = header(stamp_ns, frame_id)
            return CompressedImage(header=head, format=kind, data=pixels.data.tobytes())
    rgb = pixels.colors_8_bit("RGB")
    return compressed_image_message(rgb, stamp_ns, frame_id, storage, _JPEG_QUALITY)


def _require_size(image: SourceImage, camera: Camera) -> None:
    got, expected = image.pixels.resolution_wh, camera.resolution_wh
    if got != expected:
        raise BagError(f"is {got[0]}x{got[1]}, the calibration is for {expected[0]}x{expected[1]}")


def _info(camera: Camera | None, image: SourceImage, frame_id: str) -> CameraInfo:
    if camera is not None:
        return camera_info_message(camera, image.stamp_ns, frame_id)
    width, height = image.pixels.resolution_wh
    # REP-104: K of zeros says that the camera is uncalibrated.
    return CameraInfo(header=header(image.stamp_ns, frame_id), width=width, height=height)


def _guess_told(camera: Camera, image: SourceImage, topics: CameraTopics) -> DiagnosticArray:
    told = DiagnosticStatus(
        level=bytes([Status.WARN]),
        name=topics.camera_info,
        message=f"a guess from EXIF, no calibration: f = {camera.fx:.0f} px, no distortion; "
        "calibrate with `perception calibrate camera`",
        hardware_id=image.name,
    )
    return DiagnosticArray(header=header(image.stamp_ns, ""), status=[told])
