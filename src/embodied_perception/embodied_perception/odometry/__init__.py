"""Visual odometry: how a camera moves, from what it sees."""

from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate, TrackingState
from embodied_perception.odometry.images import (
    MonoImage,
    OdometryImage,
    RgbdImage,
    StereoImage,
)
from embodied_perception.odometry.rulers import CameraHeight, KnownPlace, Ruler
from embodied_perception.odometry.visual import VisualOdometry

__all__ = [
    "CameraHeight",
    "Estimate",
    "KnownPlace",
    "MonoImage",
    "OdometryConfig",
    "OdometryImage",
    "RgbdImage",
    "Ruler",
    "StereoImage",
    "TrackingState",
    "VisualOdometry",
]
