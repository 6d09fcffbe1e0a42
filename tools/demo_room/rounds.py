"""A recording to measure odometry by: the room's round, some times over, and the exact truth.

The robot has an RGB-D camera and, where its colour camera is, the left one of a rectified pair.
Each round is the same way, so that all its places are seen again; the sensor's noise is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tf2_msgs.msg import TFMessage

from demo_room.path import BASE_FROM_CAMERA, FRAMES, RATE_HZ, world_from_base
from demo_room.record import CAMERA_FRAME, compressed, compressed_depth, encoded
from demo_room.render import CAMERA, START_NS, Painter
from demo_room.room import Room
from demo_room.sensor import camera_picture, measured_depth_mm
from demo_room.world import build
from embodied_perception.bags import BagWriter
from embodied_perception.camera import rectify_pair
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import (
    camera_info_message,
    odometry_message,
    transform_message,
)

LEFT_FROM_RIGHT = Transform(np.eye(3), np.array([0.12, 0.0, 0.0]))
LEFT, RIGHT = rectify_pair(CAMERA, CAMERA, LEFT_FROM_RIGHT.inverse())
LEFT_FRAME, RIGHT_FRAME = "camera_left_optical_frame", "camera_right_optical_frame"
BASE_FROM = {
    CAMERA_FRAME: BASE_FROM_CAMERA,
    LEFT_FRAME: BASE_FROM_CAMERA,
    RIGHT_FRAME: BASE_FROM_CAMERA @ LEFT_FROM_RIGHT,
}
#: By the topics' namespace.
CAMERAS = {
    "color": (CAMERA, CAMERA_FRAME),
    "depth": (CAMERA, CAMERA_FRAME),
    "left": (LEFT, LEFT_FRAME),
    "right": (RIGHT, RIGHT_FRAME),
}
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


@dataclass(frozen=True, eq=False)
class RoundFrame:
    """One moment: (480, 640) uint8 RGB of left and right, and uint16 mm of the left (0 missing)."""

    stamp_ns: int
    left_rgb: np.ndarray
    right_rgb: np.ndarray
    depth_mm: np.ndarray
    world_from_base: Transform


def render_rounds(room: Room, rounds: int, frames: int = FRAMES) -> Iterator[RoundFrame]:
    """Draw ``rounds`` rounds of ``frames`` moments each; fewer of them are further apart."""
    painter = Painter(build(room).parts, room.size_xyz)
    try:
        for index, pose in enumerate(world_from_base(room.orbit, frames) * rounds):
            rng = np.random.default_rng([room.seed, index])
            view = painter.view(pose @ BASE_FROM[LEFT_FRAME])
            right_rgb = painter.color(pose @ BASE_FROM[RIGHT_FRAME])
            yield RoundFrame(
                START_NS + round(index * 1e9 / RATE_HZ),
                camera_picture(rng, view.color_rgb),
                camera_picture(rng, right_rgb),
                measured_depth_mm(rng, view.depth_m, CAMERA.fx),
                pose,
            )
    finally:
        painter.close()


def write_rounds_bag(path: Path, frames: Iterator[RoundFrame]) -> None:
    """Write what the robot would publish, and the truth."""
    with BagWriter(path) as bag:
        edges = [
            transform_message(pose, "base_link", frame, START_NS)
            for frame, pose in BASE_FROM.items()
        ]
        bag.write("/tf_static", TFMessage(transforms=edges), START_NS, latched=True)
        for frame in frames:
            stamp = frame.stamp_ns
            for name, (camera, frame_id) in CAMERAS.items():
                info = camera_info_message(camera, stamp, frame_id)
                bag.write(f"/camera/{name}/camera_info", info, stamp)
            pictures = {
                "color": (frame.left_rgb[..., ::-1], CAMERA_FRAME),
                "left": (cv2.cvtColor(frame.left_rgb, cv2.COLOR_RGB2GRAY), LEFT_FRAME),
                "right": (cv2.cvtColor(frame.right_rgb, cv2.COLOR_RGB2GRAY), RIGHT_FRAME),
            }
            for name, (picture, frame_id) in pictures.items():
                message = compressed(stamp, "jpeg", encoded(".jpg", picture, JPEG), frame_id)
                bag.write(f"/camera/{name}/image_raw/compressed", message, stamp)
            depth = compressed_depth(stamp, frame.depth_mm)
            bag.write("/camera/depth/image_raw/compressedDepth", depth, stamp)
            pose = odometry_message(frame.world_from_base, "world", "base_link", stamp)
            bag.write("/ground_truth/odom", pose, stamp)
