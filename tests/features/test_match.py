"""Matches of two views whose motion is known, to a tenth of a pixel."""

import cv2
import numpy as np

from embodied_perception.features import match

NOISE = np.random.default_rng(8).integers(0, 256, (60, 80), np.uint8)
SCENE = cv2.resize(NOISE, (640, 480), interpolation=cv2.INTER_CUBIC)


def test_places_are_exact():
    motion = cv2.getRotationMatrix2D((320, 240), 2.0, 1.01)
    motion[:, 2] += (14.3, -3.6)
    second = cv2.warpAffine(SCENE, motion, (640, 480), flags=cv2.INTER_CUBIC)
    first_px, second_px = match(SCENE, second)
    expected = first_px @ motion[:, :2].T + motion[:, 2]
    errors = np.linalg.norm(second_px - expected, axis=1)
    assert len(first_px) > 200
    assert np.median(errors) < 0.1
    assert (errors < 1).mean() > 0.98


def test_blank_and_other_images_have_no_matches():
    blank = np.full((480, 640), 50, np.uint8)
    for first, second in [(blank, SCENE), (SCENE, blank), (blank, blank)]:
        first_px, second_px = match(first, second)
        assert first_px.shape == second_px.shape == (0, 2)
    other = np.random.default_rng(9).integers(0, 256, (60, 80), np.uint8)
    other = cv2.resize(other, (640, 480), interpolation=cv2.INTER_CUBIC)
    assert len(match(SCENE, other)[0]) < 20
