"""Depth at features, and where there is none."""

import numpy as np
import pytest

from embodied_perception.features.depth_sampling import sample_depth


def sample(depth_m, *pixels, nearest_m=0.3, farthest_m=8.0):
    pixels = np.array(pixels, float).reshape(-1, 2)
    return sample_depth(depth_m, pixels, nearest_m=nearest_m, farthest_m=farthest_m)


@pytest.fixture
def flat():
    return np.full((40, 60), 2.0, np.float32)


def test_reads_a_surface(flat):
    flat[:] = np.linspace(2.0, 2.2, 60, dtype=np.float32)
    expected = 2.0 + 0.2 * np.array([10, 31]) / 59
    np.testing.assert_allclose(sample(flat, (10, 20), (30.6, 5.2)), expected, atol=1e-6)


def test_image_borders_are_read(flat):
    corners = [(0, 0), (59, 0), (0, 39), (59, 39), (-0.4, 39.4)]
    np.testing.assert_array_equal(sample(flat, *corners), 2.0)


def test_beside_a_depth_edge_there_is_none(flat):
    flat[:, 30:] = 3.0
    got = sample(flat, (27, 20), (28, 20), (31, 20), (32, 20))
    np.testing.assert_array_equal(got, [2.0, np.nan, np.nan, 3.0])


def test_holes_are_bridged_where_most_is_known(flat):
    flat[20, 10] = np.nan
    flat[18:21, 28:33] = np.nan  # 15 of 25
    np.testing.assert_array_equal(sample(flat, (10, 20), (30, 20)), [2.0, np.nan])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0, 0.29, 8.1])
def test_what_is_no_reading_is_unknown(flat, bad):
    flat[:] = bad
    assert np.isnan(sample(flat, (10, 10))).all()


def test_median_withstands_a_spike(flat):
    flat[20, 10] = 2.05
    assert sample(flat, (10, 20)) == pytest.approx(2.0)


def test_no_pixels_no_depth(flat):
    assert sample(flat).shape == (0,)
