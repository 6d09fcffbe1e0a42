"""What a model costs, against what can be counted by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.classification.networks import network_named  # noqa: E402
from embodied_perception.inference import cost  # noqa: E402
from embodied_perception.inference.cost import cost_of, count_flops  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402


def test_flops_of_a_convolution():
    """Each of 8 x 10 x 12 values is a sum of 3 x 3 x 3 products: two operations each."""
    network = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert count_flops(network, torch.zeros(2, 3, 10, 12)) == 2 * 2 * 8 * 10 * 12 * 27


def test_flops_of_alexnet_are_those_published():
    """0.71 G multiplications with additions, of torchvision's model page."""
    with torch.device("meta"):
        network = network_named("alexnet").eval()
    flops = count_flops(network, torch.zeros(1, 3, 224, 224, device="meta"))
    assert flops == pytest.approx(2 * 0.71e9, rel=0.01)


def test_attention_is_counted():
    class Attention(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    # Two products of (16, 8) and (8, 16) matrices, in each of 4 heads.
    assert count_flops(Attention(), torch.zeros(1, 4, 16, 8)) == 4 * 2 * (2 * 16 * 16 * 8)


def test_figures_of_a_model(tmp_path, make_compact, scene, monkeypatch):
    monkeypatch.setattr(cost, "_MOST_S", 0.01)
    network = make_compact(tmp_path)
    segmenter = Segmenter.load(str(tmp_path), Runtime("cpu", "fp32"))
    image = scene(64, 96)
    figures = cost_of(segmenter.model, segmenter.segment, image)
    assert figures.input_hw == (64, 96)
    assert figures.weights_bytes >= 4 * figures.parameters
    # Normalisation is folded away where a convolution stands before it.
    assert 0.9 < figures.parameters / sum(each.numel() for each in network.parameters()) < 1.01
    assert figures.flops == count_flops(network, torch.from_numpy(image / 255).float()
        .permute(2, 0, 1)[None])  # fmt: skip
    for latency in (figures.whole, figures.network):
        assert 0 < latency.median_ms <= latency.p95_ms
        assert latency.rounds >= 10


def test_memory_that_is_taken_is_seen():
    def run():
        values = np.ones(30_000_000)
        assert values.sum() == len(values)

    growth = cost._peak_growth(run, torch.device("cpu"))
    if growth is None:
        pytest.skip("this system does not tell")
    assert 0.9 * 240e6 < growth < 1.5 * 240e6
