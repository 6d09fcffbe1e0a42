"""RGB-D odometry against exact poses, and through everything that can go wrong."""

import dataclasses
import itertools

import numpy as np
import pytest

from embodied_perception.errors import ConfigError, OdometryError
from embodied_perception.geometry import Transform
from embodied_perception.odometry import OdometryConfig, RgbdImage, TrackingState, VisualOdometry

HAS_POSE = {TrackingState.OK, TrackingState.DEGRADED, TrackingState.RECOVERED}


@pytest.fixture
def odometry(room):
    return VisualOdometry(room.camera, OdometryConfig())


@pytest.fixture
def feed(odometry, stamp):
    """Tracks images one after another, each with the next stamp."""
    count = iter(range(10_000))
    return lambda gray, depth_m: odometry.track(RgbdImage(gray, depth_m, stamp(next(count))))


def errors(estimate, truth):
    """Millimetres and degrees."""
    off = truth.inverse() @ estimate.world_from_camera
    return 1e3 * np.linalg.norm(off.translation), np.degrees(np.linalg.norm(off.rotation_vector))


def assert_covariance(covariance):
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-15)
    assert np.linalg.eigvalsh(covariance).min() > 0


def black(depth_m):
    return np.zeros(depth_m.shape, np.uint8), depth_m


def test_follows_a_walk_to_millimetres(recording, feed):
    estimates = [feed(gray, depth_m) for _, gray, depth_m in recording]
    off = np.array([errors(e, truth) for e, (truth, *_) in zip(estimates, recording, strict=True)])
    assert off.max(axis=0) == pytest.approx([0, 0], abs=8.0)
    assert np.sqrt(np.mean(off**2, axis=0)) == pytest.approx([0, 0], abs=4.0)
    assert off[:, 1].max() < 0.3
    assert estimates[0].state is TrackingState.INIT
    assert all(e.state is TrackingState.OK for e in estimates[1:])
    assert max(e.keyframes for e in estimates) <= OdometryConfig().keyframes
    assert all(0 < e.rms_px < 1 for e in estimates[1:])


def test_velocity_is_the_cameras_own(recording, feed):
    poses = [feed(gray, depth_m) for _, gray, depth_m in recording[:20]]
    moved = recording[18][0].inverse() @ recording[19][0]
    true = np.concatenate((moved.translation, moved.rotation_vector)) / 0.033333333
    np.testing.assert_allclose(poses[-1].velocity, true, atol=0.12)


def test_covariance_is_positive_and_grows(recording, feed):
    estimates = [feed(gray, depth_m) for _, gray, depth_m in recording[:60]]
    for estimate in estimates:
        assert_covariance(estimate.covariance)
        assert_covariance(estimate.velocity_covariance)
    # At the very beginning it may shrink, where the model turns out better than was assumed.
    spread = [np.sqrt(np.trace(estimates[i].covariance[:3, :3])) for i in (20, 40, 59)]
    assert spread[0] < spread[1] < spread[2] < 0.5


def test_error_stays_within_three_standard_deviations(recording, feed):
    estimates = [feed(gray, depth_m) for _, gray, depth_m in recording]
    truth, estimate = recording[-1][0], estimates[-1]
    off = estimate.world_from_camera.inverse() @ truth
    twist = np.concatenate((off.translation, off.rotation_vector))
    assert twist @ np.linalg.solve(estimate.covariance, twist) / 6 < 9


def test_the_same_input_gives_the_same_floats(room, recording, stamp):
    def run():
        odometry = VisualOdometry(room.camera, OdometryConfig())
        return [
            odometry.track(RgbdImage(g, d, stamp(k))) for k, (_, g, d) in enumerate(recording[:30])
        ]

    for one, two in zip(run(), run(), strict=True):
        assert np.array_equal(one.world_from_camera.matrix, two.world_from_camera.matrix)
        assert np.array_equal(one.covariance, two.covariance)
        assert np.array_equal(one.pixels, two.pixels)


def test_does_not_drift_when_nothing_moves(room, feed):
    pose = Transform.identity()
    views = [room.view(pose, noise=3.0, seed=seed) for seed in range(25)]
    for k in range(100):
        estimate = feed(*views[k % 25])
        assert np.linalg.norm(estimate.world_from_camera.translation) < 0.002
        assert estimate.is_still == (k > 15)  # 0.5 s


def test_a_camera_that_moves_does_not_stand_still(recording, feed):
    estimates = [feed(gray, depth_m) for _, gray, depth_m in recording[:60]]
    assert not any(estimate.is_still for estimate in estimates)


def test_blind_it_does_not_say_that_it_stands_still(room, feed):
    view = room.view(Transform.identity(), noise=2.0)
    assert [feed(*view).is_still for _ in range(20)][-1]
    assert not feed(*black(view[1])).is_still
    for _ in range(30):
        feed(*black(view[1]))
    again = [feed(*view) for _ in range(20)]
    assert again[0].state is TrackingState.RECOVERED
    assert [each.is_still for each in again] == [False] * 16 + [True] * 4


@pytest.mark.parametrize("kind", ["black", "noise"])
def test_loss_is_stated_at_once_and_the_view_found_again(recording, feed, kind):
    for _, gray, depth_m in recording[:20]:
        feed(gray, depth_m)
    generator = np.random.default_rng(0)
    for k in range(3):
        blind = np.zeros_like(gray)
        if kind == "noise":
            blind = generator.integers(0, 255, gray.shape, np.uint8)
        lost = feed(blind, depth_m)
        assert lost.state is TrackingState.LOST, k
        assert lost.reason
        assert not lost.inliers.any()
    truth, gray, depth_m = recording[22]
    found = feed(gray, depth_m)
    assert found.state is TrackingState.RECOVERED
    assert found.epoch == 1
    assert errors(found, truth)[0] < 10
    assert feed(*recording[23][1:]).state is TrackingState.OK


def test_noise_is_no_beginning(recording, feed):
    """However long it lasts, what was known stays, and is found again after it."""
    for _, gray, depth_m in recording[:20]:
        feed(gray, depth_m)
    generator = np.random.default_rng(0)
    for _ in range(12):
        lost = feed(generator.integers(0, 256, gray.shape, np.uint8), depth_m)
        assert lost.state is TrackingState.LOST
        assert lost.epoch == 0
    truth, gray, depth_m = recording[32]
    found = feed(gray, depth_m)
    assert found.state is TrackingState.RECOVERED
    assert errors(found, truth)[0] < 15


def test_a_short_blindness_is_coasted_through(recording, feed):
    for _, gray, depth_m in recording[:20]:
        last = feed(gray, depth_m)
    begun = recording[19][0].inverse() @ last.world_from_camera
    spread_m = []
    for index in range(20, 29):  # 0.3 s
        guess = feed(*black(depth_m))
        assert guess.state is TrackingState.LOST
        off = (recording[index][0].inverse() @ guess.world_from_camera).translation
        assert np.linalg.norm(off - begun.translation) < 0.06
        assert_covariance(guess.covariance)
        spread_m.append(np.sqrt(guess.covariance[0, 0]))
        np.testing.assert_array_equal(guess.velocity, last.velocity)
    assert spread_m[0] > np.sqrt(last.covariance[0, 0])
    assert np.diff(spread_m).min() > 0.02
    assert "unseen for 0.30 s" in guess.reason
    lost = feed(*black(depth_m))
    assert lost.world_from_camera is None
    assert np.isnan(lost.covariance).all()


def test_nothing_is_guessed_where_coasting_is_off(room, recording, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig(coast_s=0.0))
    for k, (_, gray, depth_m) in enumerate(recording[:5]):
        odometry.track(RgbdImage(gray, depth_m, stamp(k)))
    assert odometry.track(RgbdImage(*black(depth_m), stamp(5))).world_from_camera is None


@pytest.mark.parametrize("blind", [4, 12, 60])
def test_no_step_is_longer_than_the_motion_model_allows(room, recording, stamp, blind):
    """Whatever was guessed, and however far off: a robot that stops unseen, 60 frames for 2 s."""
    config = OdometryConfig(max_speed=1.0, max_turn_rate=1.0)
    odometry = VisualOdometry(room.camera, config)
    views = [view[1:] for view in recording[:30]]
    views += [black(views[0][1])] * blind + [views[29]] * 25
    given = []
    for k, view in enumerate(views):
        estimate = odometry.track(RgbdImage(*view, stamp(k)))
        if estimate.world_from_camera is not None:
            given.append(estimate)
    for one, two in itertools.pairwise(given):
        motion = one.world_from_camera.inverse() @ two.world_from_camera
        seconds = (two.stamp_ns - one.stamp_ns) * 1e-9
        assert np.linalg.norm(motion.translation) < 1.001 * seconds
        assert np.linalg.norm(motion.rotation_vector) < 1.001 * seconds
    assert estimate.state is TrackingState.OK
    assert errors(estimate, recording[29][0])[0] < 15


def test_a_view_of_long_ago_is_found_again(recording, feed):
    for _, gray, depth_m in recording[:46]:
        feed(gray, depth_m)
    for _ in range(60):
        feed(*black(depth_m))
    # Back at the start, half a metre from where it was lost.
    states = [feed(gray, depth_m) for _, gray, depth_m in recording[:10]]
    first = next(k for k, estimate in enumerate(states) if estimate.state in HAS_POSE)
    assert states[first].state is TrackingState.RECOVERED
    assert {estimate.epoch for estimate in states[first:]} == {1}
    assert all(estimate.state is TrackingState.OK for estimate in states[first + 1 :])
    assert errors(states[-1], recording[9][0])[0] < 15


def test_an_unknown_view_begins_a_new_epoch_without_a_jump(room, recording, feed):
    for _, gray, depth_m in recording[:20]:
        feed(gray, depth_m)
    coasted = [feed(*black(depth_m)) for _ in range(20)]
    last = [each for each in coasted if each.world_from_camera is not None][-1]
    turned = Transform.from_rotation_vector((0.0, 1.2, 0.0), (0.0, 0.0, 0.0))
    elsewhere = room.view(turned.inverse())
    estimates = [feed(*elsewhere) for _ in range(10)]
    begun = next(e for e in estimates if e.world_from_camera is not None)
    assert begun.state is TrackingState.RECOVERED
    assert begun.epoch == 1
    jump = last.world_from_camera.inverse() @ begun.world_from_camera
    np.testing.assert_allclose(jump.matrix, np.eye(4), atol=1e-12)
    assert np.trace(begun.covariance) > np.trace(last.covariance)
    assert estimates[-1].state is TrackingState.OK
    assert estimates[-1].epoch == 1


def test_waits_for_features_with_depth(recording, feed):
    _, gray, depth_m = recording[0]
    for image in (black(depth_m), (gray, np.full_like(depth_m, np.nan))):
        waiting = feed(*image)
        assert waiting.state is TrackingState.INIT
        assert waiting.world_from_camera is None
        assert "features with depth" in waiting.reason
    assert feed(gray, depth_m).world_from_camera is not None


def test_depth_may_fail_while_tracking(recording, feed):
    for k, (_, gray, depth_m) in enumerate(recording[:20]):
        estimate = feed(gray, np.full_like(depth_m, np.nan) if 5 <= k < 12 else depth_m)
        assert estimate.world_from_camera is not None
    assert errors(estimate, recording[19][0])[0] < 10


def test_half_the_depth_is_enough(recording, feed):
    for _, gray, depth_m in recording[:30]:
        partly = depth_m.copy()
        partly[:, :160] = np.nan
        partly[::7] = np.inf
        estimate = feed(gray, partly)
    assert estimate.state in HAS_POSE
    assert errors(estimate, recording[29][0])[0] < 15


def test_an_impossible_speed_is_doubted(room, recording, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig(max_speed=0.1))
    odometry.track(RgbdImage(*recording[0][1:], stamp(0)))
    estimate = odometry.track(RgbdImage(*recording[10][1:], stamp(1)))
    assert estimate.state is TrackingState.LOST
    assert "max_speed is 0.1" in estimate.reason


def test_reset_begins_at_the_origin_in_a_new_epoch(odometry, recording, stamp):
    for k, (_, gray, depth_m) in enumerate(recording[:10]):
        odometry.track(RgbdImage(gray, depth_m, stamp(k)))
    odometry.reset()
    estimate = odometry.track(RgbdImage(gray, depth_m, stamp(0)))
    assert estimate.state is TrackingState.INIT
    assert estimate.epoch == 1
    assert np.array_equal(estimate.world_from_camera.matrix, np.eye(4))


def test_another_camera_after_a_loss(odometry, room, recording, stamp):
    """Nothing of the lost images is left, whose size was another one."""
    generator = np.random.default_rng(0)
    views = [view[1:] for view in recording[:3]]
    views += [(generator.integers(0, 256, gray.shape, np.uint8), d) for gray, d in views[:2]]
    for k, (gray, depth_m) in enumerate(views):
        estimate = odometry.track(RgbdImage(gray, depth_m, stamp(k)))
    assert estimate.state is TrackingState.LOST
    odometry.reset()
    odometry.camera = room.camera.resized(160, 120)
    for k, (gray, depth_m) in enumerate(views):
        half = (np.ascontiguousarray(each[::2, ::2]) for each in (gray, depth_m))
        estimate = odometry.track(RgbdImage(*half, stamp(k)))
    assert estimate.state is TrackingState.LOST


@pytest.mark.parametrize("later", [0, -1])
def test_time_must_pass(odometry, recording, stamp, later):
    _, gray, depth_m = recording[0]
    odometry.track(RgbdImage(gray, depth_m, stamp(5)))
    with pytest.raises(OdometryError, match=r"got stamp .* after .*reset"):
        odometry.track(RgbdImage(gray, depth_m, stamp(5 + later)))


@pytest.mark.parametrize("wrong", ["gray", "depth"])
def test_shapes_must_fit_the_camera(odometry, recording, stamp, wrong):
    _, gray, depth_m = recording[0]
    images = (gray[:100], depth_m) if wrong == "gray" else (gray, depth_m[:100])
    with pytest.raises(OdometryError, match=r"got .*\(100, 320\).*\(240, 320\)"):
        odometry.track(RgbdImage(*images, stamp(0)))


def test_configuration_is_checked():
    with pytest.raises(ConfigError, match="keyframe_overlap"):
        OdometryConfig(keyframe_overlap=2.0)


@pytest.mark.parametrize(
    "change",
    [
        {"features": 60}, {"feature_spacing_px": 25.0}, {"keyframes": 2},
        {"keyframe_overlap": 0.4}, {"pixel_noise_px": 2.0}, {"depth_noise": 0.05},
        {"model_error": 0.0}, {"min_depth_m": 2.0}, {"max_depth_m": 2.0}, {"min_inliers": 120},
        {"max_speed": 0.1}, {"max_turn_rate": 0.1}, {"window": 6},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_parameter_matters(room, recording, stamp, change):
    def run(config):
        odometry = VisualOdometry(room.camera, config)
        return [
            odometry.track(RgbdImage(g, d, stamp(k)))
            for k, (_, g, d) in enumerate(recording[:40:2])
        ]

    def summary(estimates):
        return [(e.state, e.keyframes, np.nan_to_num(e.covariance).sum()) for e in estimates]

    plain = OdometryConfig()
    changed = run(dataclasses.replace(plain, **change))
    assert summary(changed) != summary(run(plain))


def test_new_parameters_take_effect_while_tracking(room, recording, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig())
    for number, (_, gray, depth_m) in enumerate(recording[:10]):
        estimate = odometry.track(RgbdImage(gray, depth_m, stamp(number)))
    assert estimate.state == TrackingState.OK
    odometry.config = OdometryConfig(min_inliers=500, features=2000)
    _, gray, depth_m = recording[10]
    estimate = odometry.track(RgbdImage(gray, depth_m, stamp(10)))
    assert estimate.state == TrackingState.LOST
    assert "min_inliers is 500" in estimate.reason
