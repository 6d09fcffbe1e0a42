"""A real hand-held Kinect: how near odometry stays to the truth, and says so."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera, DepthRegistration
from embodied_perception.evaluation import Trajectory, evaluate_consistency, evaluate_trajectory
from embodied_perception.geometry import Transform
from embodied_perception.odometry import OdometryConfig, RgbdImage, TrackingState, VisualOdometry

FOLDER = Path(__file__).parents[3] / "shared/data/kitchen_rgbd"
COUNT = 120
COLOR_FROM_DEPTH = Transform(np.eye(3), np.array([0.03, 0.0, 0.0]))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recording at {FOLDER}")


@pytest.fixture(scope="module")
def run():
    """Estimates, and the true world_from_depth_camera poses."""
    depth_camera = Camera.pinhole(640, 480, 585.0, 585.0, 320.0, 240.0)
    color_camera = Camera.pinhole(640, 480, 540.0, 540.0, 320.0, 240.0)
    registration = DepthRegistration(depth_camera, color_camera, COLOR_FROM_DEPTH)
    odometry = VisualOdometry(color_camera, OdometryConfig())
    estimates, truths = [], []
    for k in range(COUNT):
        name = FOLDER / f"frame-{k:06d}"
        gray = cv2.imread(f"{name}.color.jpg", cv2.IMREAD_GRAYSCALE)
        raw = cv2.imread(f"{name}.depth.png", cv2.IMREAD_UNCHANGED)
        depth_m = np.where((raw == 0) | (raw == 65535), np.nan, raw * 1e-3).astype(np.float32)
        estimates.append(
            odometry.track(RgbdImage(gray, registration.register(depth_m), k * 33_333_333))
        )
        truths.append(Transform.from_matrix(_orthonormal(np.loadtxt(f"{name}.pose.txt"))))
    return estimates, truths


def _orthonormal(matrix):
    """The file has six decimals."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3] = left @ right
    return matrix


def trajectory(poses):
    return Trajectory(
        np.arange(len(poses)) * 33_333_333,
        np.array([pose.translation for pose in poses]),
        np.array([pose.quaternion_xyzw for pose in poses]),
    )


def test_stays_near_the_truth(run):
    estimates, truths = run
    assert all(e.state in {TrackingState.INIT, TrackingState.OK} for e in estimates)
    poses = [e.world_from_camera @ COLOR_FROM_DEPTH for e in estimates]
    errors = evaluate_trajectory(trajectory(poses), trajectory(truths))
    assert errors.matched_poses == COUNT
    assert errors.ate_rmse_m < 0.02


def test_covariance_is_of_the_errors_size(run):
    estimates, truths = run
    turned = [np.kron(np.eye(2), e.world_from_camera.rotation) for e in estimates]
    stated = [R @ e.covariance @ R.T for R, e in zip(turned, estimates, strict=True)]
    said = dataclasses.replace(
        trajectory([e.world_from_camera for e in estimates]), covariances=np.array(stated)
    )
    true = trajectory([truth @ COLOR_FROM_DEPTH.inverse() for truth in truths])
    nees = evaluate_consistency(said, true, stretch_s=0.5).stretches["pose"]
    assert len(nees.values) >= 6
    assert 2 < nees.mean < 12  # 6 where it is right; a few stretches say it to a factor of 2
