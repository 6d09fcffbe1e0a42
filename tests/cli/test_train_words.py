"""`perception train words`: from photos in folders to a classifier with a card."""

import json
import re
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from embodied_perception.classification.words import WordsClassifier
from embodied_perception.cli.main import main

pytest.importorskip("sklearn", reason="needs the group: pip install --group learned")


def weave(kind, seed):
    """Stripes that lie or stand, of random width: (60, 80) uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    along = x if kind == "standing" else y
    wave = np.sin(2 * np.pi * along / random.uniform(7, 10) + random.uniform(0, 6))
    return np.clip(128 + 80 * wave + random.normal(0, 4, x.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, kind in enumerate(("lying", "standing")):
        (folder / kind).mkdir(parents=True)
        for seed in range(8):
            gray = weave(kind, 100 * number + seed)
            # Half of them are gray files, half have colours.
            pixels = gray if seed % 2 else np.stack([gray, gray // 2, 255 - gray], axis=2)
            Image.fromarray(pixels).save(folder / kind / f"{seed}.png")
    return folder


def train(photos, out, *words):
    return main(["train", "words", str(photos), "-o", str(out), "--words", "20", *words])


def test_photos_become_a_classifier_and_a_card(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert train(photos, out, "--held-out", "0.25") == 0
    said = capsys.readouterr().out
    assert "0 lying" in said
    assert "4 of 4 photos kept aside are told rightly" in said
    classifier = WordsClassifier.load(out)
    assert classifier.labels == ("lying", "standing")
    unseen = [
        cv2.cvtColor(weave(kind, 900 + seed), cv2.COLOR_GRAY2RGB)
        for kind in classifier.labels
        for seed in range(3)
    ]
    assert classifier.classify(unseen).argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    card = (out / "README.md").read_text()
    assert "| lying | 6 | 2 | 100% |" in card
    assert f"perception train words {photos} -o {out} --words 20 --held-out 0.25 --seed 0" in card
    assert sorted(each.name for each in out.iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip


def test_a_seed_makes_the_same_bytes_and_another_one_others(photos, tmp_path):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert train(photos, tmp_path / name, "--seed", seed) == 0
    first, again, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b", "c")
    )
    assert first == again
    assert first != other


def test_all_may_be_learned_from_and_then_there_are_no_figures(photos, tmp_path, capsys):
    assert train(photos, tmp_path / "out", "--held-out", "0") == 0
    assert "kept aside" not in capsys.readouterr().out
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| lying | 8 | 0 | none |" in card
    assert "nobody knows" in card


def test_photos_that_cannot_be_read_are_named_and_left_out(photos, tmp_path, capsys):
    whole = (photos / "lying" / "0.png").read_bytes()
    (photos / "lying" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "standing" / "text.jpg").write_text("no photo")
    (photos / "standing" / "notes.txt").write_text("not looked at")
    assert train(photos, tmp_path / "out", "--held-out", "0") == 0
    warned = " ".join(capsys.readouterr().err.split())
    assert re.search(r"left out: \S*cut.png", warned)
    assert re.search(r"left out: \S*text.jpg", warned)
    assert "notes.txt" not in warned
    assert "| standing | 8 |" in (tmp_path / "out" / "README.md").read_text()


def test_a_class_name_may_be_words_of_any_language(photos, tmp_path):
    (photos / "lying").rename(photos / "[red] Tür | links")
    assert train(photos, tmp_path / "out") == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"]["0"] == "[red] Tür | links"


def empty_class(photos):
    (photos / "nothing").mkdir()


def one_class(photos):
    for path in (photos / "lying").iterdir():
        path.unlink()
    (photos / "lying").rmdir()


def few(photos):
    for seed in range(3, 8):
        (photos / "lying" / f"{seed}.png").unlink()


def none_readable(photos):
    for path in (photos / "lying").iterdir():
        path.write_bytes(b"no photo")


def blank(photos):
    for path in photos.glob("*/*.png"):
        Image.fromarray(np.full((40, 40), 90, np.uint8)).save(path)


def no_folders(photos):
    for path in photos.glob("*/*.png"):
        path.unlink()
    for path in photos.iterdir():
        path.rmdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty_class, "nothing: no photos in it"),
        (one_class, "got one class, standing, expected two or more"),
        (few, "class 'lying' has 2 photos to learn from, expected 4 or more"),
        (none_readable, "class 'lying' has 0 photos to learn from"),
        (no_folders, "no folders in it; sort the photos into one a class"),
        (blank, "got 1 different descriptors for 20 words; give more images"),
    ],
)
def test_photos_that_teach_nothing_are_refused(photos, tmp_path, capsys, spoil, message):
    spoil(photos)
    assert train(photos, tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--words", "1"], "--words: got 1, expected 10 to 10000"),
        (["--words", "100000"], "--words: got 100000"),
        (["--held-out", "0.9"], "--held-out: got 0.9, expected 0 to 0.5"),
        (["--held-out", "nan"], "--held-out: got nan"),
        (["--seed", "-1"], "--seed: got -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(photos, tmp_path, capsys, words, message):
    assert main(["train", "words", str(photos), "-o", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert train(tmp_path / "none", tmp_path / "out") == 2
    assert "none: no such folder" in capsys.readouterr().err


def test_where_one_cannot_write_it_says_so(photos, tmp_path, capsys):
    (tmp_path / "out").write_text("in the way")
    assert train(photos, tmp_path / "out") == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_without_scikit_learn_it_says_what_to_install(photos, tmp_path, capsys, monkeypatch):
    for name in [each for each in sys.modules if each.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert train(photos, tmp_path / "out") == 2
    assert "pip install 'scikit-learn>=1.3'" in capsys.readouterr().err


def test_help_teaches_when_to_take_it(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["train", "words", "--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    assert "where there are few photos" in said
    assert max(map(len, said.splitlines())) <= 100
