"""Boxes: how much they overlap, and which of them stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from embodied_perception.open_vocabulary.detections import (
    MOST,
    Detections,
    areas,
    choose,
    overlaps,
    suppress,
)

BOXES = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(0, 20)
)


def found(boxes, scores=None, labels=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    scores = np.linspace(0.9, 0.1, count) if scores is None else scores
    labels = np.zeros(count) if labels is None else labels
    return Detections(
        boxes, np.array(scores, np.float32), np.array(labels, np.int64), np.ones((count, 2))
    )


def test_nothing_at_all():
    none = Detections.none(5)
    assert len(none) == 0
    assert none.points.shape == (0, 5)
    assert len(suppress(none, 0.5)) == 0
    assert overlaps(none.boxes, none.boxes).shape == (0, 0)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1),
        ([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0),
        ([0, 0, 4, 4], [1, 1, 2, 3], 2 / 16),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0),
        ([3, 3, 1, 1], [0, 0, 4, 4], 0),
    ],
)
def test_overlap(first, second, expected):
    boxes = np.array([first, second], np.float32)
    np.testing.assert_allclose(overlaps(boxes[:1], boxes[1:]), [[expected]], atol=1e-6)


@given(BOXES, BOXES)
def test_overlap_is_symmetric_and_a_share(first, second):
    shares = overlaps(first, second)
    assert shares.shape == (len(first), len(second))
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_array_equal(shares, overlaps(second, first).T)


@given(BOXES, st.floats(0.0, 0.9))
def test_what_stays_does_not_overlap_and_what_goes_does(boxes, most):
    given_boxes = found(boxes)
    kept = suppress(given_boxes, most)
    between = overlaps(kept.boxes, kept.boxes)
    assert (between[~np.eye(len(kept), dtype=bool)] <= most).all()
    for box, score in zip(boxes, given_boxes.scores, strict=True):
        above = kept.boxes[kept.scores >= score]
        same = (above == box).all(1).any()
        assert same or (overlaps(above, box[None]) > most).any()


def test_one_thing_is_one_box_whatever_it_is_called():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]
    kept = suppress(found(boxes, [0.5, 0.8, 0.3], [0, 1, 0]), 0.5)
    assert kept.scores.tolist() == pytest.approx([0.8, 0.3])
    assert kept.labels.tolist() == [1, 0]


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"have shapes .* expected \(\(2, 4\), \(2,\)"):
        Detections(np.zeros((2, 4)), np.zeros(3), np.zeros(2, int), np.zeros((2, 1)))


def chosen(logits, background=None, least=0.0):
    logits = np.atleast_2d(np.array(logits, np.float32))
    count = len(logits)
    background = np.zeros((count, 0)) if background is None else np.array(background, float)
    boxes = np.arange(4 * count, dtype=np.float32).reshape(-1, 4)
    return choose(boxes, boxes, logits, background, np.full(logits.shape[1], least))


def test_the_best_label_counts_and_the_surest_comes_first():
    result = chosen([[0, 1], [3, 2], [-5, -4]])
    assert result.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(result.scores, 1 / (1 + np.exp([-3, -1, 4])), rtol=1e-5)
    assert result.boxes[:, 0].tolist() == [4, 0, 8]


def test_thresholds_and_background():
    logits = [[0.0], [3.0], [2.0]]
    assert chosen(logits, least=0.5).boxes[:, 0].tolist() == [4, 8, 0]
    assert chosen(logits, least=0.51).boxes[:, 0].tolist() == [4, 8]
    assert chosen(logits, [[9, 9], [1, 2], [2, 2]]).boxes[:, 0].tolist() == [4]


def test_only_so_many():
    assert len(chosen(np.zeros((MOST + 5, 2)))) == MOST


def test_areas_of_boxes_that_are_inside_out():
    np.testing.assert_array_equal(areas(np.array([[0, 0, 2, 3], [2, 0, 0, 3]])), [6, 0])
