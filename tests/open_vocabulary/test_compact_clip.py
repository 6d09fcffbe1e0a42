"""The compact two-tower network: sizes, and what must not matter."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.open_vocabulary.compact_clip import CompactClip  # noqa: E402

WORDS = 90


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CompactClip(WORDS).eval()


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def test_it_is_compact(network):
    assert sum(each.numel() for each in network.parameters()) < 700_000


@pytest.mark.parametrize("size", [(96, 128), (37, 53), (8, 8), (9, 16), (1, 1)])
def test_an_image_has_a_point_for_every_other_pixel(network, size):
    points = network.image(torch.rand(2, 3, *size))
    assert points.shape == (2, 64, *(-(-side // network.stride) for side in size))
    torch.testing.assert_close(points.norm(dim=1), torch.ones(2, *points.shape[2:]))


@pytest.mark.parametrize("length", [1, 5, 16])
def test_a_text_has_one_point(network, length):
    tokens = torch.randint(0, WORDS, (3, length))
    points = network.text(tokens, torch.ones_like(tokens))
    assert points.shape == (3, 64)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("filler", [0, 7])
def test_padding_does_not_change_a_text(network, filler):
    short = torch.tensor([[2, 30, 31]])
    longer = torch.tensor([[2, 30, 31, *[filler] * 9], [2, *range(40, 51)]])
    mask = torch.ones_like(longer)
    mask[0, 3:] = 0
    alone, together = (
        network.text(short, torch.ones_like(short)),
        network.text(longer, mask),
    )
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)


def test_the_order_of_words_matters(network):
    one, two = torch.tensor([[2, 30, 31]]), torch.tensor([[2, 31, 30]])
    mask = torch.ones_like(one)
    assert (network.text(one, mask) - network.text(two, mask)).abs().max() > 1e-3


def test_images_in_a_batch_do_not_see_each_other(network):
    images = torch.rand(3, 3, 40, 56)
    alone = torch.cat([network.image(each[None]) for each in images])
    torch.testing.assert_close(network.image(images), alone, atol=1e-5, rtol=1e-4)


def test_logits_are_those_of_siglip_at_first(network):
    same = torch.nn.functional.normalize(torch.rand(4, 64), dim=1)
    logits = network.logits(same, same)
    np.testing.assert_allclose(logits.diagonal(), np.zeros(4), atol=1e-5)  # 10 * 1 - 10
    np.testing.assert_allclose(network.logits(same, -same).diagonal(), np.full(4, -20), atol=1e-5)


def test_half_precision_says_the_same(network):
    torch.manual_seed(0)
    half = CompactClip(WORDS).eval().half()
    image, tokens = torch.rand(1, 3, 32, 48), torch.tensor([[2, 5, 6, 0]])
    mask = torch.tensor([[1, 1, 1, 0]])
    torch.testing.assert_close(
        half.image(image.half()).float(), network.image(image), atol=0.02, rtol=0
    )
    torch.testing.assert_close(
        half.text(tokens, mask).float(), network.text(tokens, mask), atol=0.02, rtol=0
    )


def test_more_tokens_than_there_are_places_for(network):
    tokens = torch.ones(1, network.context + 1, dtype=torch.long)
    with pytest.raises(RuntimeError):
        network.text(tokens, torch.ones_like(tokens))
