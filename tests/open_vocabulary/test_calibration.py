"""Calibrations of zero-shot models in files: what is written is read, and nothing else."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import OpenVocabularyError
from embodied_perception.open_vocabulary.calibration import Calibration

MODEL = "hf:someone/clip"


NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@given(
    temperature=st.floats(0.01, 100),
    offsets=st.dictionaries(NAMES, st.floats(-50, 50), max_size=4),
)
def test_what_is_written_is_read(tmp_path_factory, temperature, offsets):
    path = tmp_path_factory.mktemp("calibration") / "c.yaml"
    Calibration(temperature, offsets).write(path, MODEL)
    found = Calibration.read(path, MODEL)
    assert found.temperature == pytest.approx(temperature, abs=1e-6)
    assert found.offsets == pytest.approx(offsets, abs=1e-6)


def test_without_one_nothing_changes():
    assert Calibration() == Calibration(1.0, {})


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "warm", True, None])
def test_a_temperature_that_is_none(temperature):
    with pytest.raises(OpenVocabularyError, match="temperature: got"):
        Calibration(temperature)


@pytest.mark.parametrize("offsets", [{"mug": float("nan")}, {"mug": "1"}, {3: 1.0}, {"mug": None}])
def test_offsets_that_are_none(offsets):
    with pytest.raises(OpenVocabularyError, match=r"offsets: .*expected a number of a name"):
        Calibration(1.0, offsets)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "hf:other/clip"}, "is of the model 'hf:other/clip', not of 'hf:someone/clip'"),
        ({"offsets": [1, 2]}, "expected numbers by the labels' names"),
        ({"temperature": -2}, "temperature: got -2"),
        ({"more": 1}, "expected the keys model, temperature, offsets"),
    ],
)
def test_files_that_make_no_calibration(tmp_path, change, reason):
    path = tmp_path / "c.yaml"
    good = {"model": MODEL, "temperature": 1.5, "offsets": {"mug": 0.5}}
    path.write_text(yaml.safe_dump(good | change))
    with pytest.raises(OpenVocabularyError, match=rf"c\.yaml.*{reason}"):
        Calibration.read(path, MODEL)


@pytest.mark.parametrize("text", ["- a list", "{", "", "!!python/object:os.system {}"])
def test_files_that_are_something_else(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(OpenVocabularyError, match=r"c\.yaml"):
        Calibration.read(path, MODEL)


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(OpenVocabularyError, match="cannot be read"):
        Calibration.read(tmp_path / "nowhere.yaml", MODEL)
    with pytest.raises(OpenVocabularyError, match="cannot be written"):
        Calibration().write(tmp_path / "nowhere" / "c.yaml", MODEL)
