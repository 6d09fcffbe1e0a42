"""Labels and classes are matched by name, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.class_names import match_labels, require_distinct
from embodied_perception.evaluation.mask_folders import CAMVID, CITYSCAPES


@given(st.permutations(CITYSCAPES), st.sampled_from([str.upper, str.title, str.lower]))
def test_order_case_and_separators_make_no_difference(order, case):
    labels = [case(name).replace(" ", "_") for name in order]
    assert match_labels(labels, CITYSCAPES).tolist() == [CITYSCAPES.index(name) for name in order]


def test_labels_that_the_data_lacks_mean_none_of_its_classes():
    assert match_labels(["sky", "cow", "road"], ["road", "sky"]).tolist() == [1, 2, 0]


@pytest.mark.parametrize("label", ["sign", "SignSymbol", "Sign_Symbol", "sign, symbol"])
def test_camvids_own_spellings_are_known(label):
    labels = [label if name.startswith("sign") else name for name in CAMVID]
    assert match_labels(labels, CAMVID).tolist() == list(range(11))


def test_two_ways_to_write_an_accent_make_no_difference():
    assert match_labels(["sky", "cafe\u0301"], ["caf\xe9"]).tolist() == [1, 0]


def test_first_words_go_before_others():
    # As in ADE20K, where "screen" is a word for two classes, and the first one for one of them.
    classes = ["screen door, screen", "screen, silver screen", "blind, screen"]
    assert match_labels(["blind", "screen", "screen door"], classes).tolist() == [2, 1, 0]


def test_what_was_never_named_goes_by_number():
    assert match_labels(["LABEL_0", "LABEL_1"], ["cat", "dog"]).tolist() == [0, 1]
    with pytest.raises(EvaluationError, match="no label for cat, dog"):
        match_labels(["LABEL_0", "LABEL_1", "LABEL_2"], ["cat", "dog"])
    with pytest.raises(EvaluationError, match="no label for cat, dog"):
        match_labels(["LABEL_1", "LABEL_0"], ["cat", "dog"])


def test_imagenets_folders_go_by_their_order():
    folders = ["n01440764", "n01443537"]
    assert match_labels(["tench, Tinca tinca", "goldfish"], folders).tolist() == [0, 1]
    with pytest.raises(EvaluationError, match="no label for n01440764, n01443537"):
        match_labels(["tench", "goldfish", "shark"], folders)


def test_a_class_without_a_label_is_named_beside_both_lists():
    with pytest.raises(EvaluationError) as told:
        match_labels(["sky", "vegetation"], ["sky", "tree"])
    text = str(told.value)
    assert "no label for tree;" in text
    assert "the classes sky, tree" in text
    assert "the labels sky, vegetation" in text


def test_long_lists_are_cut_short():
    with pytest.raises(EvaluationError, match="thing 159, and 840 more: give") as told:
        match_labels([f"thing {k}" for k in range(1000)], ["cat"])
    assert "thing 160" not in str(told.value)


def test_two_labels_for_one_class_are_refused():
    with pytest.raises(EvaluationError, match=r"'crane' may be any .* crane \(0\), Crane \(2\)"):
        match_labels(["crane", "duck", "Crane"], ["crane"])


def test_one_label_is_not_used_twice():
    with pytest.raises(EvaluationError, match="no label for steps"):
        match_labels(["stairs, steps"], ["stairs", "steps"])


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["road", "Road "], "'road' is there twice"),
        (["traffic sign", "traffic_sign"], "twice"),
        (["road", " "], "no name"),
    ],
)
def test_names_must_differ(names, why):
    with pytest.raises(EvaluationError, match=f"labels.json: .*{why}"):
        require_distinct(names, "labels.json")
