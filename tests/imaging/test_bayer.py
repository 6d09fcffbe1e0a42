"""Demosaicing: exact where colours are even, and how near it comes to the truth."""

import cv2
import numpy as np
import pytest

from embodied_perception.imaging.bayer import BILINEAR, MALVAR, METHODS, demosaic, mosaic

PATTERNS = ("RGGB", "BGGR", "GBRG", "GRBG")


@pytest.fixture(scope="module")
def scene():
    """Edges in all directions, slightly blurred as by a lens.

    As in most scenes, light and shade change faster than colour does.
    """
    rng = np.random.default_rng(2)
    light = np.full((120, 160), 128, np.uint8)
    for _ in range(60):
        points = rng.integers(0, 160, (1, 3, 2))
        cv2.fillPoly(light, points, int(rng.integers(20, 256)), cv2.LINE_AA)
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    color = cv2.resize(rng.uniform(0.4, 1, (3, 4, 3)), (160, 120), interpolation=cv2.INTER_LINEAR)
    return np.rint(light[..., None] * color).astype(np.uint8)


def psnr(a, b):
    """In dB, without the border."""
    error = (a[4:-4, 4:-4].astype(float) - b[4:-4, 4:-4]) ** 2
    return 10 * np.log10(255**2 / error.mean())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pixel_keeps_the_colour_that_it_saw(scene, pattern):
    seen = mosaic(scene, "RGB", pattern)
    assert seen[0, 0] == scene[0, 0, "RGB".index(pattern[0])]
    assert seen[1, 2] == scene[1, 2, "RGB".index(pattern[2])]
    for method in METHODS:
        again = mosaic(demosaic(seen, pattern, "RGB", method), "RGB", pattern)
        np.testing.assert_array_equal(again[2:-2, 2:-2], seen[2:-2, 2:-2])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_malvar_is_nearer_to_the_truth(scene, pattern, dtype):
    truth = scene.astype(dtype)
    quality = {
        method: psnr(demosaic(mosaic(truth, "RGB", pattern), pattern, "RGB", method), truth)
        for method in METHODS
    }
    assert quality[BILINEAR] > 20
    assert quality[MALVAR] > quality[BILINEAR] + 2


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_channels_is_the_one_asked_for(scene, method):
    seen = mosaic(scene, "RGB", "GRBG")
    rgb = demosaic(seen, "GRBG", "RGB", method)
    np.testing.assert_array_equal(demosaic(seen, "GRBG", "BGR", method), rgb[..., ::-1])
    gray = demosaic(seen, "GRBG", "GRAY", method)
    assert np.abs(gray.astype(int) - cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)).max() <= 1


def test_bilinear_is_opencvs(scene):
    seen = mosaic(scene, "BGR", "BGGR")
    expected = cv2.demosaicing(seen, cv2.COLOR_BayerRG2BGR)
    np.testing.assert_array_equal(demosaic(seen, "BGGR", "BGR"), expected)


def test_malvar_is_exact_on_a_plane_of_brightness():
    """Gradients that all colours share are linear: the filters' weights give them back."""
    rows, columns = np.mgrid[:20, :30]
    plane = (40 + 3 * rows + 4 * columns).astype(np.uint8)
    truth = np.repeat(plane[..., None], 3, axis=2)
    for pattern in PATTERNS:
        found = demosaic(mosaic(truth, "RGB", pattern), pattern, "RGB", MALVAR)
        np.testing.assert_array_equal(found[2:-2, 2:-2], truth[2:-2, 2:-2])
