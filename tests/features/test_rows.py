"""Disparities of planes that are known; rows without anything."""

import cv2
import numpy as np
import pytest

from embodied_perception.features import detect_corners
from embodied_perception.features.rows import disparities

NOISE = np.random.default_rng(3).normal(size=(240, 460))
SCENE = cv2.GaussianBlur(NOISE, (0, 0), 2.0)
SCENE = np.clip(128 + 45 * SCENE / SCENE.std(), 0, 255).astype(np.uint8)


def pair(shift_px, slope=0.0):
    """Left and right view of a plane: what is at x is at x - shift - slope x on the right."""
    u, v = np.meshgrid(np.arange(320, dtype=np.float32), np.arange(240, dtype=np.float32))
    left_x = (u + shift_px) / (1 - slope)
    return SCENE[:, :320], cv2.remap(SCENE, left_x.astype(np.float32), v, cv2.INTER_CUBIC)


@pytest.mark.parametrize(("shift_px", "slope"), [(3.3, 0.0), (17.6, 0.0), (41.2, 0.0), (8.0, 0.06)])
def test_a_plane_is_found_to_a_tenth_of_a_pixel(shift_px, slope):
    left, right = pair(shift_px, slope)
    pixels = detect_corners(left, 150)
    inside = pixels[:, 0] > shift_px + 0.06 * 320 + 25
    found = disparities(left, right, pixels)
    expected = shift_px + slope * pixels[:, 0]
    good = np.isfinite(found)
    assert good[inside].mean() > 0.9
    assert np.median(np.abs(found - expected)[good]) < 0.1


def test_what_is_in_no_row_is_not_found():
    left, right = pair(12.0)
    pixels = detect_corners(left, 100)
    lower = np.roll(right, 4, axis=0)
    assert np.isfinite(disparities(left, lower, pixels)).mean() < 0.1
    swapped = disparities(right, left, detect_corners(right, 100))
    assert np.isfinite(swapped).mean() < 0.15


def test_nothing_to_look_for_and_nothing_to_see():
    left, right = pair(12.0)
    assert disparities(left, right, np.zeros((0, 2), np.float32)).shape == (0,)
    flat = np.full_like(left, 80)
    assert np.isnan(disparities(flat, flat, detect_corners(left, 50))).all()
