"""The pose solver against OpenCV, SciPy and finite differences."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import (
    Noise,
    Observations,
    guess_pose,
    pose_jacobian,
    solve_pose,
    twist_transform,
)

K = np.array([[500.0, 0, 320], [0, 510.0, 240], [0, 0, 1]])
NOISE = Noise(0.5, 0.004)
TRUTH = Transform.from_rotation_vector((0.1, -0.2, 0.05), (0.3, -0.1, 0.2))


def scene(count=80, seed=0):
    generator = np.random.default_rng(seed)
    points_camera = generator.uniform((-1.2, -0.9, 1.5), (1.2, 0.9, 4.0), (count, 3))
    measured, _ = pose_jacobian(points_camera, K)
    return TRUTH.inverse().apply(points_camera), measured


def seen(measured):
    return Observations(measured[:, :2], 1.0 / measured[:, 2])


def off(pose):
    error = pose @ TRUTH.inverse()
    return np.linalg.norm(error.translation), np.linalg.norm(error.rotation_vector)


@given(st.tuples(*[st.floats(-1.0, 1.0)] * 2, st.floats(0.5, 6.0)), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_jacobian_is_the_derivative(point, axis):
    points = np.array([point])
    step = 1e-6
    twist = np.eye(6)[axis] * step
    ahead, _ = pose_jacobian(twist_transform(twist).apply(points), K)
    behind, _ = pose_jacobian(twist_transform(-twist).apply(points), K)
    _, jacobian = pose_jacobian(points, K)
    numeric = (ahead - behind)[0] / (2 * step)
    np.testing.assert_allclose(jacobian[0, :, axis], numeric, atol=1e-3, rtol=1e-5)


def test_exact_measurements_give_the_exact_pose():
    points, measured = scene()
    solution = solve_pose(points, seen(measured), K, NOISE, Transform.identity(), 20)
    assert off(solution.camera_from_world) == pytest.approx((0, 0), abs=1e-7)
    assert solution.inliers.all()
    assert solution.rms_px < 1e-4


def test_without_depth_it_agrees_with_solve_pnp():
    points, measured = scene()
    measured[:, :2] += np.random.default_rng(1).normal(0, 0.2, (len(points), 2))
    pixels = Observations(measured[:, :2], np.full(len(points), np.nan))
    # Noise this wide makes the robust loss a square, which is what OpenCV minimises.
    solution = solve_pose(points, pixels, K, Noise(50.0, 1.0), Transform.identity(), 30)
    _, rotation_vector, translation = cv2.solvePnP(points, measured[:, :2].copy(), K, None)
    np.testing.assert_allclose(
        solution.camera_from_world.rotation_vector, rotation_vector.ravel(), atol=2e-5
    )
    np.testing.assert_allclose(
        solution.camera_from_world.translation, translation.ravel(), atol=5e-5
    )


def test_agrees_with_scipys_robust_least_squares():
    points, measured = scene(20)
    generator = np.random.default_rng(2)
    sigma = np.array([0.5, 0.5, 0.004])
    measured += generator.normal(size=measured.shape) * sigma
    measured[0, :2] += 40

    def distances(twist):
        predicted, _ = pose_jacobian((twist_transform(twist) @ TRUTH).apply(points), K)
        return np.linalg.norm((measured - predicted) / sigma, axis=1)

    reference = least_squares(distances, np.zeros(6), loss="cauchy", f_scale=2.385, xtol=1e-12)
    expected = twist_transform(reference.x) @ TRUTH
    solution = solve_pose(points, seen(measured), K, NOISE, TRUTH, 50)
    np.testing.assert_allclose(solution.camera_from_world.matrix, expected.matrix, atol=5e-5)


def test_a_third_of_outliers_is_told_apart():
    points, measured = scene(120)
    wrong = np.arange(120) % 3 == 0
    measured[wrong, :2] += np.random.default_rng(3).uniform(20, 60, (40, 2))
    solution = solve_pose(points, seen(measured), K, NOISE, TRUTH)
    assert off(solution.camera_from_world) == pytest.approx((0, 0), abs=1e-3)
    assert np.array_equal(solution.inliers, ~wrong)


@pytest.mark.parametrize(("size", "outliers"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.1)])
def test_covariance_is_that_of_many_trials(size, outliers):
    points, measured = scene(120)
    generator = np.random.default_rng(4)
    sigma = size * np.array([NOISE.pixel_px, NOISE.pixel_px, NOISE.inverse_depth])
    normalised = []
    for _ in range(300):
        noisy = measured + generator.normal(size=measured.shape) * sigma
        wrong = generator.random(len(points)) < outliers
        noisy[wrong, :2] += generator.uniform(20, 60, (wrong.sum(), 2))
        solution = solve_pose(points, seen(noisy), K, NOISE, TRUTH)
        error = solution.camera_from_world @ TRUTH.inverse()
        twist = np.concatenate((error.translation, error.rotation_vector))
        normalised.append(twist @ np.linalg.solve(solution.covariance, twist))
    assert np.mean(normalised) == pytest.approx(6, rel=0.15)


def test_covariance_of_less_noise_than_was_said_is_cautious():
    points, measured = scene(120)
    noisy = measured + np.random.default_rng(4).normal(size=measured.shape) * 1e-3 * NOISE.pixel_px
    few = solve_pose(points, seen(measured), K, NOISE, TRUTH).covariance
    np.testing.assert_allclose(
        solve_pose(points, seen(noisy), K, NOISE, TRUTH).covariance, few, rtol=0.01
    )


def test_points_behind_the_camera_and_missing_depth_do_not_count():
    points, measured = scene()
    points[0] = TRUTH.inverse().apply([0, 0, -2.0])
    observations = Observations(
        measured[:, :2], np.where(np.arange(80) % 2, np.nan, 1 / measured[:, 2])
    )
    solution = solve_pose(points, observations, K, NOISE, Transform.identity(), 20)
    assert off(solution.camera_from_world) == pytest.approx((0, 0), abs=1e-6)
    assert not solution.inliers[0]
    assert solution.inliers[1:].all()


def test_degenerate_points_give_no_exception():
    points = np.tile([[0.0, 0.0, 2.0]], (5, 1))
    observations = Observations(np.tile([[320.0, 240.0]], (5, 1)), np.full(5, 2.0))
    solution = solve_pose(points, observations, K, NOISE, Transform.identity())
    assert np.isfinite(solution.camera_from_world.matrix).all()


def test_a_pose_is_found_from_nothing():
    points, measured = scene(60)
    measured[::3, :2] += 90
    pose = guess_pose(points, measured[:, :2], K)
    assert off(pose) == pytest.approx((0, 0), abs=0.01)
    again = guess_pose(points, measured[:, :2], K)
    assert np.array_equal(pose.matrix, again.matrix)


def test_too_few_points_or_nonsense_give_no_pose():
    points, measured = scene(60)
    assert guess_pose(points[:5], measured[:5, :2], K) is None
    nonsense = np.random.default_rng(5).uniform(0, 480, (60, 2))
    pose = guess_pose(points, nonsense, K)
    assert pose is None or off(pose)[0] > 0.01
