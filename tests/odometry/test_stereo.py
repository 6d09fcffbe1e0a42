"""Stereo odometry against exact poses, and pairs that are none."""

import numpy as np
import pytest

from embodied_perception.errors import OdometryError
from embodied_perception.geometry import Transform
from embodied_perception.odometry import (
    OdometryConfig,
    StereoImage,
    TrackingState,
    VisualOdometry,
)

BASELINE_M = 0.09
LEFT_FROM_RIGHT = Transform(np.eye(3), np.array([BASELINE_M, 0, 0]))


@pytest.fixture(scope="module")
def pairs(room, recording):
    """Both gray images at each pose of the walk."""
    return [
        (gray, room.view((pose @ LEFT_FROM_RIGHT).inverse(), noise=1.5, seed=1000 + index)[0])
        for index, (pose, gray, _) in enumerate(recording)
    ]


@pytest.fixture
def run(room, stamp):
    def follow(pairs):
        odometry = VisualOdometry(room.camera, OdometryConfig())
        focal_baseline = room.camera.fx * BASELINE_M
        return [
            odometry.track(StereoImage(left, right, focal_baseline, stamp(place)))
            for place, (left, right) in enumerate(pairs)
        ]

    return follow


def off_m(estimate, truth):
    return float(np.linalg.norm((truth.inverse() @ estimate.world_from_camera).translation))


def test_follows_a_walk_to_a_centimetre(run, pairs, recording):
    estimates = run(pairs)
    off = np.array([off_m(e, truth) for e, (truth, *_) in zip(estimates, recording, strict=True)])
    assert np.sqrt((off**2).mean()) < 0.006
    assert off.max() < 0.015
    assert all(estimate.state is TrackingState.OK for estimate in estimates[1:])


def test_error_stays_within_three_standard_deviations(run, pairs, recording):
    estimate = run(pairs)[-1]
    off = estimate.world_from_camera.inverse() @ recording[-1][0]
    twist = np.concatenate((off.translation, off.rotation_vector))
    assert twist @ np.linalg.solve(estimate.covariance, twist) / 6 < 9


def test_a_pair_that_stands_still_does_not_drift(run, room):
    views = [
        (
            room.view(Transform.identity(), noise=2.0, seed=2 * place)[0],
            room.view(LEFT_FROM_RIGHT.inverse(), noise=2.0, seed=2 * place + 1)[0],
        )
        for place in range(30)
    ]
    estimates = run(views)
    assert max(off_m(each, Transform.identity()) for each in estimates) < 0.003


def test_swapped_cameras_do_not_begin(run, pairs):
    estimates = run([(right, left) for left, right in pairs[:5]])
    assert {estimate.state for estimate in estimates} == {TrackingState.INIT}
    assert all(estimate.world_from_camera is None for estimate in estimates)
    assert "features with depth" in estimates[-1].reason


def test_one_covered_camera_leaves_the_old_depths(run, pairs, recording):
    """What was placed before goes on to say where the camera is, for a while."""
    covered = [(left, np.zeros_like(right)) for left, right in pairs[20:26]]
    estimates = run([*pairs[:20], *covered])
    assert off_m(estimates[-1], recording[25][0]) < 0.02
    assert estimates[-1].state in (TrackingState.OK, TrackingState.DEGRADED)


def test_darkness_is_a_loss_and_light_a_recovery(run, pairs, recording):
    dark = [tuple(np.zeros_like(gray) for gray in pair) for pair in pairs[20:30]]
    estimates = run([*pairs[:20], *dark, *pairs[30:34]])
    states = [estimate.state for estimate in estimates]
    assert TrackingState.LOST in states[20:23]
    assert TrackingState.RECOVERED in states[30:34]
    assert states[-1] is TrackingState.OK
    assert off_m(estimates[-1], recording[33][0]) < 0.05


def test_images_of_another_shape_are_refused(room, stamp):
    odometry = VisualOdometry(room.camera, OdometryConfig())
    gray = np.zeros((240, 320), np.uint8)
    with pytest.raises(OdometryError, match=r"left image of shape \(240, 320\) and a right one"):
        odometry.track(StereoImage(gray, gray[:120], 20.0, stamp(0)))
