"""Colours of the data sets, and others that differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.segmentation.overlay import draw_overlay
from embodied_perception.segmentation.palettes import CAMVID, CITYSCAPES, colors_of


def test_the_data_sets_have_their_own_colours():
    assert colors_of(["road", "person", "traffic light"]).tolist() == [
        [128, 64, 128],
        [220, 20, 60],
        [250, 170, 30],
    ]
    assert colors_of(["Traffic-Sign"]).tolist() == [[220, 220, 0]]
    assert colors_of(["sky", "pavement"]).tolist() == [[128, 128, 128], [60, 40, 222]]
    ade20k = colors_of([f"thing {index}" for index in range(150)])
    assert ade20k[[0, 3, 149]].tolist() == [[120, 120, 120], [80, 50, 50], [92, 0, 255]]
    assert len(CITYSCAPES) == 19
    assert len(CAMVID) == 11


@given(st.integers(1, 149))
def test_other_classes_have_colours_of_their_own(count):
    colors = colors_of([f"thing {index}" for index in range(count)]).astype(int)
    assert colors.shape == (count, 3)
    near = colors[:12]
    gaps = np.abs(near[:, None] - near).max(2) + 999 * np.eye(len(near), dtype=int)
    assert gaps.min() > 20


def test_an_overlay_colours_classes_and_nothing_else():
    image = np.full((60, 80, 3), 100, np.uint8)
    mask = np.full((60, 80), 255, np.uint8)
    mask[:, 60:] = 1
    drawn = draw_overlay(image, mask, ["floor", "wall"], np.uint8([[0, 0, 0], [200, 0, 50]]), 0.5)
    assert (drawn[40:, :60] == 100).all()
    assert (drawn[40:, 60:] == [150, 50, 75]).all()
    assert (drawn[2:8, 2:8] < 100).any()  # the legend
    assert (image == 100).all()


@pytest.mark.parametrize("shape", [(1, 1), (7, 300)])
def test_overlays_of_odd_images(shape):
    image = np.zeros((*shape, 3), np.uint8)
    drawn = draw_overlay(image, np.zeros(shape, np.uint8), ["floor"], np.uint8([[9, 9, 9]]))
    assert drawn.shape == image.shape
    nothing = np.full(shape, 65535, np.uint16)
    np.testing.assert_array_equal(
        draw_overlay(image, nothing, ["floor"], np.uint8([[9, 9, 9]])), image
    )
