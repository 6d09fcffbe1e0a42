"""Patches on a grid, against OpenCV's SIFT and what is known of them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_perception.classification.dense_sift import (
    DESCRIPTOR_SIZE,
    dense_root_sift,
    working_image,
)


def texture(side=160, blur=2.5, seed=0):
    noise = np.random.default_rng(seed).uniform(0, 255, (side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, None, blur)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_it_is_the_sift_of_opencv():
    """At the centres of patches, with bins of the same size; OpenCV smooths a little more."""
    image = texture()
    patches = dense_root_sift(image)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    pixels = patches.boxes * 160
    bin_px = (pixels[:, 2] - pixels[:, 0]) / 4
    centres = (pixels[:, :2] + pixels[:, 2:]) / 2
    inside = ((pixels >= 16) & (pixels <= 144)).all(axis=1)
    chosen = np.flatnonzero(inside)[::7]
    # OpenCV's bins are 3 sigma wide, and a feature's size is 2 sigma.
    points = [
        cv2.KeyPoint(float(x), float(y), float(size) * 2 / 3, 0.0)
        for (x, y), size in zip(centres[chosen], bin_px[chosen], strict=True)
    ]
    _, theirs = cv2.SIFT.create().compute(gray, points)
    theirs = np.sqrt(theirs / theirs.sum(axis=1, keepdims=True))
    alike = (patches.descriptors[chosen] * theirs).sum(axis=1)
    assert len(chosen) > 20
    assert np.median(alike) > 0.95
    others = (patches.descriptors[chosen] * np.roll(theirs, 5, axis=0)).sum(axis=1)
    assert alike.min() > np.median(others)


@given(st.integers(1, 500), st.integers(1, 500))
@settings(max_examples=25, deadline=None)
def test_patches_of_any_size_lie_within_the_image(width, height):
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    patches = dense_root_sift(image)
    assert patches.boxes.shape == (len(patches.descriptors), 4)
    assert len(patches.boxes) >= 3  # one of each scale
    assert (patches.boxes >= 0).all()
    assert (patches.boxes <= 1).all()
    assert (patches.boxes[:, :2] < patches.boxes[:, 2:]).all()
    lengths = np.linalg.norm(patches.descriptors, axis=1)
    assert patches.descriptors.shape[1] == DESCRIPTOR_SIZE
    assert (np.isclose(lengths, 1, atol=1e-4) | (lengths == 0)).all()


@pytest.mark.parametrize("shape", [(160, 120), (32, 160), (1, 1), (3, 4000)])
def test_what_is_scaled_stays_as_it_is(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    once = working_image(image)
    assert working_image(once) is once


def test_brightness_and_contrast_change_nothing():
    image = np.repeat(texture()[..., :1] // 2, 3, axis=2)
    descriptors = dense_root_sift(image).descriptors
    np.testing.assert_allclose(dense_root_sift(image + 90).descriptors, descriptors, atol=1e-5)
    np.testing.assert_allclose(dense_root_sift(image * 2).descriptors, descriptors, atol=1e-3)


def test_where_there_is_no_texture_there_is_nothing():
    assert not dense_root_sift(np.full((90, 70, 3), 128, np.uint8)).descriptors.any()
