"""The camera's way through a room: one slow, slightly uneven round of the robot's base."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from demo_room.room import Orbit
from embodied_perception.geometry.transform import BODY_FROM_OPTICAL, Transform

RATE_HZ = 15
FRAMES = 300
BASE_HEIGHT_M = 0.22

_TILT_DOWN = Rotation.from_euler("y", 13, degrees=True).as_matrix()
BASE_FROM_CAMERA = Transform(_TILT_DOWN @ BODY_FROM_OPTICAL.rotation, np.array([0.14, 0.02, 0.98]))


def world_from_base(orbit: Orbit, frames: int = FRAMES) -> list[Transform]:
    """Poses of ``base_link`` in ``world``, one a frame; the last is one step short of the first."""
    phase = 2 * np.pi * np.arange(frames) / frames
    angle = np.radians(orbit.start) + phase
    radius = 1 + 0.06 * np.sin(3 * phase)
    x = orbit.center_xy[0] + orbit.radii_xy[0] * radius * np.cos(angle)
    y = orbit.center_xy[1] + orbit.radii_xy[1] * radius * np.sin(angle)
    z = BASE_HEIGHT_M + 0.03 * np.sin(4 * phase) + 0.008 * np.sin(11 * phase)
    yaw = angle + np.radians(orbit.look_ahead + orbit.sway * np.sin(2 * phase))
    pitch = np.radians(3.5 * np.sin(3 * phase) + 0.8 * np.sin(9 * phase))
    roll = np.radians(1.5 * np.sin(5 * phase))
    rotations = Rotation.from_euler("ZYX", np.stack([yaw, pitch, roll], 1)).as_matrix()
    return [
        Transform(rotation, position)
        for rotation, position in zip(rotations, np.stack([x, y, z], 1), strict=True)
    ]


def speeds(poses: list[Transform], rate_hz: float = RATE_HZ) -> tuple[np.ndarray, np.ndarray]:
    """Speed (m/s) and turn rate (deg/s) between consecutive poses."""
    steps = [a.inverse() @ b for a, b in pairwise(poses)]
    metres = np.array([np.linalg.norm(step.translation) for step in steps])
    degrees = np.degrees([np.linalg.norm(step.rotation_vector) for step in steps])
    return metres * rate_hz, degrees * rate_hz
