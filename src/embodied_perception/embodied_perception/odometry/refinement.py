"""What a keyframe that goes says of the landmarks that stay.

Its pose is held, and its sightings are added to what is known of each landmark: the information
filter. So a landmark that was seen for long stays where it is while the newest keyframes are
adjusted, and they with it.

Source: S. Thrun, W. Burgard, D. Fox, Probabilistic Robotics, 2005, section 3.5.
"""

from __future__ import annotations

import numpy as np

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations, linearise
from embodied_perception.odometry.landmarks import Landmarks


def refine(
    landmarks: Landmarks,
    seen: Observations,
    camera_from_world: Transform,
    K: np.ndarray,
    noise: Noise,
) -> Landmarks:
    """Add what one image says of N landmarks to their means and information.

    Args:
        landmarks: what was known of them before.
        seen: where they are seen in the image.
        camera_from_world: of that image.
        K: (3, 3) of the undistorted image.
        noise: standard deviations of the measurements.

    """
    points = landmarks.points_world
    residuals, by_twist, weights = linearise(
        seen.measurements(), camera_from_world.apply(points), K, noise
    )
    # The camera's translation moves a point as the point's own motion in the camera's axes does.
    by_point = by_twist[:, :, :3] @ camera_from_world.rotation
    weighted = (by_point * weights[:, None, None]).transpose(0, 2, 1)
    information = landmarks.information + weighted @ by_point
    pull = weighted @ residuals[..., None]
    pull += landmarks.information @ (landmarks.means_world - points)[..., None]
    # What no image has said of a landmark, such as how far it is, stays as it is.
    damping = 1e-9 * (1.0 + np.einsum("nii->n", information))
    step = np.linalg.solve(information + damping[:, None, None] * np.eye(3), pull)
    return Landmarks(landmarks.names, points, points + step[..., 0], information)
