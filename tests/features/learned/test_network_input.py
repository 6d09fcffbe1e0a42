"""Images as transformers' processors make them, and places that stay where things are."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import InferenceError
from embodied_perception.features.learned.network_input import NetworkInput

SIDES = st.integers(1, 4000)
SIZES = st.tuples(SIDES, SIDES)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"resample": 0},
        {"resample": 3, "size": {"height": 100, "width": 50}},
        {"do_rescale": False},
        {"rescale_factor": 0.01, "do_resize": False},
    ],
)
def test_pixels_are_those_of_transformers(tmp_path, picture, processor_class, values):
    processor = processor_class("SuperPointImageProcessor")(**values)
    processor.save_pretrained(tmp_path)
    gray = picture(90, 70)
    theirs = processor(np.dstack([gray] * 3), return_tensors="np").pixel_values[0, 0]
    ours = NetworkInput.read(tmp_path).prepare(gray)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@given(image=SIZES, inside=st.none() | SIZES, data=st.data())
def test_there_and_back_is_the_same_place(image, inside, data):
    network_input = NetworkInput(inside, 2, 1.0)
    x, y = data.draw(st.tuples(st.floats(0, image[0]), st.floats(0, image[1])))
    there = network_input.to_network(np.array([[x, y]]), image)
    np.testing.assert_allclose(network_input.to_image(there, image), [[x, y]], atol=1e-6)
    corners = np.array([[-0.5, -0.5], np.array(image) - 0.5])
    expected = np.array([[-0.5, -0.5], np.array(inside or image) - 0.5])
    np.testing.assert_allclose(network_input.to_network(corners, image), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(72, 88), (200, 150), (60, 45)])
def test_a_blob_is_where_it_was(size):
    gray = np.zeros((120, 160), np.uint8)
    cv2.circle(gray, (97 * 16 + 4, 41 * 16 + 9), 9 * 16, 255, -1, cv2.LINE_AA, 4)
    network_input = NetworkInput(size, 2, 1.0)
    middle, inside = (centroid(each) for each in (gray, network_input.prepare(gray)))
    np.testing.assert_allclose(network_input.to_image(inside, (160, 120)), middle, atol=0.1)
    np.testing.assert_allclose(network_input.to_network(middle, (160, 120)), inside, atol=0.1)


def centroid(gray):
    rows, columns = np.indices(gray.shape)
    return np.array([[(columns * gray).sum(), (rows * gray).sum()]]) / gray.sum(dtype=float)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"size": {"shortest_edge": 480}}, "size: got {'shortest_edge': 480}, expected height and"),
        ({"size": {"height": 0, "width": 640}}, "size: got .* expected height and width of 1 to"),
        ({"size": {"height": 480, "width": 10**6}}, "expected height and width of 1 to 8192"),
        ({"size": {"height": 480.5, "width": 640}}, "size: got "),
        ({"size": 480}, "size: got 480, expected height and width"),
        ({"resample": 9}, "resample: got 9, expected 0 to 5"),
        ({"resample": "bilinear"}, "resample: got 'bilinear', expected 0 to 5"),
        ({"rescale_factor": -1}, "rescale_factor: got -1, expected more than 0"),
        ({"rescale_factor": float("nan")}, "rescale_factor: got nan"),
        ([1], "got list, expected an object"),
    ],
)
def test_values_that_make_no_sense_are_refused(tmp_path, content, message):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InferenceError, match=message) as caught:
        NetworkInput.read(tmp_path)
    assert str(caught.value).startswith(str(path))
