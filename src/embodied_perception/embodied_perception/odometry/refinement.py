"""Landmarks made more exact by every keyframe that sees them again.

A keyframe's pose is held once it is solved, and each landmark is refined by all keyframes that see
it, one after the other: the information filter, which for one landmark is bundle adjustment with
the cameras held. A sliding window that frees the cameras too forgets what older keyframes knew.

Source: S. Thrun, W. Burgard, D. Fox, Probabilistic Robotics, 2005, section 3.5.
"""

from __future__ import annotations

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations, linearise
from embodied_perception.odometry.keyframes import Landmarks


def refine(
    landmarks: Landmarks,
    seen: Observations,
    camera_from_world: Transform,
    K: np.ndarray,
    noise: Noise,
) -> Landmarks:
    """Add what one more image says of N landmarks.

    Args:
        landmarks: what was known of them before.
        seen: where they are seen now.
        camera_from_world: of that image.
        K: (3, 3) of the undistorted image.
        noise: standard deviations of the measurements.
    """
    points_camera = camera_from_world.apply(landmarks.points_world)
    residuals, by_twist, weights = linearise(seen.measurements(), points_camera, K, noise)
    # The camera's translation moves a point as the point's own motion in the camera's axes does.
    by_point = by_twist[:, :, :3] @ camera_from_world.rotation
    weighted = (by_point * weights[:, None, None]).transpose(0, 2, 1)
    information = landmarks.information + weighted @ by_point
    step = np.linalg.solve(information + 1e-9 * np.eye(3), weighted @ residuals[..., None])
    return Landmarks(landmarks.points_world + step[..., 0], information)
