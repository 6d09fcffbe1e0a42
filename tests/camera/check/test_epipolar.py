"""The demo's pair on a hand: as calibrated, turned, and with another lens."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.camera import baseline_m, rectify_pair
from embodied_perception.camera.check import EpipolarCheck, Limits, Verdict
from embodied_perception.errors import CameraError, FrameError
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import transform_from_message

BAG = Path(__file__).parents[3] / "src/embodied_perception_bringup/demo/calibration.mcap"
SIDES = ("left", "right")
NAMES = ("pitch", "yaw", "roll", "focal length, right to left")


@pytest.fixture(scope="module")
def truth():
    """Left and right camera, and the left one's pose in the right one."""
    with BagReader(BAG) as reader:
        ((_, _, message),) = reader.messages(["/ground_truth/tf_static"])
    placed = {edge.child_frame_id: transform_from_message(edge) for edge in message.transforms}
    left, right = (calibration_of(BAG, f"/ground_truth/{side}/image_raw") for side in SIDES)
    return left, right, placed["right_optical_frame"].inverse() @ placed["left_optical_frame"]


@pytest.fixture(scope="module")
def pairs():
    topics = [f"/{side}/image_raw/compressed" for side in SIDES]
    return [(left.gray, right.gray) for left, right in frame_sets(BAG, topics, 0, print)][::3]


def checked(pairs, truth, turn=(0, 0, 0), focal=1.0):
    """A check that believes the right camera to be turned (degrees), with another lens."""
    left, right, right_from_left = truth
    believed = Transform.from_rotation_vector(np.radians(turn), (0, 0, 0)) @ right_from_left
    K = right.K * np.array([[focal, 1, 1], [1, focal, 1], [1, 1, 1]])
    lens = dataclasses.replace(right, K=K, P=np.zeros(0))
    check = EpipolarCheck(*rectify_pair(left, lens, believed), Limits())
    for left_gray, right_gray in pairs:
        check.look(left_gray, right_gray)
    return check


def found(check):
    return {each.name: each for each in check.deviations()}


def test_what_stands_as_calibrated_is_fine(pairs, truth):
    check = checked(pairs, truth)
    assert {each.verdict for each in check.deviations()} == {Verdict.FINE}
    assert max(abs(each.value) for each in check.deviations()) < 0.2
    assert check.looks == len(pairs) == len(check.recent)
    assert np.median([look.median_px for look in check.recent]) < 0.3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [1.0, -1.0])
def test_a_turn_of_a_degree_is_off_by_a_degree(pairs, truth, axis, degrees):
    deviations = found(checked(pairs, truth, turn=degrees * np.eye(3)[axis]))
    turned = deviations.pop(NAMES[axis])
    assert turned.verdict is Verdict.OFF
    assert turned.value == pytest.approx(degrees, abs=0.12)
    assert {each.verdict for each in deviations.values()} == {Verdict.FINE}


@pytest.mark.parametrize("focal", [1.02, 0.98])
def test_a_lens_of_two_percent_more_or_less_is_off(pairs, truth, focal):
    lens = found(checked(pairs, truth, focal=focal))[NAMES[3]]
    assert lens.verdict is Verdict.OFF
    assert lens.value == pytest.approx(100 / focal - 100, abs=0.6)


def test_depths_are_those_of_the_room(pairs, truth):
    look = checked(pairs[:1], truth).recent[-1]
    assert len(look.left_px) == len(look.right_px) == len(look.rows_px) == len(look.left_depth_m)
    assert 0.3 < np.nanmedian(look.left_depth_m) < 5


def test_few_looks_say_nothing(pairs, truth):
    check = checked(pairs[:2], truth)
    assert {each.verdict for each in check.deviations()} == {Verdict.UNKNOWN}
    assert {each.verdict for each in checked([], truth).deviations()} == {Verdict.UNKNOWN}


def test_old_looks_are_forgotten(pairs, truth):
    check = checked([pairs[0]] * 23, truth)
    assert check.looks == 20


def test_blank_images_are_no_look(truth):
    check = checked([], truth)
    blank = np.full((480, 640), 90, np.uint8)
    with pytest.raises(FrameError, match="0 features are seen by both cameras near one row") as no:
        check.look(blank, blank)
    assert no.value.reason == "FEW_MATCHES"
    assert check.looks == 0


def test_cameras_that_are_no_pair_are_refused(truth):
    left, right = rectify_pair(*truth)
    assert baseline_m(left, right) == pytest.approx(np.linalg.norm(truth[2].translation))
    for first, second in [(right, left), (left, left), truth[:2]]:
        with pytest.raises(CameraError, match="calibrate them as a pair: perception calibrate st"):
            EpipolarCheck(first, second, Limits())
