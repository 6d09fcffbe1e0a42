"""Pictures of what a classifier looks at, by their pixels."""

import numpy as np
import pytest
from PIL import Image

from embodied_perception.evaluation.explain_plots import (
    Evidence,
    draw_kernels,
    plot_evidence,
    plot_map,
    plot_responses,
)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def test_kernels_are_drawn_from_dark_to_bright():
    kernels = np.full((2, 3, 2, 2), -5.0)
    kernels[0, 0, 0, 1] = 7.0  # red, on the upper right
    picture = draw_kernels(kernels)
    assert picture.shape == (64, 124, 3)
    assert picture[6, 58].tolist() == [255, 0, 0]
    assert picture[6, 6].tolist() == picture[58, 58].tolist() == [0, 0, 0]
    assert (picture[4:60, 64:120] == 0).all()  # one value: nothing to see
    assert (picture[:, :4] == 255).all()


def test_of_many_kernels_the_strongest_are_drawn_in_their_order():
    kernels = np.zeros((200, 3, 1, 1))
    kernels[50:, 0], kernels[50:, 1] = 1.0, np.linspace(0.0, 0.9, 150)[:, None, None]
    picture = draw_kernels(kernels)
    assert picture.shape == (6 * 60 + 4, 16 * 60 + 4, 3)
    greens = picture[30::60, 30::60, 1].ravel().astype(int)
    assert (np.diff(greens) >= 0).all()
    assert greens[0] == round(255 * 0.9 * 54 / 149)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_evidence_of_any_number_of_images(image, count, tmp_path):
    heat = np.linspace(0, 1, 5400).reshape(60, 90)
    evidence = [Evidence(image, heat, ["mug 93 %", "cup 4 %"])] * count
    plot_evidence(evidence, tmp_path / "evidence.png")
    drawn = np.asarray(Image.open(tmp_path / "evidence.png"))
    cells = min(3, count)
    assert drawn.shape[1] > 400 * cells
    # The last cell of the first row has its heat: bright yellow is nowhere else.
    column = drawn[:, -drawn.shape[1] // (2 * cells) :, :3].reshape(-1, 3).astype(int)
    assert ((column[:, 0] > 200) & (column[:, 2] < 190)).any()


def test_responses_of_layers_with_few_channels(image, tmp_path):
    last = np.random.default_rng(0).random((9, 4, 6))
    layers = [("first", np.zeros((3, 30, 45))), ("last", last)]
    plot_responses(image, layers, tmp_path / "responses.png")
    assert Image.open(tmp_path / "responses.png").width > 800


def test_images_stand_at_their_places(tmp_path):
    dark = np.zeros((40, 40, 3), np.uint8)
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    plot_map([dark, dark], places, ["mug", "cup"], tmp_path / "map.png")
    drawn = np.asarray(Image.open(tmp_path / "map.png").convert("L"))
    height, width = drawn.shape
    rows, columns = np.nonzero(drawn[:, : int(0.8 * width)] < 3)
    lower = (rows > height / 2) & (columns < width / 3)
    upper = (rows < height / 2) & (columns > width / 2)
    assert lower.sum() > 200
    assert upper.sum() > 200
