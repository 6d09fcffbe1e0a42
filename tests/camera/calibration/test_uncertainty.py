"""Standard deviations of a pose against very many poses that vary so."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from embodied_perception.camera.calibration.uncertainty import POSE_NAMES, pose_sigmas
from embodied_perception.geometry import Transform

POSE = Transform.from_rotation_vector([0.4, -1.1, 0.7], [0.6, -0.3, 1.2])


def test_they_are_those_of_poses_that_vary_so():
    rng = np.random.default_rng(0)
    factors = 1e-3 * rng.standard_normal((6, 6))
    motions = rng.standard_normal((20_000, 6)) @ factors.T
    turns = Rotation.from_rotvec(motions[:, 3:])
    # What comes after the pose: it moves all points of the parent, and so the place too.
    places = turns.apply(POSE.translation) + motions[:, :3]
    rotations = turns.as_matrix() @ POSE.rotation
    turned = Rotation.from_matrix(rotations @ POSE.rotation.T).as_rotvec()
    expected = np.concatenate([places, turned], axis=1).std(axis=0)
    sigmas = pose_sigmas(POSE, factors @ factors.T)
    assert tuple(sigmas) == POSE_NAMES
    np.testing.assert_allclose(list(sigmas.values()), expected, rtol=0.03)


def test_a_turn_about_the_origin_moves_what_is_far_from_it():
    about_z = np.zeros((6, 6))
    about_z[5, 5] = 0.01**2
    sigmas = pose_sigmas(Transform(np.eye(3), np.array([2.0, 0, 5])), about_z)
    assert sigmas == pytest.approx({"x": 0, "y": 0.02, "z": 0, "rx": 0, "ry": 0, "rz": 0.01})


def test_at_the_origin_they_are_the_covariances_own():
    sigmas = pose_sigmas(Transform.identity(), np.diag([1.0, 4, 9, 16, 25, 36]))
    assert list(sigmas.values()) == [1, 2, 3, 4, 5, 6]
