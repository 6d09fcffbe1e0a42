"""A room of two textured planes with exact poses and depth, and recordings made in it."""

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.geometry import Transform

PERIOD_NS = 33_333_333
PIXELS_PER_M = 250.0


class Room:
    """A wall at 2.5 m and, in front of it, a leaning board. World axes as the first camera's."""

    def __init__(self, seed=1):
        self.camera = Camera.pinhole(320, 240, 270.0, 270.0, 159.5, 119.5)
        generator = np.random.default_rng(seed)
        lean = np.array([0.0, 0.9, 0.3]) / np.linalg.norm([0.0, 0.9, 0.3])
        self.planes = [
            (np.array([-4.0, -3.0, 2.5]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 8.0, 6.0),
            (np.array([-0.5, -0.3, 1.5]), np.array([1.0, 0, 0]), lean, 0.8, 0.7),
        ]
        self.textures = [self._texture(generator, *plane[3:]) for plane in self.planes]

    @staticmethod
    def _texture(generator, width_m, height_m):
        shape = (round(height_m * PIXELS_PER_M), round(width_m * PIXELS_PER_M))
        fine = cv2.GaussianBlur(generator.normal(size=shape), (0, 0), 2.5)
        coarse = cv2.GaussianBlur(generator.normal(size=shape), (0, 0), 8.0)
        mixed = fine / fine.std() + coarse / coarse.std()
        return np.clip(128 + 35 * mixed, 0, 255).astype(np.uint8)

    def view(self, camera_from_world, noise=0.0, seed=0):
        """Image (H, W) uint8 and depth (H, W) float32 from a pose."""
        camera = self.camera
        height, width = camera.height, camera.width
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        rays = camera.unproject(np.stack((columns, rows), axis=-1))
        gray = np.zeros((height, width), np.uint8)
        depth = np.full((height, width), np.inf)
        for (corner, across, down, width_m, height_m), texture in zip(
            self.planes, self.textures, strict=True
        ):
            axes = np.column_stack((across, down)) / PIXELS_PER_M
            placed = camera_from_world.rotation @ axes
            origin = camera_from_world.apply(corner)
            H = camera.K @ np.column_stack((placed, origin))
            picture = cv2.warpPerspective(texture, H, (width, height))
            normal = np.cross(placed[:, 0], placed[:, 1])
            distance = normal @ origin / (rays @ normal)
            points = camera_from_world.inverse().apply(rays * distance[..., None]) - corner
            u, v = points @ across, points @ down
            hit = (distance > 0) & (distance < depth) & (u > 0) & (u < width_m)
            hit &= (v > 0) & (v < height_m)
            gray[hit], depth[hit] = picture[hit], distance[hit]
        depth[np.isinf(depth)] = np.nan
        if noise:
            spread = np.random.default_rng(seed).normal(0.0, noise, gray.shape)
            gray = np.clip(np.rint(gray + spread), 0, 255).astype(np.uint8)
        return gray, depth.astype(np.float32)


def walk(count):
    """world_from_camera of a hand-held walk: 0.5 m sideways and back, looking around."""
    phase = 2 * np.pi * np.arange(count) / 90
    return [
        Transform.from_rotation_vector(
            (0.04 * np.sin(p), 0.12 * np.sin(p), 0.03 * np.sin(2 * p)),
            (0.25 * (1 - np.cos(p)), 0.05 * np.sin(p), 0.1 * np.sin(p)),
        )
        for p in phase
    ]


@pytest.fixture(scope="session")
def room():
    return Room()


@pytest.fixture(scope="session")
def recording(room):
    """90 images of a walk that ends where it began: [(world_from_camera, gray, depth_m)]."""
    return [
        (pose, *room.view(pose.inverse(), noise=1.5, seed=index))
        for index, pose in enumerate(walk(90))
    ]


@pytest.fixture
def stamp():
    """Stamps by index of the image."""
    return lambda index: 1_700_000_000_000_000_000 + index * PERIOD_NS
