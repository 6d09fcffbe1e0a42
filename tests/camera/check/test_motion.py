"""A focal length by motion: the demo's path, with the right one and with wrong ones."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.camera.check import Limits, MotionCheck, Verdict
from embodied_perception.features import detect_corners, sample_depth

BAG = Path(__file__).parents[3] / "src/embodied_perception_bringup/demo/demo_room.mcap"
TOPICS = ["/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth"]


@pytest.fixture(scope="module")
def camera():
    return calibration_of(BAG, TOPICS[0]).delivered()


@pytest.fixture(scope="module")
def frames():
    pairs = list(frame_sets(BAG, TOPICS, 0, print))[:240]
    return [(color.gray, depth.depth_m) for color, depth in pairs]


def features(gray, depth_m):
    pixels = detect_corners(gray, 300)
    return pixels, sample_depth(depth_m, pixels, nearest_m=0.2, farthest_m=8.0)


def checked(frames, camera, focal=1.0):
    K = camera.K * np.array([[focal, 1, 1], [1, focal, 1], [1, 1, 1]])
    check = MotionCheck(dataclasses.replace(camera, K=K, P=np.zeros(0)), Limits())
    for gray, depth_m in frames:
        check.look(gray, lambda gray=gray, depth_m=depth_m: features(gray, depth_m))
    return check


def test_the_right_focal_length_is_fine(frames, camera):
    check = checked(frames, camera)
    assert check.pairs >= 5
    deviation = check.deviation()
    assert deviation.verdict is Verdict.FINE
    assert abs(deviation.value) < 0.3


@pytest.mark.parametrize("focal", [1.02, 0.98])
def test_two_percent_are_noticed(frames, camera, focal):
    deviation = checked(frames, camera, focal).deviation()
    assert deviation.verdict is Verdict.OFF
    assert deviation.value == pytest.approx(100 / focal - 100, abs=0.6)


def test_a_camera_that_stands_says_nothing(frames, camera):
    check = checked([frames[0]] * 30, camera)
    assert check.pairs == 0
    assert check.deviation().verdict is Verdict.UNKNOWN


def test_darkness_and_missing_depth_say_nothing(frames, camera):
    gray, depth_m = frames[0]
    nothing = [(np.zeros_like(gray), depth_m), (gray, np.full_like(depth_m, np.nan))] * 5
    assert checked(nothing, camera).deviation().verdict is Verdict.UNKNOWN
