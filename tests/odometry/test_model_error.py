"""The model's error, from noise and errors that are known."""

import numpy as np
import pytest

from embodied_perception.geometry.pose import Noise, Observations, solve_pose, twist_transform
from embodied_perception.odometry.model_error import ModelError, disagreement

K = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
NOISE = Noise(0.7, 0.002)


def scene(rng, count=200):
    pixels = rng.uniform((0, 0), (640, 480), (count, 2))
    depth_m = rng.uniform(1, 4, count)
    return np.column_stack(((pixels - K[:2, 2]) / K[0, 0], np.ones(count))) * depth_m[:, None]


def seen(rng, points, depth_points=None, size=1.0):
    """Points as pixels and depth show them; depth may show others."""
    pixels = points[:, :2] / points[:, 2:] * K[0, 0] + K[:2, 2]
    inverse = 1 / (points if depth_points is None else depth_points)[:, 2]
    pixels = pixels + rng.normal(0, size * NOISE.pixel_px, pixels.shape)
    inverse = inverse + rng.normal(0, size * NOISE.inverse_depth, len(inverse))
    return Observations(pixels, 1 / inverse)


def test_noise_alone_does_not_pass_for_an_error():
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(150):
        points = scene(rng)
        observed = seen(rng, points)
        solution = solve_pose(points, observed, K, NOISE, twist_transform(np.zeros(6)))
        difference, variance = disagreement(
            solution.camera_from_world.apply(points), observed, K, NOISE
        )
        ratios.append(difference**2 / variance)
    # Weights against outliers overstate the variance of noise that has none.
    assert (np.mean(ratios, axis=0) > 0.4).all()
    assert (np.mean(ratios, axis=0) < 0.9).all()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_depth_of_another_pose_differs_by_that_motion(place):
    rng = np.random.default_rng(1)
    expected = np.zeros(3)
    expected[place] = (0.02, 0.01, -0.01)[place]
    twist = np.zeros(6)
    twist[2:5] = expected
    points = scene(rng)
    observed = seen(rng, points, depth_points=twist_transform(twist).apply(points), size=0.01)
    difference, _ = disagreement(points, observed, K, NOISE)
    np.testing.assert_allclose(difference, expected, atol=1e-3)


@pytest.mark.parametrize("known", [0, 19])
def test_few_depths_say_nothing(known):
    rng = np.random.default_rng(2)
    points = scene(rng)
    observed = seen(rng, points)
    observed.depth_m[known:] = np.nan
    assert disagreement(points, observed, K, NOISE) is None


def sideways(moved):
    return np.array((moved, 0.0, 0, 0, 0, 0))


def learnt(share, count, seed=3, into=None):
    rng = np.random.default_rng(seed)
    error = into or ModelError(0.1)
    variance, scene_m = np.array((0.001, 0.0015, 0.0012)) ** 2, 2.5
    for moved in rng.uniform(0.02, 0.1, count):
        spread = np.sqrt(variance + (share * moved * np.array((scene_m, 1, 1))) ** 2)
        error.learn(rng.normal(0, spread), variance, sideways(moved), scene_m)
    return error


@pytest.mark.parametrize("assumed", [0.0, 0.07, 0.5])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.2])
def test_the_share_is_learnt_whatever_was_assumed(share, assumed):
    assert learnt(share, 1500).share(assumed) == pytest.approx(share, rel=0.1, abs=0.006)


def test_what_is_assumed_counts_at_first():
    assert ModelError(0.1).share(0.07) == pytest.approx(0.07)
    assert ModelError(0.1).share(0.0) == 0.0
    error = ModelError(0.1)
    error.learn(np.zeros(3), np.ones(3), sideways(0.05), 2.0)
    assert error.share(0.07) == 0.0  # less than noise, and never the root of what is negative


def test_a_camera_that_was_knocked_is_noticed():
    error = learnt(0.0, 600)
    assert error.share(0.07) < 0.005
    assert learnt(0.1, 600, seed=4, into=error).share(0.07) == pytest.approx(0.1, rel=0.15)


def grown(motions):
    """Variance along a way of (6,) motions, where a tenth of each may be wrong."""
    error, total = ModelError(0.1), 0.0
    for motion in motions:
        total += error.variance(motion)
        error.keep(motion, assumed=0.1)
    return total


def test_an_error_goes_on_to_the_same_side_for_a_while():
    first = grown([sideways(0.01)])
    two = grown([sideways(0.01)] * 2)
    assert 3 * first < two < 4 * first  # nearly that of the whole way at once


def test_errors_of_other_directions_are_independent():
    there, across = sideways(0.01), np.array((0, 0.01, 0, 0, 0, 0))
    assert grown([there, across]) == pytest.approx(2 * grown([there]))
    assert grown([there, -there]) == pytest.approx(2 * grown([there]))  # no less than that


def test_after_a_long_way_errors_have_other_causes():
    far = grown([sideways(0.01)] * 1000)
    assert far < grown([sideways(10.0)]) / 10
    assert far == pytest.approx(2 * grown([sideways(0.01)] * 500), rel=0.02)


def test_what_was_learnt_is_in_force_from_the_next_keyframe():
    error = learnt(0.0, 600)
    before = error.variance(sideways(0.1))
    error.keep(sideways(0.1), assumed=0.1)
    assert before == pytest.approx(1e-4)
    assert error.variance(sideways(0.1)) < 1e-6
