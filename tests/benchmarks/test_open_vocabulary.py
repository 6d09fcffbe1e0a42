"""The benchmark of detection and classification by words, on tiny networks."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")
from embodied_perception.inference.runtime import Runtime

# By its file: other folders of programs have files of the same names as this one's.
_FILE = Path(__file__).parents[2] / "benchmarks" / "open_vocabulary.py"
_SPEC = importlib.util.spec_from_file_location("benchmark_open_vocabulary", _FILE)
open_vocabulary = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = open_vocabulary  # dataclasses look there
_SPEC.loader.exec_module(open_vocabulary)

CPU = Runtime("cpu")
PATCHES = (48 // 8) ** 2


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Models that are all but nothing."""
    small = {
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
    }
    models = {
        name: replace(
            model,
            text=model.text
            | small
            | {"vocab_size": 1000, "bos_token_id": 998, "eos_token_id": 999},
            vision=model.vision | small | {"image_size": 48, "patch_size": 8},
            rounds=2,
        )
        for name, model in open_vocabulary.MODELS.items()
    }
    monkeypatch.setattr(open_vocabulary, "MODELS", models)
    monkeypatch.setattr(open_vocabulary.torch.cuda, "is_available", lambda: False)
    return models


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)


def test_every_model_is_timed_against_both(monkeypatch, capsys, tiny):
    monkeypatch.setattr(sys, "argv", ["open_vocabulary"])
    assert open_vocabulary.main() == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    ours, peers = result["ours"], result["peers"]
    assert set(result) == {"ours", "peers"}
    assert ours["precision"] == "float32"
    assert ours["rounds"] == dict.fromkeys(tiny, 2)
    for figures in (
        ours["stage_over_bare"],
        ours["speedup_over_pipeline"],
        ours["frames_per_s"],
        peers["bare_frames_per_s"],
        peers["pipeline_frames_per_s"],
    ):
        assert list(figures) == list(tiny)
        assert all(0 < value < 1e5 for value in figures.values())
    assert all(name in told.err for name in tiny)


@pytest.mark.parametrize("name", ["owlv2-base", "owlvit-b32"])
def test_the_three_ways_find_the_same_boxes(name, tiny, image, tmp_path):
    tiny[name].save(tmp_path)
    ways = open_vocabulary.detector_ways(str(tmp_path), CPU, image)
    said = ways["pipeline"]()
    boxes, logits = ways["bare"]()
    assert boxes.shape == (1, PATCHES, 4)
    assert logits.shape == (1, PATCHES, len(open_vocabulary.WORDS))
    assert said[0]["score"] == pytest.approx(float(logits.sigmoid().max()), abs=1e-5)
    assert (logits.sigmoid().amax(-1) > min(each["score"] for each in said) - 1e-5).sum() == 20
    found = ways["ours"]()["detections"].detections
    assert len(found) >= 10  # of 20, neighbours may overlap
    for each in found:
        hypothesis, box = each.results[0].hypothesis, each.bbox
        middle = np.array([box.center.position.x, box.center.position.y])
        half = np.array([box.size_x, box.size_y]) / 2
        corners = np.r_[middle - half, middle + half] + 0.5
        differences = [
            np.abs(corners - np.clip([*other["box"].values()], 0, [80, 60, 80, 60])).max()
            for other in said
            if other["score"] == pytest.approx(hypothesis.score, abs=1e-5)
            and other["label"] == hypothesis.class_id
        ]
        assert min(differences) < 1.01  # the pipeline cuts off what is less than a pixel


def test_the_three_ways_choose_the_same_word(tiny, image, tmp_path):
    tiny["clip-b32"].save(tmp_path)
    ways = open_vocabulary.classifier_ways(str(tmp_path), CPU, image)
    ours = {each.class_id: each.score for each in ways["ours"]()["classification"].results}
    bare = ways["bare"]().softmax(-1)[0].numpy()
    said = {each["label"]: each["score"] for each in ways["pipeline"]()}
    expected = [said[word] for word in open_vocabulary.WORDS]
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(bare, expected, atol=1e-5)
    assert ours == pytest.approx(said, abs=1e-5)


def test_ratios_are_of_what_is_timed_in_one_round(monkeypatch):
    clock = iter(np.cumsum([0, 2, 0, 1, 0, 8, 0, 30, 0, 20, 0, 90, 0, 4, 0, 3, 0, 20]))
    monkeypatch.setattr(open_vocabulary.time, "perf_counter", lambda: float(next(clock)))
    ways = dict.fromkeys(("ours", "bare", "pipeline"), lambda: None)
    seconds = open_vocabulary.in_turns(ways, range(3))
    assert {name: list(each) for name, each in seconds.items()} == {
        "ours": [2, 30, 4],
        "bare": [1, 20, 3],
        "pipeline": [8, 90, 20],
    }
    ours, peers = open_vocabulary.figures("cpu", {"some": seconds})
    assert ours["stage_over_bare"] == {"some": 0.667}
    assert ours["speedup_over_pipeline"] == {"some": 4.0}
    assert ours["frames_per_s"] == {"some": 0.25}
    assert peers == {
        "bare_frames_per_s": {"some": 0.333},
        "pipeline_frames_per_s": {"some": 0.05},
    }


def test_each_word_is_one_token_and_the_last_ends(tiny):
    tokenizer = open_vocabulary.make_tokenizer(tiny["clip-b32"].text)
    assert len(tokenizer) == 1000
    assert tokenizer("red mug").input_ids[::3] == [998, 999]
    assert len(tokenizer("potted plant").input_ids) == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--rounds", "0"], "--rounds: got 0, expected 1 or more"),
        (["--models", "owlv3"], "invalid choice: 'owlv3'"),
    ],
)
def test_what_cannot_be_run_is_said(words, expected, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["open_vocabulary", *words])
    with pytest.raises(SystemExit, match="2"):
        open_vocabulary.main()
    assert expected in capsys.readouterr().err.splitlines()[-1]
