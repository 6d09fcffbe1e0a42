"""One camera alone: the way but for its scale, and all that it cannot see."""

import numpy as np
import pytest

from embodied_perception.errors import OdometryError
from embodied_perception.evaluation import Trajectory, evaluate_trajectory
from embodied_perception.geometry import Transform
from embodied_perception.odometry import (
    MonoImage,
    OdometryConfig,
    RgbdImage,
    TrackingState,
    VisualOdometry,
)


@pytest.fixture
def run(room, stamp):
    def follow(images):
        odometry = VisualOdometry(room.camera, OdometryConfig())
        return [odometry.track(MonoImage(gray, stamp(k))) for k, gray in enumerate(images)]

    return follow


def sim3_error(estimates, recording, stamp):
    """Root mean square distance in metres after the best scale."""
    placed = [(k, e) for k, e in enumerate(estimates) if e.world_from_camera is not None]
    stamps = np.array([stamp(k) for k, _ in placed])

    def trajectory(poses):
        places = np.stack([pose.translation for pose in poses])
        turns = np.stack([pose.quaternion_xyzw for pose in poses])
        return Trajectory(stamps, places, turns)

    figures = evaluate_trajectory(
        trajectory([e.world_from_camera for _, e in placed]),
        trajectory([recording[k][0] for k, _ in placed]),
        with_scale=True,
    ).figures()
    return figures["ate_rmse_m"]


def test_follows_a_walk_but_for_its_scale(run, recording, stamp):
    estimates = run([gray for _, gray, _ in recording])
    assert sim3_error(estimates, recording, stamp) < 0.012
    begun = next(k for k, e in enumerate(estimates) if e.world_from_camera is not None)
    assert begun < 25
    assert all(e.state is TrackingState.OK for e in estimates[begun + 1 :])
    assert not any(e.is_metric for e in estimates)
    assert "scale is not known" in estimates[begun].reason


def test_waits_for_a_motion_that_shows_depth(run, room):
    still = [room.view(Transform.identity(), noise=1.5, seed=k)[0] for k in range(10)]
    turning = [
        room.view(Transform.from_rotation_vector((0, 0.01 * k, 0), (0, 0, 0)), noise=1.5, seed=k)[0]
        for k in range(10)
    ]
    for estimates in (run(still), run(turning)):
        assert {e.state for e in estimates} == {TrackingState.INIT}
        assert all(e.world_from_camera is None for e in estimates)
        assert all("move sideways" in e.reason for e in estimates)


def test_standing_still_after_the_start_does_not_drift(run, room, recording):
    way = [gray for _, gray, _ in recording[:30]]
    still = [room.view(recording[29][0].inverse(), noise=1.5, seed=900 + k)[0] for k in range(30)]
    estimates = run(way + still)
    moved = estimates[30].world_from_camera.inverse() @ estimates[-1].world_from_camera
    length = np.linalg.norm(estimates[29].world_from_camera.translation)
    assert np.linalg.norm(moved.translation) < 0.03 * length


def test_a_view_from_before_the_loss_is_found_again(run, recording):
    way = [gray for _, gray, _ in recording]
    estimates = run([*way[:40], *[np.zeros_like(way[0])] * 5, *way[40:60]])
    assert {e.state for e in estimates[41:45]} == {TrackingState.LOST}
    assert estimates[45].state is TrackingState.RECOVERED
    assert {e.epoch for e in estimates[45:]} == {1}


def test_another_view_after_the_loss_is_a_new_map_of_another_scale(run, recording):
    way = [gray for _, gray, _ in recording[:30]]
    elsewhere = [np.ascontiguousarray(gray[::-1]) for _, gray, _ in recording[:40]]
    estimates = run(way + elsewhere)
    after = estimates[30:]
    begun = next(k for k, e in enumerate(after) if e.state is not TrackingState.LOST)
    assert begun > 4
    assert after[begun].state is TrackingState.RECOVERED
    assert after[begun].epoch == 1
    assert "scale is not known" in after[begun].reason
    assert np.trace(after[begun].covariance) > np.trace(estimates[29].covariance)
    assert after[-1].state is TrackingState.OK


@pytest.mark.parametrize("shade", [0, 255], ids=["black", "white"])
def test_an_empty_picture_is_no_beginning(run, recording, shade):
    empty = np.full_like(recording[0][1], shade)
    estimates = run([empty] * 5)
    assert {e.state for e in estimates} == {TrackingState.INIT}
    later = run([empty] * 5 + [gray for _, gray, _ in recording[:25]])
    assert later[-1].state is TrackingState.OK


def test_the_same_input_gives_the_same_floats(run, recording):
    images = [gray for _, gray, _ in recording[:25]]
    for one, two in zip(run(images), run(images), strict=True):
        assert (one.world_from_camera is None) == (two.world_from_camera is None)
        assert np.array_equal(one.covariance, two.covariance, equal_nan=True)


def test_images_of_another_shape_are_refused(room, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig())
    with pytest.raises(OdometryError, match=r"shape \(120, 320\).*\(240, 320\).*camera_info"):
        odometry.track(MonoImage(np.zeros((120, 320), np.uint8), stamp(0)))


def test_depth_says_how_large_things_are(room, recording, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig())
    _, gray, depth_m = recording[0]
    assert odometry.track(RgbdImage(gray, depth_m, stamp(0))).is_metric
