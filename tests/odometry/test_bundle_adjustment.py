"""Cameras and points together, against an independent minimiser of the same error."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations, twist_transform
from embodied_perception.odometry.bundle_adjustment import Sightings, adjust
from embodied_perception.odometry.landmarks import Landmarks

K = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
NOISE = Noise(0.5, 0.002)


class World:
    """Cameras in a row that look at points about 2 m away."""

    def __init__(self, points=60, cameras=4, seed=0):
        self.rng = np.random.default_rng(seed)
        self.points = self.rng.uniform((-0.6, -0.5, 1.5), (0.6, 0.5, 3.0), (points, 3))
        self.cameras = [
            Transform.from_rotation_vector((0, 0.1 * k, 0.01), (-0.2 * k, 0.02 * k, 0.01))
            for k in range(cameras)
        ]

    def sightings(self, noisy=True, depth=True):
        rows = []
        for camera in self.cameras:
            there = camera.apply(self.points)
            pixels = there[:, :2] / there[:, 2:] * 525 + (320, 240)
            inverse_depth = 1 / there[:, 2]
            if noisy:
                pixels = pixels + self.rng.normal(0, NOISE.pixel_px, pixels.shape)
                inverse_depth = inverse_depth + self.rng.normal(0, 0.002, len(pixels))
            if not depth:
                inverse_depth = np.full(len(pixels), np.nan)
            rows.append(Observations(pixels, 1 / inverse_depth).measurements())
        count, views = len(self.points), len(self.cameras)
        return Sightings(
            np.repeat(np.arange(views), count),
            np.tile(np.arange(count), views),
            np.concatenate(rows),
        )

    def start(self, camera_m=0.02, point_m=0.03):
        """Everything a little off; not the first camera, which holds the rest."""
        moved = [
            twist_transform(self.rng.normal(0, camera_m, 6)) @ camera for camera in self.cameras[1:]
        ]
        points = self.points + self.rng.normal(0, point_m, self.points.shape)
        return [self.cameras[0], *moved], Landmarks.fresh(np.arange(len(points)), points)


def off(found, true):
    difference = found @ true.inverse()
    return np.abs(np.concatenate((difference.translation, difference.rotation_vector))).max()


def test_exact_sightings_give_exact_cameras_and_points():
    world = World()
    cameras, landmarks = adjust(*world.start(), world.sightings(noisy=False), K, NOISE)
    assert max(map(off, cameras, world.cameras)) < 1e-6
    np.testing.assert_allclose(landmarks.points_world, world.points, atol=1e-5)
    assert np.array_equal(cameras[0].matrix, world.cameras[0].matrix)


def test_without_depth_all_is_right_but_for_the_scale():
    world = World()
    cameras, landmarks = adjust(*world.start(), world.sightings(False, depth=False), K, NOISE)
    first = world.cameras[0]
    there, true = first.apply(landmarks.points_world), first.apply(world.points)
    scale = np.median(true[:, 2] / there[:, 2])
    assert scale == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(there * scale, true, atol=1e-5)
    assert (
        max(
            np.abs((one @ two.inverse()).rotation_vector).max()
            for one, two in zip(cameras, world.cameras, strict=True)
        )
        < 1e-6
    )


def test_agrees_with_scipy_on_the_robust_error():
    world = World(points=25, cameras=3)
    sightings = world.sightings()
    sightings.measurements[::17, :2] += 30.0  # outliers, so that robust and not differ
    start_cameras, start = world.start()
    cameras, landmarks = adjust(start_cameras, start, sightings, K, NOISE)

    def placed(flat):
        twists = flat[: 6 * 2].reshape(2, 6)
        moved = [
            twist_transform(twist) @ camera
            for twist, camera in zip(twists, start_cameras[1:], strict=True)
        ]
        return [start_cameras[0], *moved], flat[6 * 2 :].reshape(-1, 3)

    def cauchy(cameras, points):
        """Residuals shortened so that their sum of squares is twice Cauchy's loss."""
        there = np.concatenate([camera.apply(points) for camera in cameras])
        predicted = np.column_stack(
            (there[:, :2] / there[:, 2:] * 525 + (320, 240), 1 / there[:, 2])
        )
        residuals = (sightings.measurements - predicted) / (0.5, 0.5, 0.002)
        squared = np.sum(residuals**2, axis=1) / 2.385**2
        return (residuals * np.sqrt(np.log1p(squared) / squared)[:, None]).ravel()

    begin = np.concatenate((np.zeros(12), start.points_world.ravel()))
    best = least_squares(lambda flat: cauchy(*placed(flat)), begin, max_nfev=50)
    ours = 0.5 * np.sum(cauchy(cameras, landmarks.points_world) ** 2)
    assert ours <= best.cost * 1.002
    expected, _ = placed(best.x)
    assert max(map(off, cameras, expected)) < 5e-4


def test_error_falls_to_what_the_noise_leaves():
    world = World(points=150)
    start_cameras, start = world.start()
    sightings = world.sightings()
    cameras, landmarks = adjust(start_cameras, start, sightings, K, NOISE)
    assert max(map(off, cameras, world.cameras)) < 2e-3
    before = np.sqrt(np.mean((start.points_world - world.points) ** 2))
    after = np.sqrt(np.mean((landmarks.points_world - world.points) ** 2))
    assert after < 0.2 * before


def test_gross_outliers_hardly_count():
    world = World(points=150)
    sightings = world.sightings()
    wrong = world.rng.choice(len(sightings.measurements), 60, replace=False)
    sightings.measurements[wrong, :2] = world.rng.uniform((0, 0), (640, 480), (60, 2))
    cameras, _ = adjust(*world.start(), sightings, K, NOISE)
    assert max(map(off, cameras, world.cameras)) < 4e-3


def test_what_is_known_of_a_point_holds_it():
    world = World()
    cameras, start = world.start(point_m=0.0)
    sure = Landmarks(
        start.names, start.points_world, start.means_world, np.tile(1e12 * np.eye(3), (60, 1, 1))
    )
    sightings = world.sightings()
    sightings.measurements[:, 0] += 3.0  # all images shifted: the cameras must give way
    _, landmarks = adjust(cameras, sure, sightings, K, NOISE)
    np.testing.assert_allclose(landmarks.points_world, world.points, atol=1e-5)


def test_one_camera_and_a_point_behind_it():
    world = World(points=5, cameras=1)
    cameras, start = world.start()
    start.points_world[0, 2] = -2.0
    (camera,), landmarks = adjust(cameras, start, world.sightings(noisy=False), K, NOISE)
    assert np.array_equal(camera.matrix, cameras[0].matrix)
    assert np.isfinite(landmarks.points_world).all()
    np.testing.assert_allclose(landmarks.points_world[1:], world.points[1:], atol=1e-5)


def test_a_point_that_nobody_sees_stays():
    world = World()
    cameras, start = world.start()
    seen = world.sightings()
    others = seen.points != 7
    seen = Sightings(seen.cameras[others], seen.points[others], seen.measurements[others])
    _, landmarks = adjust(cameras, start, seen, K, NOISE)
    assert np.array_equal(landmarks.points_world[7], start.points_world[7])
