"""Two cameras turned, in software, to look in parallel: rows of one image are rows of the other."""

from __future__ import annotations

import dataclasses

import numpy as np

from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError
from embodied_perception.geometry.transform import Transform

_BORDER_POINTS = 20  # along each edge of an image
_ACROSS = 0.7  # more than this part of the baseline across the image is no side-by-side pair


def rectify_pair(left: Camera, right: Camera, right_from_left: Transform) -> tuple[Camera, Camera]:
    """Give both cameras R and P of a common image plane (REP-104).

    A. Fusiello, E. Trucco, A. Verri, A compact algorithm for rectification of stereo pairs, 2000:
    x goes along the baseline, z is as near as it can be to where both cameras look. Works for all
    distortion models. The focal length is chosen so that no rectified pixel is empty.

    Args:
        left: what it is, in full resolution.
        right: of the same size.
        right_from_left: pose of the left camera in the right camera's frame.

    Raises:
        CameraError: sizes differ, or the right camera is not to the right of the left one.

    """
    if left.resolution_wh != right.resolution_wh:
        raise CameraError(
            f"stereo pair: left is {left.width}x{left.height}, right is "
            f"{right.width}x{right.height}; expected one size"
        )
    left_from_right = right_from_left.inverse()
    baseline = left_from_right.translation  # the right camera, as the left one sees it
    length_m = float(np.linalg.norm(baseline))
    if length_m == 0 or abs(baseline[0]) < _ACROSS * length_m:
        place_m = (np.round(baseline, 4) + 0.0).tolist()  # no -0.0
        raise CameraError(
            f"stereo pair: the right camera is at {place_m} m from the left one, expected it "
            "beside (x)"
        )
    if baseline[0] < 0:
        raise CameraError(
            f"stereo pair: the right camera is {-baseline[0]:.3f} m to the left of the left one; "
            "swap them"
        )
    x = baseline / length_m
    forward = np.array([0.0, 0.0, 1.0])
    between = forward + left_from_right.rotation @ forward
    y = np.cross(between, x)
    y /= np.linalg.norm(y)
    left_R = np.stack([x, y, np.cross(x, y)])
    right_R = left_R @ left_from_right.rotation

    focal, centre = _projection(((left, left_R), (right, right_R)))
    P = np.array([[focal, 0, centre[0], 0], [0, focal, centre[1], 0], [0, 0, 1, 0]])
    right_P = P.copy()
    right_P[0, 3] = -focal * length_m  # REP-104: Tx = -fx' * baseline
    return (
        dataclasses.replace(left, R=left_R, P=P),
        dataclasses.replace(right, R=right_R, P=right_P),
    )


def baseline_m(left: Camera, right: Camera) -> float:
    """Distance of a rectified pair, by P (REP-104: Tx = -fx' * baseline).

    Raises:
        CameraError: P says that they are no pair.

    """
    for name, camera in (("left", left), ("right", right)):
        if camera.P[0, 0] <= 0:
            raise CameraError(f"{name} camera: it is uncalibrated")
    if left.P[0, 3] != 0 or right.P[0, 3] >= 0 or not np.allclose(left.P[:, :3], right.P[:, :3]):
        raise CameraError(
            f"stereo pair: in P, the left camera has f = {left.P[0, 0]:.2f} and Tx = "
            f"{left.P[0, 3]:.2f}, the right one {right.P[0, 0]:.2f} and {right.P[0, 3]:.2f}; "
            "expected one f, Tx = 0 on the left and below 0 on the right; calibrate them as a "
            "pair: perception calibrate stereo"
        )
    return float(-right.P[0, 3] / right.P[0, 0])


def _projection(sides: tuple[tuple[Camera, np.ndarray], ...]) -> tuple[float, np.ndarray]:
    """Focal length and principal point of the largest view that both cameras fill wholly."""
    camera = sides[0][0]
    size = np.array(camera.resolution_wh, float)
    inner = [_inner_rectangle(*side) for side in sides]
    low = np.max([each[0] for each in inner], axis=0)
    high = np.min([each[1] for each in inner], axis=0)
    if not (high > low).all():
        raise CameraError("stereo pair: the cameras look so far apart that no part is common")
    focal = float(((size - 1) / (high - low)).max())
    # The middle of what is seen is the middle of the image.
    return focal, (size - 1) / 2 - focal * (low + high) / 2


def _inner_rectangle(camera: Camera, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of a rectangle inside of the rectified image, at z = 1.

    Each border is where the image's bent edge reaches in farthest.
    """
    along = np.linspace(0, 1, _BORDER_POINTS)
    width, height = np.array(camera.resolution_wh) - 1.0

    def seen(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        pixels = np.column_stack(np.broadcast_arrays(x * width, y * height))
        rays = camera.unproject(pixels) @ R.T
        rays = rays[np.isfinite(rays).all(axis=1) & (rays[:, 2] > 0)]
        if not len(rays):
            raise CameraError(
                "stereo pair: rectified, an edge of an image shows nothing: the cameras look too "
                "far apart, or it is a fisheye's rim"
            )
        return rays[:, :2] / rays[:, 2:]

    zero, one = np.zeros(1), np.ones(1)
    low = np.array([seen(zero, along)[:, 0].max(), seen(along, zero)[:, 1].max()])
    high = np.array([seen(one, along)[:, 0].min(), seen(along, one)[:, 1].min()])
    return low, high
