"""Boxes drawn over an image: where they are, in which colour, and nothing else."""

import numpy as np
import pytest

from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.overlay import color_of, draw_answers, draw_detections

GRAY = np.full((240, 320, 3), 90, np.uint8)


def found(*boxes, labels=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.3, count).astype(np.float32),
        np.array(labels if labels is not None else range(count), np.int64),
        np.zeros((count, 0), np.float32),
    )


def test_the_border_is_where_the_box_is_and_the_rest_is_left_alone():
    drawn = draw_detections(GRAY, found([60, 100, 160, 200]), ["mug"])
    assert drawn.dtype == np.uint8
    for row, column in ((150, 60), (150, 159), (199, 100)):
        assert tuple(drawn[row, column]) == color_of(0)
    assert (drawn[110:190, 70:150] == 90).all()
    assert (drawn[:60] == 90).all()
    assert (drawn[:, 200:] == 90).all()
    assert (GRAY == 90).all()


def test_the_name_is_above_the_box_or_in_it_at_the_border():
    above = draw_detections(GRAY, found([60, 100, 160, 200]), ["mug"])
    assert (above[88:99, 60:100] != 90).any(axis=2).mean() > 0.9
    inside = draw_detections(GRAY, found([60, 0, 160, 200]), ["mug"])
    assert (inside[2:10, 63:100] != 90).any(axis=2).mean() > 0.9


def test_a_name_at_the_right_border_stays_in_the_image():
    drawn = draw_detections(GRAY, found([310, 100, 320, 120]), ["fire extinguisher"])
    assert (drawn[90, 200:] != 90).any(axis=1).sum() > 80


def test_the_surest_is_on_top():
    drawn = draw_detections(GRAY, found([60, 100, 160, 200], [60, 100, 160, 200]), ["a", "b"])
    assert tuple(drawn[150, 60]) == color_of(0)


def test_ids_change_what_is_written():
    one = found([60, 100, 160, 200])
    plain = draw_detections(GRAY, one, ["mug"])
    assert (draw_detections(GRAY, one, ["mug"], np.array([17])) != plain).any()


def test_labels_have_colours_of_their_own():
    colors = np.array([color_of(label) for label in range(12)], int)
    distance = np.abs(colors[:, None] - colors).sum(2)[~np.eye(12, dtype=bool)]
    assert distance.min() > 30


@pytest.mark.parametrize("name", ["消火器", "Größe — éàü", "кружка", "", "x" * 500, "a\nb"])
def test_any_name_can_be_written(name):
    drawn = draw_detections(GRAY, found([60, 100, 160, 200]), [name])
    assert drawn.shape == GRAY.shape
    assert (drawn[150, 60] == color_of(0)).all()


@pytest.mark.parametrize(
    "box", [[-1e6, -1e6, 1e6, 1e6], [5, 5, 5, 5], [300, 230, 900, 900], [-50, -50, -10, -10]]
)
def test_boxes_beyond_the_image(box):
    assert draw_detections(GRAY, found(box), ["mug"]).shape == GRAY.shape


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (300, 3)])
def test_images_smaller_than_a_name(size):
    image = np.zeros((*size, 3), np.uint8)
    assert draw_detections(image, found([0, 0, 1, 1]), ["mug"]).shape == image.shape


def test_nothing_found():
    assert (draw_detections(GRAY, found(), ["mug"]) == GRAY).all()


def test_answers_are_written_into_their_boxes_corners():
    boxes = np.array([[60, 100, 160, 200], [200, 0, 320, 90]])
    said = [[("mug", 0.5), ("none of these", 0.25)], []]
    drawn = draw_answers(GRAY, boxes, said)
    for number, (row, column) in enumerate(((199, 100), (89, 250))):
        assert tuple(drawn[row, column]) == color_of(number)
    two_lines = (drawn[60:99, 60:110] == color_of(0)).all(axis=2).sum()
    one_line = draw_answers(GRAY, boxes[:1], [said[0][:1]])
    assert two_lines > 1.5 * (one_line[60:99, 60:110] == color_of(0)).all(axis=2).sum()
    assert (GRAY == 90).all()


@pytest.mark.parametrize(
    "box", [[-1e6, -1e6, 1e6, 1e6], [5, 5, 5, 5], [300, 230, 900, 900], [-50, -50, -10, -10]]
)
def test_answers_beyond_the_image(box):
    assert draw_answers(GRAY, np.array([box]), [[("消火器", 1.0)]]).shape == GRAY.shape
    tiny = np.zeros((1, 1, 3), np.uint8)
    assert draw_answers(tiny, np.array([box]), [[("mug", 1.0)]]).shape == tiny.shape


def test_masks_are_filled_with_the_colours_of_labels():
    masks = np.zeros(GRAY.shape[:2], np.uint16)
    masks[120:180, 80:120], masks[120:180, 120:140] = 1, 2
    boxes = [60, 100, 160, 200], [60, 100, 160, 200]
    drawn = draw_detections(GRAY, found(*boxes, labels=[3, 1]), list("abcd"), masks=masks)
    for column, label in ((100, 3), (130, 1)):
        np.testing.assert_allclose(drawn[150, column], (np.array(color_of(label)) + 90) / 2, atol=1)
    plain = draw_detections(GRAY, found(*boxes, labels=[3, 1]), list("abcd"))
    np.testing.assert_array_equal(drawn[masks == 0], plain[masks == 0])
    nothing = np.zeros_like(masks)
    assert (draw_detections(GRAY, found(), [], masks=nothing) == GRAY).all()
