"""Visual odometry: how a camera moves, from what it sees."""

from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate, TrackingState
from embodied_perception.odometry.rgbd import RgbdOdometry

__all__ = ["Estimate", "OdometryConfig", "RgbdOdometry", "TrackingState"]
