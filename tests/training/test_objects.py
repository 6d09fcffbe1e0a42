"""Training of the classifier of objects, on a few small pictures."""

import json
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")
sys.path.append(str(Path(__file__).parents[2] / "training"))

import objects
from object_crops import GROWTH, Object, crop, read_objects, varied

from embodied_perception.classification.classifier import Classifier

LABELS = ("floor", *objects.LABELS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Gray pictures with a square of each class, whose stripes say the class."""
    folder, chance = tmp_path_factory.mktemp("rooms"), np.random.default_rng(0)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    for split, count in (("train", 6), ("val", 2), ("test", 1)):
        for kind in (split, f"{split}annot"):
            (folder / kind).mkdir()
        for number in range(count):
            picture = np.full((160, 160, 3), 120, np.uint8)
            mask = np.zeros((160, 160), np.uint8)
            for label in range(1, len(LABELS)):
                row, column = divmod(label - 1, 4)
                y, x = 40 * row + chance.integers(2, 18), 40 * column + chance.integers(2, 18)
                stripes = (np.arange(20) * (label % 4 + 1) // 5 % 2 * 200).astype(np.uint8)
                square = np.broadcast_to(stripes[:, None, None], (20, 20, 3))
                picture[y : y + 20, x : x + 20] = square.swapaxes(0, 1) if label > 8 else square
                mask[y : y + 20, x : x + 20] = label
            cv2.imwrite(str(folder / split / f"{number}.jpg"), picture)
            cv2.imwrite(str(folder / f"{split}annot" / f"{number}.png"), mask)
    return folder


def train(data, output, *more):
    given = ["--data", data, "-o", output, "--batch", "16", *more]
    assert objects.main([str(each) for each in given]) == 0
    return json.loads((output / "run.json").read_text())


def test_a_run_leaves_a_model_that_loads_with_a_card_and_curves(data, tmp_path):
    run = train(data, tmp_path, "--epochs", "4")
    assert run["epoch"] == 4
    assert run["losses"][-1] < run["losses"][0]
    assert run["best"] == max(run["scores"])
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    model = tmp_path / "model"
    assert (model / "model.safetensors").stat().st_size < 2_000_000
    classifier = Classifier.load(str(model))
    assert classifier.labels == objects.LABELS
    card = (model / "README.md").read_text()
    assert "Apache-2.0" in card
    assert "python training/objects.py --data" in card
    splits = {split: read_objects(data, split, objects.LABELS) for split in ("val", "test")}
    views = objects.fixed_views(splits["val"])
    right = classifier.classify(views).argmax(1) == [each.label for each in splits["val"]]
    assert f"| all | {100 * right.mean():.0f} % of 32 |" in card


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(data, tmp_path):
    whole = train(data, tmp_path / "whole", "--epochs", "2")
    part = train(data, tmp_path / "parts", "--epochs", "2", "--stop-after", "1")
    assert part["epoch"] == 1
    assert not (tmp_path / "parts" / "model").exists()
    parts = train(data, tmp_path / "parts", "--epochs", "2")
    assert parts["losses"] == whole["losses"]
    one, two = ((tmp_path / each / "last.safetensors").read_bytes() for each in ("whole", "parts"))
    assert one == two


def test_objects_are_what_hangs_together_in_a_mask(tmp_path):
    for kind in ("val", "valannot"):
        (tmp_path / kind).mkdir()
    (tmp_path / "labels.json").write_text(json.dumps(["floor", "mug", "cup"]))
    mask = np.zeros((60, 80), np.uint8)
    mask[10:20, 10:30] = mask[30:40, 50:60] = 1
    mask[10:20, 30:40] = 2
    mask[45:50, 10:15] = 2  # too small
    mask[40:, 60:75] = 2  # cut by the rim
    cv2.imwrite(str(tmp_path / "valannot" / "0.png"), mask)
    cv2.imwrite(str(tmp_path / "val" / "0.jpg"), np.zeros((60, 80, 3), np.uint8))
    found = read_objects(tmp_path, "val", ("cup", "mug"))
    assert sorted((each.label, each.box_xyxy) for each in found) == [
        (0, (30, 10, 39, 19)),
        (1, (10, 10, 29, 19)),
        (1, (50, 30, 59, 39)),
    ]


def test_a_folder_without_masks_says_how_to_make_them(tmp_path):
    with pytest.raises(SystemExit, match=r"no PNG masks; write them with: python tools/demo_room"):
        read_objects(tmp_path, "train", objects.LABELS)


@pytest.mark.parametrize("box", [(100, 80, 139, 109), (0, 0, 29, 9), (300, 200, 319, 239)])
def test_a_crop_holds_the_object_and_its_middle_is_on_it(box):
    picture = np.zeros((240, 320, 3), np.uint8)
    x0, y0, x1, y1 = box
    picture[y0 : y1 + 1, x0 : x1 + 1] = 255
    sides = set()
    for seed in range(40):
        view = crop(Object(picture, box, 0), random.Random(seed))  # noqa: S311
        assert view.shape[0] == view.shape[1]
        assert (view > 0).sum() == (picture > 0).sum()
        if box[0] == 100:
            middle = slice(len(view) // 2 - 1, len(view) // 2 + 1)  # on the rim, a pixel beside it
            assert view[middle, middle].any()
        sides.add(len(view) / max(x1 - x0 + 1, y1 - y0 + 1))
    assert GROWTH[0] - 0.03 <= min(sides) < 1.5
    assert 2.7 < max(sides) <= GROWTH[1] + 0.03


def test_variations_keep_the_size():
    view = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    for seed in range(10):
        other = varied(view, random.Random(seed))  # noqa: S311
        assert other.shape == view.shape
        assert other.dtype == np.uint8
        assert (other != view).any()
