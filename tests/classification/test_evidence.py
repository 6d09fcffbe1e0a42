"""Evidence against what is known of it: sums, and networks that look at one place."""

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.classification.evidence import (  # noqa: E402
    class_activation_map,
    from_first_pixels,
    grad_cam,
)

nn = torch.nn


class Averaged(nn.Module):
    """A network of which CAM is exact: convolutions, an average, and a linear layer."""

    def __init__(self, channels=6, classes=4):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.ReLU())
        self.linear = nn.Linear(channels, classes)

    def forward(self, images):
        return self.linear(self.features(images).mean((2, 3)))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Averaged().eval()


@pytest.fixture
def images():
    return torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(1))


def test_the_mean_of_the_map_is_the_score(network, images):
    features = network.features(images)
    for label in range(4):
        heat = class_activation_map(features, network.linear.weight, label)
        assert heat.shape == (2, 12, 16)
        expected = network(images)[:, label] - network.linear.bias[label]
        torch.testing.assert_close(heat.mean((1, 2)), expected)


def test_where_cam_is_exact_grad_cam_is_its_positive_part(network, images):
    exact = class_activation_map(network.features(images), network.linear.weight, 2)
    heat = grad_cam(network, network.features, images, label=2)
    torch.testing.assert_close(heat * 12 * 16, exact.relu())


def test_what_speaks_for_a_class_is_where_it_is_and_nowhere_else():
    """Channels see one colour each; one class is red, the other one green."""
    network = Averaged(channels=2, classes=2)
    with torch.no_grad():
        network.features[0].weight.zero_()
        network.features[0].bias.zero_()
        network.features[0].weight[0, 0, 1, 1] = network.features[0].weight[1, 1, 1, 1] = 1.0
        network.linear.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    image = torch.zeros(1, 3, 8, 8)
    image[0, 0, :, :4] = image[0, 1, :, 4:] = 1.0  # red on the left, green on the right
    red, green = (grad_cam(network, network.features, image, label=each)[0] for each in (0, 1))
    assert (red[:, :4] > 0).all()
    assert (red[:, 4:] == 0).all()
    assert (green[:, :4] == 0).all()
    assert (green[:, 4:] > 0).all()


@pytest.mark.parametrize("size", [(64, 96), (61, 90)])
def test_heat_is_spread_from_the_first_pixel_of_each_stride(size):
    """A line stays a line, at the pixels where its values were taken."""
    values = torch.arange(8)[:, None] + 10.0 * torch.arange(12)
    heat = from_first_pixels(values[None], size)
    assert heat.shape == (1, *size)
    torch.testing.assert_close(heat[0, ::8, ::8], values, atol=1e-4, rtol=0)
    steps = heat[0, :57, :81].diff(dim=0)
    torch.testing.assert_close(steps, torch.full((56, 81), 1 / 8), atol=1e-4, rtol=0)


def test_a_single_place_fills_everything():
    assert (from_first_pixels(torch.full((1, 1, 1), 3.0), (5, 7)) == 3).all()


def test_neither_gradients_nor_hooks_are_left_behind(network, images):
    with torch.inference_mode(False), torch.no_grad():
        grad_cam(network, network.features, images, label=0)
    assert not network.features._forward_hooks
    assert all(each.grad is None for each in network.parameters())
