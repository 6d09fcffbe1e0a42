"""Standard deviations that mean something to people, from covariances of small motions."""

from __future__ import annotations

import numpy as np

from embodied_perception.geometry import Transform

POSE_NAMES = ("x", "y", "z", "rx", "ry", "rz")


def pose_sigmas(pose: Transform, covariance: np.ndarray) -> dict[str, float]:
    """Of a pose's position (x, y, z, metres) and orientation (rx, ry, rz, radians), by name.

    Args:
        pose: parent_from_child.
        covariance: (6, 6) of a small motion, translation t before rotation r, that comes after the
            pose: it takes a point p of the parent to p + t + r x p.

    """
    x, y, z = pose.translation
    moved = np.eye(6)
    moved[:3, 3:] = [[0, z, -y], [-z, 0, x], [y, -x, 0]]
    deviations = np.sqrt(np.diag(moved @ covariance @ moved.T))
    return dict(zip(POSE_NAMES, deviations.tolist(), strict=True))
