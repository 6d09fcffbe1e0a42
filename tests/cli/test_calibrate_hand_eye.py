"""`perception calibrate hand-eye`: the recorded camera's place on the hand, and bad input."""

import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from PIL import Image
from rclpy.context import Context
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.images import calibration_of
from embodied_perception.camera import Camera, write_camera_info_yaml
from embodied_perception.cli.main import main
from embodied_perception.geometry import Transform
from embodied_perception.stages.camera import CameraStage, CameraStageConfig
from embodied_perception.stages.messages import (
    camera_info_message,
    stamp_ns,
    transform_from_message,
    transform_message,
)
from embodied_perception.stages.runner import StageRunner

BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/calibration.mcap"
LEFT = "/left/image_raw/compressed"
BOARD = ("--size", "9x6", "--square", "0.05")


def angle_deg(transform):
    return np.degrees(np.linalg.norm(transform.rotation_vector))


@pytest.fixture(scope="module")
def truth():
    """Where things are: the left camera on the hand, and the board in the room."""
    with BagReader(BAG) as bag:
        ((_, _, message),) = bag.messages(["/ground_truth/tf_static"])
    return {edge.child_frame_id: transform_from_message(edge) for edge in message.transforms}


@pytest.fixture(scope="module")
def camera():
    return calibration_of(BAG, "/ground_truth/left/image_raw")


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory, camera):
    path = tmp_path_factory.mktemp("camera") / "left.yaml"
    write_camera_info_yaml(path, camera, "left")
    return path


def write_bag(path, edge_of, camera=None):
    """The left camera's images, with what ``edge_of(number, world_from_tool)`` makes of TF."""
    number = 0
    with BagReader(BAG) as reader, BagWriter(path) as bag:
        for topic, log_ns, message in reader.messages(["/tf", LEFT]):
            if topic == LEFT:
                bag.write(topic, message, log_ns)
                if camera is not None:
                    info = camera_info_message(camera, stamp_ns(message.header), "left")
                    bag.write("/left/camera_info", info, log_ns)
                continue
            (edge,) = message.transforms
            made = edge_of(number, transform_from_message(edge))
            number += 1
            if made is not None:
                moved = transform_message(*made, stamp_ns(edge.header))
                bag.write(topic, TFMessage(transforms=[moved]), log_ns)
    return path


def calibrate(folder, *words):
    """Returns what was printed to both streams."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        status = main(["calibrate", "hand-eye", *map(str, words), "-o", str(folder)])
    assert status == 0, err.getvalue()
    return out.getvalue(), err.getvalue()


def said_by_the_camera_node(folder):
    """The transform that a camera node with these parameters publishes, with its frames."""
    context = Context()
    rclpy.init(context=context)
    words = ["--ros-args", "--params-file", str(folder / "extrinsics.yaml")]
    node = rclpy.create_node(
        "camera",
        context=context,
        cli_args=words,
        automatically_declare_parameters_from_overrides=True,
    )
    known = {info.name for info in CameraStageConfig.parameters()}
    values = {name: p.value for name, p in node._parameters.items() if name in known}
    node.destroy_node()
    context.try_shutdown()
    assert len(values) == 4
    runner = StageRunner(CameraStage, CameraStageConfig.from_mapping(values))
    ((sink, message),) = runner.announce(1)
    assert sink.topic == "/tf_static"
    (edge,) = message.transforms
    return transform_from_message(edge), (edge.header.frame_id, edge.child_frame_id)


# The recording.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, camera_file):
    folder = tmp_path_factory.mktemp("hand_eye") / "calibration"
    words = (BAG, "--topic", LEFT, "--camera", camera_file, "--parent", "tool0", *BOARD)
    return folder, *calibrate(folder, *words)


@pytest.fixture(scope="module")
def content(recorded):
    return json.loads((recorded[0] / "calibration.json").read_text())


def read(entry):
    return Transform.from_quaternion(entry["rotation_quaternion_xyzw"], entry["translation_m"])


def test_the_camera_node_puts_the_camera_where_it_was(recorded, truth):
    place, frames = said_by_the_camera_node(recorded[0])
    assert frames == ("tool0", "left_optical_frame")
    known = truth["left_optical_frame"]
    assert np.linalg.norm(place.translation - known.translation) < 2e-3
    assert angle_deg(place.inverse() @ known) < 0.1


def test_the_file_tells_how_to_use_it(recorded):
    head = (recorded[0] / "extrinsics.yaml").read_text().splitlines()[:2]
    assert head == [
        "# Where left_optical_frame is, for the camera node:",
        "# ros2 launch embodied_perception_bringup camera.launch.py params_file:=THIS_FILE",
    ]


def test_the_board_is_where_it_was_too(content, truth):
    board = read(content["anchor_from_board"])
    assert np.linalg.norm(board.translation - truth["board"].translation) < 2e-3
    assert angle_deg(board.inverse() @ truth["board"]) < 0.1


def test_the_json_tells_the_place_and_how_well_it_is_known(recorded, content, truth):
    place = read(content["parent_from_camera"])
    said, _ = said_by_the_camera_node(recorded[0])
    np.testing.assert_allclose(said.matrix, place.matrix, atol=1e-6)
    assert (content["parent_frame"], content["child_frame"]) == ("tool0", "left_optical_frame")
    assert content["rms_px"] < 0.15
    assert content["rejected"] == {}
    sigmas = np.array(list(content["sigmas"].values()))
    assert list(content["sigmas"]) == ["x", "y", "z", "rx", "ry", "rz"]
    known = truth["left_optical_frame"]
    turned = place.rotation @ known.rotation.T
    off = [*(place.translation - known.translation), *cv2.Rodrigues(turned)[0].ravel()]
    assert (np.abs(off) < 5 * sigmas).all()


def test_a_robot_that_knows_its_poses_exactly_is_found_to_do_so(content):
    assert content["robot_sigmas"]["m"] < 1e-4
    assert content["robot_sigmas"]["rad"] < np.radians(0.01)


def test_the_last_word_and_the_report(recorded, content):
    folder, out, err = recorded
    assert out.startswith(f"{folder}/extrinsics.yaml: {content['rms_px']:.3f} px over 2")
    assert out.endswith(f" views; report: {folder}/index.html\n")
    assert "30 images, 2" in err
    pictures = {"residuals.png", "coverage.jpg"}
    files = {"extrinsics.yaml", "calibration.json", "index.html"}
    assert {path.name for path in folder.iterdir()} == files | pictures
    page = (folder / "index.html").read_text()
    assert "Place of left_optical_frame on tool0" in page
    for picture in pictures:
        assert f'<img src="{picture}"' in page
        assert np.array(Image.open(folder / picture).convert("L")).std() > 20
    x_m = content["parent_from_camera"]["translation_m"][0]
    assert f"<td>x</td><td>{x_m * 1e3:.2f} ± {content['sigmas']['x'] * 1e3:.2f} mm</td>" in page


# Other robots.


def test_the_bags_own_calibration_and_frames(tmp_path, camera, truth):
    bag = write_bag(tmp_path / "a.mcap", lambda _, pose: (pose, "odom", "base_link"), camera)
    calibrate(tmp_path / "out", bag, *BOARD)
    place, frames = said_by_the_camera_node(tmp_path / "out")
    assert frames == ("base_link", "left_optical_frame")
    known = truth["left_optical_frame"]
    assert np.linalg.norm(place.translation - known.translation) < 2e-3
    assert angle_deg(place.inverse() @ known) < 0.1


def test_a_camera_that_stands_and_a_hand_that_moves_the_board(tmp_path, camera, truth):
    """What moves against what is all the same to the images."""
    bag = write_bag(tmp_path / "a.mcap", lambda _, pose: (pose.inverse(), "base", "hand"), camera)
    calibrate(tmp_path / "out", bag, *BOARD, "--parent", "base", "--anchor", "hand")
    place, frames = said_by_the_camera_node(tmp_path / "out")
    assert frames == ("base", "left_optical_frame")
    assert np.linalg.norm(place.translation - truth["left_optical_frame"].translation) < 2e-3
    content = json.loads((tmp_path / "out/calibration.json").read_text())
    board = read(content["anchor_from_board"])
    assert np.linalg.norm(board.translation - truth["board"].translation) < 2e-3


def test_what_tf_does_not_reach_is_left_out(tmp_path, camera, truth):
    def first_twenty(number, pose):
        return (pose, "world", "tool0") if number < 20 else None

    bag = write_bag(tmp_path / "a.mcap", first_twenty, camera)
    out, err = calibrate(tmp_path / "out", bag, *BOARD, "--parent", "tool0")
    assert "left out: 1700000020.000 s: " in err
    assert " px over 20 views; " in out or " px over 19 views; " in out
    place, _ = said_by_the_camera_node(tmp_path / "out")
    assert np.linalg.norm(place.translation - truth["left_optical_frame"].translation) < 2e-3


def test_one_wrong_pose_does_not_spoil_the_others(tmp_path, camera, truth):
    wrong = Transform.from_rotation_vector((0.1, 0, 0), (0.05, 0, 0))

    def one_off(number, pose):
        return (pose @ wrong if number == 7 else pose), "world", "tool0"

    bag = write_bag(tmp_path / "a.mcap", one_off, camera)
    _, err = calibrate(tmp_path / "out", bag, *BOARD, "--parent", "tool0")
    name = "1700000007.000 s"
    assert f"left out: {name} does not fit the others: did the robot move just then?" in err
    content = json.loads((tmp_path / "out/calibration.json").read_text())
    assert list(content["rejected"]) == [name]
    assert f"<li>{name}: does not fit the others" in (tmp_path / "out/index.html").read_text()
    place, _ = said_by_the_camera_node(tmp_path / "out")
    assert np.linalg.norm(place.translation - truth["left_optical_frame"].translation) < 2e-3


# What makes no sense.


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Call with what is refused; returns the words. Nothing may be written or printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words, output="out"):
        before = sorted(tmp_path.rglob("*"))
        assert main(["calibrate", "hand-eye", *map(str, words), "-o", output]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert sorted(tmp_path.rglob("*")) == before
        start, _, error = said.err.splitlines()[-1].partition("perception: error: ")
        assert start == ""
        return error

    return call


def test_a_bag_without_tf(refused, tmp_path, camera):
    bag = write_bag(tmp_path / "a.mcap", lambda *_: None, camera)
    assert refused(bag, *BOARD) == (
        f"{bag}: no transforms, which are tf2_msgs/msg/TFMessage on /tf and /tf_static; it holds "
        f"{LEFT} (sensor_msgs/msg/CompressedImage), /left/camera_info (sensor_msgs/msg/CameraInfo)."
        " Record them too: ros2 bag record /tf /tf_static ..."
    )


def test_tf_of_another_time(refused, tmp_path, camera):
    def last_two(number, pose):
        return (pose, "world", "tool0") if number > 27 else None

    bag = write_bag(tmp_path / "a.mcap", last_two, camera)
    error = refused(bag, *BOARD, "--parent", "tool0", "--every", "9")
    assert error.startswith(
        "TF does not say where tool0 was in world when any view was taken; 17000000"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "--parent: frame base_link is unknown; the bag's TF knows: tool0, world"),
        (["--parent", "/tool0"], "--parent: frame /tool0 is unknown; the bag's TF knows: tool0, w"),
        (["--topic", "/a"], f"{BAG}: no topic /a with images; there are: {LEFT}, /right/image_raw"),
        (["--every", "0", "--parent", "tool0"], "--every: got 0, expected 1 or more"),
        (["--square", "0"], "board: got squares of 0.0 m, expected more than 0"),
        (
            ["--parent", "tool0", "--every", "8"],
            "hand-eye calibration: 4 of 4 views can be used, expected 5 at least, from places that "
            "differ in two directions of turning",
        ),
        (
            ["--parent", "tool0", "--anchor", "table", "--every", "9"],
            "TF does not say where tool0 was in table when any view was taken; ",
        ),
        (
            ["--parent", "tool0", "--size", "10x7", "--every", "9"],
            f"calibration.mcap {LEFT}: no chessboard of 10x7 inner corners in 4 images; but there "
            "is one of 9x6: --size counts inner corners, not squares",
        ),
    ],
)
def test_options_that_do_not_fit_the_bag(refused, camera_file, words, error):
    common = (BAG, "--topic", LEFT, "--camera", camera_file, *BOARD)
    assert refused(*common, *words).startswith(error)


def test_a_camera_that_is_not_known(refused):
    assert refused(BAG, *BOARD, "--topic", LEFT, "--parent", "tool0") == (
        f"{BAG}: no camera_info beside {LEFT}; give the calibration: --camera"
    )
    assert refused(BAG, *BOARD, "--topic", LEFT, "--camera", "nowhere.yaml").startswith(
        "nowhere.yaml: cannot be read as YAML: "
    )
    assert refused(BAG, *BOARD).endswith("choose by --topic")


def test_a_calibration_of_another_size(refused, tmp_path):
    path = tmp_path / "small.yaml"
    write_camera_info_yaml(path, Camera.pinhole(320, 240, 216.0, 216.0, 160.0, 120.0), "small")
    words = (BAG, *BOARD, "--topic", LEFT, "--camera", path, "--parent", "tool0")
    assert refused(*words) == (
        "hand-eye calibration: images are 640x480, the camera is calibrated for 320x240"
    )


def test_a_robot_that_only_drives_on_the_floor(refused, tmp_path, camera):
    def upright(number, _):
        return Transform.from_rotation_vector((0, 0, 0.1 * number), (0.1 * number, 0, 0)), "a", "b"

    bag = write_bag(tmp_path / "a.mcap", upright, camera)
    error = refused(bag, *BOARD, "--parent", "b", "--every", "4")
    assert error.startswith("hand-eye calibration: the robot turned about one axis only (about a ")
    assert error.endswith("pitch or roll it too, for example over a ramp or a wedge")


def test_no_bag(refused, tmp_path):
    assert refused("nowhere.mcap", *BOARD) == "nowhere.mcap: no such file or folder"
    (tmp_path / "photos").mkdir()
    assert refused("photos", *BOARD) == (
        "photos: no metadata.yaml, .mcap or .db3 in this folder, so it is no bag"
    )


def test_an_output_that_is_a_file(refused, tmp_path, camera_file):
    (tmp_path / "taken").write_text("mine")
    words = (BAG, *BOARD, "--topic", LEFT, "--camera", camera_file, "--parent", "tool0")
    assert (
        refused(*words, "--every", "4", output="taken")
        == "taken: cannot be written to: File exists"
    )
    assert (tmp_path / "taken").read_text() == "mine"
