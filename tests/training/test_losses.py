"""The overlap that a segmentation misses, by hand and by its properties."""

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

sys.path.append(str(Path(__file__).parents[2] / "training"))

from losses import missed_overlap  # noqa: E402

NONE = 255


def logits_of(mask, classes, sure):
    """As a network would say a mask (B, H, W), the more clearly the surer."""
    return sure * torch.nn.functional.one_hot(mask, classes).permute(0, 3, 1, 2).float()


def test_by_hand():
    # Two classes, four pixels; of each the first class is said with these probabilities.
    shares = torch.tensor([0.9, 0.6, 0.2, 0.5])
    logits = torch.stack([shares.log(), (1 - shares).log()]).view(1, 2, 1, 4)
    masks = torch.tensor([[[0, 0, 1, NONE]]])
    first = 1.5 / (1.7 + 2 - 1.5)
    second = 0.8 / (1.3 + 1 - 0.8)
    assert missed_overlap(logits, masks, NONE).item() == pytest.approx(
        1 - (first + second) / 2, abs=1e-6
    )


def test_what_is_right_and_sure_misses_nothing():
    masks = torch.randint(0, 5, (2, 6, 8), generator=torch.manual_seed(0))
    losses = [missed_overlap(logits_of(masks, 5, sure), masks, NONE) for sure in (1, 5, 50)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 1e-5


def test_small_and_large_classes_count_alike():
    masks = torch.zeros(1, 10, 10, dtype=torch.long)
    masks[0, 0, 0] = 1
    said = logits_of(torch.zeros_like(masks), 2, 50.0)  # the small one is overlooked
    assert missed_overlap(said, masks, NONE).item() == pytest.approx((1 + 0.01) / 2, abs=1e-4)


def test_classes_that_are_not_there_do_not_count():
    masks = torch.zeros(1, 4, 4, dtype=torch.long)
    logits = torch.randn(1, 3, 4, 4, generator=torch.manual_seed(1))
    expected = 1 - logits.softmax(1)[:, 0].mean()
    assert missed_overlap(logits, masks, NONE).item() == pytest.approx(expected.item(), abs=1e-6)


def test_nothing_labelled_teaches_nothing():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = missed_overlap(logits, torch.full((1, 4, 4), NONE), NONE)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
