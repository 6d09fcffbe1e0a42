"""Keyframes and landmarks, with exact sightings."""

import dataclasses

import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations
from embodied_perception.odometry import OdometryConfig
from embodied_perception.odometry.keyframes import Keyframe
from embodied_perception.odometry.local_map import LocalMap, least_parallax

CAMERA = Camera.pinhole(640, 480, 500.0, 500.0, 319.5, 239.5)
NOISE = Noise(0.7, 0.002)
GRAY = np.zeros((480, 640), np.uint8)


def points(count=80, seed=0):
    return np.random.default_rng(seed).uniform((-1.5, -1, 2), (1.5, 1, 5), (count, 3))


def at(x, turn=0.0):
    """camera_from_world, ``x`` metres to the right."""
    return Transform.from_rotation_vector((0, turn, 0), (x, 0, 0)).inverse()


def keyframe(names, world, camera_from_world, depth=True):
    there = camera_from_world.apply(world)
    pixels = CAMERA.project(there)
    depth_m = there[:, 2] if depth else np.full(len(there), np.nan)
    return Keyframe(GRAY, camera_from_world, pixels, Observations(pixels, depth_m), names)


@pytest.fixture
def local_map():
    return LocalMap(CAMERA, OdometryConfig(window=3, keyframes=5))


def test_depth_makes_landmarks_at_once(local_map):
    world = points()
    local_map.add(keyframe(local_map.new_names(80), world, at(0.3, 0.1)), NOISE)
    np.testing.assert_allclose(local_map.landmarks.points_world, world, atol=1e-9)


def test_without_depth_motion_makes_them(local_map):
    world, names = points(), local_map.new_names(80)
    local_map.add(keyframe(names, world, at(0.0), depth=False), NOISE)
    assert len(local_map.landmarks) == 0
    local_map.add(keyframe(names, world, at(0.4), depth=False), NOISE)
    assert len(local_map.landmarks) == 80
    np.testing.assert_allclose(local_map.landmarks.points_world, world, atol=1e-4)


def test_a_motion_too_small_for_depth_makes_none(local_map):
    world, names = points(), local_map.new_names(80)
    small_m = 0.5 * least_parallax(CAMERA.K, NOISE.pixel_px) * world[:, 2].min()
    local_map.add(keyframe(names, world, at(0.0), depth=False), NOISE)
    local_map.add(keyframe(names, world, at(small_m), depth=False), NOISE)
    assert len(local_map.landmarks) == 0
    assert len(local_map.newest.names) == 80  # they wait


def test_a_feature_that_moved_by_itself_is_dropped(local_map):
    world, names = points(), local_map.new_names(80)
    local_map.add(keyframe(names, world, at(0.0), depth=False), NOISE)
    second = keyframe(names, world, at(0.4), depth=False)
    second.seen.pixels[5, 1] += 25.0  # off its epipolar line
    local_map.add(second, NOISE)
    assert local_map.landmarks.find(names[5:6]) == [-1]
    assert names[5] not in local_map.newest.names
    assert len(local_map.landmarks) == 79


def test_a_wrong_guess_of_the_pose_is_put_right(local_map):
    world, names = points(), local_map.new_names(80)
    local_map.add(keyframe(names, world, at(0.0)), NOISE)
    true = keyframe(names, world, at(0.3, 0.05))
    guess = at(0.32, 0.045)
    local_map.add(dataclasses.replace(true, camera_from_world=guess), NOISE)
    np.testing.assert_allclose(
        local_map.newest.camera_from_world.matrix, true.camera_from_world.matrix, atol=1e-5
    )


def test_keyframes_and_landmarks_stay_bounded_on_a_long_way(local_map):
    world = points(4000, seed=1) * (20, 1, 1)  # 60 m of wall
    names = local_map.new_names(len(world))
    for x in np.linspace(-25, 25, 101):
        pose = at(x)
        pixels = CAMERA.project(pose.apply(world))
        shown = np.all((pixels >= 0) & (pixels < (640, 480)), axis=1)
        local_map.add(keyframe(names[shown], world[shown], pose), NOISE)
        assert len(local_map.keyframes) <= 5
    seen = np.unique(np.concatenate([each.names for each in local_map.keyframes]))
    assert np.array_equal(local_map.landmarks.names, seen)
    np.testing.assert_allclose(
        local_map.newest.camera_from_world.matrix, at(25.0).matrix, atol=1e-9
    )
    rows = np.searchsorted(names, local_map.landmarks.names)
    np.testing.assert_allclose(local_map.landmarks.points_world, world[rows], atol=1e-6)


def test_names_are_never_given_twice(local_map):
    given = np.concatenate([local_map.new_names(count) for count in (3, 0, 7)])
    assert given.tolist() == list(range(10))
