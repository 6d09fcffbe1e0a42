"""Edges of depth beside those of light: the demo's room as it is, and turned."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.camera.check import EdgeCheck, Limits, Verdict
from embodied_perception.camera.check.drawing import draw_edges
from embodied_perception.camera.check.edges import depth_edges
from embodied_perception.errors import FrameError
from embodied_perception.geometry import Transform

BAG = Path(__file__).parents[3] / "src/embodied_perception_bringup/demo/demo_room.mcap"
TOPICS = ["/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth"]
NAMES = ("pitch", "yaw", "roll", "focal length, colour to depth")


@pytest.fixture(scope="module")
def camera():
    return calibration_of(BAG, TOPICS[0]).delivered()


@pytest.fixture(scope="module")
def frames():
    pairs = list(frame_sets(BAG, TOPICS, 0, print))[::25]
    return [(color.gray, depth.depth_m) for color, depth in pairs]


def checked(frames, camera, turn=(0, 0, 0), focal=1.0):
    """A check that believes the depth camera to be turned: it has turned back by as much."""
    believed = Transform.from_rotation_vector(np.radians(turn), (0, 0, 0))
    K = camera.K * np.array([[focal, 1, 1], [1, focal, 1], [1, 1, 1]])
    lens = dataclasses.replace(camera, K=K, P=np.zeros(0))
    check = EdgeCheck(lens, camera, believed, Limits())
    for gray, depth_m in frames:
        check.look(gray, depth_m)
    return check


def found(check):
    return {each.name: each for each in check.deviations()}


def test_what_is_as_calibrated_is_fine(frames, camera):
    check = checked(frames, camera)
    assert {each.verdict for each in check.deviations()} == {Verdict.FINE}
    assert max(abs(each.value) for each in check.deviations()) < 0.25
    assert check.looks == len(frames)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_of_a_degree_is_off_by_a_degree(frames, camera, axis):
    deviations = found(checked(frames, camera, turn=np.eye(3)[axis]))
    turned = deviations.pop(NAMES[axis])
    assert turned.verdict is Verdict.OFF
    assert turned.value == pytest.approx(-1, abs=0.2)
    assert Verdict.OFF not in {each.verdict for each in deviations.values()}


@pytest.mark.parametrize("focal", [1.02, 0.98])
def test_a_lens_of_two_percent_more_or_less_is_off(frames, camera, focal):
    lens = found(checked(frames, camera, focal=focal))[NAMES[3]]
    assert lens.verdict is Verdict.OFF
    assert lens.value == pytest.approx(100 / focal - 100, abs=0.4)


def test_the_corrected_edges_are_where_those_of_the_right_calibration_are(frames, camera):
    right = checked(frames, camera).corrected()
    turned = checked(frames, camera, turn=(0, 0, 1.0))
    moved, corrected = turned.latest.pixels, turned.corrected()
    apart = np.linalg.norm(moved[:, None] - right, axis=2).min(axis=1)
    nearer = np.linalg.norm(corrected[:, None] - right, axis=2).min(axis=1)
    assert np.median(nearer) < 0.6 < 1.2 < np.median(apart)
    picture = draw_edges(np.full((480, 640, 3), 100, np.uint8), moved, corrected)
    assert (picture == (235, 60, 50)).all(axis=2).sum() > 200
    assert (picture == (70, 220, 90)).all(axis=2).sum() > 200


def test_before_enough_looks_nothing_is_corrected(frames, camera):
    check = checked(frames[:2], camera)
    assert check.corrected() is None
    assert {each.verdict for each in check.deviations()} == {Verdict.UNKNOWN}


def test_flat_depth_is_no_look(frames, camera):
    check = checked([], camera)
    gray, _ = frames[0]
    with pytest.raises(FrameError, match="0 edges of depth lie in the colour image") as no:
        check.look(gray, np.full((480, 640), 2.0, np.float32))
    assert no.value.reason == "FEW_EDGES"
    with pytest.raises(FrameError):
        check.look(gray, np.full((480, 640), np.nan, np.float32))


def test_the_edge_of_a_box_is_between_its_last_pixel_and_the_next():
    depth_m = np.full((120, 160), 3.0, np.float32)
    depth_m[40:80, 50:100] = 1.5
    pixels, normals, near_m = depth_edges(depth_m)
    np.testing.assert_allclose(near_m, 1.5)
    rights = pixels[normals[:, 0] > 0.99]
    assert len(rights) > 20
    np.testing.assert_allclose(rights[:, 0], 99.5, atol=0.02)
    tops = pixels[normals[:, 1] < -0.99]
    np.testing.assert_allclose(tops[:, 1], 39.5, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_a_gap_without_readings_is_bridged():
    depth_m = np.full((240, 640), 3.0, np.float32)
    depth_m[:, :320] = 1.5
    depth_m[:, 320:326] = np.nan  # what the sensor's own shadow hides
    pixels, normals, _ = depth_edges(depth_m)
    assert len(pixels) > 100
    np.testing.assert_allclose(pixels[:, 0], 319.5, atol=0.05)
    np.testing.assert_allclose(normals[:, 0], 1, atol=0.01)
