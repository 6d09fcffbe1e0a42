"""Projection against OpenCV and against its own inverse; calibrations that make no sense."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.camera import Camera
from embodied_perception.camera.distortion import distort, distort_jacobian
from embodied_perception.errors import CameraError

K = np.array([[500.0, 0, 322.5], [0, 510, 238.25], [0, 0, 1]])
DISTORTIONS = {
    "none": ("plumb_bob", []),
    "plumb_bob_4": ("plumb_bob", [0.2, -0.1, 0.001, 0.002]),
    "plumb_bob_barrel": ("plumb_bob", [-0.28, 0.07, 0.001, -0.0005, 0.01]),
    "rational": ("rational_polynomial", [0.5, -2.5, 0.001, -0.0003, 1.5, 0.4, -2.3, 1.4]),
    "thin_prism": (
        "rational_polynomial",
        [0.5, -2.5, 0.001, -0.0003, 1.5, 0.4, -2.3, 1.4, 0.002, -0.001, -0.003, 0.001],
    ),
    "equidistant": ("equidistant", [-0.01, 0.02, -0.01, 0.002]),
}
CAMERAS = {
    name: Camera(640, 480, K, model, np.array(D)) for name, (model, D) in DISTORTIONS.items()
}
every_camera = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
POINTS = np.random.default_rng(0).uniform([-0.9, -0.7, 1.5], [0.9, 0.7, 3], (300, 3))


def opencv_projection(camera, points):
    still = np.zeros(3)
    if camera.distortion_model == "equidistant":
        return cv2.fisheye.projectPoints(points[:, None], still, still, camera.K, camera.D)[0][:, 0]
    D = camera.D if camera.D.size else None
    return cv2.projectPoints(points, still, still, camera.K, D)[0][:, 0]


@every_camera
def test_projection_agrees_with_opencv(camera):
    np.testing.assert_allclose(
        camera.project(POINTS), opencv_projection(camera, POINTS), rtol=0, atol=1e-9
    )


@every_camera
def test_undistortion_agrees_with_opencv(camera):
    pixels = opencv_projection(camera, POINTS)
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    if camera.distortion_model == "equidistant":
        expected = cv2.fisheye.undistortPoints(
            pixels[:, None], K, camera.D, P=K, criteria=criteria
        )[:, 0]
    else:
        D = camera.D if camera.D.size else None
        expected = cv2.undistortPointsIter(pixels, K, D, np.eye(3), K, criteria)[:, 0]
    np.testing.assert_allclose(camera.undistort_pixels(pixels), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CAMERAS)
@given(u=st.floats(0, 639), v=st.floats(0, 479))
def test_every_pixel_survives_the_round_trip(name, u, v):
    ray = CAMERAS[name].unproject([u, v])
    assert ray[2] == 1
    np.testing.assert_allclose(CAMERAS[name].project(7 * ray), [u, v], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CAMERAS)
@given(x=st.floats(-0.6, 0.6), y=st.floats(-0.5, 0.5), depth_m=st.floats(0.1, 100))
def test_every_point_survives_the_round_trip(name, x, y, depth_m):
    pixel = CAMERAS[name].project(depth_m * np.array([x, y, 1]))
    np.testing.assert_allclose(CAMERAS[name].unproject(pixel), [x, y, 1], rtol=0, atol=1e-6)


@given(
    model=st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant"]),
    D=st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8),
    x=st.floats(-0.6, 0.6),
    y=st.floats(-0.6, 0.6),
)
def test_any_lens_gives_the_point_back_where_it_does_not_fold(model, D, x, y):
    count = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    D = (np.array(D) * (1, 1, 0.02, 0.02, 1, 1, 1, 1))[:count]
    camera = Camera(640, 480, K, model, 0.3 * D if model == "equidistant" else D)
    if np.isfinite(camera.project([1.1 * x, 1.1 * y, 1])).all():
        got = camera.unproject(camera.project([x, y, 1]))
        np.testing.assert_allclose(got, [x, y, 1], rtol=0, atol=1e-6)


@every_camera
def test_the_distortion_is_differentiated_as_differences_say(camera):
    model, D = camera.distortion_model, camera.D
    x, y = (POINTS[:, :2] / POINTS[:, 2:])[:50].T
    x[0], y[0] = 0, 0
    by_point, by_D = distort_jacobian(model, D, x, y)
    step = 1e-6

    def slope(along_x=0.0, along_y=0.0, along_D=0.0):
        ahead, behind = (
            np.stack(distort(model, D + sign * along_D, x + sign * along_x, y + sign * along_y), -1)
            for sign in (1, -1)
        )
        return (ahead - behind) / (2 * step)

    by_differences = np.stack([slope(along_x=step), slope(along_y=step)], axis=-1)
    np.testing.assert_allclose(by_point, by_differences, rtol=0, atol=1e-8)
    assert by_D.shape == (50, 2, D.size)
    for place, direction in enumerate(np.eye(D.size)):
        np.testing.assert_allclose(
            by_D[..., place], slope(along_D=step * direction), rtol=0, atol=1e-8
        )


@given(
    k1=st.floats(-0.4, 0.4),
    k2=st.floats(-0.2, 0.2),
    p1=st.floats(-0.005, 0.005),
    p2=st.floats(-0.005, 0.005),
    u=st.floats(0, 639),
    v=st.floats(0, 479),
)
def test_any_lens_gives_the_pixel_back_or_says_nan(k1, k2, p1, p2, u, v):
    camera = Camera(640, 480, K, "plumb_bob", np.array([k1, k2, p1, p2]))
    ray = camera.unproject([u, v])
    if np.isfinite(ray).all():
        np.testing.assert_allclose(camera.project(ray), [u, v], rtol=0, atol=1e-6)
    else:
        assert np.hypot(u - camera.cx, v - camera.cy) > 150  # the lens folds only far out


@every_camera
def test_points_behind_the_camera_have_no_pixel(camera):
    pixels = camera.project([[0, 0, -1], [0.1, 0, 0], [0, 0, 2]])
    assert np.isnan(pixels[:2]).all()
    np.testing.assert_allclose(pixels[2], [camera.cx, camera.cy])


@pytest.mark.parametrize(
    ("model", "D"), [("plumb_bob", [-0.3, 0, 0, 0]), ("equidistant", [-0.2, 0, 0, 0])]
)
def test_beyond_the_fold_there_is_no_pixel_and_no_ray(model, D):
    # r (1 - 0.3 r^2) grows up to r = sqrt(1 / 0.9) = 1.054; an angle a (1 - 0.2 a^2) up to
    # a = sqrt(1 / 0.6) = 1.291, which is r = 3.48. Their largest values are 0.703 and 0.861.
    radius, reached = {"plumb_bob": (1.0541, 0.7027), "equidistant": (3.480, 0.8607)}[model]
    camera = Camera(640, 480, K, model, np.array(D))
    rays = np.array([[0.99 * radius, 0, 1], [1.01 * radius, 0, 1], [0, 5 * radius, 1]])
    assert np.isfinite(camera.project(rays)).all(axis=1).tolist() == [True, False, False]
    pixels = [camera.cx, camera.cy] + np.array([[0.99, 0], [1.01, 0]]) * reached * camera.fx
    assert np.isfinite(camera.unproject(pixels)).all(axis=1).tolist() == [True, False]


def test_shapes_are_kept():
    camera = CAMERAS["plumb_bob_barrel"]
    assert camera.project(np.ones((2, 5, 3))).shape == (2, 5, 2)
    assert camera.unproject(np.ones((2, 5, 2))).shape == (2, 5, 3)
    assert camera.project(np.zeros((0, 3))).shape == (0, 2)
    assert camera.unproject(np.zeros((0, 2))).shape == (0, 3)
    with pytest.raises(CameraError, match=r"got points of shape \(4, 2\), expected \(..., 3\)"):
        camera.project(np.zeros((4, 2)))


def test_pinhole_projects_as_the_formula_says():
    camera = Camera.pinhole(640, 480, 500, 510, 320, 240)
    np.testing.assert_array_equal(camera.project([0.2, -0.4, 2]), [370, 138])
    assert camera.resolution_wh == (640, 480)
    np.testing.assert_array_equal(camera.P, np.column_stack([camera.K, np.zeros(3)]))


@every_camera
def test_the_rectified_image_is_what_the_rectified_camera_sees(camera):
    turn = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0]
    P = np.array([[480.0, 0, 318, -48], [0, 480, 242, 0], [0, 0, 1, 0]])
    camera = dataclasses.replace(camera, R=turn, P=P)
    rectified = camera.rectified()
    np.testing.assert_array_equal(rectified.K, P[:, :3])
    assert rectified.P[0, 3] == -48
    rows, columns = np.indices((480, 640)).astype(np.float32)
    maps = camera.rectification_maps()
    sampled = [
        cv2.remap(image, *maps, cv2.INTER_LINEAR, borderValue=-1e6) for image in (columns, rows)
    ]
    pixels = np.array([[320, 240], [200, 150], [450, 330]])
    raw = camera.project(rectified.unproject(pixels) @ turn)
    got = np.stack(sampled, axis=-1)[pixels[:, 1], pixels[:, 0]]
    np.testing.assert_allclose(got, raw, rtol=0, atol=0.05)  # fixed-point maps: 1/32 pixel
    assert camera.rectification_maps()[0] is maps[0]


def test_delivered_cuts_the_region_then_bins():
    P = np.array([[500.0, 0, 320, -50], [0, 510, 240, 0], [0, 0, 1, 0]])
    D = CAMERAS["plumb_bob_barrel"].D
    camera = Camera(
        640, 480, K, "plumb_bob", D, P=P, binning_x=2, binning_y=4, roi=(100, 40, 320, 200)
    )
    image = camera.delivered()
    assert image.resolution_wh == (160, 50)
    assert (image.binning_x, image.binning_y, image.roi) == (1, 1, None)
    np.testing.assert_allclose(image.K, [[250, 0, 111.25], [0, 127.5, 49.5625], [0, 0, 1]])
    np.testing.assert_allclose(image.P, [[250, 0, 110, -25], [0, 127.5, 50, 0], [0, 0, 1, 0]])
    points = POINTS[:10]
    np.testing.assert_allclose(
        image.project(points), (camera.project(points) - [100, 40]) / [2, 4], atol=1e-9
    )
    assert image.delivered() is image


@pytest.mark.parametrize("size", [(320, 240), (1280, 960), (200, 333)])
@every_camera
def test_a_resized_image_shows_the_same_rays(camera, size):
    resized = camera.resized(*size)
    scale = np.array(size) / (640, 480)
    corners = np.array([[-0.5, -0.5], [639.5, 479.5], [100, 399.5]])
    pixels = (corners + 0.5) * scale - 0.5  # an image's corner is half a pixel from its first
    np.testing.assert_allclose(resized.unproject(pixels), camera.unproject(corners), atol=1e-9)
    assert resized.resolution_wh == size


def test_a_binned_image_is_resized_as_it_is_delivered():
    camera = Camera(640, 480, K, binning_x=2, binning_y=2, roi=(100, 40, 320, 200))
    assert camera.resized(160, 100).same_view(camera.delivered())
    resized = camera.resized(80, 50)
    assert (resized.fx, resized.fy) == pytest.approx((500 / 4, 510 / 4))
    with pytest.raises(CameraError, match="size: got 0 x 50, expected positive pixels"):
        camera.resized(0, 50)


def bad(**changes):
    fields = {"width": 640, "height": 480, "K": K} | changes
    return lambda: Camera(**fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bad(width=0), "0 x 480"),
        (bad(height=-1), "640 x -1"),
        (bad(K=np.eye(4)), r"K: got shape \(4, 4\), expected \(3, 3\)"),
        (bad(K=np.ones(9)), r"K: got shape \(9,\)"),
        (bad(K="K"), "K: got 'K', expected numbers"),
        (bad(K=K * np.nan), "K: got"),
        (bad(K=np.diag([0.0, 500, 1])), "fx=0 fy=500.*calibrate"),
        (bad(K=np.diag([500.0, -5, 1])), "fy=-5"),
        (bad(K=np.array([[500.0, 1, 0], [0, 500, 0], [0, 0, 1]])), "K: got.*expected"),
        (bad(distortion_model="fisheye"), "'fisheye'.*plumb_bob, rational_polynomial, equidistant"),
        (bad(D=np.zeros(3)), "0 or 4 or 5 coefficients for plumb_bob"),
        (bad(distortion_model="equidistant"), "expected 4 coefficients for equidistant"),
        (bad(distortion_model="rational_polynomial", D=np.zeros(5)), "8 or 12"),
        (bad(D=np.array([0, 0, np.nan, 0])), "finite"),
        (bad(D=np.zeros((1, 4))), r"D: got shape \(1, 4\)"),
        (bad(R=np.zeros((3, 3))), "R: got"),
        (bad(R=np.diag([1.0, 1, -1])), "expected a rotation"),
        (bad(P=np.zeros((3, 3))), r"P: got shape \(3, 3\), expected \(3, 4\)"),
        (bad(P=np.zeros((3, 4))), "P: got"),
        (bad(binning_x=0), "binning: got 0 x 1"),
        (bad(roi=(600, 0, 100, 100)), "roi: got x=600"),
        (bad(roi=(-1, 0, 100, 100)), "roi"),
        (bad(roi=(0, 0, 0, 100)), "at least one"),
    ],
)
def test_calibrations_that_make_no_sense_are_refused(make, message):
    with pytest.raises(CameraError, match=message):
        make()


def test_a_principal_point_outside_of_the_image_is_allowed():
    assert Camera.pinhole(64, 48, 500, 500, 900, -100).cx == 900


@pytest.mark.parametrize(
    ("model", "D"),
    [
        ("plumb_bob", [0.14, 0.2, 0, 0, -0.13]),
        ("rational_polynomial", [0.159, -0.052, 0, 0, 0.011, -0.138, -0.108, 0.043]),
    ],
)
def test_lenses_that_bend_outwards_are_inverted_up_to_the_fold(model, D):
    K = np.array([[500.0, 0, 322.5], [0, 510, 238.25], [0, 0, 1]])
    camera = Camera(640, 480, K, model, np.array(D))
    radius = np.linspace(0.01, 1.5, 300)
    points = np.stack([0.8 * radius, 0.6 * radius, np.ones_like(radius)], axis=-1)
    pixels = camera.project(points)
    seen = np.isfinite(pixels).all(axis=1)
    assert radius[seen].max() > 1.2
    np.testing.assert_allclose(camera.unproject(pixels[seen]), points[seen], atol=1e-8)
