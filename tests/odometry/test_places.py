"""The demo's room, there and back again: odometry that drifts is corrected, and only then."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.errors import OdometryError
from embodied_perception.features.words import Vocabulary
from embodied_perception.geometry import Transform
from embodied_perception.odometry import (
    Estimate,
    OdometryConfig,
    RgbdImage,
    TrackingState,
    VisualOdometry,
)
from embodied_perception.odometry.map_file import read_map, write_map
from embodied_perception.odometry.places import PlaceMap

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
TOPICS = ["/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth"]
EVERY = 3
PERIOD_NS = 66_666_667
CONFIG = OdometryConfig()
RETURN = 70  # frames of the way back
AWAY = Transform.from_rotation_vector([0.3, -0.2, 2.5], [40.0, -7.0, 3.0])


@pytest.fixture(scope="module")
def camera():
    return calibration_of(DEMO, TOPICS[0]).delivered()


@pytest.fixture(scope="module")
def frames():
    """(gray, depth_m) of every third moment."""
    pairs = list(frame_sets(DEMO, TOPICS, 0, print))[::EVERY]
    return [(color.gray, depth.depth_m) for color, depth in pairs]


@pytest.fixture(scope="module")
def estimates(camera, frames):
    """What odometry says there and back."""
    odometry = VisualOdometry(camera, CONFIG)
    there_and_back = [*frames, *frames[::-1]]
    return [
        odometry.track(RgbdImage(*frame, (place + 1) * PERIOD_NS))
        for place, frame in enumerate(there_and_back)
    ]


def drifting(estimates):
    """The same, with 2 mrad and 1 mm more at each step about the camera's y axis."""
    drift = Transform.from_rotation_vector([0, 0.002, 0], [0.001, 0, 0])
    poses = [estimates[0].world_from_camera]
    for before, after in pairwise(estimates):
        motion = before.world_from_camera.inverse() @ after.world_from_camera
        poses.append(poses[-1] @ motion @ drift)
    growth = np.diag(np.repeat((0.002**2, 0.003**2), 3))
    return [
        dataclasses.replace(each, world_from_camera=pose, covariance=(place + 1) * growth)
        for place, (each, pose) in enumerate(zip(estimates, poses, strict=True))
    ]


def added(places, image, estimate):
    """Keep an image, and correct the map at once."""
    loop = places.add(image, estimate)
    while places.settle():
        pass
    return loop


def run(camera, frames, estimates, config=CONFIG):
    """The map, its loops, and map_from_camera of each image as it was told then."""
    places = PlaceMap(camera, config, Vocabulary.load())
    loops, told = [], []
    for (gray, depth_m), estimate in zip(frames, estimates, strict=False):
        if places.is_new(estimate):
            loop = added(places, RgbdImage(gray, depth_m, estimate.stamp_ns), estimate)
            loops += [loop] if loop else []
        told.append(places.map_from_world @ estimate.world_from_camera)
    return places, loops, told


def apart_m(first, second):
    return float(np.linalg.norm(first.translation - second.translation))


def test_the_end_is_the_beginning_again(camera, frames, estimates):
    there_and_back = [*frames, *frames[::-1]]
    drifted = drifting(estimates)
    _, loops, told = run(camera, there_and_back, drifted)
    start, end = drifted[0].world_from_camera, drifted[-1].world_from_camera
    assert apart_m(start, end) > 0.2
    assert apart_m(start, told[-1]) < 0.25 * apart_m(start, end)
    assert len(loops) >= 3
    good = {each.stamp_ns: each.world_from_camera for each in estimates}
    for loop in loops:
        assert loop.inliers >= 30
        first, second = (good[stamp] for stamp in (loop.first_ns, loop.second_ns))
        assert apart_m(first, second) < 0.8


def test_good_odometry_becomes_no_worse(camera, frames, estimates):
    _, _, told = run(camera, [*frames, *frames[::-1]], estimates)
    start = estimates[0].world_from_camera
    assert apart_m(start, told[-1]) < apart_m(start, estimates[-1].world_from_camera) + 0.002


def test_without_a_revisit_nothing_changes(camera, frames, estimates):
    half = len(frames) // 2
    places, loops, _ = run(camera, frames[:half], drifting(estimates[:half]))
    assert loops == []
    assert places.loops == 0
    np.testing.assert_array_equal(places.map_from_world.matrix, np.eye(4))
    assert len(places.trajectory()) == len(places) > 5


def test_places_are_forgotten_where_there_are_too_many(camera, frames, estimates):
    there_and_back = [*frames, *frames[::-1]]
    drifted = drifting(estimates)
    config = dataclasses.replace(CONFIG, places=25)
    places, loops, told = run(camera, there_and_back, drifted, config)
    assert len(places) == len(places.trajectory()) == 25
    assert loops
    start, end = drifted[0].world_from_camera, drifted[-1].world_from_camera
    assert apart_m(start, told[-1]) < 0.5 * apart_m(start, end)
    stamps = [stamp for stamp, _ in places.trajectory()]
    assert stamps == sorted(stamps)
    assert stamps[0] == drifted[0].stamp_ns


def test_what_is_kept_is_bounded_over_a_long_run(camera, frames, estimates):
    """Three rounds in a map that is full early: edges grow no more than places do."""
    config = dataclasses.replace(CONFIG, places=20)
    places = PlaceMap(camera, config, Vocabulary.load())
    period_ns = len(estimates) * PERIOD_NS
    for turn in range(3):
        for (gray, depth_m), each in zip([*frames, *frames[::-1]], estimates, strict=True):
            estimate = dataclasses.replace(each, stamp_ns=each.stamp_ns + turn * period_ns)
            if places.is_new(estimate):
                added(places, RgbdImage(gray, depth_m, estimate.stamp_ns), estimate)
    assert places.loops > 10
    contents = places.contents()
    assert len(contents.places) == 20
    # Steps join the places; each may have a loop, and a few more until the next relaxation.
    assert 19 < len(contents.edges) <= 19 + 20 + 5
    true = {}
    for each in estimates:
        true[each.stamp_ns % period_ns] = each.world_from_camera
    for place, pose in zip(contents.places, contents.map_from_camera, strict=True):
        assert apart_m(pose, true[place.stamp_ns % period_ns]) < 0.03


def test_a_handful_of_places_is_kept_at_the_least(camera, frames, estimates):
    config = dataclasses.replace(CONFIG, places=1)
    places, _, _ = run(camera, frames, estimates, config)
    assert len(places) == 20


def test_another_room_is_no_loop(camera, frames, estimates):
    """Noise instead of the second half of the way."""
    random = np.random.default_rng(0)
    height, width = frames[0][0].shape
    other = [
        (random.integers(0, 256, (height, width), np.uint8), np.full((height, width), 2.0))
        for _ in range(15)
    ]
    half = len(frames) // 2
    images, way = [*frames[:half], *other], [*estimates[:half], *estimates[-15:]]
    _, loops, _ = run(camera, images, way)
    assert loops == []


def test_a_lost_camera_is_at_no_place(camera):
    nothing = np.full((6, 6), np.nan)
    lost = Estimate(
        1, TrackingState.LOST, "", 0, None, nothing, nothing[0], nothing, np.zeros((0, 2)),
        np.zeros(0, bool), 0, float("nan"),
    )  # fmt: skip
    assert not PlaceMap(camera, CONFIG, Vocabulary.load()).is_new(lost)


def test_rotations_stay_rotations_through_many_losses(camera, frames, estimates):
    """Each is found again at once, as where lights flicker."""
    places = PlaceMap(camera, CONFIG, Vocabulary.load())
    for epoch in range(40):
        stamp_ns = (epoch + 1) * PERIOD_NS
        seen = dataclasses.replace(estimates[epoch % 9], stamp_ns=stamp_ns, epoch=epoch)
        added(places, RgbdImage(*frames[epoch % 9], stamp_ns), seen)
    assert places.loops >= 38
    for _, map_from_camera in places.trajectory():
        turned_back = map_from_camera.rotation @ map_from_camera.rotation.T
        np.testing.assert_allclose(turned_back, np.eye(3), atol=1e-12)


def test_images_without_features_or_depth_are_places_too(camera, frames, estimates):
    places = PlaceMap(camera, CONFIG, Vocabulary.load())
    gray, depth_m = frames[0]
    assert places.add(RgbdImage(np.full_like(gray, 9), depth_m, 1), estimates[0]) is None
    assert places.add(RgbdImage(gray, np.full_like(depth_m, np.nan), 2), estimates[1]) is None
    assert len(places) == 2


def test_the_whole_path_is_better_in_the_map(camera, frames, estimates):
    drifted = drifting(estimates)
    places, _, _ = run(camera, [*frames, *frames[::-1]], drifted)
    places_m = {stamp: pose.translation for stamp, pose in places.trajectory()}
    good = {each.stamp_ns: each.world_from_camera.translation for each in estimates}
    bad = {each.stamp_ns: each.world_from_camera.translation for each in drifted}
    in_map = np.array([np.linalg.norm(places_m[stamp] - good[stamp]) for stamp in places_m])
    in_odom = np.array([np.linalg.norm(bad[stamp] - good[stamp]) for stamp in places_m])
    assert np.sqrt((in_map**2).mean()) < 0.6 * np.sqrt((in_odom**2).mean())


def elsewhere(estimates):
    """The same motion in the world of another run."""
    return [
        dataclasses.replace(each, world_from_camera=AWAY @ each.world_from_camera)
        for each in estimates
    ]


@pytest.fixture(scope="module")
def another_run(camera, frames, estimates, tmp_path_factory):
    """A map of the begin of the way; a run that comes back to it; its poses in the map."""

    def another_run(config=CONFIG):
        begin = len(frames) // 4
        first, _, _ = run(camera, frames[:begin], estimates[:begin])
        path = tmp_path_factory.mktemp("map") / "begin.npz"
        write_map(path, first.contents(), first.vocabulary)
        contents = read_map(path, config, first.vocabulary)
        second = PlaceMap.go_on(contents, config, first.vocabulary)
        told = []
        back = elsewhere(estimates[-RETURN:])
        for (gray, depth_m), estimate in zip(frames[:RETURN][::-1], back, strict=True):
            if second.is_new(estimate):
                added(second, RgbdImage(gray, depth_m, estimate.stamp_ns), estimate)
            told.append(
                second.map_from_world and second.map_from_world @ estimate.world_from_camera
            )
        return first, second, told

    return another_run


def test_a_map_goes_on_in_another_run(estimates, another_run):
    first, second, told = another_run()
    # At first, nothing of the map is seen; then it is, and stays so.
    known = [pose is not None for pose in told]
    assert known == sorted(known)
    assert not known[0]
    assert known[-1]
    good = estimates[-RETURN:]
    for pose, estimate in zip(told, good, strict=True):
        if pose is not None:
            assert apart_m(pose, estimate.world_from_camera) < 0.05
    # What was kept before is in the map, too; that of the first run has hardly moved.
    true = {each.stamp_ns: each.world_from_camera for each in estimates}
    trajectory = second.trajectory()
    assert len(trajectory) == len(second) > len(first) + 5
    assert max(apart_m(pose, true[stamp]) for stamp, pose in trajectory) < 0.08
    np.testing.assert_array_equal(trajectory[0][1].matrix, first.trajectory()[0][1].matrix)


def test_what_is_nowhere_is_not_in_the_map(frames, estimates, another_run):
    first, _, _ = another_run()
    map_ = PlaceMap.go_on(first.contents(), CONFIG, Vocabulary.load())
    assert map_.map_from_world is None
    (estimate, *_), (gray, depth_m) = elsewhere(estimates), frames[-1]
    for _ in range(2):
        assert map_.is_new(estimate)
        map_.add(RgbdImage(np.full_like(gray, 9), depth_m, 1), estimate)
        estimate = dataclasses.replace(estimate, epoch=estimate.epoch + 1)
    assert len(map_) == len(first) + 2
    assert [stamp for stamp, _ in map_.trajectory()] == [stamp for stamp, _ in first.trajectory()]
    with pytest.raises(OdometryError, match="go to where that map was made first"):
        map_.contents()


def test_nothing_is_no_contents(camera):
    with pytest.raises(OdometryError, match="holds no place yet"):
        PlaceMap(camera, CONFIG, Vocabulary.load()).contents()


def assert_fits(contents, tmp_path, vocabulary):
    """All places hang together (a file would be refused else), and edges say where they are."""
    write_map(tmp_path / "map", contents, vocabulary)
    contents = read_map(tmp_path / "map", CONFIG, vocabulary)
    for edge in contents.edges:
        first, second = (contents.map_from_camera[name] for name in (edge.first, edge.second))
        assert apart_m(first @ edge.first_from_second, second) < 0.08


def test_places_of_two_runs_are_forgotten_and_the_rest_still_fits(another_run, tmp_path):
    first, second, told = another_run(dataclasses.replace(CONFIG, places=20))
    contents = second.contents()
    assert len(contents.places) == 20
    assert contents.places[0].stamp_ns == first.trajectory()[0][0]
    assert told[-1] is not None
    assert_fits(contents, tmp_path, second.vocabulary)


def test_the_first_place_of_a_run_can_be_forgotten_too(another_run, tmp_path):
    """No step leads to it: what was measured against it, is of the next one."""
    first, second, _ = another_run()
    count, name = len(second), len(first)
    for gone in (name, name - 1, name + 1):
        second._forget(gone)
    assert len(second) == count - 3
    assert_fits(second.contents(), tmp_path, second.vocabulary)


def test_the_map_settles_a_step_at_a_time_to_what_it_would_at_once(camera, frames, estimates):
    """And what is kept in the meantime moves with it."""
    told = drifting(estimates)
    at_once, _, _ = run(camera, frames, told)
    places = PlaceMap(camera, CONFIG, Vocabulary.load())
    steps = 0
    for (gray, depth_m), estimate in zip(frames, told, strict=False):
        if places.is_new(estimate):
            places.add(RgbdImage(gray, depth_m, estimate.stamp_ns), estimate)
        steps += places.settle()
        newest = places.trajectory()[-1]
        if newest[0] == estimate.stamp_ns:
            expected = places.map_from_world @ estimate.world_from_camera
            np.testing.assert_allclose(newest[1].matrix, expected.matrix, atol=1e-6)
    assert steps > 2
    while places.settle():
        pass
    for (_, one), (_, other) in zip(places.trajectory(), at_once.trajectory(), strict=True):
        assert np.linalg.norm(one.translation - other.translation) < 0.05
