"""A table of points by name."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.odometry.landmarks import Landmarks

names = st.lists(st.integers(0, 10_000), unique=True, max_size=30)


def named(values):
    values = np.array(sorted(values), np.int64)
    return Landmarks.fresh(values, np.column_stack((values, -values, values + 0.5)))


@given(first=names, second=names, asked=names)
def test_finds_what_was_put_in_and_nothing_else(first, second, asked):
    second = [name for name in second if name not in first]
    table = named(first) + named(second)
    assert table.names.tolist() == sorted(first + second)
    points = table.points_of(np.array(asked, np.int64))
    for name, point, row in zip(asked, points, table.find(np.array(asked, np.int64)), strict=True):
        if name in first or name in second:
            assert point.tolist() == [name, -name, name + 0.5]
            assert table.names[row] == name
        else:
            assert np.isnan(point).all()
            assert row == -1


@given(values=names.filter(len))
def test_keeps_what_is_asked_for(values):
    table = named(values).only(np.arange(0, len(values), 2))
    assert table.names.tolist() == sorted(values)[::2]
    assert table.information.shape == (len(table), 3, 3)
    assert (table.points_world[:, 0] == table.names).all()
