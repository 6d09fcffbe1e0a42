"""`perception features`: a table and a report of one's own images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embodied_perception.cli.main import main

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR = "/camera/color/image_raw/compressed"


def test_a_bag_is_compared(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--topic", COLOR, "--images", "2", "--views", "2", "--kinds", "orb", "sift"]
    assert main(["features", str(DEMO), *words, "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "orb+orb" in said
    assert {"features", "matches,", "[px]", "[ms]"} <= set(said.split())
    assert str(out / "index.html") in said
    figures = json.loads((out / "features.json").read_text())
    assert set(figures) == {"orb+orb", "sift+sift"}
    assert figures["sift+sift"]["matching_score"] > figures["orb+orb"]["matching_score"] > 0.05
    page = (out / "index.html").read_text()
    for picture in ("scores.png", "orb+orb.jpg", "sift+sift.jpg"):
        assert f'src="{picture}"' in page
        assert Image.open(out / picture).width > 500


def test_learned_kinds_stand_beside_the_others(tmp_path, capsys, make_superpoint, make_lightglue):
    make_superpoint(tmp_path / "superpoint")
    make_lightglue(tmp_path / "lightglue")
    words = ["--topic", COLOR, "--images", "1", "--views", "2", "--kinds", "orb"]
    words += ["--superpoint", str(tmp_path / "superpoint"), "-o", str(tmp_path / "out")]
    words += ["--lightglue", str(tmp_path / "lightglue")]
    assert main(["features", str(DEMO), *words]) == 0
    assert "lightglue runs on" in capsys.readouterr().err
    figures = json.loads((tmp_path / "out" / "features.json").read_text())
    assert list(figures) == ["orb+orb", "superpoint", "lightglue"]
    assert all(0 < each["repeatability"] <= 1 for each in figures.values())
    page = (tmp_path / "out" / "index.html").read_text()
    assert 'src="lightglue.jpg"' in page
    assert Image.open(tmp_path / "out" / "superpoint.jpg").width > 500


@pytest.mark.parametrize("option", ["--superpoint", "--lightglue"])
def test_a_folder_without_a_checkpoint_is_refused(tmp_path, capsys, option):
    out = tmp_path / "out"
    assert (
        main(["features", str(DEMO), "--topic", COLOR, option, str(tmp_path), "-o", str(out)]) == 2
    )
    assert f"{tmp_path} has no config.json" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kinds", "surf"], "no detector is called 'surf'"),
        (["--images", "0"], "--images: got 0, expected 1 or more"),
        (["--views", "-1"], "--views: got -1"),
        (["--topic", "/nothing"], "no topic /nothing with images"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, capsys, words, message):
    out = tmp_path / "out"
    assert main(["features", str(DEMO), "--topic", COLOR, *words, "-o", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_without_photos_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing")
    assert main(["features", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_blank_photos_have_no_best_kind(tmp_path, capsys):
    Image.fromarray(np.full((120, 160), 90, np.uint8)).save(tmp_path / "blank.png")
    assert main(["features", str(tmp_path), "--kinds", "orb"]) == 0
    assert "nan" in capsys.readouterr().out
