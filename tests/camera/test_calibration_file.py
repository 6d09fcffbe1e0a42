"""Calibration files: the ROS format is read, written, and its mistakes are named."""

import numpy as np
import pytest
import yaml

from embodied_perception.camera import Camera, read_camera_info_yaml, write_camera_info_yaml
from embodied_perception.errors import CameraError

FILE = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [430.15, 0., 306.69, 0., 430.53, 227.22, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.3375, 0.1113, -0.00069, 0.00042, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [351.5, 0., 304.3, -30.5, 0., 398.2, 224.8, 0., 0., 0., 1., 0.]
"""


def test_reads_a_file_of_the_ros_calibrator(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(FILE)
    camera, name = read_camera_info_yaml(path)
    assert name == "narrow_stereo"
    assert camera.resolution_wh == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (430.15, 430.53, 306.69, 227.22)
    np.testing.assert_array_equal(camera.D, [-0.3375, 0.1113, -0.00069, 0.00042, 0])
    assert camera.P[0, 3] == -30.5


@pytest.mark.parametrize(
    ("model", "D"),
    [
        ("plumb_bob", []),
        ("plumb_bob", [1e-7, -0.1, 1 / 3, 0.002, 0.05]),
        ("rational_polynomial", [0.1] * 8),
        ("equidistant", [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_what_is_written_is_read_bit_for_bit(tmp_path, model, D):
    K = np.array([[500 / 3, 0, 160.1], [0, 500 / 7, 120.7], [0, 0, 1]])
    camera = Camera(320, 240, K, model, np.array(D))
    path = tmp_path / "camera.yaml"
    write_camera_info_yaml(path, camera, "küche")
    again, name = read_camera_info_yaml(path)
    assert name == "küche"
    assert again.distortion_model == model
    for field in ("K", "D", "R", "P"):
        np.testing.assert_array_equal(getattr(again, field), getattr(camera, field))


def test_a_single_camera_needs_no_rectification(tmp_path):
    content = yaml.safe_load(FILE)
    for key in ("rectification_matrix", "projection_matrix", "camera_name"):
        del content[key]
    path = tmp_path / "camera.yaml"
    path.write_text(yaml.safe_dump(content))
    camera, name = read_camera_info_yaml(path)
    assert name == ""
    np.testing.assert_array_equal(camera.R, np.eye(3))
    np.testing.assert_array_equal(camera.P[:, :3], camera.K)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_width: 640", "", "image_width is missing; the file has image_height"),
        ("image_width: 640", "image_width: wide", "image_width: got 'wide'"),
        ("image_width: 640", "image_width: yes", "image_width: got True"),
        ("image_width: 640", "image_width: 0", "0 x 480"),
        ("camera_matrix:", "camera_matrx:", "camera_matrix is missing"),
        ("data: [430.15, 0., ", "data: [430.15, ", "camera_matrix: got rows 3, cols 3"),
        ("data: [430.15", "data: [none", "camera_matrix: got"),
        ("data: [430.15", "datum: [430.15", "camera_matrix: got"),
        ("data: [430.15", "data: [0", "fx=0"),
        ("  cols: 4", "  cols: 3", "projection_matrix: got rows 3, cols 3"),
        ("  cols: 5", "  cols: 4", "distortion_coefficients: got rows 1, cols 4"),
        ("plumb_bob", "brown", "'brown', expected one of"),
        ("image_width: 640", "image_width: [", "cannot be read as YAML"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path, old, new, message):
    assert old in FILE
    path = tmp_path / "camera.yaml"
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(CameraError, match=message) as caught:
        read_camera_info_yaml(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"\xff\xfe\x00"])
def test_files_of_another_kind_are_refused(tmp_path, content):
    path = tmp_path / "camera.yaml"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=r"camera\.yaml"):
        read_camera_info_yaml(path)


def test_paths_that_do_not_work_are_named(tmp_path):
    with pytest.raises(CameraError, match=r"nowhere\.yaml"):
        read_camera_info_yaml(tmp_path / "nowhere.yaml")
    camera = Camera.pinhole(64, 48, 50, 50, 32, 24)
    with pytest.raises(CameraError, match="cannot be written"):
        write_camera_info_yaml(tmp_path / "no" / "folder.yaml", camera, "x")


def test_yaml_tags_run_nothing(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text("image_width: !!python/object/apply:os.getpid []\n")
    with pytest.raises(CameraError, match="cannot be read as YAML"):
        read_camera_info_yaml(path)
