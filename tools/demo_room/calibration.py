"""A recording to calibrate by: a pair of cameras on a hand looks at a chessboard in the room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage
from tf2_msgs.msg import TFMessage

from demo_room.lens import Lens
from demo_room.render import START_NS, Painter
from demo_room.rig import (
    CAMERAS,
    TOOL_FROM_CAMERA,
    WORLD_FROM_BOARD,
    board_parts,
    stops,
)
from demo_room.room import Room
from demo_room.sensor import camera_picture
from demo_room.world import build
from embodied_perception.bags import BagWriter
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import camera_info_message, header, transform_message

SUPERSAMPLING = 4
STOP_NS = 1_000_000_000
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_OPTIMIZE, 1)


@dataclass(frozen=True, eq=False)
class Stop:
    """One moment: each camera's picture (480, 640) uint8, and where the hand was."""

    stamp_ns: int
    pictures: dict[str, np.ndarray]
    world_from_tool: Transform


def render_stops(room: Room) -> Iterator[Stop]:
    """Draw what both cameras see at each stop."""
    parts = build(room).parts + board_parts()
    lenses = {name: Lens(camera, SUPERSAMPLING) for name, camera in CAMERAS.items()}
    painters = {
        name: Painter(parts, room.size_xyz, lens.wide, SUPERSAMPLING)
        for name, lens in lenses.items()
    }
    try:
        for place, world_from_tool in enumerate(stops()):
            pictures = {}
            for side, (name, lens) in enumerate(lenses.items()):
                fine = painters[name].picture(world_from_tool @ TOOL_FROM_CAMERA[name])
                rng = np.random.default_rng([room.seed, place, side])
                color = camera_picture(rng, lens.bend(fine))
                pictures[name] = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
            yield Stop(START_NS + place * STOP_NS, pictures, world_from_tool)
    finally:
        for painter in painters.values():
            painter.close()


def write_calibration_bag(path: Path, frames: Iterable[Stop]) -> None:
    """Write images and TF as a robot would, and the truth on topics of its own."""
    with BagWriter(path) as bag:
        edges = [
            transform_message(tool_from_camera, "tool0", f"{name}_optical_frame", START_NS)
            for name, tool_from_camera in TOOL_FROM_CAMERA.items()
        ]
        edges.append(transform_message(WORLD_FROM_BOARD, "world", "board", START_NS))
        bag.write("/ground_truth/tf_static", TFMessage(transforms=edges), START_NS, latched=True)
        for name, camera in CAMERAS.items():
            info = camera_info_message(camera, START_NS, f"{name}_optical_frame")
            bag.write(f"/ground_truth/{name}/camera_info", info, START_NS, latched=True)
        for frame in frames:
            stamp = frame.stamp_ns
            moved = transform_message(frame.world_from_tool, "world", "tool0", stamp)
            bag.write("/tf", TFMessage(transforms=[moved]), stamp)
            for name, picture in frame.pictures.items():
                data = cv2.imencode(".jpg", picture, JPEG)[1].tobytes()
                head = header(stamp, f"{name}_optical_frame")
                message = CompressedImage(header=head, format="jpeg", data=data)
                bag.write(f"/{name}/image_raw/compressed", message, stamp)
