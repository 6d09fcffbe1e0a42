"""Resizing on any device against Pillow itself, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.inference.resizing import resize, resize_array  # noqa: E402

#: Those that checkpoints can name; Pillow has more from version 13 on.
FILTERS = list(map(Image.Resampling, range(6)))
SIDES = st.integers(1, 70)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def with_pillow(image, size_hw, resample):
    return np.asarray(Image.fromarray(image).resize(size_hw[::-1], resample))


def with_tensors(images, size_hw, resample):
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return resize(batch, size_hw, resample).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("resample", FILTERS)
@settings(max_examples=60, deadline=None)
@given(before=st.tuples(SIDES, SIDES), after=st.tuples(SIDES, SIDES), seed=st.integers(0, 99))
def test_any_size_is_what_pillow_makes(resample, before, after, seed):
    image = noise(*before, seed)
    (got,) = with_tensors([image], after, int(resample))
    np.testing.assert_array_equal(got, with_pillow(image, after, resample))


@pytest.mark.parametrize("resample", FILTERS)
@pytest.mark.parametrize("after", [(512, 512), (97, 1000), (480, 641), (1, 1)])
def test_sizes_of_cameras(resample, after):
    image = noise(480, 640)
    (got,) = with_tensors([image], after, int(resample))
    np.testing.assert_array_equal(got, with_pillow(image, after, resample))


@pytest.mark.parametrize("resample", FILTERS)
def test_black_and_white_stay_within_a_byte(resample):
    """Cubic and Lanczos filters overshoot at edges."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:9, 4:9] = 255
    (got,) = with_tensors([image], (37, 29), int(resample))
    np.testing.assert_array_equal(got, with_pillow(image, (37, 29), resample))
    assert (got.min(), got.max()) == (0, 255)


def test_a_batch_is_its_images():
    images = [noise(31, 45, seed) for seed in range(3)]
    for got, image in zip(with_tensors(images, (20, 60), 2), images, strict=True):
        np.testing.assert_array_equal(got, with_pillow(image, (20, 60), Image.Resampling.BILINEAR))


def test_an_image_of_that_size_is_not_touched():
    image = noise(12, 34)
    assert resize_array(image, (12, 34), 2) is image
    np.testing.assert_array_equal(with_tensors([image], (12, 34), 3)[0], image)


def test_an_array_is_resized_as_well():
    image = noise(12, 34)
    expected = with_pillow(image, (50, 20), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resize_array(image, (50, 20), 3), expected)
