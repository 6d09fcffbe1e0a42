"""Intrinsics against the camera that took the pictures, against OpenCV and against SciPy."""

import dataclasses

import cv2
import numpy as np
import pytest
from scipy.optimize import least_squares

from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import (
    Chessboard,
    Coverage,
    Detection,
    View,
    calibrate_camera,
)
from embodied_perception.camera.calibration.bundle import Rig, adjust
from embodied_perception.camera.calibration.intrinsics import observations_of
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

MODELS = ("plumb_bob", "rational_polynomial", "equidistant")
every_model = pytest.mark.parametrize("model", MODELS)
BOARD = Chessboard(9, 6, 0.03)
MIDDLE = BOARD.points.mean(axis=0)
#: The rational model's other coefficients are of a ratio, and many sets of them say the same.
DETERMINED = {
    "plumb_bob": ["fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3"],
    "rational_polynomial": ["fx", "fy", "cx", "cy", "p1", "p2"],
    "equidistant": ["fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"],
}
#: How near to the least cost it comes. Some rational lenses that fit best fold inside of what was
#: seen, and are no cameras: it stops before those.
# A rational lens is held back from coefficients that run away.
NEAR = {"plumb_bob": 1e-5, "rational_polynomial": 1e-2, "equidistant": 1e-5}


def seen(camera, pose, name="view", noise_px=0.0, rng=None):
    """A view without an image, None where the board is not wholly in it."""
    pixels = camera.project(pose.apply(BOARD.points))
    if not ((pixels >= 0) & (pixels <= np.array(camera.resolution_wh) - 1)).all():
        return None
    if rng is not None:
        pixels = pixels + noise_px * rng.standard_normal(pixels.shape)
    return View(name, 0, BOARD, Detection(np.arange(len(pixels)), pixels), camera.resolution_wh)


def posed(turn, place):
    """camera_from_board of a board whose middle is at ``place``."""
    rotation = Transform.from_rotation_vector(turn, np.zeros(3)).rotation
    return Transform(rotation, place - rotation @ MIDDLE)


def views_of(camera, count=15, noise_px=0.1, tilt=0.6, reach=0.5, noise_seed=0):
    """(views, poses) at random places; the same ones for every noise."""
    rng, noise = np.random.default_rng(0), np.random.default_rng(noise_seed)
    views, poses = [], []
    while len(views) < count:
        depth = camera.fx * np.ptp(BOARD.points[:, 0]) / camera.width / rng.uniform(0.25, 0.7)
        ray = camera.unproject(rng.uniform(0.5 - reach, 0.5 + reach, 2) * camera.resolution_wh)
        pose = posed(rng.uniform(-tilt, tilt, 3), depth * ray)
        view = seen(camera, pose, f"view {len(views)}", noise_px, noise)
        if view is not None:
            views.append(view)
            poses.append(pose)
    return views, poses


def spoilt(view, change):
    detection = Detection(view.detection.ids, change(view.pixels.copy()))
    return dataclasses.replace(view, detection=detection)


def numbers(camera):
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy, *camera.D])


@pytest.fixture(scope="session")
def calibrated(views):
    """The calibration by rendered views, by distortion model."""
    return {model: calibrate_camera(views(model), model) for model in MODELS}


@every_model
def test_rendered_boards_give_the_camera_that_took_them(calibrated, studio, model):
    truth, got = studio(model).camera, calibrated[model].camera
    assert got.resolution_wh == truth.resolution_wh
    assert got.distortion_model == model
    np.testing.assert_allclose([got.fx, got.fy], [truth.fx, truth.fy], rtol=1e-3)
    np.testing.assert_allclose([got.cx, got.cy], [truth.cx, truth.cy], rtol=0, atol=0.2)
    assert calibrated[model].rms_px < 0.06


@every_model
def test_pixels_are_undistorted_as_by_the_true_lens(calibrated, studio, model):
    truth, got = studio(model).camera, calibrated[model].camera
    pixels = np.concatenate([each.view.pixels for each in calibrated[model].views])
    centre = (truth.cx, truth.cy)
    pixels = centre + 0.97 * (pixels - centre)  # within what was seen
    error_px = np.linalg.norm(got.project(truth.unproject(pixels)) - pixels, axis=1)
    assert error_px.max() < 0.2


@every_model
def test_it_fits_no_worse_than_opencv(calibrated, model):
    used = [each.view for each in calibrated[model].views]
    points = [view.points[:, None].astype(np.float32) for view in used]
    pixels = [view.pixels[:, None].astype(np.float32) for view in used]
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    size = used[0].resolution_wh
    if model == "equidistant":
        flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
        rms_px, K, *_ = cv2.fisheye.calibrate(
            points, pixels, size, None, None, flags=flags, criteria=criteria
        )
    else:
        flags = cv2.CALIB_RATIONAL_MODEL if model == "rational_polynomial" else 0
        rms_px, K, *_ = cv2.calibrateCamera(
            points, pixels, size, None, None, flags=flags, criteria=criteria
        )
    assert calibrated[model].rms_px <= rms_px * (1 + NEAR[model])
    np.testing.assert_allclose(calibrated[model].camera.K, K, rtol=1e-4, atol=0.02)


@every_model
def test_scipy_finds_no_better_camera(studio, model):
    truth = studio(model).camera
    views, poses = views_of(truth, 6)
    calibration = calibrate_camera(views, model)
    count = len(numbers(truth))

    def residuals(unknowns):
        fx, fy, cx, cy, *D = numbers(truth) + unknowns[:count]
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        camera = dataclasses.replace(truth, K=K, D=np.array(D))
        motions = unknowns[count:].reshape(-1, 6)
        parts = []
        for view, pose, motion in zip(views, poses, motions, strict=True):
            moved = Transform.from_rotation_vector(motion[3:], motion[:3]) @ pose
            parts.append(camera.project(moved.apply(view.points)) - view.pixels)
        return np.nan_to_num(np.concatenate(parts).ravel(), nan=1e3)

    start = np.zeros(count + 6 * len(views))
    best = least_squares(residuals, start, x_scale="jac", xtol=1e-12, ftol=1e-12, max_nfev=20)
    ours = sum((each.residuals**2).sum() for each in calibration.views)
    assert ours <= 2 * best.cost * (1 + NEAR[model])
    if model != "rational_polynomial":  # of its coefficients, many sets fit as well
        found = numbers(truth) + best.x[:count]
        np.testing.assert_allclose(numbers(calibration.camera), found, rtol=1e-4, atol=1e-4)


@every_model
def test_exact_points_give_the_exact_camera(studio, model):
    truth = studio(model).camera
    views, poses = views_of(truth, 8, noise_px=0)
    calibration = calibrate_camera(views, model)
    assert calibration.rms_px < 1e-4
    np.testing.assert_allclose(calibration.camera.K, truth.K, rtol=0, atol=0.01)
    for each, pose in zip(calibration.views, poses, strict=True):
        np.testing.assert_allclose(each.camera_from_board.matrix, pose.matrix, atol=1e-4)


@every_model
def test_errors_are_as_large_as_the_sigmas_say(studio, model):
    truth = studio(model).camera
    names, normalised = DETERMINED[model], []
    for seed in range(5):
        got = calibrate_camera(views_of(truth, 15, noise_seed=seed)[0], model)
        errors = dict(zip(got.sigmas, numbers(got.camera) - numbers(truth), strict=True))
        normalised.append([errors[name] / got.sigmas[name] for name in names])
    normalised = np.array(normalised)
    assert (np.abs(normalised) < 3).mean() > 0.9
    assert 0.5 < np.sqrt((normalised**2).mean()) < 2


def test_more_noise_and_fewer_views_are_less_certain(studio):
    truth = studio("plumb_bob").camera
    many, noisy = (views_of(truth, 20, noise_px)[0] for noise_px in (0.05, 0.2))
    sigma = calibrate_camera(many).sigmas["fx"]
    assert calibrate_camera(many[:6]).sigmas["fx"] > sigma
    assert calibrate_camera(noisy).sigmas["fx"] == pytest.approx(4 * sigma, rel=0.2)


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels + np.random.default_rng(1).normal(0, 2, pixels.shape),
        lambda pixels: pixels.mean(axis=0) + (pixels - pixels.mean(axis=0)) * (1.2, 1),
        lambda pixels: pixels + 6 * (np.arange(len(pixels)) == 10)[:, None],
    ],
    ids=["blurred", "stretched", "one_corner"],
)
@pytest.mark.parametrize("model", ["plumb_bob", "equidistant"])
def test_a_spoilt_view_is_left_out_and_named(studio, model, change):
    views, _ = views_of(studio(model).camera, 12, noise_px=0.05)
    good = calibrate_camera([view for view in views if view.name != "view 3"], model)
    views[3] = spoilt(views[3], change)
    calibration = calibrate_camera(views, model)
    [(name, why)] = calibration.rejected
    assert name == "view 3"
    assert why.startswith("does not fit the others: ")
    assert len(calibration.views) == 11
    np.testing.assert_allclose(calibration.camera.K, good.camera.K, atol=0.01)


def test_noise_alone_is_no_reason_to_leave_a_view_out(studio):
    views, _ = views_of(studio("plumb_bob").camera, 20, noise_px=0.3)
    assert calibrate_camera(views).rejected == []


def test_a_calibration_tells_what_it_rests_on(calibrated):
    calibration = calibrated["plumb_bob"]
    squares = np.concatenate([each.residuals for each in calibration.views]) ** 2
    assert calibration.rms_px == pytest.approx(np.sqrt(squares.sum(axis=1).mean()))
    assert 40 < calibration.tilt_deg < 90
    assert calibration.coverage.share > 0.7
    assert calibration.remarks == []
    for each in calibration.views:
        camera = calibration.camera
        again = camera.project(each.camera_from_board.apply(each.view.points)) - each.view.pixels
        np.testing.assert_allclose(each.residuals, again, atol=1e-9)
        assert each.rms_px < 0.1


def test_a_board_that_stayed_in_the_middle_is_remarked_on():
    camera = Camera.pinhole(480, 360, 400, 400, 240, 180)
    views, _ = views_of(camera, 12, reach=0.05)
    [remark] = calibrate_camera(views).remarks
    share = Coverage.of(views).share
    assert remark.startswith(f"only {share:.0%} of the image was covered: where no corner was, ")
    assert remark.endswith("show the board at the edges too")


def test_a_single_tilted_view_is_named_as_what_the_focal_length_rests_on():
    camera = Camera.pinhole(480, 360, 400, 400, 240, 180)
    flat, rng = views_of(camera, 9, tilt=0.02)[0], np.random.default_rng(5)
    tilted = seen(camera, posed([0.7, 0.1, 0], [0, 0, 0.45]), "the tilted one", 0.1, rng)
    remarks = calibrate_camera([*flat, tilted]).remarks
    assert "the focal length rests on the tilted one: without it" in remarks[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_views_are_refused(studio, count):
    views, _ = views_of(studio("plumb_bob").camera, count)
    words = rf"^calibration: {count} of {count} views can be used, expected 4 at least, and better"
    with pytest.raises(CameraError, match=words):
        calibrate_camera(views)


def test_no_view_at_all_is_refused():
    with pytest.raises(CameraError, match=r"^calibration: no image shows the board$"):
        calibrate_camera([])


def test_too_few_views_that_fit_are_refused(studio):
    views, _ = views_of(studio("plumb_bob").camera, 4, noise_px=0.02)
    views[2] = spoilt(views[2], lambda pixels: pixels + 8 * (np.arange(54) == 20)[:, None])
    with pytest.raises(CameraError, match="3 of 4 views can be used, expected 4"):
        calibrate_camera(views)


@pytest.mark.parametrize(
    "turn_of",
    [
        lambda _: np.zeros(3),
        lambda rng: np.array([0, 0, rng.uniform(-1, 1)]),
        lambda rng: rng.uniform(-0.03, 0.03, 3),
        lambda _: np.array([0.5, 0, 0]),
    ],
    ids=["flat", "spun", "hardly_tilted", "one_tilt"],
)
def test_views_that_are_all_alike_are_refused(turn_of):
    camera, rng = Camera.pinhole(480, 360, 400, 400, 240, 180), np.random.default_rng(0)
    places = rng.uniform((-0.04, -0.03, 0.5), (0.04, 0.03, 0.9), (10, 3))
    views = [seen(camera, posed(turn_of(rng), place), "view", 0.1, rng) for place in places]
    words = r"too much alike: the board's tilt differs by \d degrees, and .*tilt the board by 20 to"
    with pytest.raises(CameraError, match=words):
        calibrate_camera(views)


def test_one_image_many_times_is_refused(studio):
    views, _ = views_of(studio("plumb_bob").camera, 1)
    with pytest.raises(CameraError, match="the board's tilt differs by 0 degrees"):
        calibrate_camera(views * 8)


def test_images_of_several_sizes_are_refused(studio):
    views, _ = views_of(studio("plumb_bob").camera, 6)
    views[4] = dataclasses.replace(views[4], name="wide", resolution_wh=(640, 360))
    words = (
        r"^calibration: images of several sizes: view 5 is 480x360, wide is 640x360; "
        r"take those of one size$"
    )
    with pytest.raises(CameraError, match=words):
        calibrate_camera(views)


def rig_of(camera, poses):
    return Rig((camera,), (Transform.identity(),), tuple(poses))


def test_with_the_intrinsics_fixed_only_poses_are_found(studio):
    camera = studio("equidistant").camera
    views, poses = views_of(camera, 5, noise_px=0)
    moved = [Transform.from_rotation_vector([0.05, -0.05, 0.1], [0.02, 0, 0.03]) @ p for p in poses]
    result = adjust(rig_of(camera, moved), observations_of([views]), fix_intrinsics=True)
    assert result.rig.cameras == (camera,)
    assert result.names == []
    assert result.rms_px < 1e-6
    for got, pose in zip(result.rig.rig_from_board, poses, strict=True):
        np.testing.assert_allclose(got.matrix, pose.matrix, atol=1e-8)


def test_what_would_be_without_a_view_is_told_without_trying(studio):
    camera = studio("plumb_bob").camera
    views, poses = views_of(camera, 12)
    whole = adjust(rig_of(camera, poses), observations_of([views]))
    for left_out in (0, 7):
        some = [n for n in range(12) if n != left_out]
        rig = rig_of(camera, [poses[n] for n in some])
        really = adjust(rig, observations_of([[views[n] for n in some]]))
        change = numbers(really.rig.cameras[0]) - numbers(whole.rig.cameras[0])
        told = dict(zip(whole.names, whole.without[left_out], strict=True))
        for name, place in (("0.fx", 0), ("0.fy", 1), ("0.cx", 2), ("0.k1", 4)):
            assert told[name] == pytest.approx(change[place], rel=0.1, abs=2e-3)


def test_a_board_behind_the_camera_is_no_place_to_begin(studio):
    camera = studio("plumb_bob").camera
    views, poses = views_of(camera, 4)
    behind = Transform(poses[0].rotation, -poses[0].translation)
    with pytest.raises(CameraError, match="cannot be where the first guess puts it"):
        adjust(rig_of(camera, [*poses[1:], behind]), observations_of([views]))


def test_a_view_that_shows_no_flat_board_is_left_out_and_named(studio):
    views, _ = views_of(studio("plumb_bob").camera)
    shuffled = np.random.default_rng(0).permutation(len(BOARD.points))
    views[3] = spoilt(views[3], lambda pixels: pixels[shuffled])
    views[5] = spoilt(views[5], lambda pixels: np.full_like(pixels, 70.0))
    calibration = calibrate_camera(views)
    flat = "shows no flat board"
    assert calibration.rejected[:2] == [("view 3", flat), ("view 5", flat)]
    assert calibration.camera.fx == pytest.approx(400, rel=0.003)


def test_a_bad_fit_is_remarked_on(studio):
    views, _ = views_of(studio("plumb_bob").camera, count=30, noise_px=3.0)
    assert "px (RMS) from where they should be" in calibrate_camera(views).remarks[0]


def test_a_rational_lens_looks_somewhere_from_every_pixel(calibrated):
    camera = calibrated["rational_polynomial"].camera
    pixels = np.stack(np.meshgrid(np.arange(0, 480, 8.0), np.arange(0, 360, 8.0)), axis=-1)
    assert np.isfinite(camera.unproject(pixels)).all()
    assert np.abs(camera.D).max() < 3


def test_a_lens_of_no_model_is_refused(studio):
    views, _ = views_of(studio("plumb_bob").camera)
    with pytest.raises(CameraError, match="no distortion model is called 'fisheye'; there are: pl"):
        calibrate_camera(views, "fisheye")
