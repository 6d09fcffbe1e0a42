"""Cameras calibrated from views of a board."""

from embodied_perception.camera.calibration.boards import (
    Board,
    CharucoBoard,
    Chessboard,
    CircleGrid,
    Detection,
)
from embodied_perception.camera.calibration.hand_eye import (
    HandEyeCalibration,
    calibrate_hand_eye,
)
from embodied_perception.camera.calibration.intrinsics import (
    COEFFICIENTS,
    LEAST_VIEWS,
    CalibratedView,
    CameraCalibration,
    calibrate_camera,
)
from embodied_perception.camera.calibration.stereo import StereoCalibration, calibrate_stereo
from embodied_perception.camera.calibration.views import (
    GRID,
    NEIGHBOURS_NS,
    Coverage,
    View,
    moves,
    spread,
)

__all__ = [
    "COEFFICIENTS",
    "GRID",
    "LEAST_VIEWS",
    "NEIGHBOURS_NS",
    "Board",
    "CalibratedView",
    "CameraCalibration",
    "CharucoBoard",
    "Chessboard",
    "CircleGrid",
    "Coverage",
    "Detection",
    "HandEyeCalibration",
    "StereoCalibration",
    "View",
    "calibrate_camera",
    "calibrate_hand_eye",
    "calibrate_stereo",
    "moves",
    "spread",
]
