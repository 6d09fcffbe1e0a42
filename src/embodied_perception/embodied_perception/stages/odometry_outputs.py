"""What odometry's estimate becomes for others: messages, words, and a picture."""

from __future__ import annotations

import cv2
import numpy as np
from embodied_perception_interfaces.msg import OdometryStatus
from nav_msgs.msg import Odometry

from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform
from embodied_perception.odometry import Estimate, TrackingState
from embodied_perception.stages.messages import header, odometry_message
from embodied_perception.stages.stage import Status

_LEVELS = {
    TrackingState.INIT: Status.WARN,
    TrackingState.OK: Status.OK,
    TrackingState.DEGRADED: Status.WARN,
    TrackingState.LOST: Status.ERROR,
    TrackingState.RECOVERED: Status.WARN,
}


def odom_message(
    estimate: Estimate,
    odom_from_base: Transform,
    base_from_camera: Transform,
    moved_m: np.ndarray,
    frame: str,
    child: str,
) -> Odometry:
    """Pose and velocity of the base, with their covariances.

    Args:
        estimate: of the camera.
        odom_from_base: its pose as that of the base.
        base_from_camera: where the camera is on it.
        moved_m: (3,) from where odometry began; so much of it may be off by the scale.
        frame: of the pose.
        child: of the base.

    """
    # A twist of the camera becomes one of the base by the adjoint; nav_msgs wants the pose's
    # covariance along the axes of odom, and the twist along those of the base.
    base_axes = base_from_camera.adjoint
    odom_axes = np.kron(np.eye(2), odom_from_base.rotation) @ base_axes
    covariance = odom_axes @ estimate.covariance @ odom_axes.T
    covariance[:3, :3] += _scale_covariance(moved_m, estimate.scale_sigma)
    odom = odometry_message(odom_from_base, frame, child, estimate.stamp_ns, covariance)
    velocity = base_axes @ estimate.velocity
    twist = odom.twist.twist
    twist.linear.x, twist.linear.y, twist.linear.z = velocity[:3].tolist()
    twist.angular.x, twist.angular.y, twist.angular.z = velocity[3:].tolist()
    twist_covariance = base_axes @ estimate.velocity_covariance @ base_axes.T
    twist_covariance[:3, :3] += _scale_covariance(velocity[:3], estimate.scale_sigma)
    odom.twist.covariance = twist_covariance.ravel()
    return odom


def status_of(estimate: Estimate) -> Status:
    """For /diagnostics."""
    state = estimate.state
    message = f"{state.name}: {estimate.reason}" if estimate.reason else state.name
    return Status(
        _LEVELS[state],
        message,
        {
            "state": state.name,
            "epoch": str(estimate.epoch),
            "stationary": str(estimate.is_still).lower(),
            "scale": "metres" if estimate.is_metric else "not known",
            "features": str(len(estimate.pixels)),
            "inliers": str(int(estimate.inliers.sum())),
            "keyframes": str(estimate.keyframes),
        },
    )


def status_message(estimate: Estimate, lead: Frame) -> OdometryStatus:
    """For ~/status."""
    return OdometryStatus(
        header=header(lead.stamp_ns, lead.frame_id),
        state=int(estimate.state),
        state_name=estimate.state.name,
        reason=estimate.reason,
        epoch=estimate.epoch,
        features_tracked=len(estimate.pixels),
        inliers=int(estimate.inliers.sum()),
        keyframes=estimate.keyframes,
        reprojection_rms_px=float(estimate.rms_px),
        scale_known=estimate.is_metric,
        stationary=estimate.is_still,
    )


def draw_features(image_rgb: np.ndarray, estimate: Estimate) -> np.ndarray:
    """The image (H, W, 3) with features in green, outliers in red, and the state in words."""
    picture = image_rgb.copy()
    for (x, y), inlier in zip(
        np.rint(estimate.pixels).astype(int).tolist(), estimate.inliers.tolist(), strict=True
    ):
        colour = (70, 220, 90) if inlier else (235, 60, 50)
        cv2.circle(picture, (x, y), 3, colour, 1, cv2.LINE_AA)
    text = f"{estimate.state.name}  {int(estimate.inliers.sum())}/{len(estimate.pixels)} features"
    for thickness, colour in ((4, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(
            picture, text, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness, cv2.LINE_AA
        )
    return picture


def _scale_covariance(metres: np.ndarray, sigma: float) -> np.ndarray:
    """What (3,) metres may be off by where their unit may be off by a share."""
    return sigma**2 * np.outer(metres, metres)
