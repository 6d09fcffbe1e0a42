"""Masks as files hold them."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embodied_perception.errors import EvaluationError, FrameError
from embodied_perception.evaluation.mask_numbers import UNLABELLED, ClassNumbers, decode_mask


def png(array, mode=None, palette=None):
    picture = Image.fromarray(array)
    if palette is not None:
        picture.putpalette(palette)
    if mode is not None:
        picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return np.frombuffer(file.getvalue(), np.uint8)


@pytest.fixture
def numbers():
    return np.random.default_rng(0).integers(0, 256, (7, 5)).astype(np.uint8)


def test_numbers_come_as_they_are(numbers):
    assert np.array_equal(decode_mask(png(numbers)), numbers)
    wide = numbers.astype(np.uint16) * 200
    _, file = cv2.imencode(".png", wide)
    found = decode_mask(file)
    assert found.dtype == np.uint16
    assert np.array_equal(found, wide)


def test_of_a_palette_it_is_the_numbers(numbers):
    colours = list(np.random.default_rng(1).integers(0, 256, 768))
    assert np.array_equal(decode_mask(png(numbers, palette=colours)), numbers)


def test_what_is_no_mask_is_refused(numbers):
    _, jpeg = cv2.imencode(".jpg", numbers)
    whole = png(numbers)
    for data, why in (
        (jpeg, "no PNG file"),
        (np.empty(0, np.uint8), "no PNG file"),
        (png(np.dstack([numbers] * 3)), "mode RGB, expected one number"),
        (png(numbers, mode="1"), "1 bits a pixel"),
        (whole[: len(whole) // 2], "ends before"),
        (np.concatenate([whole[:45], whole[45:] ^ 85]), "ends before|cannot be read"),
    ):
        with pytest.raises(FrameError, match=why):
            decode_mask(data)


@given(place=st.integers(0, 200), flipped=st.integers(1, 255))
def test_a_damaged_file_is_refused_or_read(place, flipped):
    data = png(np.arange(35, dtype=np.uint8).reshape(7, 5)).copy()
    data[place % len(data)] ^= flipped
    try:
        found = decode_mask(data)
    except FrameError:
        return
    assert found.ndim == 2
    assert found.dtype in (np.uint8, np.uint16)


def test_numbers_become_classes():
    numbers = ClassNumbers({7: 0, 11: 1, 300: 2}, unlabelled=(0, 4))
    mask = np.array([[7, 11, 300], [0, 4, 65535]], np.uint16)
    assert numbers.classes_of(mask).tolist() == [[0, 1, 2], [UNLABELLED] * 3]
    assert numbers.classes_of(np.array([[255, 7]], np.uint8)).tolist() == [[UNLABELLED, 0]]


def test_numbers_that_are_no_class_are_refused():
    numbers = ClassNumbers({0: 0, 1: 1}, unlabelled=(11,))
    with pytest.raises(EvaluationError, match="class number 5 in 2 pixels; there are 0, 1"):
        numbers.classes_of(np.array([[0, 5], [5, 11]], np.uint8))
    with pytest.raises(EvaluationError, match="class number 255"):  # of 16 bits it is a number
        numbers.classes_of(np.array([[255]], np.uint16))


def test_255_is_a_class_where_it_is_named():
    numbers = ClassNumbers({place: place for place in range(300)})
    assert numbers.classes_of(np.array([[255, 299]], np.uint16)).tolist() == [[255, 299]]
