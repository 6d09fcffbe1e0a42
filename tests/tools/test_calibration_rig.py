"""The recording to calibrate by: its truth is the rig's, and its pictures show that truth."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BAG = ROOT / "src/embodied_perception_bringup/demo/calibration.mcap"
sys.path.append(str(ROOT / "tools"))

from demo_room import rig  # noqa: E402
from demo_room.lens import Lens  # noqa: E402
from embodied_perception.camera import Camera  # noqa: E402

SIDES = ("left", "right")
START_NS, STOP_NS = 1_700_000_000 * 10**9, 10**9


# The lens.


FINE = 2  # pixels of the ideal camera's picture along one of its own


@pytest.fixture(scope="module", params=SIDES)
def bending(request):
    """A side, its camera and its lens."""
    camera = rig.CAMERAS[request.param]
    return request.param, camera, Lens(camera, FINE)


def test_the_lens_puts_points_where_the_camera_projects_them(bending):
    """Dots that an ideal camera sees, of which centroids are known far finer than a pixel."""
    _, camera, lens = bending
    pixels = np.stack(np.meshgrid(np.arange(40, 640, 112.3), np.arange(40, 480, 99.7)), -1)
    rays = camera.unproject(pixels.reshape(-1, 2))
    wide = np.zeros((lens.wide.height * FINE, lens.wide.width * FINE), np.uint8)
    for x, y in (lens.wide.project(rays) + 0.5) * FINE - 0.5:
        place = (round(x * 256), round(y * 256))
        cv2.circle(wide, place, 5 * FINE * 256, 255, cv2.FILLED, cv2.LINE_AA, shift=8)
    bent = lens.bend(wide)
    assert bent.shape == (480, 640)
    for x, y in np.rint(pixels.reshape(-1, 2)).astype(int):
        part = bent[y - 12 : y + 13, x - 12 : x + 13].astype(float)
        rows, columns = np.mgrid[y - 12 : y + 13, x - 12 : x + 13]
        found = np.array([(columns * part).sum(), (rows * part).sum()]) / part.sum()
        expected = pixels.reshape(-1, 2)[np.abs(pixels.reshape(-1, 2) - found).sum(1).argmin()]
        assert np.linalg.norm(found - expected) < 0.1


def test_the_ideal_camera_sees_all_that_the_lens_does(bending):
    _, camera, lens = bending
    wide = lens.wide
    assert isinstance(wide, Camera)
    assert not wide.D.any()
    x, y = np.meshgrid(np.linspace(-0.5, 639.5, 50), np.linspace(-0.5, 479.5, 40))
    seen = wide.project(camera.unproject(np.stack([x, y], axis=-1)))
    assert (seen > 0).all()
    assert (seen < np.array(wide.resolution_wh) - 1).all()


# The rig.


def test_the_hand_stops_where_both_cameras_see_the_whole_board():
    stops = list(rig.stops())
    assert len(stops) == rig.STOPS
    for world_from_tool in stops:
        for side, camera in rig.CAMERAS.items():
            world_from_camera = world_from_tool @ rig.TOOL_FROM_CAMERA[side]
            camera_from_board = world_from_camera.inverse() @ rig.WORLD_FROM_BOARD
            points = camera_from_board.apply(rig.BOARD.points)
            assert (points[:, 2] > 0.2).all()
            pixels = camera.project(points)
            assert ((pixels > 10) & (pixels < np.array(camera.resolution_wh) - 10)).all()
            # And from its front.
            assert camera_from_board.rotation[2, 2] > 0.2


def test_stops_differ_as_a_calibration_wants_them():
    stops = list(rig.stops())
    turns = np.array([(stops[0].inverse() @ stop).rotation_vector for stop in stops])
    about_axes = np.linalg.svd(turns - turns.mean(0), compute_uv=False) / np.sqrt(len(turns))
    assert (about_axes > 0.15).all()
    assert (np.ptp([stop.translation for stop in stops], axis=0) > 0.3).all()
    again = list(rig.stops())
    np.testing.assert_array_equal(stops[-1].matrix, again[-1].matrix)
    assert np.abs(next(rig.stops(seed=6)).matrix - stops[0].matrix).max() > 0.01


def test_black_squares_meet_in_the_boards_points():
    """Each inner corner belongs to two of the sheets, and 35 of 70 squares are black."""
    board_from_world = rig.WORLD_FROM_BOARD.inverse()
    _plate, *squares, _pole = rig.board_parts()
    assert len(squares) == 35
    corners = np.concatenate(
        [np.unique(np.round(board_from_world.apply(s.mesh.vertices), 9), axis=0) for s in squares]
    )
    assert np.abs(corners[:, 2]).max() < 1e-9
    for point in rig.BOARD.points:
        assert (np.linalg.norm(corners - point, axis=1) < 1e-9).sum() == 2
    first = board_from_world.apply(squares[0].mesh.vertices)
    np.testing.assert_allclose(first.min(axis=0), [-0.05, -0.05, 0], atol=1e-9)


def test_the_plate_lies_behind_the_squares_with_white_around_them():
    plate, *_ = rig.board_parts()
    vertices = rig.WORLD_FROM_BOARD.inverse().apply(plate.mesh.vertices)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    np.testing.assert_allclose(low[:2], [-0.1, -0.1], atol=1e-9)
    np.testing.assert_allclose(high[:2], [0.5, 0.35], atol=1e-9)
    assert 0 < low[2] < 1e-3


# The recording.


@pytest.fixture(scope="module")
def recording():
    pytest.importorskip("rclpy", reason="reading a bag needs ROS: ./run test")
    from embodied_perception.bags import BagReader

    with BagReader(BAG) as bag:
        yield bag


def edges_of(recording, topic):
    from embodied_perception.stages.messages import stamp_ns, transform_from_message

    return [
        (
            edge.header.frame_id,
            edge.child_frame_id,
            stamp_ns(edge.header),
            transform_from_message(edge),
        )
        for _, _, message in recording.messages([topic])
        for edge in message.transforms
    ]


def test_recording_is_small_and_whole(recording):
    assert BAG.stat().st_size <= 4_000_000
    every_stop = {"/tf", *(f"/{side}/image_raw/compressed" for side in SIDES)}
    once = {"/ground_truth/tf_static", *(f"/ground_truth/{side}/camera_info" for side in SIDES)}
    assert {name: info.count for name, info in recording.topics.items()} == {
        **dict.fromkeys(every_stop, rig.STOPS),
        **dict.fromkeys(once, 1),
    }
    assert {name for name, info in recording.topics.items() if info.latched} == once


def test_the_truth_of_places_is_the_rigs(recording):
    expected = {
        ("tool0", "left_optical_frame"): rig.TOOL_FROM_CAMERA["left"],
        ("tool0", "right_optical_frame"): rig.TOOL_FROM_CAMERA["right"],
        ("world", "board"): rig.WORLD_FROM_BOARD,
    }
    found = edges_of(recording, "/ground_truth/tf_static")
    assert {(parent, child) for parent, child, _, _ in found} == set(expected)
    for parent, child, stamp, pose in found:
        assert stamp == START_NS
        np.testing.assert_allclose(pose.matrix, expected[parent, child].matrix, atol=1e-9)


def test_the_truth_of_cameras_is_the_rigs(recording):
    from embodied_perception.camera import camera_from_info

    for side, expected in rig.CAMERAS.items():
        ((_, _, message),) = recording.messages([f"/ground_truth/{side}/camera_info"])
        assert message.header.frame_id == f"{side}_optical_frame"
        camera = camera_from_info(message)
        assert camera.resolution_wh == expected.resolution_wh
        assert camera.distortion_model == expected.distortion_model
        for name in ("K", "D", "R", "P"):
            np.testing.assert_array_equal(getattr(camera, name), getattr(expected, name))


def test_recorded_poses_are_the_stops(recording):
    for place, (told, stop) in enumerate(zip(edges_of(recording, "/tf"), rig.stops(), strict=True)):
        assert told[:3] == ("world", "tool0", START_NS + place * STOP_NS)
        np.testing.assert_allclose(told[3].matrix, stop.matrix, atol=1e-9)


@pytest.fixture(scope="module")
def pictures(recording):
    """(480, 640) of each side at each stop."""
    del recording
    from embodied_perception.bags.images import frame_sets

    topics = [f"/{side}/image_raw/compressed" for side in SIDES]
    return [
        dict(zip(SIDES, (frame.gray for frame in frames), strict=True))
        for frames in frame_sets(BAG, topics, 0, pytest.fail)
    ]


@pytest.mark.parametrize("side", SIDES)
def test_corners_are_seen_where_the_truth_projects_them(recording, pictures, side):
    camera = rig.CAMERAS[side]
    offs = []
    for (_, _, _, world_from_tool), shown in zip(edges_of(recording, "/tf"), pictures, strict=True):
        found = rig.BOARD.detect(shown[side])
        if found is None:
            continue
        camera_from_world = (world_from_tool @ rig.TOOL_FROM_CAMERA[side]).inverse()
        points = (camera_from_world @ rig.WORLD_FROM_BOARD).apply(rig.BOARD.points)
        offs.append(camera.project(points) - found.pixels)
    assert len(offs) >= 28
    offs = np.concatenate(offs)
    assert np.median(np.linalg.norm(offs, axis=1)) < 0.15
    assert np.abs(offs.mean(axis=0)).max() < 0.05


@pytest.mark.parametrize("side", SIDES)
def test_pictures_are_neither_dark_nor_blown_out(pictures, side):
    for shown in pictures:
        assert shown[side].shape == (480, 640)
        assert 40 < shown[side].mean() < 210
        assert (shown[side] >= 254).mean() < 0.05


# Rendering.


@pytest.fixture(scope="module")
def mujoco():
    """MuJoCo with a context to draw in, or a skip that says what is missing."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    module = pytest.importorskip(
        "mujoco", reason="MuJoCo is not installed: pip install --group render"
    )
    try:
        module.Renderer(module.MjModel.from_xml_string("<mujoco/>"), 8, 8).close()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot draw here (apt install libegl1 libgl1-mesa-dri): {error}")
    return module


@pytest.mark.usefixtures("mujoco")
def test_the_board_is_drawn_where_the_truth_projects_it(bending):
    from demo_room.render import Painter

    side, camera, lens = bending
    world_from_camera = next(rig.stops()) @ rig.TOOL_FROM_CAMERA[side]
    painter = Painter(rig.board_parts(), (6, 5, 2.6), lens.wide, FINE)
    try:
        color = lens.bend(painter.picture(world_from_camera))
    finally:
        painter.close()
    found = rig.BOARD.detect(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY))
    points = (world_from_camera.inverse() @ rig.WORLD_FROM_BOARD).apply(rig.BOARD.points)
    offs = np.linalg.norm(camera.project(points) - found.pixels, axis=1)
    assert np.median(offs) < 0.1
    assert offs.max() < 0.3
