"""A motion from two views: general scenes, flat ones, and those that tell nothing."""

import numpy as np
import pytest

from embodied_perception.geometry import Transform
from embodied_perception.odometry.two_view import possible_motions

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
SIDEWAYS = Transform.from_rotation_vector((0.01, -0.08, 0.02), (-0.4, 0.05, 0.1))
FORWARD = Transform.from_rotation_vector((0.0, 0.02, 0.0), (0.0, 0.02, -0.6))
SIGMA_PX = 0.5


def room(count=200, seed=0):
    return np.random.default_rng(seed).uniform((-2, -1.5, 3), (2, 1.5, 8), (count, 3))


def wall(count=200, seed=0):
    points = room(count, seed)
    points[:, 2] = 4.0 + 0.4 * points[:, 0] - 0.2 * points[:, 1]
    return points


def see(points, camera_from_world):
    there = camera_from_world.apply(points)
    return (there[:, :2] / there[:, 2:] * 500 + (320, 240)).astype(np.float32)


def two_view(*views):
    """The only motion that is possible."""
    (view,) = possible_motions(*views, K, SIGMA_PX)
    return view


def both(points, motion):
    """Where points are in both views; features are what the first shows, found in the second."""
    noise = np.random.default_rng(1).normal(0, SIGMA_PX, (len(points), 2))
    return see(points, Transform.identity()), see(points, motion) + noise


def degrees(vector):
    return np.degrees(np.linalg.norm(vector))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("motion", [SIDEWAYS, FORWARD], ids=["sideways", "forward"])
def test_finds_the_motion_and_the_scene(motion, seed):
    points, length = room(seed=seed), np.linalg.norm(motion.translation)
    view = two_view(*both(points, motion))
    found = view.second_from_first
    assert degrees((found @ motion.inverse()).rotation_vector) < 0.2
    assert np.linalg.norm(found.translation) == pytest.approx(1.0)
    assert found.translation @ motion.translation / length > np.cos(np.radians(1))
    assert view.good.mean() > 0.95
    off = view.points[view.good] * length - points[view.good]
    assert np.median(np.linalg.norm(off, axis=1) / points[view.good, 2]) < 0.04


def test_a_wall_half_hidden_by_a_box_is_enough():
    points = np.concatenate((wall(150), room(50)))
    view = two_view(*both(points, SIDEWAYS))
    assert degrees((view.second_from_first @ SIDEWAYS.inverse()).rotation_vector) < 0.3


@pytest.mark.parametrize("motion", [SIDEWAYS, FORWARD], ids=["sideways", "forward"])
def test_a_bare_wall_leaves_two_motions_one_of_which_is_right(motion):
    views = possible_motions(*both(wall(), motion), K, SIGMA_PX)
    assert len(views) == 2
    off = [degrees((each.second_from_first @ motion.inverse()).rotation_vector) for each in views]
    assert min(off) < 0.5


def test_a_fifth_of_wrong_matches_does_not_matter():
    points = room()
    first, second = both(points, SIDEWAYS)
    second[:40] = np.random.default_rng(3).uniform((0, 0), (640, 480), (40, 2))
    view = two_view(first, second)
    assert degrees((view.second_from_first @ SIDEWAYS.inverse()).rotation_vector) < 0.3
    assert view.good[:40].mean() < 0.2
    assert view.good[40:].mean() > 0.9


@pytest.mark.parametrize(
    "turn", [(0.0, 0, 0), (0.0, 0.1, 0), (0, 0, 0.3)], ids=["still", "pan", "roll"]
)
def test_without_translation_nothing_is_far_apart_enough(turn):
    views = both(room(), Transform.from_rotation_vector(turn, (0, 0, 0)))
    # Whatever motion is found, its points have no parallax beyond the noise.
    for view in possible_motions(*views, K, SIGMA_PX):
        assert np.median(view.angles[view.good]) < 3 * SIGMA_PX / K[0, 0]


def test_noise_alone_is_no_motion():
    generator = np.random.default_rng(4)
    first, second = generator.uniform((0, 0), (640, 480), (2, 100, 2))
    assert possible_motions(first, second, K, SIGMA_PX) == []


def test_the_same_input_gives_the_same_motion():
    first, second = both(room(), SIDEWAYS)
    one, two = (two_view(first, second) for _ in range(2))
    assert np.array_equal(one.second_from_first.matrix, two.second_from_first.matrix)
