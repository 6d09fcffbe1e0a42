"""What a structured-light camera would have made of the perfect pictures. Seeded by the frame.

Depth: the disparity is blurred by correlated noise, then quantised, as in Khoshelham and Elberink
(2012): the error of z grows with z^2 / (f b). Depth is missing beyond the range, at grazing
surfaces, along edges, and on the side that the projector does not reach.
"""

from __future__ import annotations

import cv2
import numpy as np

MAX_RANGE_M = 8.0
BASELINE_M = 0.075
DISPARITY_STEP_PX = 1 / 4
DISPARITY_NOISE_PX = 0.03
NOISE_CELL_PX = 40
LENS_BLUR_PX = 0.5
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 62, cv2.IMWRITE_JPEG_OPTIMIZE, 1)  # as it is sent
MIN_INCIDENCE = 0.17
EDGE_RATIO = 0.03


def measured_depth_mm(rng: np.random.Generator, depth_m: np.ndarray, focal_px: float) -> np.ndarray:
    """Depth (H, W) uint16 millimetres, 0 where missing, from true planar z (H, W) metres."""
    height, width = depth_m.shape
    coarse = rng.standard_normal((height // NOISE_CELL_PX + 2, width // NOISE_CELL_PX + 2))
    noise = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    gain = focal_px * BASELINE_M
    disparity = gain / depth_m + DISPARITY_NOISE_PX * noise
    quantised = np.round(disparity / DISPARITY_STEP_PX).clip(1) * DISPARITY_STEP_PX
    depth_mm = np.round(1000 * gain / quantised)
    missing = (depth_m > MAX_RANGE_M) | _grazing(depth_m, focal_px) | _edges(depth_m)
    return np.where(missing, 0, depth_mm).astype(np.uint16)


def camera_picture(rng: np.random.Generator, image_rgb: np.ndarray) -> np.ndarray:
    """Add a lens's slight blur and fall-off, and brightness-dependent noise, to uint8 RGB."""
    height, width = image_rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = (1 - 0.07 * (x**2 + y**2))[..., None]
    picture = cv2.GaussianBlur(image_rgb, (0, 0), LENS_BLUR_PX) * falloff
    sigma = 0.4 + 0.003 * picture
    return np.clip(picture + sigma * rng.standard_normal(picture.shape) + 0.5, 0, 255).astype(
        np.uint8
    )


def _grazing(depth_m: np.ndarray, focal_px: float) -> np.ndarray:
    """Where the angle between ray and surface is too flat, from the slope of depth."""
    smooth = cv2.blur(depth_m.astype(np.float32), (3, 3))
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    cosine = 1 / np.sqrt(1 + (focal_px / smooth) ** 2 * (slope_x**2 + slope_y**2))
    return cosine < MIN_INCIDENCE


def _edges(depth_m: np.ndarray) -> np.ndarray:
    """Mark a rim around jumps of depth, wider on the side that the projector does not reach."""
    near = cv2.erode(depth_m.astype(np.float32), np.ones((3, 3)))
    jump = (depth_m - near) > EDGE_RATIO * near
    shadow = np.zeros((3, 9), np.uint8)
    shadow[:, 3:] = 1
    return cv2.dilate(jump.astype(np.uint8), shadow).astype(bool)
