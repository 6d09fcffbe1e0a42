"""Corners keep their distance, and lie on corners."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from embodied_perception.features import detect_corners


def textured(seed=0, shape=(120, 160)):
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def test_finds_the_corners_of_a_square():
    gray = np.zeros((100, 120), np.uint8)
    gray[30:70, 40:90] = 200
    found = detect_corners(gray, 10)
    expected = np.array([[39.5, 29.5], [89.5, 29.5], [39.5, 69.5], [89.5, 69.5]])
    assert found.shape == (4, 2)
    assert cdist(expected, found).min(axis=1).max() < 2.5  # the window of 5 px moves them inwards


@given(st.integers(0, 40), st.floats(4.0, 30.0), st.integers(1, 80))
@settings(max_examples=30, deadline=None)
def test_spacing_and_count_hold(seed, spacing_px, count):
    gray = textured(seed)
    occupied = np.random.default_rng(seed).uniform(0, 119, (7, 2)).astype(np.float32)
    found = detect_corners(gray, count, occupied=occupied, spacing_px=spacing_px)
    assert found.dtype == np.float32
    assert len(found) <= count
    if len(found) > 1:
        assert pdist(found).min() >= spacing_px
    if len(found):
        assert cdist(found, occupied).min() > spacing_px - 2  # both are rounded to pixels
        assert (found >= 0).all()
        assert (found < (160, 120)).all()


def test_strongest_first():
    gray = np.zeros((80, 160), np.uint8)
    gray[20:60, 20:60] = 60
    gray[20:60, 100:140] = 250
    found = detect_corners(gray, 8)
    assert (found[:4, 0] > 80).all()
    assert (found[4:, 0] < 80).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_in_an_empty_image(value):
    assert detect_corners(np.full((60, 80), value, np.uint8), 10).shape == (0, 2)


@pytest.mark.parametrize("count", [0, -3])
def test_none_asked_none_given(count):
    assert detect_corners(textured(), count).shape == (0, 2)


def test_no_room_left():
    columns, rows = np.meshgrid(np.arange(0, 160, 5), np.arange(0, 120, 5))
    occupied = np.column_stack((columns.ravel(), rows.ravel()))
    assert len(detect_corners(textured(), 50, occupied=occupied, spacing_px=12.0)) == 0
