"""The models that come along: small, whole, and as right as their cards say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.cli.main import main  # noqa: E402
from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.card import licence_of  # noqa: E402
from embodied_perception.inference.checkpoint import Checkpoint  # noqa: E402
from embodied_perception.inference.sources import builtin_folders  # noqa: E402
from embodied_perception.inference.tasks import tasks_of  # noqa: E402
from embodied_perception.open_vocabulary.encoder import Encoder  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_detector  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
FOLDERS = {folder.name: folder for folder in builtin_folders()}


def test_what_comes_along():
    tasks = {
        name: [task.name for task in tasks_of(Checkpoint.open(folder))]
        for name, folder in FOLDERS.items()
    }
    assert tasks == {
        "camvid": ["segmentation"],
        "demo": ["segmentation"],
        "demo-clip": ["detection by words", "classification by words"],
        "objects": ["classification"],
    }


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_weights_are_small_and_whole_and_their_licence_is_said(name):
    weights = FOLDERS[name] / "model.safetensors"
    assert weights.stat().st_size < 2_000_000
    assert weights.stat().st_mode & 0o444 == 0o444
    assert licence_of(FOLDERS[name])
    for key, values in Checkpoint.open(FOLDERS[name]).tensors().items():
        assert torch.isfinite(values.float()).all(), key


@pytest.mark.parametrize("name", ["camvid", "demo"])
def test_cards_name_the_classes_of_the_network(name):
    card = Path(FOLDERS[name], "README.md").read_text()
    for label in Segmenter.load(f"builtin:{name}").labels:
        assert re.search(rf"^\| {re.escape(label)} \|", card, re.MULTILINE)


FLAT = {"floor", "wall", "ceiling", "door", "window", "picture"}


@pytest.mark.parametrize("grey", [60, 120, 200])
def test_an_image_of_nothing_is_no_thing(grey):
    segmenter = Segmenter.load("builtin:demo")
    (found,) = segmenter.segment([np.full((120, 160, 3), grey, np.uint8)])
    assert {segmenter.labels[number] for number in np.unique(found.mask)} <= FLAT


def test_the_demos_room_is_segmented(tmp_path):
    words = ["evaluate", "segmentation", str(DEMO), "--model", "builtin:demo", "--limit", "4"]
    words += ["--topic", "/camera/color/image_raw/compressed", "-o", str(tmp_path / "report")]
    assert main(words) == 0
    told = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert told["pixel_accuracy"] > 0.9
    assert all(told["iou"][name] > 0.8 for name in ("floor", "wall", "window", "cupboard"))


def test_a_box_is_the_same_to_the_encoder_as_to_the_detector():
    """And to the encoder an image is the box around it."""
    encoder, detector = Encoder.load("builtin:demo-clip"), load_detector("builtin:demo-clip")
    assert not encoder.exclusive
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    boxes = np.array([[10, 5, 50, 45], [0, 0, 90, 60]])
    points = encoder.points_in(image, boxes)
    expected = np.stack([detector.point_of(image, box) for box in boxes])
    np.testing.assert_allclose(points, expected, atol=1e-5)
    np.testing.assert_allclose(encoder.points([image]), points[1:], atol=1e-5)
    # Of a box that reaches beyond the image, what is seen of it counts, however little.
    beyond = encoder.points_in(image, np.array([[-90, -45, 10, 5]]))
    np.testing.assert_array_equal(beyond, encoder.points_in(image, np.array([[0, 0, 10, 5]])))
    with pytest.raises(InferenceError, match="the box 90, 0, 99, 9 is not in the image of 90x60"):
        encoder.points_in(image, np.array([[90, 0, 99, 9]]))


def test_they_are_listed_without_problems(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert all(f"builtin:{name}" in said for name in FOLDERS)
    assert "any words" in said
    assert "problem: builtin:" not in said
