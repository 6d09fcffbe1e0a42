"""Cameras from CameraInfo messages, and the field values for building one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError


def camera_from_info(message: Any) -> Camera:
    """Read a CameraInfo, or any object with its fields (REP-104).

    The result describes the full resolution, with binning and region of interest recorded;
    the image published beside the message belongs to its :meth:`Camera.delivered`. Fields that
    drivers leave at zero get their meaning: binning 0 is 1, an empty region is the whole image,
    R and P of zeros are the identity and [K | 0], and no model with no coefficients is no
    distortion.

    Raises:
        CameraError: for an uncalibrated camera (K[0] is 0), or any value :class:`Camera` refuses.

    """
    K = np.asarray(message.k, dtype=np.float64)
    if K.size != 9 or K[0] == 0:
        raise CameraError(
            f"camera info of {message.width} x {message.height} in frame "
            f"{message.header.frame_id!r}: got k={K.tolist()}, which says uncalibrated (REP-104); "
            "calibrate the camera and give its driver the file (camera_info_url)"
        )
    R = _matrix(message.r, "r", (3, 3))
    P = _matrix(message.p, "p", (3, 4))
    D = np.asarray(message.d, dtype=np.float64)
    roi = message.roi
    region = (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    whole = (0, 0, int(message.width), int(message.height))
    return Camera(
        width=whole[2],
        height=whole[3],
        K=K.reshape(3, 3),
        distortion_model=message.distortion_model or ("" if D.any() else "plumb_bob"),
        D=D if message.distortion_model else np.zeros(0),
        R=R if R.any() else np.eye(3),
        P=P if P.any() else np.zeros(0),
        binning_x=int(message.binning_x) or 1,
        binning_y=int(message.binning_y) or 1,
        roi=None if region == whole or region[2:] == (0, 0) else region,
    )


def info_fields(camera: Camera) -> dict[str, Any]:
    """Values of CameraInfo's fields (all but the header) as plain Python numbers and lists."""
    x, y, width, height = camera.roi or (0, 0, 0, 0)
    return {
        "height": camera.height,
        "width": camera.width,
        "distortion_model": camera.distortion_model,
        "d": camera.D.tolist(),
        "k": camera.K.ravel().tolist(),
        "r": camera.R.ravel().tolist(),
        "p": camera.P.ravel().tolist(),
        "binning_x": camera.binning_x,
        "binning_y": camera.binning_y,
        "roi": {
            "x_offset": x,
            "y_offset": y,
            "width": width,
            "height": height,
            # REP-104: a part of the raw image has its own, smaller rectified part.
            "do_rectify": camera.roi is not None,
        },
    }


def _matrix(values: Any, name: str, shape: tuple[int, int]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.size != math.prod(shape):
        raise CameraError(f"{name}: got {array.size} values, expected {math.prod(shape)}")
    return array.reshape(shape)
