"""Classes found by their names, and told in words."""

import numpy as np
import pytest

from embodied_perception.classification.labels import in_words, label_number
from embodied_perception.errors import InferenceError

LABELS = ("mug", "tabby, tabby cat", "Bowl", "mug ", "cat, mug")


@pytest.mark.parametrize(
    ("word", "number"),
    [("mug", 0), ("Tabby Cat", 1), ("tabby, tabby cat", 1), ("bowl", 2), (" cat", 4)],
)
def test_a_name_finds_its_class(word, number):
    assert label_number(LABELS, word) == number


def test_an_unknown_name_is_told_what_comes_near():
    with pytest.raises(InferenceError, match=r"'bowls'; there are: bowl, \.\.\."):
        label_number(LABELS, "bowls")
    with pytest.raises(InferenceError, match="no class is called 'xyz'; there are: mug, tabby"):
        label_number(LABELS, "xyz")


def test_the_most_probable_classes_come_first():
    shares = np.array([0.05, 0.7, 0.2, 0.03, 0.02], np.float32)
    assert in_words(LABELS, shares) == ["tabby 70 %", "Bowl 20 %", "mug 5 %"]
    assert in_words(LABELS[:2], np.array([0.5, 0.5])) == ["mug 50 %", "tabby 50 %"]
