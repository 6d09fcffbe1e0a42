"""Where an image lies in a network's input, and the way back."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.inference.placement import Placement  # noqa: E402


def ramp(height, width):
    """(1, 2, H, W): how far down and to the right each pixel's middle is, as shares."""
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


def test_a_map_of_the_images_size_is_given_back_as_it_is():
    maps = torch.rand(2, 3, 20, 30)
    assert Placement((20, 30), (20, 30), (0, 0), (20, 30)).to_image(maps) is maps


@pytest.mark.parametrize("map_hw", [(10, 15), (5, 7), (64, 64)])
def test_a_coarse_map_lies_over_the_whole_image(map_hw):
    placement = Placement((48, 64), (24, 32), (0, 0), (24, 32))
    assert placement.is_whole
    assert placement.seen().all()
    got, expected = placement.to_image(ramp(*map_hw)), ramp(48, 64)
    # A ramp stays one, but for half a cell at the rim, where the rim is repeated.
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(got[inner], expected[inner])


def test_a_crop_is_put_back_where_it_was():
    """80x160 of a 40x80 image doubled; the middle 64x96 of it is seen."""
    placement = Placement((40, 80), (80, 160), (8, 32), (64, 96))
    seen = placement.seen().numpy()
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (4, 35, 16, 63)
    got = placement.to_image(ramp(64, 96))[0].numpy()
    # Pixel y of the image has its middle at 2 y + 1 of the resized one: (2 y + 1 - 8) / 64.
    for row in (5, 20, 34):
        assert got[0, row, 40] == pytest.approx((2 * row + 1 - 8) / 64, abs=1e-5)
    for column in (17, 40, 62):
        assert got[1, 20, column] == pytest.approx((2 * column + 1 - 32) / 96, abs=1e-5)
    # Beyond the rim, the rim's value is repeated.
    assert got[0, 0, 40] == pytest.approx(got[0, 3, 40])
    assert np.isfinite(got).all()


def test_what_is_padded_is_left_out():
    """A 40x60 image in the upper left of 64x64."""
    placement = Placement((40, 60), (40, 60), (0, 0), (64, 64))
    assert not placement.is_whole
    assert placement.seen().all()
    got = placement.to_image(ramp(64, 64))
    torch.testing.assert_close(got, ramp(64, 64)[..., :40, :60])


def test_an_input_wider_than_the_image_has_it_in_the_middle():
    placement = Placement((20, 20), (20, 20), (-6, -10), (32, 40))
    assert placement.seen().all()
    torch.testing.assert_close(placement.to_image(ramp(32, 40)), ramp(32, 40)[..., 6:26, 10:30])


def test_halves_have_enough_digits_for_large_images():
    placement = Placement((1080, 1920), (512, 910), (0, 199), (512, 512))
    got = placement.to_image(ramp(128, 128).half())
    expected = placement.to_image(ramp(128, 128))
    assert got.dtype == torch.float16
    assert (got.float() - expected).abs().max() < 0.01


@pytest.mark.parametrize(
    ("placement", "box", "expected"),
    [
        (Placement((48, 64), (24, 32), (0, 0), (24, 32)), [0, 0, 1, 1], [0, 0, 64, 48]),
        (Placement((48, 64), (24, 32), (0, 0), (24, 32)), [0.25, 0.5, 0.5, 0.75], [16, 24, 32, 36]),
        # 80x160 of a 40x80 image doubled; the middle 64x96 of it is seen.
        (Placement((40, 80), (80, 160), (8, 32), (64, 96)), [0, 0, 1, 1], [16, 4, 64, 36]),
        # A square with the image in its upper part: what is below is no image.
        (Placement((30, 40), (48.0, 64.0), (0, 0), (64, 64)), [0, 0, 1, 1], [0, 0, 40, 30]),
        (Placement((30, 40), (48.0, 64.0), (0, 0), (64, 64)), [-1, 0.25, 0.5, 2], [0, 10, 20, 30]),
    ],
)
def test_boxes_are_put_back_into_the_image(placement, box, expected):
    boxes = torch.tensor([[box]], dtype=torch.float32)
    assert placement.boxes_to_image(boxes)[0, 0].tolist() == expected
    there = placement.boxes_to_input(torch.tensor([expected], dtype=torch.float32))
    assert placement.boxes_to_image(there)[0].tolist() == expected
    if min(box) >= 0 and placement.is_whole:
        assert there[0].tolist() == box


@pytest.mark.parametrize(
    "placement",
    [
        Placement((40, 80), (24, 32), (0, 0), (24, 32)),
        Placement((40, 80), (80, 160), (8, 32), (64, 96)),
    ],
)
def test_a_part_of_the_image_is_as_in_the_whole(placement):
    maps, part = torch.rand(1, 2, 9, 11), (slice(3, 17), slice(30, 80))
    got = placement.to_image(maps, *part)
    torch.testing.assert_close(got, placement.to_image(maps)[..., part[0], part[1]])
    assert placement.to_image(maps, slice(5, 5), slice(0, 4)).shape == (1, 2, 0, 4)
