"""Writes rendered frames as a bag: what a robot's camera would publish, and the ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from demo_room.palette import CLASSES
from demo_room.path import BASE_FROM_CAMERA
from demo_room.render import CAMERA, START_NS, Detection, RenderedFrame
from demo_room.sensor import JPEG
from demo_room.world import PlacedObject
from embodied_perception.bags import BagWriter
from embodied_perception.stages.messages import (
    camera_info_message,
    header,
    odometry_message,
    transform_message,
)

CAMERA_FRAME = "camera_color_optical_frame"
#: Quantised depth and masks are plateaus: PNG's predictors only hide them from the compressor.
PNG = (cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
COMPRESSED_DEPTH_HEADER = bytes(12)


def write_bag(path: Path, frames: Iterable[RenderedFrame], objects: list[PlacedObject]) -> None:
    """Write all frames of a room, and once what does not change, to an MCAP file."""
    with BagWriter(path) as bag:
        edge = transform_message(BASE_FROM_CAMERA, "base_link", CAMERA_FRAME, START_NS)
        bag.write("/tf_static", TFMessage(transforms=[edge]), START_NS, latched=True)
        bag.write("/ground_truth/label_info", label_info(), START_NS, latched=True)
        bag.write("/ground_truth/places", places(objects), START_NS, latched=True)
        for frame in frames:
            stamp = frame.stamp_ns
            info = camera_info_message(CAMERA, stamp, CAMERA_FRAME)
            pose = odometry_message(frame.world_from_base, "world", "base_link", stamp)
            color = compressed(stamp, "jpeg", encoded(".jpg", frame.color_rgb[..., ::-1], JPEG))
            depth = compressed_depth(stamp, frame.depth_mm)
            labels = compressed(stamp, "png", encoded(".png", frame.labels, PNG))
            bag.write("/camera/color/camera_info", info, stamp)
            bag.write("/camera/depth/camera_info", info, stamp)
            bag.write("/camera/color/image_raw/compressed", color, stamp)
            bag.write("/camera/depth/image_raw/compressedDepth", depth, stamp)
            bag.write("/ground_truth/odom", pose, stamp)
            bag.write("/ground_truth/labels/compressed", labels, stamp)
            bag.write("/ground_truth/objects", boxes(frame.detections, stamp), stamp)


def label_info() -> LabelInfo:
    """Return the names of the values in the class mask."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(CLASSES)]
    return LabelInfo(header=header(START_NS, CAMERA_FRAME), class_map=classes, threshold=0.0)


def places(objects: list[PlacedObject]) -> Detection3DArray:
    """Centre and size of every object in ``world``, seen or not."""
    message = Detection3DArray(header=header(START_NS, "world"))
    for placed in objects:
        detection = Detection3D(header=message.header, id=placed.instance)
        detection.results = [_hypothesis(placed.name)]
        detection.bbox.center.orientation.w = 1.0
        position, size = detection.bbox.center.position, detection.bbox.size
        position.x, position.y, position.z = (float(value) for value in placed.center_xyz)
        size.x, size.y, size.z = (float(value) for value in placed.size_xyz)
        detection.results[0].pose.pose.position = position
        message.detections.append(detection)
    return message


def boxes(detections: list[Detection], stamp_ns: int) -> Detection2DArray:
    """Boxes around visible pixels; pixel centres are whole numbers, so one pixel has size 1."""
    message = Detection2DArray(header=header(stamp_ns, CAMERA_FRAME))
    for found in detections:
        x0, y0, x1, y1 = found.box_xyxy
        detection = Detection2D(header=message.header, id=found.instance)
        detection.results = [_hypothesis(found.name)]
        detection.bbox.center.position.x = (x0 + x1) / 2
        detection.bbox.center.position.y = (y0 + y1) / 2
        detection.bbox.size_x, detection.bbox.size_y = float(x1 - x0 + 1), float(y1 - y0 + 1)
        message.detections.append(detection)
    return message


def _hypothesis(name: str) -> ObjectHypothesisWithPose:
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = name, 1.0
    return result


def compressed_depth(stamp_ns: int, depth_mm: np.ndarray) -> CompressedImage:
    """Depth (H, W) uint16 as image_transport's compressedDepth."""
    png = COMPRESSED_DEPTH_HEADER + encoded(".png", depth_mm, PNG)
    return compressed(stamp_ns, "16UC1; compressedDepth png", png)


def encoded(extension: str, array: np.ndarray, options: tuple[int, ...]) -> bytes:
    """Pack an image (H, W) or (H, W, 3) BGR as a file of that kind."""
    return cv2.imencode(extension, array, options)[1].tobytes()


def compressed(
    stamp_ns: int, image_format: str, data: bytes, frame_id: str = CAMERA_FRAME
) -> CompressedImage:
    """Make a message of a packed image."""
    return CompressedImage(header=header(stamp_ns, frame_id), format=image_format, data=data)
