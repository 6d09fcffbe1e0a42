"""Pictures of confusion and calibration hold what they were given."""

import cv2
import numpy as np
import pytest

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.confusion_plots import (
    plot_class_scores,
    plot_confusion,
    plot_reliability,
)
from embodied_perception.evaluation.reliability import Reliability


def drawn(path):
    return cv2.imread(str(path)).astype(int)


def test_few_and_many_classes(tmp_path):
    sizes = {}
    for count in (2, 11, 170):
        counts = np.column_stack([np.eye(count, dtype=int) * 50 + 1, np.zeros(count, int)])
        names = [f"class {k} with a long name of $odd$ letters" for k in range(count)]
        plot_confusion(counts, names, tmp_path / "c.png", "Title")
        plot_class_scores(np.linspace(0, 1, count), names, tmp_path / "s.png", "Title", "IoU")
        sizes[count] = drawn(tmp_path / "c.png").shape
        assert drawn(tmp_path / "s.png").std() > 5
    assert sizes[2][0] < sizes[11][0] < sizes[170][0]
    assert max(sizes[170]) < 2800  # only the worst are drawn


def dark_blue(picture):
    blue, green, red = (picture[..., channel] for channel in range(3))
    return ((blue - red > 70) & (red < 60) & (green < 90)).sum()


def test_the_diagonal_is_dark_where_all_is_right(tmp_path):
    names = [f"thing {k}" for k in range(30)]
    right = np.column_stack([np.eye(30, dtype=int) * 9, np.zeros(30, int)])
    spread = np.column_stack([np.full((30, 30), 9), np.zeros(30, int)])
    plot_confusion(right, names, tmp_path / "right.png", "")
    plot_confusion(spread, names, tmp_path / "spread.png", "")
    few, many = (dark_blue(drawn(tmp_path / f"{each}.png")) for each in ("spread", "right"))
    assert many - few > 30 * 150  # of cells of some 18 x 18 pixels


def test_a_column_for_none_of_the_classes_where_it_was_said(tmp_path):
    counts = np.array([[5, 0, 0], [0, 5, 0]])
    plot_confusion(counts, ["a", "b"], tmp_path / "without.png", "")
    plot_confusion(counts + np.array([0, 0, 1]), ["a", "b"], tmp_path / "with.png", "")
    without, with_it = (drawn(tmp_path / f"{each}.png").shape for each in ("without", "with"))
    assert with_it[1] - without[1] >= 40
    assert with_it[0] > without[0]  # its name is longer


def test_classes_that_are_not_there(tmp_path):
    counts = np.array([[5, 1, 0], [0, 0, 0]])
    plot_confusion(counts, ["a", "b"], tmp_path / "c.png", "")
    plot_class_scores(np.array([0.5, np.nan]), ["a", "b"], tmp_path / "s.png", "", "IoU")
    plot_class_scores(np.array([np.nan]), ["a"], tmp_path / "n.png", "", "IoU")
    assert (drawn(tmp_path / "c.png") == 204).all(axis=2).sum() > 1000  # an empty row is grey


def test_reliability(tmp_path):
    confidence = np.linspace(0.3, 1, 500)
    plot_reliability(
        Reliability.of(confidence, confidence > 0.6), tmp_path / "r.png", "Title", "pixels"
    )
    assert drawn(tmp_path / "r.png").std() > 20
    with pytest.raises(EvaluationError, match="no confidences to draw"):
        plot_reliability(Reliability.none(), tmp_path / "r.png", "Title", "pixels")


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match=r"shape \(2, 2\) for 2 classes, expected \(2, 3\)"):
        plot_confusion(np.ones((2, 2)), ["a", "b"], tmp_path / "c.png", "")
    for path in (tmp_path / "nowhere" / "c.png", tmp_path / "c.nothing"):
        with pytest.raises(EvaluationError, match="cannot write"):
            plot_confusion(np.ones((2, 3)), ["a", "b"], path, "")
