"""Features spread over the image, the strongest of each cell first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.features.selection import select_balanced

SIZE = (160, 120)


@given(st.integers(0, 400), st.integers(0, 100), st.integers(0, 10))
def test_as_many_as_asked_and_none_twice(total, count, seed):
    random = np.random.default_rng(seed)
    pixels = random.uniform((0, 0), SIZE, (total, 2))
    chosen = select_balanced(pixels, random.uniform(size=total), count, SIZE)
    assert len(chosen) == len(set(chosen.tolist())) == min(total, count)


def test_a_weak_feature_alone_goes_before_many_strong_ones():
    crowd = np.full((50, 2), 5.0)
    pixels = np.vstack([crowd, [[150.0, 110.0]]])
    responses = np.append(np.arange(50.0, 100.0), 1.0)
    assert select_balanced(pixels, responses, 3, SIZE).tolist() == [49, 50, 48]


def test_where_there_is_room_for_all_the_strongest_comes_first():
    pixels = np.array([[1.0, 1], [80, 60], [150, 110]])
    assert select_balanced(pixels, np.array([2.0, 9, 5]), 10, SIZE).tolist() == [1, 2, 0]
