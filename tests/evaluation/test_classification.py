"""Figures of labels, against scikit-learn's and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score, top_k_accuracy_score

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.classification import LabelScores

NAMES = [f"thing {k}" for k in range(8)]


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 1000))
def test_figures_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 8, 50)
    probabilities = softmax(rng.normal(size=(50, 8)) + np.eye(8)[true])
    scores = LabelScores(NAMES, NAMES)
    for number, each in zip(true.tolist(), probabilities, strict=True):
        scores.add("image", number, each)
    said = probabilities.argmax(axis=1)
    numbers = range(8)
    assert scores.top_1 == pytest.approx(
        top_k_accuracy_score(true, probabilities, k=1, labels=numbers)
    )
    assert scores.top_5 == pytest.approx(
        top_k_accuracy_score(true, probabilities, k=5, labels=numbers)
    )
    expected = confusion_matrix(true, said, labels=numbers)
    assert np.array_equal(scores.confusion.counts[:8, :8], expected)
    recall = recall_score(true, said, labels=numbers, average=None, zero_division=np.nan)
    assert scores.recall == pytest.approx(recall, nan_ok=True)


def test_all_labels_of_the_model_compete():
    # Of labels that the data does not have, an answer is wrong, and takes a place among five.
    labels = ["cat", "a", "b", "c", "d", "e", "dog"]
    scores = LabelScores(labels, ["dog", "cat"])
    scores.add("1", 0, np.array([0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5]))
    scores.add("2", 0, np.array([0.15, 0.4, 0.15, 0.1, 0.1, 0.05, 0.05]))
    scores.add("3", 1, np.array([0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert scores.confusion.counts.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert scores.top_1 == pytest.approx(1 / 3)
    assert scores.top_5 == pytest.approx(2 / 3)
    assert [(each.name, each.true, each.said) for each in scores.wrong] == [
        ("2", "dog", "a"),
        ("3", "cat", "a"),
    ]
    assert scores.reliability.ece == pytest.approx((abs(0.5 - 1) + 0.4 + 0.3) / 3)


def test_equal_probabilities_are_no_luck():
    scores = LabelScores(NAMES, NAMES)
    for number in range(8):
        scores.add("image", number, np.full(8, 1 / 8))
    assert scores.top_1 == pytest.approx(1 / 8)
    assert scores.top_5 == pytest.approx(5 / 8)


def test_five_labels_have_no_top_5():
    scores = LabelScores(NAMES[:5], NAMES[:5])
    scores.add("image", 0, np.full(5, 0.2))
    assert scores.top_5 is None
    assert scores.figures()["top_5"] is None


def test_the_most_confident_mistakes_are_kept():
    scores = LabelScores(["a", "b"], ["a", "b"])
    for percent in range(50, 100):
        share = percent / 100
        scores.add(str(percent), percent % 2, np.array([1 - share, share]))
    assert [each.name for each in scores.wrong] == [str(k) for k in range(98, 74, -2)]


@pytest.mark.parametrize(
    ("probabilities", "why"),
    [
        (np.ones(3) / 3, r"shape \(3,\), expected one for each of 8 labels"),
        (np.arange(8.0), "the sum 28, expected"),
        (np.array([2.0, -1, 0, 0, 0, 0, 0, 0]), "from -1 with"),
        (np.full(8, np.nan), "sum nan"),
    ],
)
def test_what_is_no_probability_names_its_image(probabilities, why):
    with pytest.raises(EvaluationError, match=f"^a.jpg: .*{why}"):
        LabelScores(NAMES, NAMES).add("a.jpg", 0, probabilities)
