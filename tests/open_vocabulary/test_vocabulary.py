"""Words that make a vocabulary, and words that make none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import OpenVocabularyError
from embodied_perception.open_vocabulary.templates import TEMPLATES, expand
from embodied_perception.open_vocabulary.vocabulary import (
    BACKGROUND,
    MOST_LABELS,
    Label,
    Vocabulary,
)


def texts(vocabulary):
    return [(number, *several) for number, several in vocabulary.prompts()]


def test_names_alone():
    vocabulary = Vocabulary.of("red mug", "door")
    assert vocabulary.names == ("red mug", "door")
    assert texts(vocabulary) == [(0, "a photo of a red mug."), (1, "a photo of a door.")]
    assert vocabulary.background == BACKGROUND
    assert vocabulary.thresholds(0.2) == [0.2, 0.2]


def test_synonyms_templates_and_thresholds():
    vocabulary = Vocabulary(
        (Label("sofa", ("couch",), 0.0, ("my {}", "a {}")), Label("door")), ("name",), ()
    )
    assert texts(vocabulary) == [
        (0, "my sofa", "a sofa"),
        (0, "my couch", "a couch"),
        (1, "door"),
    ]
    assert vocabulary.thresholds(0.3) == [0.0, 0.3]


def test_sets_of_templates_stand_for_what_is_in_them():
    assert len(TEMPLATES["clip7"]) == 7
    assert expand(("clip7", "{}", "name", "art of the {}.")) == (*TEMPLATES["clip7"], "{}")


def test_words_are_cleaned_of_what_nobody_sees():
    assert Label("  red \n mug\t").name == "red mug"
    assert Label("cafe\u0301").name == Label("café").name  # two ways to write one letter
    assert Label("消火器").name == "消火器"


def test_a_file(tmp_path):
    path = tmp_path / "kitchen.yaml"
    path.write_text(
        "templates: [photo]\n"
        "background: [a photo of a wall.]\n"
        "labels:\n"
        "  - door\n"
        "  - name: mug\n"
        "    synonyms: [cup]\n"
        "    threshold: 0.4\n"
        "    templates: 'my {}'\n"
    )
    assert Vocabulary.read(path) == Vocabulary(
        (Label("door"), Label("mug", ("cup",), 0.4, ("my {}",))),
        ("photo",),
        ("a photo of a wall.",),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "cannot be read"),
        ("- door", "the vocabulary: got"),
        ("labels: door", "labels: got 'door'"),
        ("labels: []", "the vocabulary is empty"),
        ("labels: [door, no]", "got False, expected a name; put it into quotes"),
        ("labels: ['']", "it is empty"),
        ("labels: [door]\nbackround: [wall]", "has no 'backround'"),
        ("labels: [{synonyms: [cup]}]", "a label has no name"),
        ("labels: [{name: mug, treshold: 0.1}]", "a label has no 'treshold'"),
        ("labels: [{name: mug, threshold: 1.5}]", "'mug': threshold: got 1.5, expected 0 to 1"),
        ("labels: [{name: mug, threshold: yes}]", "'mug': threshold: got True"),
        ("labels: [{name: mug, threshold: .nan}]", "'mug': threshold: got nan"),
        ("labels: [{name: mug, synonyms: 3}]", "'mug': synonyms: got 3"),
        ("labels: [{name: mug, synonyms: [mug]}]", "'mug' has a word twice"),
        ("labels: [{name: mug, templates: [a photo]}]", "template 'a photo' has no slots"),
        ("labels: [mug]\ntemplates: ['{} and {}']", "has 2 slots"),
        ("labels: [mug]\ntemplates: []", "templates: none was given"),
        ("labels: [mug, Mug]", "'Mug' is in the labels 'mug' and 'Mug'"),
        ("labels: [mug, {name: cup, synonyms: [mug]}]", "'mug' is in the labels 'mug' and 'cup'"),
    ],
)
def test_files_that_make_no_vocabulary(tmp_path, text, reason):
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(OpenVocabularyError) as caught:
        Vocabulary.read(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OpenVocabularyError, match="cannot be read"):
        Vocabulary.read(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (" \t ", "it is empty"),
        ("x" * 201, "a name has 201 characters"),
        ("a\x00b", "characters that are no text"),
        ("a\ud800b", "characters that are no text"),
        (3, "got 3, expected a name"),
    ],
)
def test_names_that_are_none(name, reason):
    with pytest.raises(OpenVocabularyError, match=reason):
        Label(name)


def test_many_labels():
    names = [f"thing {number}" for number in range(MOST_LABELS)]
    assert len(Vocabulary.of(*names).names) == MOST_LABELS
    with pytest.raises(OpenVocabularyError, match=r"got 10000 labels, expected at most 2000"):
        Vocabulary.of(*(f"thing {number}" for number in range(10_000)))
    many = tuple(f"{{}} {number}" for number in range(11))
    with pytest.raises(OpenVocabularyError, match=r"22000 texts, expected at most 20000"):
        Vocabulary(tuple(map(Label, names)), many)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused_in_words(text):
    try:
        label = Label(text)
    except OpenVocabularyError:
        hidden = {"Cc", "Cs", "Cn"}
        assert not text.strip() or {unicodedata.category(letter) for letter in text} & hidden
    else:
        assert label.name == label.name.strip() != ""
        assert Label(label.name) == label
