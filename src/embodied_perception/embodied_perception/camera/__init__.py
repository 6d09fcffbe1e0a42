"""Calibrated cameras: intrinsics, distortion, calibration files, depth registration."""

from embodied_perception.camera.calibration_file import (
    read_camera_info_yaml,
    write_camera_info_yaml,
)
from embodied_perception.camera.info import camera_from_info, info_fields
from embodied_perception.camera.model import Camera
from embodied_perception.camera.rectification import baseline_m, rectify_pair
from embodied_perception.camera.registration import DepthRegistration

__all__ = [
    "Camera",
    "DepthRegistration",
    "baseline_m",
    "camera_from_info",
    "info_fields",
    "read_camera_info_yaml",
    "rectify_pair",
    "write_camera_info_yaml",
]
