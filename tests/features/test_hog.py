"""HOG: strong where an edge is, the same after a change of light."""

import cv2
import numpy as np

from embodied_perception.features.hog import describe_image, describe_patches


def points(*places):
    return [cv2.KeyPoint(float(x), float(y), 31.0) for x, y in places]


def test_an_edge_fills_the_bin_of_its_gradient():
    gray = np.zeros((64, 64), np.uint8)
    gray[:, 32:] = 200
    (kept,), (descriptor,) = describe_patches(gray, points((32, 32)))
    assert kept.pt == (32, 32)
    # 9 blocks of 4 cells of 9 bins of 20 degrees: the gradient of an upright edge is along x.
    bins = descriptor.reshape(9, 4, 9).sum(axis=(0, 1))
    assert bins[[0, 8]].sum() > 0.95 * bins.sum()


def test_patches_that_reach_out_of_the_image_are_left_out():
    gray = np.zeros((64, 64), np.uint8)
    kept, descriptors = describe_patches(gray, points((3, 30), (32, 32), (60, 60)))
    assert [point.pt for point in kept] == [(32, 32)]
    assert descriptors.shape == (1, 324)
    kept, descriptors = describe_patches(gray, [])
    assert (kept, descriptors.shape) == ([], (0, 324))


def test_light_does_not_matter_and_content_does():
    random = np.random.default_rng(2)
    first, other = (
        cv2.resize(random.integers(0, 256, (12, 16), np.uint8), (320, 240)) for _ in range(2)
    )
    word = describe_image(first)
    darker = describe_image((first * 0.5 + 20).astype(np.uint8))
    smaller = describe_image(cv2.resize(first, (200, 150), interpolation=cv2.INTER_AREA))
    assert word.shape == (5940,)
    apart = np.linalg.norm(word - describe_image(other))
    assert np.linalg.norm(word - darker) < 0.2 * apart
    assert np.linalg.norm(word - smaller) < 0.5 * apart
