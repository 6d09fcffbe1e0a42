from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations
from embodied_perception.odometry.landmarks import Landmarks
from embodied_perception.odometry.refinement import refine

K = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
NOISE = Noise(0.5, 0.002)


def views(count: int) -> list[Transform]:
    """Cameras in a row that look at the same place, 2 m away."""
    return [
        Transform.from_rotation_vector((0, 0.1 * step, 0), (-0.2 * step, 0.02 * step, 0.01))
        for step in range(count)
    ]


def see(points: np.ndarray, camera_from_world: Transform, rng=None) -> Observations:
    in_camera = camera_from_world.apply(points)
    pixels = in_camera[:, :2] / in_camera[:, 2:] * 525 + (320, 240)
    inverse_depth = 1 / in_camera[:, 2]
    if rng is not None:
        pixels = pixels + rng.normal(0, NOISE.pixel_px, pixels.shape)
        inverse_depth = inverse_depth + rng.normal(0, NOISE.inverse_depth, len(points))
    return Observations(pixels, 1 / inverse_depth)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform((-0.6, -0.5, 1.5), (0.6, 0.5, 3.0), (200, 3))


def fresh(points: np.ndarray) -> Landmarks:
    return Landmarks.fresh(np.arange(len(points)), points)


def fused(points: np.ndarray, count: int, rng: np.random.Generator) -> Landmarks:
    landmarks = fresh(points + rng.normal(0, 0.02, points.shape))
    for camera in views(count):
        landmarks = refine(landmarks, see(points, camera, rng), camera, K, NOISE)
        # Linearise where they are thought to be by now, as the adjustment does.
        landmarks = landmarks.moved(landmarks.means_world)
    return landmarks


def test_exact_measurements_give_the_exact_points(points: np.ndarray) -> None:
    landmarks = fresh(points + 0.005)
    for camera in views(1) * 4:
        # Iterated on one view from nothing known, so that only the linearisation is left.
        told = refine(landmarks, see(points, camera), camera, K, NOISE)
        landmarks = fresh(told.means_world)
    np.testing.assert_allclose(landmarks.points_world, points, atol=1e-6)


def test_error_shrinks_with_the_number_of_keyframes(points: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    errors = [
        np.sqrt(np.mean((fused(points, count, rng).means_world - points) ** 2))
        for count in (1, 4, 12)
    ]
    # Independent errors of the depth reading average out: by 2, and by sqrt(12).
    assert errors[1] < 0.65 * errors[0]
    assert errors[2] < 0.45 * errors[0]


def test_information_says_how_large_the_error_is(points: np.ndarray) -> None:
    landmarks = fused(points, 8, np.random.default_rng(2))
    error = landmarks.means_world - points
    squared = np.einsum("ni,nij,nj->n", error, landmarks.information, error)
    assert 1.5 < np.median(squared) < 4.0  # chi-square, 3 degrees: 2.37


def test_agrees_with_least_squares_over_all_views(points: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    cameras = views(6)
    seen = [see(points[:5], camera, rng) for camera in cameras]
    landmarks = fresh(points[:5])
    for camera, each in zip(cameras, seen, strict=True):
        landmarks = refine(landmarks, each, camera, K, NOISE)

    def residuals(flat: np.ndarray) -> np.ndarray:
        rows = []
        for camera, each in zip(cameras, seen, strict=True):
            exact = see(flat.reshape(-1, 3), camera)
            rows.append((each.pixels - exact.pixels) / NOISE.pixel_px)
            rows.append((1 / each.depth_m - 1 / exact.depth_m)[:, None] / NOISE.inverse_depth)
        return np.concatenate([row.ravel() for row in rows])

    batch = least_squares(residuals, points[:5].ravel()).x.reshape(-1, 3)
    # The filter weighs robustly, the batch does not: they agree to a fraction of the error.
    np.testing.assert_allclose(landmarks.means_world, batch, atol=2e-3)


def test_unknown_depth_leaves_depth_alone_and_an_outlier_hardly_counts(points: np.ndarray) -> None:
    camera = Transform(Rotation.identity().as_matrix(), np.zeros(3))
    known = refine(fresh(points), see(points, camera), camera, K, NOISE)
    blind = see(points, camera)
    blind = Observations(blind.pixels + 1.0, np.full(len(points), np.nan))
    moved = refine(known, blind, camera, K, NOISE)
    np.testing.assert_allclose(moved.means_world[:, 2], points[:, 2], atol=2e-3)
    wild = Observations(blind.pixels + 200.0, blind.depth_m)
    kept = refine(known, wild, camera, K, NOISE)
    assert np.abs(kept.means_world - points).max() < 0.01


def test_no_landmarks() -> None:
    nothing = Observations(np.zeros((0, 2)), np.zeros(0))
    refined = refine(Landmarks.none(), nothing, Transform.identity(), K, NOISE)
    assert refined.means_world.shape == (0, 3)
    assert refined.information.shape == (0, 3, 3)
