"""`perception models`: list, pull, check, export."""

import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.cli.main import main
from embodied_perception.cli.models import list as listing
from embodied_perception.inference.card import licence_of


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("embodied_perception.inference.cost._MOST_S", 0.01)
    monkeypatch.setenv("COLUMNS", "160")


def values_of(said):
    rows = [line.strip("│ ").split("│") for line in said.splitlines() if line.startswith("│")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def test_check_prints_what_it_costs_and_what_it_sees(tmp_path, capsys, make_compact, scene):
    make_compact(tmp_path / "model")
    Image.fromarray(scene(60, 80)).save(tmp_path / "image.png")
    words = ["--image", str(tmp_path / "image.png"), "-o", str(tmp_path / "seen.png")]
    assert main(["models", "check", str(tmp_path / "model"), "--device", "cpu", *words]) == 0
    said = capsys.readouterr().out
    values = values_of(said)
    assert values["architecture"] == "compact_unet"
    assert values["image"] == "80x60, 80x60 in the network"
    assert values["parameters"].endswith(" M")
    assert values["FLOPs"].endswith(" G")
    assert "95 % within" in values["whole way"]
    shares = [line for line in said.splitlines() if line.count("%") == 1 and "within" not in line]
    assert sum(float(line.strip("│ %").split()[-1]) for line in shares) == pytest.approx(100, abs=1)
    assert Image.open(tmp_path / "seen.png").size == (80, 60)


def test_check_of_a_classifier_and_of_its_export(tmp_path, capsys, make_classification, scene):
    pytest.importorskip("onnxruntime")
    make_classification("resnet", tmp_path / "model")
    Image.fromarray(scene(60, 80)).save(tmp_path / "image.png")
    assert main(["models", "export", str(tmp_path / "model"), "-o", str(tmp_path / "onnx")]) == 0
    assert f"wrote {tmp_path / 'onnx'}: scores differ by at most" in capsys.readouterr().out
    best = []
    for folder in ("model", "onnx"):
        words = ["--image", str(tmp_path / "image.png"), "-o", str(tmp_path / f"{folder}.png")]
        assert main(["models", "check", str(tmp_path / folder), "--device", "cpu", *words]) == 0
        said = capsys.readouterr().out
        best.append(said[said.index("probability") :].splitlines()[2])
        assert Image.open(tmp_path / f"{folder}.png").size == (80, 60)
    assert best[0] == best[1]
    assert "parameters" in said
    assert values_of(said)["parameters"] == "not known"


def test_list_tells_what_files_say(tmp_path, capsys, make_compact, monkeypatch):
    make_compact(tmp_path / "good", size=(64, 96))
    (tmp_path / "good" / "README.md").write_text("---\nlicense: mit\n---\n# Card")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text('{"model_type": "bert"}')
    found = [(f"hf:owner/{name}", tmp_path / name) for name in ("good", "bad")]
    monkeypatch.setattr(listing, "_found", lambda: iter(found))
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    (row,) = [line for line in said.splitlines() if line.startswith("hf:owner/good")]
    cells = re.split(r"\s{2,}", row.strip())
    assert cells[:5] == ["hf:owner/good", "segmentation", "compact_unet", "5", "96x64"]
    assert cells[5].endswith("MB")
    assert cells[6] == "mit"
    assert "problem: hf:owner/bad: " in said
    assert "model_type: got 'bert'" in said


def test_a_model_for_two_tasks(make_open, capsys, monkeypatch):
    folder = make_open("clip")[0]
    monkeypatch.setattr(listing, "_found", lambda: iter([("hf:owner/clip", folder)]))
    assert main(["models", "list"]) == 0
    cells = re.split(r"\s{2,}", capsys.readouterr().out.splitlines()[-1].strip())
    assert cells[1:5] == [
        "detection by words, classification by words", "clip", "any words", "48x48"
    ]  # fmt: skip
    monkeypatch.setattr("embodied_perception.inference.sources.pull", lambda _: folder)
    assert main(["models", "pull", "hf:owner/clip"]) == 0
    assert ": detection by words, classification by words, clip, any" in capsys.readouterr().out
    assert main(["models", "check", str(folder), "--device", "cpu"]) == 0
    assert values_of(capsys.readouterr().out)["image"] == "640x480, 128x96 in the network"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [a]\n---\n", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: nvidia\n---\n", "nvidia"),
        ("---\nlicense: [a, b]\n---\n", None),
        ("---\n: : {\n---\n", None),
        ("# A card\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_the_licence_of_a_card(card, licence, tmp_path):
    assert licence_of(tmp_path) is None
    (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "MODEL", "-o", "seen.png"], "-o: draws what the model says of an image; give"),
        (["check", "MODEL", "--size", "640"], "--size: got '640', expected WIDTHxHEIGHT"),
        (["check", "MODEL", "--size", "0x5"], "--size: got '0x5'"),
        (["check", "MODEL", "--device", "gpu"], "device: got 'gpu', expected auto, cpu"),
        (["check", "nowhere"], "nowhere is no folder; give one with config.json"),
        (["check", "MODEL", "--image", "none.png"], "none.png: cannot be read as a photo"),
        (["export", "MODEL", "-o", "MODEL"], "model.safetensors is there already"),
        (["pull", "nonsense"], "got 'nonsense', expected hf:OWNER/REPO"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message, tmp_path, capsys, make_compact):
    make_compact(tmp_path)
    words = [str(tmp_path) if word == "MODEL" else word for word in words]
    assert main(["models", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("action", ["list", "pull", "check", "export"])
def test_help_teaches_with_examples(action, capsys):
    with pytest.raises(SystemExit):
        main(["models", action, "--help"])
    assert f"perception models {action}" in capsys.readouterr().out


def test_a_picture_that_cannot_be_written(tmp_path, capsys, make_compact):
    make_compact(tmp_path / "model")
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "image.png")
    words = ["--image", str(tmp_path / "image.png"), "-o", str(tmp_path / "seen.nothing")]
    assert main(["models", "check", str(tmp_path / "model"), *words]) == 2
    assert "give a .png or .jpg" in capsys.readouterr().err
