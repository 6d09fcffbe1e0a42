"""Classes that a network is too eager, or too shy, to see."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "training"))

from class_biases import adjust_classes, climb  # noqa: E402
from masked_pictures import Pictures  # noqa: E402

from embodied_perception.evaluation.segmentation import Confusion  # noqa: E402
from embodied_perception.segmentation.compact_unet import CompactUNet  # noqa: E402


def miou(logits, true, biases):
    said = (logits + biases[:, None]).argmax(0)
    return Confusion.of(true.numpy(), said.numpy(), len(logits)).miou


@pytest.fixture
def pixels():
    """Noisy logits (3, P), whose second class is seen too often, and the true classes."""
    torch.manual_seed(0)
    true = torch.randint(0, 3, (4000,))
    logits = torch.randn(3, 4000) + 2.5 * torch.nn.functional.one_hot(true, 3).T
    logits[1] += 2.0
    return logits, true


def test_an_eager_class_is_held_back(pixels):
    logits, true = pixels
    biases = climb(logits, true, 3)
    others = (biases[0] + biases[2]) / 2
    assert others - biases[1] == pytest.approx(2.0, abs=0.3)
    assert miou(logits, true, biases) > miou(logits, true, torch.zeros(3)) + 0.1


def test_it_never_gets_worse():
    torch.manual_seed(1)
    for _ in range(5):
        logits, true = torch.randn(4, 300), torch.randint(0, 4, (300,))
        before, after = torch.zeros(4), climb(logits, true, 4)
        assert miou(logits, true, after) >= miou(logits, true, before)


def test_the_biases_are_put_into_the_network():
    torch.manual_seed(2)
    network = CompactUNet(3).eval()
    random = np.random.default_rng(2)
    images = [random.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(3)]
    masks = [random.choice([0, 1, 2, 255], (24, 32)).astype(np.uint8) for _ in range(3)]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        before = network(batch)
        adjust_classes(network, Pictures(images, masks), 3, (24, 32))
        change = network(batch) - before
    biases = change.mean((0, 2, 3))
    assert biases.abs().max() > 0
    # The same everywhere, in whole last steps.
    assert (change - biases[None, :, None, None]).abs().max() < 1e-5
    assert (8 * biases - (8 * biases).round()).abs().max() < 1e-3
