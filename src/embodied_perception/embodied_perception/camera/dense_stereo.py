"""Depth in every pixel from a rectified pair of images."""

from __future__ import annotations

import cv2
import numpy as np

from embodied_perception.camera.model import Camera
from embodied_perception.camera.rectification import baseline_m

_NEAREST = 1 / 6  # the largest disparity, as a part of the image's width
_BLOCK = 5
_STEPS = 16  # OpenCV gives disparities in such parts of a pixel


def dense_stereo(
    left_gray: np.ndarray, right_gray: np.ndarray, left: Camera, right: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Match all pixels of a pair (H. Hirschmüller, Stereo Processing by Semiglobal Matching, 2008).

    Args:
        left_gray: (H, W) uint8, as the camera gives it.
        right_gray: likewise.
        left: with R and P of the rectified pair.
        right: likewise.

    Returns:
        the left image rectified, and its depth in metres, NaN where not known: both (H, W).

    Raises:
        CameraError: they are no rectified pair.

    """
    focal_times_baseline = left.P[0, 0] * baseline_m(left, right)
    flat, other = (
        cv2.remap(gray, *camera.rectification_maps(), cv2.INTER_LINEAR)
        for gray, camera in ((left_gray, left), (right_gray, right))
    )
    matcher = cv2.StereoSGBM.create(
        numDisparities=max(1, round(flat.shape[1] * _NEAREST / 16)) * 16,
        blockSize=_BLOCK,
        P1=8 * _BLOCK**2,
        P2=32 * _BLOCK**2,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
    )
    disparity = matcher.compute(flat, other).astype(np.float32) / _STEPS
    with np.errstate(divide="ignore"):
        return flat, np.where(disparity > 0, focal_times_baseline / disparity, np.nan)
