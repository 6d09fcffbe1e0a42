"""How sure boxes are, by how well their places fit."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from scipy.special import expit, logit

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.sources import folder_of
from embodied_perception.open_vocabulary.box_scores import BoxScores
from embodied_perception.open_vocabulary.loading import load_detector

FITS = st.floats(1e-5, 1 - 1e-5)


@given(FITS, st.floats(0.01, 10), st.floats(-20, 20))
def test_a_score_is_platts(fit, scale, bias):
    expected = expit(scale * logit(fit) + bias)
    assert BoxScores(scale, bias).score(fit) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(FITS)
def test_without_numbers_it_is_the_fit(fit):
    assert BoxScores().score(fit) == pytest.approx(fit)


@pytest.mark.parametrize("fit", [0.0, 1.0, 1 + 1e-7])
def test_the_ends_have_scores_too(fit):
    assert BoxScores(3.0, -2.0).score(fit) == pytest.approx(round(fit), abs=1e-5)


def test_what_came_along_is_less_sure_than_its_places_fit():
    found = BoxScores.of(Checkpoint.open(folder_of("builtin:demo-clip")))
    scores = [found.score(fit) for fit in np.linspace(0.5, 0.95, 10)]
    assert np.all(np.diff(scores) > 0)
    assert scores[0] < 0.01
    assert 0.2 < found.score(0.9) < 0.6


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        None,
        [1.0, 2.0],
        {"scale": 0, "bias": 0},
        {"scale": -1.0},
        {"scale": "2", "bias": 0},
        {"scale": float("nan")},
        {"bias": float("inf")},
        {"offset": 1},
    ],
)
def test_numbers_that_make_no_sense(tmp_path, wrong):
    folder = shutil.copytree(folder_of("builtin:demo-clip"), tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text()) | {"box_scores": wrong}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InferenceError, match=r"config\.json: box_scores: got .*, expected numbers"):
        load_detector(str(folder))
