"""Running a network: folded, where memory is short, and where the device fails."""

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.engine import Engine  # noqa: E402
from embodied_perception.inference.folding import fold_normalisation  # noqa: E402
from embodied_perception.inference.runtime import Place  # noqa: E402

PLACE = Place(torch.device("cpu"), torch.float32)


class Limited(torch.nn.Module):
    """Gives the images back, but for more pixels than it has memory for."""

    def __init__(self, pixels, message=""):
        super().__init__()
        self.pixels, self.message = pixels, message
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape))
        if images.numel() // 3 > self.pixels:
            if self.message:
                raise RuntimeError(self.message)
            raise torch.OutOfMemoryError("CUDA out of memory.\nMore words.")
        return images.clone()


@pytest.mark.parametrize("message", ["", "[enforce fail] not enough memory: you tried to"])
def test_a_batch_that_is_too_much_goes_one_by_one(message):
    network = Limited(64 * 64, message)
    batch = torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(Engine(network, PLACE, "limited")(batch), batch)
    assert network.seen == [(3, 3, 64, 64), *[(1, 3, 64, 64)] * 3]


def test_an_image_that_is_too_much_goes_at_half_the_size():
    network = Limited(32 * 48)
    smooth = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    result = Engine(network, PLACE, "limited")(smooth)
    assert network.seen == [(1, 3, 64, 96), (1, 3, 32, 48)]
    torch.testing.assert_close(result[0, 0, 0], torch.linspace(0, 1, 48), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("shape", "pixels", "any_size", "tries"),
    [
        ((1, 3, 256, 256), 100, True, 2),
        ((1, 3, 256, 256), 100, False, 1),  # the size is the network's own
        ((1, 3, 40, 200), 100, True, 1),  # half of it would say nothing
        ((2, 3, 64, 64), 100, True, 2),
    ],
)
def test_one_smaller_retry_and_then_a_clear_error(shape, pixels, any_size, tries):
    network = Limited(pixels)
    with pytest.raises(InferenceError) as caught:
        Engine(network, PLACE, "hf:a/b", any_size)(torch.zeros(shape))
    assert len(network.seen) == tries
    assert str(caught.value) == (
        f"hf:a/b: {shape[0]} image(s) of {shape[3]}x{shape[2]} on cpu: memory is short even for "
        "less; close what else runs there, take a smaller model, or device: cpu"
    )


def test_a_device_that_fails():
    network = Limited(0, "CUDA error: device-side assert triggered\nCompile with ...")
    with pytest.raises(InferenceError) as caught:
        Engine(network, PLACE, "net")(torch.zeros(1, 3, 8, 8))
    assert "CUDA error: device-side assert triggered; where the device has gone" in str(
        caught.value
    )
    assert "set device: cpu" in str(caught.value)
    assert len(network.seen) == 1


def test_a_device_that_fails_at_the_second_try():
    class Fails(Limited):
        def forward(self, images):
            if len(self.seen):
                raise RuntimeError("the device is gone")
            return super().forward(images)

    with pytest.raises(InferenceError, match="the device is gone; where the device has gone"):
        Engine(Fails(1), PLACE, "net")(torch.zeros(2, 3, 8, 8))


def test_it_is_run_in_its_precision_and_without_gradients():
    place = Place(torch.device("cpu"), torch.bfloat16)
    result = Engine(torch.nn.Conv2d(3, 4, 1), place, "net")(torch.rand(1, 3, 5, 5))
    assert result.dtype == torch.bfloat16
    assert not result.requires_grad


def test_folding_changes_nothing_but_the_number_of_layers():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.Conv2d(8, 4, 1), torch.nn.BatchNorm2d(4)),
    )  # fmt: skip
    for _ in range(3):
        network(torch.rand(4, 3, 9, 9) * 3)
    network.eval()
    images = torch.rand(2, 3, 9, 9)
    expected = network(images)
    fold_normalisation(network)
    assert not any(isinstance(each, torch.nn.BatchNorm2d) for each in network.modules())
    torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-4)
