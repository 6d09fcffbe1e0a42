"""Pictures of found boxes hold what they were given."""

import cv2
import numpy as np
import pytest

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.evaluation.detection_plots import draw_beside_true, plot_precision
from embodied_perception.open_vocabulary.detections import Detections

BOX = np.array([[10.0, 20.0, 40.0, 50.0]])


def found(score, label=0):
    points = np.zeros((1, 0), np.float32)
    return Detections(
        BOX.astype(np.float32), np.array([score], np.float32), np.array([label]), points
    )


def scores_of(count, is_right=True):
    scores = DetectionScores([f"thing {k} of $odd$ letters and a long name" for k in range(count)])
    for k in range(count):
        scores.add(str(k), BOX, np.array([k]), found(0.5, k) if is_right else Detections.none())
    return scores


def dark(path, rows, columns):
    """Share of the pixels of a part, in shares of the picture, that is dark."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    (top, bottom), (left, right) = (
        [round(size * share) for share in part]
        for size, part in zip(picture.shape, (rows, columns), strict=True)
    )
    return (picture[top:bottom, left:right] < 60).mean()


@pytest.mark.parametrize("count", [1, 12, 40])
def test_the_mean_is_above_where_all_is_right_and_below_where_nothing_is(tmp_path, count):
    above, below = (0.02, 0.12), (0.85, 0.95)
    shares = {}
    for is_right in (True, False):
        path = tmp_path / f"{is_right}.png"
        plot_precision(scores_of(count, is_right), path, "")
        shares[is_right] = [dark(path, rows, (0.6, 0.9)) for rows in (above, below)]
    assert shares[True][0] > shares[False][0] + 0.01
    assert shares[False][1] > shares[True][1] + 0.01


def test_few_labels_have_their_own_colours(tmp_path):
    colours = {}
    for count in (3, 13):
        plot_precision(scores_of(count, is_right=False), tmp_path / "p.png", "50 $ and _")
        colours[count] = np.ptp(cv2.imread(str(tmp_path / "p.png")).astype(int), axis=2)
    assert (colours[3] > 60).any()
    assert not (colours[13] > 60).any()


def test_no_true_boxes_and_no_place_to_write(tmp_path):
    with pytest.raises(EvaluationError, match="no true boxes"):
        plot_precision(DetectionScores(["mug"]), tmp_path / "p.png", "")
    for name in ("nowhere/p.png", "p.nothing"):
        with pytest.raises(EvaluationError, match="cannot write"):
            plot_precision(scores_of(1), tmp_path / name, "")


def test_true_boxes_are_left_and_found_ones_right():
    image = np.full((60, 80, 3), 100, np.uint8)
    none = np.zeros((0, 4)), np.zeros(0, np.int64)
    both = draw_beside_true(image, BOX, np.array([0]), found(0.5), ["mug"])
    true_only = draw_beside_true(image, BOX, np.array([0]), Detections.none(), ["mug"])
    found_only = draw_beside_true(image, *none, found(0.5), ["mug"])
    assert both.shape == (60, 168, 3)
    assert (both[:, 80:88] == 255).all()
    for drawn, is_left, is_right in (
        (both, True, True), (true_only, True, False), (found_only, False, True)
    ):  # fmt: skip
        assert [(part != 100).any() for part in (drawn[:, :80], drawn[:, 88:])] == [
            is_left,
            is_right,
        ]
    assert (image == 100).all()
