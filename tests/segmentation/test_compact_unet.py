"""The compact U-Net: sizes, what reaches what, and that it learns."""

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.segmentation.compact_unet import CompactUNet  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CompactUNet(11).eval()


def test_it_is_compact(network):
    assert sum(each.numel() for each in network.parameters()) < 500_000


@pytest.mark.parametrize("size", [(360, 480), (37, 53), (8, 8), (9, 16), (1, 1)])
def test_there_are_scores_for_each_pixel(network, size):
    with torch.inference_mode():
        scores = network(torch.rand(2, 3, *size))
    assert scores.shape == (2, 11, *size)
    assert torch.isfinite(scores).all()


def test_the_deepest_features_and_the_first_both_reach_the_scores(network):
    kept = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out}))
        for name, module in (("near", network.stem), ("deep", network.encode_8))
    ]
    image = torch.rand(1, 3, 64, 64)
    for name in ("near", "deep"):
        scores = network(image)
        (gradient,) = torch.autograd.grad(scores.square().sum(), kept[name])
        assert gradient.abs().max() > 0
    for hook in hooks:
        hook.remove()


def test_a_pixel_is_judged_by_a_wide_surrounding(network):
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = network(image)
    (gradient,) = torch.autograd.grad(scores[0, :, 128, 128].sum(), image)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().ravel()
    assert rows.min() < 64
    assert rows.max() > 192


def test_padding_does_not_show_inside(network):
    image = torch.rand(1, 3, 61, 61)
    padded = torch.nn.functional.pad(image, (0, 3, 0, 3), mode="replicate")
    with torch.inference_mode():
        ours, theirs = network(image), network(padded)[..., :61, :61]
    torch.testing.assert_close(ours, theirs)


def test_it_learns_to_tell_colours():
    torch.manual_seed(1)
    network = CompactUNet(3)
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    masks = torch.randint(0, 3, (4, 8, 8)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    images = torch.nn.functional.one_hot(masks, 3).permute(0, 3, 1, 2).float() * 0.6 + 0.2
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(network(images), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        assert (network(images).argmax(1) == masks).float().mean() > 0.95
