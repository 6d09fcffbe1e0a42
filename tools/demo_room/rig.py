"""A pair of cameras on a robot's hand, a chessboard in the room, and where the hand stops.

Frames: ``world`` as the room's, ``tool0`` the hand's, and of each camera its optical frame. The
board's frame is that of its points: x along its rows, y down, z into it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from demo_room.meshes import Mesh, box, patch, tube
from demo_room.parts import Part, part
from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import Chessboard
from embodied_perception.geometry import Transform

BOARD = Chessboard(9, 6, 0.05)
STOPS = 30
_MARGIN_PX = 6
_DISTANCE_M = (0.5, 1.0)
_ASIDE_DEG, _ROLL_DEG = 38.0, 30.0
_INK_M, _PLATE_M = 2e-4, 0.01
_BLACK, _WHITE, _METAL = 26, 200, 90


def _camera(fx: float, fy: float, cx: float, cy: float, D: tuple[float, ...]) -> Camera:
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Camera(640, 480, K, "plumb_bob", np.array(D))


def _turned(roll_deg: float, pitch_deg: float, yaw_deg: float, *place: float) -> Transform:
    angles = (roll_deg, pitch_deg, yaw_deg)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return Transform(rotation, np.array(place))


CAMERAS = {
    "left": _camera(431.7, 430.9, 327.4, 236.2, (-0.283, 0.081, 0.0006, -0.0004, 0.0)),
    "right": _camera(429.8, 429.3, 312.9, 243.1, (-0.279, 0.078, -0.0005, 0.0007, 0.0)),
}
_TOOL_FROM_LEFT = _turned(8.0, -4.0, 91.5, 0.031, -0.062, 0.047)
LEFT_FROM_RIGHT = _turned(0.4, -1.1, 0.6, 0.1205, 0.0013, -0.0021)
TOOL_FROM_CAMERA = {"left": _TOOL_FROM_LEFT, "right": _TOOL_FROM_LEFT @ LEFT_FROM_RIGHT}
#: It stands on the rug, leans back a little, and faces -y.
WORLD_FROM_BOARD = _turned(-98.0, 0.0, 0.0, -0.2, 0.3, 1.3)


def board_parts() -> list[Part]:
    """Make the board of sheets rather than of a texture, so that its edges are exact."""
    step = BOARD.square_m
    squares = [
        patch((step * (column - 1), step * row, 0), (step, 0, 0), (0, -step, 0), step_m=step)
        for row in range(BOARD.rows + 1)
        for column in range(BOARD.columns + 1)
        if (row + column) % 2 == 0
    ]
    size = step * np.array([BOARD.columns + 3, BOARD.rows + 3, 0]) + (0, 0, _PLATE_M)
    corner = np.array([-2 * step, -2 * step, _INK_M])
    plate = box(size, corner + size / 2)
    x, y, z = WORLD_FROM_BOARD.apply(corner + size * (0.5, 0.95, 2.0))
    pole = tube([(x, y, 0), (x, y, z / 2), (x, y, z)], 0.012)
    return [
        part(_in_world(plate), _plain(_WHITE), "board"),
        *(part(_in_world(square), _plain(_BLACK), "board", shine=0.0) for square in squares),
        part(pole, _plain(_METAL), "board"),
    ]


def stops(seed: int = 5) -> Iterator[Transform]:
    """world_from_tool where the hand stops: both cameras see all of the board each time."""
    rng = np.random.default_rng(seed)
    found = 0
    while found < STOPS:
        aside, up, roll = np.radians(rng.uniform(-1, 1, 3) * (_ASIDE_DEG, _ASIDE_DEG, _ROLL_DEG))
        look = Rotation.from_euler("YXZ", (aside, up, roll)).as_matrix()
        target = rng.uniform(0, 1, 2) * (BOARD.columns - 1, BOARD.rows - 1) * BOARD.square_m
        aim_px = np.array(CAMERAS["left"].resolution_wh) * rng.uniform(0.15, 0.85, 2)
        ray = CAMERAS["left"].unproject(aim_px) * rng.uniform(*_DISTANCE_M)
        board_from_left = Transform(look, np.append(target, 0.0) - look @ ray)
        if all(_sees(name, board_from_left) for name in CAMERAS):
            found += 1
            yield WORLD_FROM_BOARD @ board_from_left @ _TOOL_FROM_LEFT.inverse()


def _sees(name: str, board_from_left: Transform) -> bool:
    camera = CAMERAS[name]
    tool_from_board = _TOOL_FROM_LEFT @ board_from_left.inverse()
    # Detectors want some white around the squares.
    outline = BOARD.outline() + BOARD.square_m * 1.3 * np.sign(BOARD.outline() - 0.1) * (1, 1, 0)
    pixels = camera.project((TOOL_FROM_CAMERA[name].inverse() @ tool_from_board).apply(outline))
    low, high = _MARGIN_PX, np.array(camera.resolution_wh) - _MARGIN_PX
    return bool(((pixels > low) & (pixels < high)).all())


def _in_world(mesh: Mesh) -> Mesh:
    rotation = WORLD_FROM_BOARD.rotation
    vertices = WORLD_FROM_BOARD.apply(mesh.vertices)
    return Mesh(vertices, mesh.normals @ rotation.T, mesh.uv, mesh.faces)


def _plain(gray: int) -> np.ndarray:
    return np.full((8, 8, 3), gray, np.uint8)
