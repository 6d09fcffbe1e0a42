"""Intersection over union, against sets of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.segmentation import Confusion

CLASSES = 4
masks = arrays(np.uint8, (5, 7), elements=st.integers(0, CLASSES - 1))


@given(true=arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 255])), said=masks)
def test_iou_is_that_of_the_sets_of_pixels(true, said):
    confusion = Confusion.of(true, said, CLASSES)
    labelled = true != 255
    for label in range(CLASSES):
        there, told = (true == label), (said == label) & labelled
        if (there | told).any():
            expected = (there & told).sum() / (there | told).sum()
            assert confusion.iou[label] == pytest.approx(expected)
        else:
            assert np.isnan(confusion.iou[label])
    if labelled.any():
        right = (true == said)[labelled].mean()
        assert confusion.pixel_accuracy == pytest.approx(right)
        assert confusion.miou == pytest.approx(np.nanmean(confusion.iou))
    else:
        assert np.isnan(confusion.miou)
        assert np.isnan(confusion.pixel_accuracy)


@given(first=masks, second=masks)
def test_images_add_up(first, second):
    truth = np.roll(first, 1)
    both = Confusion.of(np.stack((truth, truth)), np.stack((first, second)), CLASSES)
    parts = Confusion.none(CLASSES)
    for said in (first, second):
        parts += Confusion.of(truth, said, CLASSES)
    assert np.array_equal(both.counts, parts.counts)


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(EvaluationError, match=r"shape \(2, 3\), the true one has \(3, 2\)"):
        Confusion.of(np.zeros((3, 2), int), np.zeros((2, 3), int), 2)


@pytest.mark.parametrize("said", [-1, 4, 255])
def test_a_class_that_is_none_is_refused(said):
    with pytest.raises(EvaluationError, match=f"got classes .*{said}.* expected 0 to 3"):
        Confusion.of(np.zeros((2, 2), int), np.full((2, 2), said), CLASSES)
