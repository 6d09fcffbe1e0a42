"""Boards as a lens shows them: each pixel is the mean of what its rays meet on the board."""

from functools import cache

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.camera.calibration.boards import Chessboard
from embodied_perception.camera.calibration.views import View
from embodied_perception.geometry import Transform

RAYS_A_SIDE = 3
SQUARE_PX = 60
GREY = 110


class Studio:
    """Takes pictures of a board with one camera."""

    def __init__(self, camera, board):
        self.camera = camera
        self.board = board
        fine = (np.arange(camera.width * RAYS_A_SIDE) + 0.5) / RAYS_A_SIDE - 0.5
        rows = (np.arange(camera.height * RAYS_A_SIDE) + 0.5) / RAYS_A_SIDE - 0.5
        self.rays = camera.unproject(np.stack(np.meshgrid(fine, rows), axis=-1))
        self.picture = board.picture(SQUARE_PX)
        self.origin_px = board.origin_px(SQUARE_PX)

    def take(self, camera_from_board, noise=1.0, seed=0):
        """(H, W) uint8."""
        # Where a ray meets the plane z = 0 of the board: o + s d.
        board_from_camera = camera_from_board.inverse()
        origin = board_from_camera.translation
        rays = self.rays @ board_from_camera.rotation.T
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = -origin[2] / rays[..., 2]
            met = origin[:2] + scale[..., None] * rays[..., :2]
        met[~(scale > 0)] = 1e6
        met = np.nan_to_num(met, nan=1e6)
        places = (met / self.board.square_m * SQUARE_PX + self.origin_px).astype(np.float32)
        fine = cv2.remap(
            self.picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderValue=GREY
        )
        size = (self.camera.width, self.camera.height)
        image = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        image = cv2.GaussianBlur(image, (0, 0), 0.6) * 0.8 + 20
        random = np.random.default_rng(seed)
        return np.clip(image + noise * random.standard_normal(image.shape), 0, 255).astype(np.uint8)

    def view(self, camera_from_board, name="view", seed=0, stamp_ns=0):
        detection = self.board.detect(self.take(camera_from_board, seed=seed), thorough=True)
        if detection is None:
            return None
        return View(name, stamp_ns, self.board, detection, self.camera.resolution_wh)


def boards_around(board, camera, count, seed=1, tilt_deg=35.0, fill=0.75):
    """Poses of a board that goes through the image, near and far, tilted to all sides."""
    rng = np.random.default_rng(seed)
    size = np.ptp(board.points, axis=0)[:2] + 2 * board.square_m
    middle = np.append(board.points.mean(axis=0)[:2], 0)
    poses = []
    for _ in range(count):
        turn = np.radians(rng.uniform(-tilt_deg, tilt_deg, 3)) * (1, 1, 0.6)
        depth = rng.uniform(0.8, 1.6) * max(
            camera.fx * size[0] / (fill * camera.width),
            camera.fy * size[1] / (fill * camera.height),
        )
        reach = 0.5 * (1 - 0.9 * fill)
        pixel = np.array(camera.resolution_wh) * (0.5 + rng.uniform(-reach, reach, 2))
        place = camera.unproject(pixel) * depth
        pose = Transform.from_rotation_vector(turn, place)
        poses.append(Transform(pose.rotation, place - pose.rotation @ middle))
    return poses


CAMERAS = {
    "plumb_bob": Camera(
        480, 360, np.array([[400.0, 0, 243], [0, 402, 176], [0, 0, 1]]),
        D=np.array([-0.25, 0.08, 0.0008, -0.0005, 0.0]),
    ),
    "rational_polynomial": Camera(
        480, 360, np.array([[300.0, 0, 243], [0, 301, 176], [0, 0, 1]]), "rational_polynomial",
        np.array([0.3, 0.05, 0.0004, -0.0003, 0.005, 0.6, 0.12, 0.01]),
    ),
    "equidistant": Camera(
        480, 360, np.array([[190.0, 0, 243], [0, 191, 176], [0, 0, 1]]), "equidistant",
        np.array([-0.02, 0.004, -0.002, 0.0]),
    ),
}  # fmt: skip


@cache
def studio_of(model):
    return Studio(CAMERAS[model], Chessboard(9, 6, 0.03))


@cache
def views_of(model, count=18):
    studio = studio_of(model)
    poses = boards_around(studio.board, studio.camera, count)
    found = [studio.view(pose, f"view {n}", n) for n, pose in enumerate(poses)]
    return [view for view in found if view is not None]


@pytest.fixture(scope="session")
def studio():
    """The studio of a distortion model, with a chessboard of 9 x 6 corners, 3 cm apart."""
    return studio_of


@pytest.fixture(scope="session")
def views():
    """Some 18 views of that board, by distortion model."""
    return views_of
