"""A textured wall that a camera moves along, as frames with a known motion."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels

WALL_Z = 2.0


@dataclass(frozen=True)
class Wall:
    """Looks along +z at a plane of noise, ``WALL_Z`` away; the camera moves along its x axis."""

    camera: Camera
    texture: np.ndarray
    margin: int

    def gray(self, x_m: float) -> np.ndarray:
        shift = self.margin + x_m * self.camera.fx / WALL_Z
        centre = (shift + (self.camera.width - 1) / 2, (self.camera.height - 1) / 2)
        return cv2.getRectSubPix(self.texture, self.camera.resolution_wh, centre)

    def color(self, x_m: float, stamp_ns: int, frame_id: str = "optical") -> Frame:
        return Frame(RawPixels(self.gray(x_m), "mono8"), stamp_ns, frame_id)

    def depth(self, stamp_ns: int, frame_id: str = "optical", value_mm: int = 2000) -> Frame:
        array = np.full((self.camera.height, self.camera.width), value_mm, np.uint16)
        return Frame(RawPixels(array, "16UC1"), stamp_ns, frame_id)


@pytest.fixture(scope="session")
def wall() -> Wall:
    camera = Camera.pinhole(320, 240, 260.0, 260.0, 159.5, 119.5)
    noise = np.random.default_rng(1).integers(0, 256, (240, 520), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2).astype(np.float32)
    texture = cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    return Wall(camera, texture, 100)
