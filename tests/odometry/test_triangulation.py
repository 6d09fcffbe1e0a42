"""Points from two rays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.odometry.triangulation import triangulate

coordinate = st.floats(-3, 3)


@given(
    point=st.tuples(coordinate, coordinate, st.floats(2, 30)),
    centre=st.tuples(coordinate, coordinate, st.floats(-1, 1)).filter(
        lambda place: np.hypot(*place[:2]) > 0.05
    ),
    lengths=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
)
def test_rays_that_meet_give_the_point_and_their_angle(point, centre, lengths):
    point, centre = np.array(point), np.array(centre)
    first, second = point, point - centre
    true = np.arccos(
        np.clip(first @ second / np.linalg.norm(first) / np.linalg.norm(second), -1, 1)
    )
    points, angles = triangulate(
        np.zeros(3), first[None] * lengths[0], centre, second[None] * lengths[1]
    )
    assert angles[0] == pytest.approx(true, abs=1e-6)
    if true > 1e-3:
        np.testing.assert_allclose(points[0], point, atol=1e-6)


def test_rays_that_pass_each_other_give_the_middle():
    points, _ = triangulate(
        np.zeros(3), np.array([[0, 0, 1.0]]), np.array([1.0, 0.2, 0]), np.array([[-1.0, 0, 2.0]])
    )
    np.testing.assert_allclose(points, [[0, 0.1, 2.0]], atol=1e-12)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param((0.0, 0, 1), id="parallel"),
        pytest.param((1.0, 0, 1), id="apart, so that they would meet behind"),
        pytest.param((0.0, 0, 0), id="no ray at all"),
        pytest.param((np.nan, 0, 1), id="not a number"),
    ],
)
def test_rays_that_do_not_meet_ahead_give_none(second):
    with np.errstate(invalid="ignore"):
        points, _ = triangulate(
            np.zeros(3), np.array([[0, 0, 1.0]]), np.array([1.0, 0, 0]), np.array([second])
        )
    assert np.isnan(points).all()


def test_no_rays():
    points, angles = triangulate(np.zeros(3), np.zeros((0, 3)), np.ones(3), np.zeros((0, 3)))
    assert points.shape == (0, 3)
    assert angles.shape == (0,)
