"""Tiles that cover an image, and what a detector that sees only them finds in all of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import ConfigError
from embodied_perception.open_vocabulary.detections import Detections, areas, overlaps
from embodied_perception.open_vocabulary.tiles import Tile, merge, tiles_of

WH = (640, 480)


@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.integers(2, 6),
    st.floats(0, 0.9),
)
def test_tiles_cover_the_image_evenly(resolution_wh, tiles, overlap):
    whole, *parts = tiles_of(resolution_wh, tiles, overlap)
    assert whole == Tile(0, 0, *resolution_wh)
    assert len(parts) == tiles**2
    assert len({(each.width, each.height) for each in parts}) == 1
    covered = np.zeros(resolution_wh[::-1], int)
    for each in parts:
        left, top, right, bottom = each.box
        assert 0 <= left < right <= resolution_wh[0]
        assert 0 <= top < bottom <= resolution_wh[1]
        each.cut(covered)[:] += 1
    assert covered.min() >= 1
    lefts = sorted({each.left for each in parts})
    steps = np.diff(lefts)
    if len(lefts) == tiles:
        assert np.ptp(steps) <= 1
        # Neighbours overlap as much as asked for, but for the rounding to whole pixels.
        assert parts[0].width - steps.max() >= overlap * parts[0].width - 1


def test_tiles_by_hand():
    assert tiles_of((640, 480), 1, 0.2) == [Tile(0, 0, 640, 480)]
    assert tiles_of((600, 300), 2, 0.5) == [
        Tile(0, 0, 600, 300),
        Tile(0, 0, 400, 200),
        Tile(200, 0, 400, 200),
        Tile(0, 100, 400, 200),
        Tile(200, 100, 400, 200),
    ]


@pytest.mark.parametrize(
    ("tiles", "overlap", "named"),
    [
        (0, 0.2, "tiles: got 0"),
        (2, 1.0, "overlap: got 1.0, expected from 0 to less than 1"),
        (2, -0.1, "overlap: got -0.1"),
        (2, np.nan, "overlap: got nan"),
    ],
)
def test_tiles_that_there_are_not(tiles, overlap, named):
    with pytest.raises(ConfigError, match=named):
        tiles_of(WH, tiles, overlap)


def detections(boxes, scores=None, labels=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(np.linspace(0.9, 0.5, count) if scores is None else scores, np.float32),
        np.array(np.zeros(count) if labels is None else labels, np.int64),
        np.ones((count, 3), np.float32),
    )


def scene(rng):
    """Things (N, 4) that lie apart from each other, most of them small, some at the borders."""
    boxes = np.zeros((0, 4), np.float32)
    for _ in range(60):
        size = rng.uniform(14, 40, 2) if rng.random() < 0.8 else rng.uniform(100, 300, 2)
        centre = rng.uniform(0, 1, 2) * WH
        box = np.clip(np.r_[centre - size / 2, centre + size / 2], 0, [*WH, *WH])
        apart = np.r_[box[:2] - 2, box[2:] + 2][None].astype(np.float32)
        if (overlaps(apart, boxes) == 0).all() and (box[2:] - box[:2] > 12).all():
            boxes = np.r_[boxes, box[None].astype(np.float32)]
    return boxes


def detect(truth, labels, tile, rng, off_px=1.0):
    """What a detector finds in a tile: whatever is not too small for it, cut where the tile ends.

    Its boxes are off by up to a pixel; the smallest thing it sees is a thirtieth of the tile.
    """
    left, top, right, bottom = tile.box
    seen = np.clip(truth, [left, top, left, top], [right, bottom, right, bottom])
    large_enough = areas(seen) > (tile.width / 30) * (tile.height / 30)
    numbers = np.flatnonzero(large_enough)
    boxes = seen[numbers] - [left, top, left, top]
    boxes += rng.uniform(-off_px, off_px, boxes.shape)
    return detections(boxes, rng.uniform(0.3, 0.9, len(boxes)), labels[numbers])


@pytest.mark.parametrize("tiles", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_found_in_tiles_is_what_there_is(tiles, seed):
    rng = np.random.default_rng(seed)
    truth = scene(rng)
    labels = rng.integers(0, 3, len(truth))
    cuts = tiles_of(WH, tiles, 0.3)
    found = [detect(truth, labels, each, rng) for each in cuts]
    assert len(found[0]) < len(truth)  # the whole image alone does not show the small ones
    merged = merge(found, cuts, WH, 0.5)
    assert len(merged) == len(truth)
    overlap = overlaps(merged.boxes, truth)
    which = overlap.argmax(1)
    assert sorted(which) == list(range(len(truth)))
    np.testing.assert_array_equal(merged.labels, labels[which])
    gaps = np.abs(merged.boxes - truth[which])
    assert gaps.max() <= 1.001
    assert (np.diff(merged.scores) <= 0).all()
    assert (merged.boxes >= 0).all()
    assert (merged.boxes <= [*WH, *WH]).all()


def test_what_a_border_between_tiles_cuts_is_left_out_and_what_the_image_cuts_is_not():
    cuts = [Tile(0, 0, 300, 480)]
    boxes = [[0, 0, 50, 50], [0, 430, 50, 480], [290, 60, 310, 90], [200, 100, 299, 150], [9] * 4]
    merged = merge([detections(boxes)], cuts, WH, 0.5)
    np.testing.assert_array_equal(merged.boxes, [boxes[0], boxes[1], boxes[4]])


def test_boxes_that_reach_out_of_the_image_are_cut():
    merged = merge([detections([[-9, 20, 30, 500]])], [Tile(0, 0, *WH)], WH, 0.5)
    np.testing.assert_array_equal(merged.boxes, [[0, 20, 30, 480]])


def test_a_part_of_a_surer_thing_goes_if_it_has_its_label():
    whole, part = [100, 100, 300, 300], [110, 110, 160, 160]
    for boxes in ([whole, part], [part, whole]):
        same = merge([detections(boxes)], [Tile(0, 0, *WH)], WH, 0.5)
        np.testing.assert_array_equal(same.boxes, boxes[:1])
        other = merge([detections(boxes, labels=[0, 1])], [Tile(0, 0, *WH)], WH, 0.5)
        np.testing.assert_array_equal(other.boxes, boxes)
    neighbours = [whole, [290, 100, 340, 150]]  # a fifth of the smaller one is in the other
    merged = merge([detections(neighbours)], [Tile(0, 0, *WH)], WH, 0.5)
    assert len(merged) == 2


def test_of_three_the_middle_one_does_not_take_the_last_with_it():
    """The second is a part of the first, and goes; the third is a part of the second alone."""
    boxes = [[0, 0, 100, 100], [0, 50, 100, 104], [0, 90, 100, 108]]
    merged = merge([detections(boxes)], [Tile(0, 0, *WH)], WH, 0.6)
    np.testing.assert_array_equal(merged.boxes, [boxes[0], boxes[2]])


def test_points_go_with_their_boxes():
    first, second = detections([[10, 10, 20, 20]], [0.4]), detections([[5, 5, 25, 25]], [0.8])
    first.points[:] = 7
    merged = merge([first, second], [Tile(0, 0, *WH), Tile(300, 200, 340, 280)], WH, 0.5)
    assert merged.points.tolist() == [[1, 1, 1], [7, 7, 7]]
    np.testing.assert_array_equal(merged.boxes, [[305, 205, 325, 225], [10, 10, 20, 20]])


def test_empty_tiles():
    cuts = tiles_of(WH, 2, 0.2)
    nothing = merge([Detections.none(3)] * 5, cuts, WH, 0.5)
    assert len(nothing) == 0
    assert nothing.points.shape == (0, 3)
    one = detections([[20, 20, 40, 40]])
    merged = merge([Detections.none(), one, *[Detections.none()] * 3], cuts, WH, 0.5)
    np.testing.assert_array_equal(merged.boxes, one.boxes)


def test_another_number_of_tiles_is_refused():
    with pytest.raises(ValueError, match="got detections of 4 tiles, expected those of 5"):
        merge([Detections.none(3)] * 4, tiles_of(WH, 2, 0.2), WH, 0.5)
