"""Figures of masks, against scikit-learn's and by hand."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.labelled_image import LabelledImage
from embodied_perception.evaluation.mask_numbers import UNLABELLED
from embodied_perception.evaluation.mask_scores import MaskScores

NAMES = ["sky", "road", "car"]


def labelled(mask, name="image"):
    mask = np.asarray(mask, np.uint16)
    return LabelledImage(name, np.zeros((*mask.shape, 3), np.uint8), mask)


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    scores = MaskScores(NAMES, NAMES)
    trues, saids = rng.integers(0, 3, (4, 9, 11)), rng.integers(0, 3, (4, 9, 11))
    for true, said in zip(trues, saids, strict=True):
        scores.add(labelled(true), said.astype(np.uint8))
    expected = confusion_matrix(trues.ravel(), saids.ravel())
    assert np.array_equal(scores.confusion.counts[:3, :3], expected)
    iou = jaccard_score(trues.ravel(), saids.ravel(), average=None)
    assert scores.iou == pytest.approx(iou)
    assert scores.miou == pytest.approx(iou.mean())
    figures = scores.figures()
    assert figures["pixel_accuracy"] == pytest.approx(np.trace(expected) / expected.sum())
    assert figures["iou"] == pytest.approx(dict(zip(NAMES, iou, strict=True)))
    assert np.shape(figures["confusion"]) == (3, 4)
    assert (figures["images"], figures["ece"]) == (4, None)


def test_by_hand_with_labels_in_another_order_and_one_more():
    # The model's labels: 0 car, 1 cow, 2 road, 3 sky.
    scores = MaskScores(["Car", "cow", "ROAD", "sky"], NAMES)
    true = [[0, 0, 1, 1], [2, 2, UNLABELLED, 1]]
    said = np.array([[3, 1, 2, 255], [0, 2, 1, 2]], np.uint8)
    scores.add(labelled(true), said)
    assert scores.confusion.counts.tolist() == [
        [1, 0, 0, 1],  # a sky is a cow: none of the classes
        [0, 2, 0, 1],  # a road was left unlabelled
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert scores.iou == pytest.approx([1 / 2, 2 / 4, 1 / 2])
    assert scores.miou == pytest.approx(0.5)  # the cow is no class of the data
    assert scores.figures()["pixel_accuracy"] == pytest.approx(4 / 7)


def test_calibration_is_of_pixels_that_both_label():
    scores = MaskScores(NAMES, NAMES)
    said = np.array([[0, 1, 255, 2]], np.uint8)
    scores.add(labelled([[0, 0, 0, UNLABELLED]]), said, np.array([[0.9, 0.7, 0.0, 1.0]]))
    assert scores.reliability.counts.sum() == 2
    assert scores.reliability.ece == pytest.approx((0.1 + 0.7) / 2)


def test_masks_of_16_bits():
    names = [f"thing {k}" for k in range(400)]
    scores = MaskScores(names, names)
    scores.add(labelled([[399, 255, 3]]), np.array([[399, 255, 65535]], np.uint16))
    assert scores.figures()["pixel_accuracy"] == pytest.approx(2 / 3)


def test_the_worst_images_are_kept_in_order():
    scores = MaskScores(NAMES, NAMES)
    rights = [5, 0, 9, 3, 10, 1, 7, 2, 8]
    for right in rights:
        said = np.where(np.arange(10) < right, 0, 1).astype(np.uint8)[None]
        scores.add(labelled([[0] * 10], name=str(right)), said)
    scores.add(labelled([[UNLABELLED] * 10], name="nothing"), said)  # tells nothing
    assert [compared.image.name for compared in scores.worst] == ["0", "1", "2", "3", "5", "7"]
    assert scores.worst[1].accuracy == pytest.approx(0.1)


def test_nothing_labelled_is_nothing_known():
    scores = MaskScores(NAMES, NAMES)
    scores.add(labelled([[UNLABELLED]]), np.zeros((1, 1), np.uint8))
    figures = scores.figures()
    assert [figures[key] for key in ("miou", "pixel_accuracy", "ece")] == [None] * 3


@pytest.mark.parametrize(
    ("mask", "confidence", "why"),
    [
        (np.zeros((2, 3), np.uint8), None, r"shape \(2, 3\), the true one has \(1, 2\)"),
        (np.array([[0, 3]], np.uint8), None, "the label 3 in a mask, expected 0 to 2"),
        (np.array([[0, 255]], np.uint16), None, "the label 255"),
        (np.zeros((1, 2), np.int64), None, "mask of int64, expected uint8 or uint16"),
        (np.zeros((1, 2), np.uint8), np.zeros((2, 1)), r"confidences of shape \(2, 1\)"),
        (np.zeros((1, 2), np.uint8), np.full((1, 2), 7.0), "expected probabilities from 0 to 1"),
    ],
)
def test_masks_that_make_no_sense_name_their_image(mask, confidence, why):
    scores = MaskScores(NAMES, NAMES)
    with pytest.raises(EvaluationError, match=f"^a.png: .*{why}"):
        scores.add(labelled([[0, 1]], name="a.png"), mask, confidence)


def test_a_model_of_other_classes_is_refused():
    with pytest.raises(EvaluationError, match="no label for car"):
        MaskScores(["sky", "road", "truck"], NAMES)
