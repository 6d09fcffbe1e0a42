"""Draws a room frame by frame: colour, depth, class mask and object boxes with their poses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from demo_room.palette import CLASSES, UNLABELLED
from demo_room.parts import Part
from demo_room.path import BASE_FROM_CAMERA, RATE_HZ, world_from_base
from demo_room.room import Room
from demo_room.sensor import camera_picture, measured_depth_mm
from demo_room.world import build
from embodied_perception.camera.model import Camera
from embodied_perception.geometry.transform import Transform

if TYPE_CHECKING:
    import mujoco

#: MuJoCo's image plane is centred on the optical axis, so with pixel centres at whole numbers the
#: principal point of a 640 x 480 picture is (319.5, 239.5).
CAMERA = Camera.pinhole(640, 480, 525.0, 525.0, 319.5, 239.5)
START_NS = 1_700_000_000_000_000_000
MIN_VISIBLE_PX = 40
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Detection:
    """The visible pixels of one object: box (x0, y0, x1, y1), first and last pixel inclusive."""

    instance: str
    name: str
    box_xyxy: tuple[int, int, int, int]
    visible_px: int


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One moment. Images are (480, 640): uint8 RGB, uint16 mm (0 missing), uint8 class mask."""

    stamp_ns: int
    color_rgb: np.ndarray
    depth_mm: np.ndarray
    labels: np.ndarray
    detections: list[Detection]
    world_from_base: Transform


@dataclass(frozen=True, eq=False)
class View:
    """What MuJoCo draws: colour, planar z in metres, and the part each pixel shows (-1 none)."""

    color_rgb: np.ndarray
    depth_m: np.ndarray
    part_index: np.ndarray


class Painter:
    """Draws the parts of a world as seen from a pose. Close it when done."""

    def __init__(
        self,
        parts: list[Part],
        size_xyz: tuple[float, float, float],
        camera: Camera = CAMERA,
        supersampling: int = SUPERSAMPLING,
    ) -> None:
        os.environ.setdefault("MUJOCO_GL", "egl")
        import mujoco

        from demo_room.scene import compile_scene

        self._size_wh = camera.resolution_wh
        fine_wh = (camera.width * supersampling, camera.height * supersampling)
        fovy = 2 * np.degrees(np.arctan(camera.height / 2 / camera.fy))
        self._model = compile_scene(parts, size_xyz, fovy, fine_wh)
        self._data: mujoco.MjData = mujoco.MjData(self._model)
        self._fine = mujoco.Renderer(self._model, fine_wh[1], fine_wh[0])
        self._exact = mujoco.Renderer(self._model, camera.height, camera.width)
        self._forward = mujoco.mj_forward

    def _look_from(self, world_from_camera: Transform) -> None:
        # MuJoCo's cameras look along -z with y up.
        rotation = world_from_camera.rotation @ np.diag([1.0, -1.0, -1.0])
        self._model.cam_pos[0] = world_from_camera.translation
        self._model.cam_quat[0] = np.roll(Rotation.from_matrix(rotation).as_quat(), 1)
        self._forward(self._model, self._data)

    def picture(self, world_from_camera: Transform) -> np.ndarray:
        """Draw the supersampled colours alone, RGB, from a camera in optical axes."""
        self._look_from(world_from_camera)
        self._fine.update_scene(self._data, 0)
        return self._fine.render()

    def color(self, world_from_camera: Transform) -> np.ndarray:
        """Draw the colours alone, RGB, from a camera in optical axes."""
        fine = self.picture(world_from_camera)
        return cv2.resize(fine, self._size_wh, interpolation=cv2.INTER_AREA)

    def part_index(self, world_from_camera: Transform) -> np.ndarray:
        """Say which part each pixel shows (-1 none), from a camera in optical axes."""
        self._look_from(world_from_camera)
        self._exact.update_scene(self._data, 0)
        self._exact.enable_segmentation_rendering()
        return self._exact.render()[..., 0].copy()

    def view(self, world_from_camera: Transform) -> View:
        """Draw all that is known, from a camera in optical axes."""
        color = self.color(world_from_camera)
        self._exact.update_scene(self._data, 0)
        self._exact.enable_depth_rendering()
        depth_m = self._exact.render().copy()
        return View(color, depth_m, self.part_index(world_from_camera))

    def close(self) -> None:
        """Free the graphics contexts."""
        self._fine.close()
        self._exact.close()


def render(room: Room, step: int = 1) -> Iterator[RenderedFrame]:
    """Draw every ``step``-th frame of the room's path."""
    world = build(room)
    painter = Painter(world.parts, room.size_xyz)
    class_of_part = classes_of(world.parts)
    names = {placed.instance: placed.name for placed in world.objects}
    try:
        for index, pose in list(enumerate(world_from_base(room.orbit)))[::step]:
            view = painter.view(pose @ BASE_FROM_CAMERA)
            rng = np.random.default_rng([room.seed, index])
            yield RenderedFrame(
                START_NS + round(index * 1e9 / RATE_HZ),
                camera_picture(rng, view.color_rgb),
                measured_depth_mm(rng, view.depth_m, CAMERA.fx),
                class_of_part[view.part_index],
                detections(view.part_index, [p.instance for p in world.parts], names),
                pose,
            )
    finally:
        painter.close()


def classes_of(parts: list[Part]) -> np.ndarray:
    """Class number of each part, uint8; the last, for index -1, is of what shows none."""
    return np.array([CLASSES.index(p.class_name) for p in parts] + [UNLABELLED], np.uint8)


def detections(
    part_index: np.ndarray, instance_of_part: list[str], names: dict[str, str]
) -> list[Detection]:
    """Return the objects with at least ``MIN_VISIBLE_PX`` pixels in a part index image (H, W)."""
    order = {instance: i for i, instance in enumerate(names)}
    lookup = np.array([order.get(instance, -1) for instance in instance_of_part] + [-1])
    object_index = lookup[part_index]
    found = []
    for instance, i in order.items():
        rows, columns = np.nonzero(object_index == i)
        if rows.size >= MIN_VISIBLE_PX:
            box = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
            found.append(Detection(instance, names[instance], box, int(rows.size)))
    return found
