"""An image with structure, and transformers' own way from it to a network."""

import json

import cv2
import numpy as np
import pytest

#: What the networks' inputs are resized to where nothing else is said; height, width.
SIZE = (72, 88)


@pytest.fixture(scope="session")
def picture():
    """Smooth noise (H, W) uint8 of any size; ``seed`` says which."""

    def make(height, width, seed=0):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (height // 4 + 2, width // 4 + 2), np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)

    return make


@pytest.fixture(scope="session")
def processor_class():
    """transformers' own image processor of a name, of those that do without torchvision."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")

    def find(name):
        return getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)

    return find


@pytest.fixture
def write_preprocessor():
    """Write a preprocessor_config.json that resizes to SIZE, but for what is given."""

    def write(folder, **values):
        usual = {"size": {"height": SIZE[0], "width": SIZE[1]}, "do_resize": True}
        (folder / "preprocessor_config.json").write_text(json.dumps(usual | values))

    return write
