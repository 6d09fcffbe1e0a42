"""Which views are sharp, which differ most, and how much of the image they cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.camera.calibration import (
    GRID,
    CharucoBoard,
    Chessboard,
    CircleGrid,
    Coverage,
    Detection,
    View,
    moves,
    spread,
)

BOARD = Chessboard(5, 4)
SIZE = (480, 360)  # 600 pixels across: 18 pixels a second is the fastest that is sharp
FRAME_NS = 100_000_000


def flat(left, top, square_px, stamp_ns=0, board=BOARD, ids=None):
    """A view of a board that is parallel to the image."""
    ids = np.arange(len(board.points)) if ids is None else np.array(ids)
    pixels = board.points[ids, :2] / board.square_m * square_px + (left, top)
    return View(f"{left},{top}", stamp_ns, board, Detection(ids, pixels), SIZE)


@pytest.mark.parametrize(("shift_px", "moved"), [(0.0, False), (1.7, False), (1.9, True)])
def test_a_board_moves_when_it_is_faster_than_a_sharp_image_allows(shift_px, moved):
    before = flat(100, 100, 20)
    assert moves(before, flat(100 + shift_px, 100, 20, FRAME_NS)) is moved
    assert moves(before, flat(100, 100 - shift_px, 20, FRAME_NS)) is moved
    assert not moves(before, flat(100 + shift_px, 100, 20, 2 * FRAME_NS))


def test_only_points_that_both_images_show_are_compared():
    some, others = range(12), range(6, 20)
    before, after = flat(100, 100, 20, ids=some), flat(100, 100, 20, FRAME_NS, ids=others)
    assert not moves(before, after)
    assert moves(before, flat(105, 100, 20, FRAME_NS, ids=others))


def test_one_wrong_point_is_no_motion():
    after = flat(100, 100, 20, FRAME_NS)
    after.pixels[3] += 50
    assert not moves(flat(100, 100, 20), after)


def test_what_cannot_be_compared_counts_as_moving():
    view = flat(100, 100, 20)
    assert moves(view, flat(100, 100, 20))  # the same time
    assert moves(flat(100, 100, 20, FRAME_NS), view)  # time going backwards
    assert moves(flat(100, 100, 20, ids=range(8)), flat(100, 100, 20, FRAME_NS, ids=range(10, 20)))


def test_one_view_of_each_place_is_chosen():
    places = [(30, 30), (300, 30), (30, 250), (300, 250)]
    views = [flat(x + n, y - n, 20) for x, y in places for n in range(5)]
    chosen = spread(views, 4)
    assert [place // 5 for place in chosen] == [0, 1, 2, 3]


def test_near_and_far_views_differ_as_places_do():
    near, far = flat(100, 80, 60), flat(200, 150, 15)
    alike = [flat(150 + n, 120, 30) for n in range(8)]
    assert {0, 9} < set(spread([near, *alike, far], 3))


def test_the_view_with_most_points_is_always_chosen():
    views = [flat(100 + 10 * n, 100, 20, ids=range(10)) for n in range(5)]
    views.insert(3, flat(125, 100, 20))
    assert 3 in spread(views, 1)


def test_few_views_are_all_chosen():
    views = [flat(10 * n, 50, 20) for n in range(3)]
    assert spread(views, 3) == spread(views, 7) == [0, 1, 2]
    assert spread([], 5) == []


@given(
    places=st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200), st.floats(5, 40)), max_size=12),
    count=st.integers(1, 12),
)
def test_as_many_different_views_as_asked_for_are_chosen_in_their_order(places, count):
    distinct = {tuple(np.round(place, 3)) for place in places}
    chosen = spread([flat(*place) for place in distinct], count)
    assert len(chosen) == min(count, len(distinct))
    assert chosen == sorted(set(chosen))


def test_coverage_counts_points_in_cells():
    columns, rows = GRID
    cell = np.array(SIZE) / GRID
    board = Chessboard(columns, rows)
    every_cell = flat(*(cell / 2 - 0.5), cell[0], board=board)
    coverage = Coverage.of([every_cell])
    assert coverage.share == 1
    np.testing.assert_array_equal(coverage.counts, np.ones((rows, columns)))
    assert Coverage.of([every_cell] * 3).counts.sum() == 3 * columns * rows


def test_cells_are_numbered_from_the_upper_left():
    counts = Coverage.of([flat(-0.5, -0.5, 1.0)]).counts
    assert counts[0, 0] == 20
    assert counts.sum() == 20
    counts = Coverage.of([flat(474, 355, 1.0)]).counts
    assert counts[-1, -1] == 20


def test_sizes_are_shares_of_the_image_that_the_outline_fills():
    coverage = Coverage.of([flat(50, 50, 30), flat(100, 100, 60), flat(10, 10, 45)])
    # 4 x 3 squares between the outermost corners
    assert coverage.sizes == pytest.approx((12 * 30**2 / 480 / 360, 12 * 60**2 / 480 / 360))


def test_no_views_cover_nothing():
    coverage = Coverage.of([])
    assert coverage.share == 0
    assert coverage.sizes == (0, 0)
    assert coverage.counts.shape == GRID[::-1]


def test_the_outline_of_a_board_seen_in_part_is_that_of_the_whole():
    board = CharucoBoard(6, 5, 0.04, 0.03)
    whole, part = (
        flat(80, 60, 40, board=board),
        flat(80, 60, 40, board=board, ids=[0, 1, 2, 5, 6, 7]),
    )
    np.testing.assert_allclose(part.outline, whole.outline, atol=1e-6)
    np.testing.assert_allclose(whole.outline[2] * 480, [240, 180], atol=1e-6)
    assert part.size == pytest.approx(whole.size)


def test_a_view_has_a_variant_for_each_way_the_board_may_lie():
    view = flat(10, 10, 20)
    assert view.variants() == [view]
    view = flat(10, 10, 20, board=CircleGrid(4, 4))
    variants = view.variants()
    assert len(variants) == 4
    for variant in variants:
        assert sorted(variant.pixels.tolist()) == sorted(view.pixels.tolist())
        np.testing.assert_allclose(variant.size, view.size)
    assert len({tuple(variant.pixels[0]) for variant in variants}) == 4
