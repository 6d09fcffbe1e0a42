"""Features followed to a twentieth of a pixel, and given up where they cannot be."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from embodied_perception.features import detect_corners, follow


@pytest.fixture(scope="module")
def scene():
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(240, 320)), (0, 0), 4.0)
    return np.clip(128 + 45 * noise / noise.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def corners(scene):
    found = detect_corners(scene, 100)
    return found[np.all((found > 40) & (found < (280, 200)), axis=1)]


def shifted(image, x, y):
    """Moved exactly: warpAffine rounds to fractions of a pixel."""
    return (
        np.rint(ndimage.shift(image.astype(float), (y, x), order=5)).clip(0, 255).astype(np.uint8)
    )


@pytest.mark.parametrize("shift", [(0, 0), (0.5, -0.25), (7.3, 4.8), (-14.0, 9.5)])
def test_translation(scene, corners, shift):
    found, trusted = follow(scene, shifted(scene, *shift), corners)
    assert trusted.mean() > 0.9
    assert_allclose(found[trusted], corners[trusted] + shift, atol=0.05)


def test_a_prediction_bridges_what_flow_cannot(scene, corners):
    shift = np.array([55.0, -30.0])
    after = shifted(scene, *shift)
    found, trusted = follow(scene, after, corners, predicted=corners + shift + 2.0)
    inside = np.all((corners + shift > 10) & (corners + shift < (310, 230)), axis=1)
    assert trusted[inside].mean() > 0.9
    assert_allclose(found[trusted & inside], (corners + shift)[trusted & inside], atol=0.05)
    without, trusted = follow(scene, after, corners)
    right = np.linalg.norm(without - corners - shift, axis=1) < 1
    assert (trusted & right).mean() < 0.9


def test_what_leaves_the_image_is_lost(scene, corners):
    shift = (200.0, 0.0)
    _, trusted = follow(scene, shifted(scene, *shift), corners, predicted=corners + shift)
    assert not trusted[corners[:, 0] > 125].any()


@pytest.mark.parametrize("kind", ["black", "noise"])
def test_an_unrelated_image_is_not_trusted(scene, corners, kind):
    after = np.zeros_like(scene)
    if kind == "noise":
        after = np.random.default_rng(1).integers(0, 255, scene.shape, np.uint8)
    _, trusted = follow(scene, after, corners)
    assert trusted.mean() < 0.1


def test_inputs_are_left_as_they_were(scene, corners):
    predicted = corners + 1
    kept = predicted.copy()
    follow(scene, scene, corners, predicted=predicted)
    assert np.array_equal(predicted, kept)


def test_the_same_every_time(scene, corners):
    after = shifted(scene, 3.3, 2.2)
    one, two = follow(scene, after, corners), follow(scene, after, corners)
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_nothing_to_follow(scene):
    found, trusted = follow(scene, scene, np.zeros((0, 2), np.float32))
    assert found.shape == (0, 2)
    assert trusted.shape == (0,)
