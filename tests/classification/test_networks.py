"""AlexNet and VGG against the published sizes, and the names of torchvision's checkpoints."""

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.classification.networks import NETWORKS, network_named  # noqa: E402

PARAMETERS = {
    "alexnet": 61_100_840, "vgg11": 132_863_336, "vgg13": 133_047_848, "vgg16": 138_357_544,
    "vgg19": 143_667_240, "vgg11_bn": 132_868_840, "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992, "vgg19_bn": 143_678_248,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_there_are_as_many_parameters_as_published(name):
    with torch.device("meta"):
        network = network_named(name)
    assert sum(each.numel() for each in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "convolutions", "linear"),
    [
        ("alexnet", [0, 3, 6, 8, 10], [1, 4, 6]),
        ("vgg11", [0, 3, 6, 8, 11, 13, 16, 18], [0, 3, 6]),
        ("vgg16", [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28], [0, 3, 6]),
        ("vgg11_bn", [0, 4, 8, 11, 15, 18, 22, 25], [0, 3, 6]),
    ],
)
def test_weights_have_the_names_of_torchvisions_checkpoints(name, convolutions, linear):
    with torch.device("meta"):
        network = network_named(name)
    expected = {f"features.{slot}.{kind}" for slot in convolutions for kind in ("weight", "bias")}
    if name.endswith("_bn"):
        kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        expected |= {f"features.{slot + 1}.{kind}" for slot in convolutions for kind in kinds}
    expected |= {f"classifier.{slot}.{kind}" for slot in linear for kind in ("weight", "bias")}
    assert set(network.state_dict()) == expected


@pytest.mark.parametrize("size", [(63, 63), (224, 224), (97, 130)])
def test_any_size_gives_scores(size):
    torch.manual_seed(0)
    network = network_named("alexnet", classes=7).eval()
    with torch.inference_mode():
        scores = network(torch.rand(2, 3, *size))
    assert scores.shape == (2, 7)
    assert torch.isfinite(scores).all()
