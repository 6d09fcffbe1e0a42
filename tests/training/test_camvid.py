"""Training, on a few small pictures."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the group: pip install --group learned")

SCRIPT = Path(__file__).parents[2] / "training" / "camvid.py"


@pytest.fixture(scope="module")
def camvid():
    spec = importlib.util.spec_from_file_location("training_camvid", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures whose colour says the class, and a strip that has none."""
    folder, rng = tmp_path_factory.mktemp("camvid"), np.random.default_rng(0)
    colours = rng.integers(30, 226, (12, 3))
    for split, count in (("train", 8), ("val", 3)):
        (folder / split).mkdir()
        (folder / f"{split}annot").mkdir()
        for number in range(count):
            mask = rng.integers(0, 4, (6, 8), np.uint8).repeat(8, 0).repeat(8, 1)
            mask[:4] = 11
            cv2.imwrite(str(folder / split / f"{number}.png"), colours[mask][..., ::-1])
            cv2.imwrite(str(folder / f"{split}annot" / f"{number}.png"), mask)
    return folder


def train(camvid, data, output, *more):
    given = ["--data", data, "-o", output, "--batch", "4", "--crop", "48", "64", *more]
    assert camvid.main([str(each) for each in given]) == 0
    return json.loads((output / "run.json").read_text())


def test_loss_falls_and_the_run_leaves_weights_and_curves(camvid, data, tmp_path):
    run = train(camvid, data, tmp_path, "--epochs", "12")
    assert run["epoch"] == 12
    assert run["losses"][-1] < 0.8 * run["losses"][0]
    assert run["best_miou"] == max(run["mious"]) > 0.2
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert weights[8:9] == b"{"  # the head of safetensors


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(camvid, data, tmp_path):
    whole = train(camvid, data, tmp_path / "whole", "--epochs", "4")
    part = train(camvid, data, tmp_path / "parts", "--epochs", "4", "--stop-after", "2")
    assert part["epoch"] == 2
    parts = train(camvid, data, tmp_path / "parts", "--epochs", "4")
    assert parts["losses"] == whole["losses"]
    assert parts["mious"] == whole["mious"]
    one, two = ((tmp_path / each / "last.safetensors").read_bytes() for each in ("whole", "parts"))
    assert one == two


def test_variations_move_image_and_mask_alike(camvid, data):
    import random

    pictures = camvid.Pictures.read(data, "train")
    for seed in range(10):
        image, mask = camvid.varied(
            pictures.images[0],
            pictures.masks[0],
            (48, 64),
            random.Random(seed),  # noqa: S311
        )
        assert image.shape == (48, 64, 3)
        assert mask.shape == (48, 64)
        assert set(np.unique(mask)) <= {0, 1, 2, 3, camvid.UNLABELLED}
        inside = cv2.erode((mask == 1).astype(np.uint8), np.ones((7, 7))) > 0
        if inside.any():  # one class is one colour, whatever the light
            assert image[inside].std(axis=0).max() < 15


@pytest.mark.parametrize("spoil", ["no masks", "no image", "another size"])
def test_a_folder_that_is_no_data_set(camvid, tmp_path, spoil):
    (tmp_path / "train").mkdir()
    (tmp_path / "trainannot").mkdir()
    if spoil != "no masks":
        cv2.imwrite(str(tmp_path / "trainannot" / "a.png"), np.zeros((8, 8), np.uint8))
    if spoil == "another size":
        cv2.imwrite(str(tmp_path / "train" / "a.png"), np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(SystemExit, match=r"trainannot.*(no PNG masks|no image of that name)"):
        camvid.main(["--data", str(tmp_path), "-o", str(tmp_path / "out")])
