"""`perception explain`: a page of what a classifier looks at."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

from embodied_perception.cli.main import main

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR = "/camera/color/image_raw/compressed"
PICTURES = ["kernels.png", "responses.png", "evidence.png", "map.png"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(6):
        size = (40 + 8 * number, 60, 3) if number else (50, 50)  # the first one is gray
        pixels = random.integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A tiny vision transformer with random weights."""
    import transformers

    folder = tmp_path_factory.mktemp("vit")
    config = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=8, id2label={0: "mug", 1: "book"}, label2id={"mug": 0, "book": 1},
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    preprocessor = {"image_processor_type": "ViTImageProcessor", "size": 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def shown(out):
    page = (out / "index.html").read_text()
    found = [name for name in PICTURES if f'src="{name}"' in page]
    for name in found:
        assert Image.open(out / name).width > 100
    return found, page


def test_a_bag_is_explained_by_the_model_that_comes_along(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--topic", COLOR, "--model", "builtin:objects", "--images", "5", "-o", str(out)]
    assert main(["explain", str(DEMO), *words]) == 0
    found, page = shown(out)
    assert found == PICTURES
    assert "Kernels of the first layer: 32 of 7x7 pixels" in page
    assert str(out / "index.html") in capsys.readouterr().out


def test_photos_are_explained_the_same_way_twice(tmp_path, photos):
    for name in ("one", "two"):
        words = ["--model", "builtin:objects", "--label", "Mug", "-o", str(tmp_path / name)]
        assert main(["explain", str(photos), *words]) == 0
        assert "Evidence for mug" in (tmp_path / name / "index.html").read_text()
    for name in PICTURES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_transformer_says_what_it_cannot_show(tmp_path, photos, capsys, vit):
    out = tmp_path / "out"
    words = ["--model", str(vit), "--label", "book", "-o", str(out)]
    assert main(["explain", str(photos), *words]) == 0
    found, page = shown(out)
    assert found == PICTURES
    said = capsys.readouterr().err
    for text in ("a list of patches", "the same for every class"):
        assert text in page
        assert text in said


def test_few_images_have_no_map(tmp_path, photos):
    out = tmp_path / "out"
    words = ["--model", "builtin:objects", "--images", "3", "-o", str(out)]
    assert main(["explain", str(photos), *words]) == 0
    found, page = shown(out)
    assert found == PICTURES[:3]
    assert "needs 4 images or more, got 3" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "0"], "--images: got 0, expected 1 or more"),
        (["--seed", "-1"], "--seed: got -1"),
        (["--label", "mugs"], "no class is called 'mugs'; there are: mug"),
        (["--topic", "/image"], "is no bag, and has no topics"),
        (["--model", "builtin:nothing"], "no model is called 'builtin:nothing'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, photos, capsys, words, message):
    out = tmp_path / "out"
    given = ["explain", str(photos), "--model", "builtin:objects", "-o", str(out), *words]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_photos_that_cannot_be_read_are_told(tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    out = tmp_path / "out"
    words = ["--model", "builtin:objects", "-o", str(out)]
    assert main(["explain", str(tmp_path), *words]) == 2
    said = capsys.readouterr().err
    assert "no image could be read" in said
    assert "broken.jpg" in said
    assert not out.exists()
