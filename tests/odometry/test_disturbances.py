"""What moves by itself, light that changes, and blur, against exact poses."""

import cv2
import numpy as np
import pytest

from embodied_perception.errors import OdometryError
from embodied_perception.geometry import Transform
from embodied_perception.odometry import (
    MonoImage,
    OdometryConfig,
    RgbdImage,
    StereoImage,
    TrackingState,
    VisualOdometry,
)


@pytest.fixture
def run(room, stamp):
    def follow(views):
        odometry = VisualOdometry(room.camera, OdometryConfig())
        return [odometry.track(RgbdImage(*view[:2], stamp(k), *view[2:])) for k, view in views]

    return lambda views: follow(enumerate(views))


def off_m(estimates, recording):
    off = [
        (truth.inverse() @ e.world_from_camera).translation
        for e, (truth, *_) in zip(estimates, recording, strict=False)
    ]
    return np.linalg.norm(off, axis=1).max()


@pytest.fixture(scope="module")
def passer_by(recording):
    """Somebody near who covers most of the view and walks through it, with the mask of that."""
    texture = np.random.default_rng(3).integers(0, 256, (240, 400), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2.0)
    views = []
    for place, (_, gray, depth_m) in enumerate(recording[:40]):
        moving = np.zeros(gray.shape, bool)
        left = 10 + 2 * place
        moving[20:220, left : left + 200] = True
        shown, near = gray.copy(), depth_m.copy()
        shown[20:220, left : left + 200] = texture[20:220, 50:250]
        near[moving] = 1.0
        views.append((shown, near, moving))
    return views


def test_what_moves_by_itself_is_ignored_where_a_mask_shows_it(run, passer_by, recording):
    estimates = run(passer_by)
    assert all(e.state is not TrackingState.LOST for e in estimates)
    assert off_m(estimates, recording) < 0.015
    for estimate, (_, _, moving) in zip(estimates, passer_by, strict=True):
        columns, rows = np.rint(estimate.pixels).astype(int).T
        assert not moving[rows, columns].any()


def test_without_the_mask_it_would_have_misled(run, passer_by, recording):
    """So that the test before tests something."""
    estimates = run([view[:2] for view in passer_by])
    lost = any(e.state is TrackingState.LOST for e in estimates)
    assert lost or off_m(estimates, recording) > 0.03


def test_a_mask_of_everything_is_a_loss(run, recording):
    views = [(gray, depth_m, np.zeros(gray.shape, bool)) for _, gray, depth_m in recording[:5]]
    hidden = [(gray, depth_m, np.ones(gray.shape, bool)) for _, gray, depth_m in recording[5:8]]
    estimates = run(views + hidden)
    assert [e.state for e in estimates[5:]] == [TrackingState.LOST] * 3


def test_depth_is_never_made_up_by_motion_where_a_mask_hides_most(run, room, recording):
    """After a loss, in another view, of which too little stands still to begin anew."""
    turned = Transform.from_rotation_vector((0, 1.2, 0), (0, 0, 0))
    masked = np.ones((240, 320), bool)
    masked[:, :34] = False
    elsewhere = [
        (*room.view((turned @ pose).inverse(), 1.5, 100 + k), masked)
        for k, (pose, *_) in enumerate(recording[:30])
    ]
    estimates = run([view[1:] for view in recording[:20]] + elsewhere)[20:]
    assert {e.state for e in estimates} == {TrackingState.LOST}
    assert not any("move sideways" in e.reason for e in estimates)


@pytest.mark.parametrize("mask", [np.zeros((10, 10), bool), np.zeros((240, 320), np.uint8)])
def test_a_mask_must_fit_the_image(room, recording, stamp, mask):
    _, gray, depth_m = recording[0]
    for image in (
        RgbdImage(gray, depth_m, stamp(0), mask),
        StereoImage(gray, gray, 20.0, stamp(0), mask),
        MonoImage(gray, stamp(0), None, mask),
    ):
        with pytest.raises(OdometryError, match="mask"):
            VisualOdometry(room.camera, OdometryConfig()).track(image)


def exposed(gray, gain):
    return np.clip(np.rint(gray * gain), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "gain",
    [
        pytest.param(lambda k: 0.4 if k >= 10 else 1.0, id="suddenly darker"),
        pytest.param(lambda k: 1.6 if k >= 10 else 1.0, id="suddenly brighter"),
        pytest.param(lambda k: 0.7 + 0.3 * np.cos(k), id="flickering"),
        pytest.param(lambda k: 1.0 - 0.02 * k, id="getting dark"),
    ],
)
def test_light_that_changes_is_no_motion(run, recording, gain):
    views = [
        (exposed(gray, gain(k)), depth_m) for k, (_, gray, depth_m) in enumerate(recording[:40])
    ]
    estimates = run(views)
    assert {e.state for e in estimates[1:]} == {TrackingState.OK}
    assert off_m(estimates, recording) < 0.012


def blurred(gray, length):
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0 / length
    return cv2.filter2D(gray, -1, kernel)


def test_a_blurred_image_is_not_kept_to_compare_with(run, recording):
    views = [
        (blurred(gray, 15) if k % 10 in (6, 7, 8) else gray, depth_m)
        for k, (_, gray, depth_m) in enumerate(recording[:60])
    ]
    estimates = run(views)
    assert all(e.state is not TrackingState.LOST for e in estimates)
    assert off_m(estimates, recording) < 0.02
