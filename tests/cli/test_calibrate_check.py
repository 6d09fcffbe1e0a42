"""`perception calibrate check`: the demo's cameras, as they are and knocked."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.images import calibration_of
from embodied_perception.camera import rectify_pair
from embodied_perception.cli.main import main
from embodied_perception.geometry import Transform
from embodied_perception.stages.image_messages import compressed_image_message
from embodied_perception.stages.messages import (
    camera_info_message,
    stamp_ns,
    transform_from_message,
    transform_message,
)

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo"
SIDES = ("left", "right")
FRAMES = 120
EUROC = Path(__file__).parents[3] / "shared/data/euroc_v1_01_static"


def turned(axis, degrees=1.0):
    return Transform.from_rotation_vector(np.radians(degrees) * np.eye(3)[axis], (0, 0, 0))


STILL = turned(0, 0)


@pytest.fixture(scope="module")
def truth():
    """Left and right camera, and the left one's pose in the right one."""
    bag = DEMO / "calibration.mcap"
    with BagReader(bag) as reader:
        ((_, _, message),) = reader.messages(["/ground_truth/tf_static"])
    placed = {edge.child_frame_id: transform_from_message(edge) for edge in message.transforms}
    cameras = [calibration_of(bag, f"/ground_truth/{side}/image_raw") for side in SIDES]
    right_from_hand = placed["right_optical_frame"].inverse()
    return *cameras, right_from_hand @ placed["left_optical_frame"]


@pytest.fixture
def stereo_bag(tmp_path, truth):
    """The pair on the hand, calibrated as if the right camera had been turned."""
    left, right, right_from_left = truth

    def write(turn=STILL):
        cameras = dict(zip(SIDES, rectify_pair(left, right, turn @ right_from_left), strict=True))
        path = tmp_path / "stereo.mcap"
        with BagReader(DEMO / "calibration.mcap") as reader, BagWriter(path) as bag:
            for topic, log_ns, message in reader.messages():
                side = topic.split("/")[1]
                if side not in SIDES:
                    continue
                bag.write(topic, message, log_ns)
                head = message.header
                info = camera_info_message(cameras[side], stamp_ns(head), head.frame_id)
                bag.write(f"/{side}/camera_info", info, log_ns)
        return path

    return write


@pytest.fixture
def rgbd_bag(tmp_path):
    """The first seconds of the demo, calibrated as if the depth camera had been turned."""

    def write(turn):
        path = tmp_path / "rgbd.mcap"
        seen = 0
        with BagReader(DEMO / "demo_room.mcap") as reader, BagWriter(path) as bag:
            for topic, log_ns, message in reader.messages():
                if topic.startswith("/ground_truth"):
                    continue
                if topic == "/tf_static":
                    edge = transform_message(turn, "camera_color_optical_frame", "depth", 0)
                    message.transforms.append(edge)
                if topic.startswith("/camera/depth/"):
                    message.header.frame_id = "depth"
                bag.write(topic, message, log_ns, latched=topic == "/tf_static")
                seen += topic.startswith("/camera/color/image_raw")
                if seen == FRAMES:
                    break
        return path

    return write


def deviations(folder):
    return json.loads((folder / "check.json").read_text())["deviations"]


def test_a_pair_that_stands_as_calibrated(stereo_bag, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["calibrate", "check", str(stereo_bag()), "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "the calibration holds" in said.out
    assert "distance from their row: 0." in said.err
    content = json.loads((out / "check.json").read_text())
    assert content["median_row_error_px"] < 0.3
    low, middle, high = content["depth_m_at_5_50_95_percent"]
    assert 0.2 < low < middle < high < 6.5  # the room's size
    for name in ("pitch", "yaw", "roll", "focal length, right to left"):
        assert content["deviations"][name]["verdict"] == "FINE", name
    page = (out / "index.html").read_text()
    for picture in ("deviations.png", "overlay.jpg", "rows.png", "depth.png"):
        assert f'src="{picture}"' in page
        assert Image.open(out / picture).size > (600, 200)


@pytest.mark.parametrize(("axis", "name"), [(0, "pitch"), (1, "yaw"), (2, "roll")])
def test_a_pair_that_was_knocked(stereo_bag, tmp_path, capsys, axis, name):
    out = tmp_path / "out"
    assert main(["calibrate", "check", str(stereo_bag(turned(axis))), "-o", str(out)]) == 1
    assert f"the calibration is off: {name}: " in capsys.readouterr().out
    found = deviations(out)
    assert found[name]["verdict"] == "OFF"
    assert abs(found[name]["value"]) == pytest.approx(1, abs=0.1)
    others = {"pitch", "yaw", "roll"} - {name}
    assert {found[other]["verdict"] for other in others} == {"FINE"}


def test_a_depth_camera_as_calibrated_and_knocked(rgbd_bag, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["calibrate", "check", str(rgbd_bag(STILL)), "-o", str(out)]) == 0
    assert {each["verdict"] for each in deviations(out).values()} <= {"FINE", "UNKNOWN"}
    page = (out / "index.html").read_text()
    assert "Edges of depth in the colour image" in page
    assert main(["calibrate", "check", str(rgbd_bag(turned(0))), "-o", str(out)]) == 1
    assert "the calibration is off: pitch: " in capsys.readouterr().out
    assert abs(deviations(out)["pitch"]["value"]) == pytest.approx(1, abs=0.15)


@pytest.mark.skipif(not EUROC.is_dir(), reason=f"no recording at {EUROC}")
def test_a_recorded_pair_has_things_in_their_rows(tmp_path):
    bag, out = tmp_path / "euroc.mcap", tmp_path / "out"
    assert main(["convert", str(EUROC), "-o", str(bag)]) == 0
    assert main(["calibrate", "check", str(bag), "-o", str(out)]) == 0
    content = json.loads((out / "check.json").read_text())
    assert content["median_row_error_px"] < 0.2
    low, _, high = content["depth_m_at_5_50_95_percent"]
    assert 1.0 < low < high < 4.0  # a corner of a room
    assert content["deviations"]["focal length, by motion"]["verdict"] == "UNKNOWN"  # it hovers


def test_limits_say_what_is_tolerated(stereo_bag, capsys):
    words = ["--rotation-limit", "1.5", "--focal-limit", "3"]
    assert main(["calibrate", "check", str(stereo_bag(turned(0))), *words]) == 0
    assert "the calibration holds" in capsys.readouterr().out


def test_images_that_say_nothing(tmp_path, truth, capsys):
    left, right, right_from_left = truth
    cameras = rectify_pair(left, right, right_from_left)
    path, out = tmp_path / "dark.mcap", tmp_path / "out"
    black = np.zeros((left.height, left.width, 3), np.uint8)
    with BagWriter(path) as bag:
        for stamp in range(10**9, 5 * 10**9, 10**9):
            for side, camera in zip(SIDES, cameras, strict=True):
                image = compressed_image_message(black, stamp, side)
                bag.write(f"/{side}/image_raw/compressed", image, stamp)
                bag.write(f"/{side}/camera_info", camera_info_message(camera, stamp, side), stamp)
    assert main(["calibrate", "check", str(path), "-o", str(out)]) == 2
    assert "0 looks say nothing of the calibration: " in (said := capsys.readouterr().err)
    assert "0 features are seen by both cameras near one row, expected 30" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("bag", "words", "message"),
    [
        ("calibration.mcap", [], "no camera_info beside /left/image_raw/compressed"),
        ("demo_room.mcap", ["--topics", "/a", "/b"], "no topic /a with images; there are: "),
        ("demo_room.mcap", ["--rotation-limit", "0"], "rotation_limit_deg: got 0.0, expected"),
        ("demo_room.mcap", ["--focal-limit", "99"], "focal_limit_percent: got 99.0, expected"),
        (
            "demo_room.mcap",
            ["--topics", *2 * ["/camera/depth/image_raw/compressedDepth"]],
            "are depth; expected one with colours",
        ),
        ("nowhere.mcap", [], "nowhere.mcap"),
    ],
)
def test_what_cannot_be_checked_is_refused(tmp_path, capsys, bag, words, message):
    out = tmp_path / "out"
    assert main(["calibrate", "check", str(DEMO / bag), *words, "-o", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_pair_that_is_not_rectified_is_told_how(tmp_path, truth, capsys):
    path = tmp_path / "plain.mcap"
    with BagReader(DEMO / "calibration.mcap") as reader, BagWriter(path) as bag:
        for topic, log_ns, message in reader.messages():
            side = topic.split("/")[1]
            if side in SIDES:
                bag.write(topic, message, log_ns)
                camera = truth[SIDES.index(side)]
                info = camera_info_message(camera, log_ns, message.header.frame_id)
                bag.write(f"/{side}/camera_info", info, log_ns)
    assert main(["calibrate", "check", str(path)]) == 2
    assert "calibrate them as a pair: perception calibrate stereo" in capsys.readouterr().err
