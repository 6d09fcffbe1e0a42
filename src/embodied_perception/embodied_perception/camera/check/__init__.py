"""Whether a calibration still holds, by ordinary images."""

from embodied_perception.camera.check.deviation import Deviation, Limits, Verdict
from embodied_perception.camera.check.edges import EdgeCheck, EdgeLook
from embodied_perception.camera.check.epipolar import EpipolarCheck, PairLook
from embodied_perception.camera.check.motion import MotionCheck

__all__ = [
    "Deviation",
    "EdgeCheck",
    "EdgeLook",
    "EpipolarCheck",
    "Limits",
    "MotionCheck",
    "PairLook",
    "Verdict",
]
