"""The camera stage: calibrations from files and services, and the camera's place on the robot."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sensor_msgs.srv import SetCameraInfo

from embodied_perception.camera import (
    Camera,
    camera_from_info,
    read_camera_info_yaml,
    write_camera_info_yaml,
)
from embodied_perception.errors import CameraError, ConfigError, GeometryError
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.stages.camera import CameraStage, CameraStageConfig
from embodied_perception.stages.camera_info_url import calibration_path
from embodied_perception.stages.messages import (
    camera_info_message,
    stamp_ns,
    transform_from_message,
)
from embodied_perception.stages.runner import StageRunner

STAMP_NS = 1_700_000_000_000_000_000
CAMERA = Camera(
    640,
    480,
    np.array([[500.0, 0, 321], [0, 505, 239], [0, 0, 1]]),
    D=np.array([0.1, -0.2, 0, 0, 0]),
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "camera.yaml"
    write_camera_info_yaml(path, CAMERA, "camera")
    return path


class Host:
    """A runner of the stage, and what it said."""

    def __init__(self, **parameters):
        self.runner = StageRunner(CameraStage, CameraStageConfig(**parameters))
        self.source = next(s for s in self.runner.sources() if s.input_name)

    def see(self, width=640, height=480, encoding="mono8", stamp_ns=STAMP_NS):
        pixels = RawPixels(np.zeros((height, width), np.uint8), encoding)
        given = {}
        for ready in self.runner.accept(self.source, Frame(pixels, stamp_ns, "optical")):
            given = {sink.topic: message for sink, message in self.runner.process(ready)}
        return given.get("camera/camera_info")

    def transforms(self):
        said = {sink.topic: message for sink, message in self.runner.announce(STAMP_NS)}
        return said["/tf_static"].transforms if said else []

    @property
    def status(self):
        return self.runner.stage.status()


def test_every_image_is_described_by_the_file(file):
    host = Host(camera_info_url=f"file://{file}")
    for stamp in (STAMP_NS, STAMP_NS + 5):
        info = host.see(stamp_ns=stamp)
        assert (stamp_ns(info.header), info.header.frame_id) == (stamp, "optical")
        got = camera_from_info(info)
        for name in ("K", "D", "R", "P"):
            np.testing.assert_array_equal(getattr(got, name), getattr(CAMERA, name))
    assert host.status.level == 0
    assert host.status.values["calibration"] == str(file)


def test_an_uncalibrated_camera_says_so_as_rep_104_has_it(tmp_path):
    host = Host(camera_info_url=str(tmp_path / "none.yaml"))
    info = host.see()
    assert (info.width, info.height, info.k[0]) == (640, 480, 0.0)
    with pytest.raises(CameraError, match="uncalibrated"):
        camera_from_info(info)
    assert host.status.level == 1
    assert "none.yaml does not exist" in host.status.message
    assert "perception calibrate" in host.status.message


def test_a_file_of_another_camera_is_used_with_a_warning(file):
    host = Host(camera_info_url=str(file), camera_name="left")
    assert host.see().k[0] == 500
    assert host.status.level == 1
    assert "'camera', not 'left'" in host.status.message


def test_a_broken_file_keeps_the_stage_from_starting(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text("image_width: 640")
    with pytest.raises(CameraError, match="image_height is missing"):
        Host(camera_info_url=str(path))


def test_binning_and_region_are_said_and_checked(file):
    host = Host(camera_info_url=str(file), binning_x=2, binning_y=2, roi=(100, 40, 320, 200))
    info = host.see(160, 100)
    assert (info.width, info.height) == (640, 480)
    assert (info.binning_x, info.binning_y) == (2, 2)
    roi = info.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (100, 40, 320, 200)
    image = camera_from_info(info).delivered()
    assert image.resolution_wh == (160, 100)
    assert (image.fx, image.cx) == (250, (321 - 100) / 2)


@pytest.mark.parametrize(
    ("size", "parameters", "words"),
    [
        ((320, 240), {}, "image is 320x240, expected 640x480.*binning_x:=2 binning_y:=2"),
        ((640, 160), {}, "binning_x:=1 binning_y:=3"),
        ((600, 400), {}, "calibrate at the size that is sent"),
        ((1280, 960), {}, "calibrate at the size that is sent"),
        ((640, 480), {"binning_x": 2, "binning_y": 2}, "expected 320x240.*binning 2x2"),
        ((640, 480), {"roi": (0, 0, 320, 240)}, r"roi \[0, 0, 320, 240\]; calibrate"),
    ],
)
def test_an_image_of_another_size_is_refused_with_what_it_could_be(file, size, parameters, words):
    host = Host(camera_info_url=str(file), **parameters)
    assert host.see(*size) is None
    assert host.runner.report.dropped == {"SIZE_MISMATCH": 1}
    with pytest.raises(CameraError, match=words):
        raise CameraError(host.runner.report.last_problem)


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "nv12", "mono8"])
def test_the_size_is_that_of_the_picture(file, encoding):
    host = Host(camera_info_url=str(file))
    assert host.see(640, 720 if encoding == "nv12" else 480, encoding).width == 640


@pytest.mark.parametrize("roi", [(600, 0, 100, 100), (0, 0, 0, 0), (-1, 0, 10, 10)])
def test_a_region_outside_of_the_image(file, roi):
    with pytest.raises(CameraError, match="roi"):
        Host(camera_info_url=str(file), roi=roi)


# set_camera_info.


def call(host, camera, change=lambda _info: None):
    info = camera_info_message(camera, STAMP_NS, "optical")
    change(info)
    request = SetCameraInfo.Request(camera_info=info)
    (service,) = host.runner.stage.services
    return host.runner.call(service, request)


def test_a_new_calibration_is_in_force_at_once_and_written(tmp_path):
    path = tmp_path / "new" / "folder" / "front.yaml"
    host = Host(camera_info_url=str(path), camera_name="front")
    answer = call(host, CAMERA)
    assert str(path) in answer
    assert host.see().k[0] == 500
    camera, name = read_camera_info_yaml(path)
    assert name == "front"
    np.testing.assert_array_equal(camera.K, CAMERA.K)
    assert host.status.level == 0


def test_a_calibration_is_of_the_full_image_whatever_is_sent_of_it(file):
    host = Host(camera_info_url=str(file), binning_x=2, binning_y=2)
    call(host, dataclasses.replace(CAMERA, binning_x=4, roi=(0, 0, 320, 240)))
    assert read_camera_info_yaml(file)[0].resolution_wh == (640, 480)
    assert host.see(320, 240).binning_x == 2


def test_nonsense_changes_nothing(file):
    host = Host(camera_info_url=str(file))
    before = file.read_bytes()

    def spoil(info):
        info.k[0] = 0.0

    with pytest.raises(CameraError, match="uncalibrated"):
        call(host, CAMERA, spoil)
    assert host.see().k[0] == 500
    assert file.read_bytes() == before


def test_where_nothing_can_be_written_nothing_changes(tmp_path):
    (tmp_path / "file").touch()
    host = Host(camera_info_url=str(tmp_path / "file" / "camera.yaml"))
    with pytest.raises(CameraError, match="cannot be made"):
        call(host, CAMERA)
    assert host.see().k[0] == 0


# camera_info_url.


def test_urls(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    assert calibration_path("", "left") == tmp_path / "camera_info" / "left.yaml"
    assert str(calibration_path("file:///a/${NAME}.yaml", "left")) == "/a/left.yaml"
    assert str(calibration_path("FILE:///a.yaml", "left")) == "/a.yaml"
    assert str(calibration_path("calib/a.yaml", "left")) == "calib/a.yaml"
    found = calibration_path("package://embodied_perception_bringup/calib/${NAME}.yaml", "left")
    assert found.parts[-3:] == ("embodied_perception_bringup", "calib", "left.yaml")
    monkeypatch.delenv("ROS_HOME")
    assert calibration_path("", "left").parts[-3:] == (".ros", "camera_info", "left.yaml")


@pytest.mark.parametrize(
    ("url", "name", "words"),
    [
        ("flash:///a", "c", "expected file:///PATH, package://PACKAGE/PATH or a path"),
        ("file://a", "c", "got 'file://a'"),
        ("package://", "c", "got 'package://'"),
        ("package://nowhere/a.yaml", "c", "package 'nowhere' of .* is not installed"),
        ("", "../c", "camera_name: got '../c', expected letters"),
        ("", "", "camera_name"),
    ],
)
def test_urls_that_mean_nothing(url, name, words):
    with pytest.raises(CameraError, match=words):
        calibration_path(url, name)


# The camera's place on the robot.

TURN = Rotation.from_euler("xyz", [10, 20, 30], degrees=True)
ROTATIONS = {
    "rotation_rpy_deg": [10, 20, 30],
    "rotation_rpy_rad": np.radians([10, 20, 30]).tolist(),
    "rotation_quaternion_xyzw": TURN.as_quat().tolist(),
    "rotation_quaternion_wxyz": np.roll(TURN.as_quat(), 1).tolist(),
    "rotation_matrix": TURN.as_matrix().ravel().tolist(),
    "rotation_vector_rad": TURN.as_rotvec().tolist(),
}


@pytest.mark.parametrize("key", ROTATIONS)
def test_a_place_in_any_convention(key):
    host = Host(parent_frame="base_link", translation_m=[0.1, 0.2, 0.3], **{key: ROTATIONS[key]})
    (edge,) = host.transforms()
    assert (edge.header.frame_id, edge.child_frame_id) == ("base_link", "camera_link")
    assert stamp_ns(edge.header) == STAMP_NS
    transform = transform_from_message(edge)
    np.testing.assert_allclose(transform.rotation, TURN.as_matrix(), atol=1e-9)
    np.testing.assert_allclose(transform.translation, [0.1, 0.2, 0.3])


def test_the_optical_frame_looks_where_the_body_does():
    host = Host(parent_frame="base_link", optical_frame="camera_optical_frame")
    body, optical = host.transforms()
    assert (optical.header.frame_id, optical.child_frame_id) == (
        body.child_frame_id,
        "camera_optical_frame",
    )
    # REP-103: forward is x of the body and z of the optical frame; right is -y and x.
    np.testing.assert_allclose(
        transform_from_message(optical).apply([0, 0, 1]), [1, 0, 0], atol=1e-9
    )
    np.testing.assert_allclose(
        transform_from_message(optical).apply([1, 0, 0]), [0, -1, 0], atol=1e-9
    )


def test_without_a_parent_nothing_is_said():
    assert Host().transforms() == []


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"rotation_rpy_deg": [1, 2]}, GeometryError, "rotation_rpy_deg: got .*roll, pitch, yaw"),
        ({"rotation_quaternion_xyzw": [0, 0, 0, 0]}, GeometryError, "rotation_quaternion_xyzw"),
        (
            {"rotation_rpy_deg": [0, 0, 0], "rotation_matrix": list(range(9))},
            ConfigError,
            "got rotation_rpy_deg and rotation_matrix, expected one of them",
        ),
        ({"translation_m": [1, 2]}, ConfigError, "translation_m: got .*expected x, y, z"),
        ({"translation_m": "here"}, ConfigError, "translation_m: got 'here', expected a list"),
        ({"translation_m": [1, "2", 3]}, ConfigError, "translation_m: got '2' \\(str\\)"),
        ({"roi": [1, 2, 3]}, ConfigError, "roi: got"),
        ({"roi": [0.5, 0, 10, 10]}, ConfigError, "roi: got 0.5 \\(float\\), expected int"),
        ({"binning_x": 0}, ConfigError, "binning_x"),
    ],
)
def test_places_and_sizes_that_make_no_sense(values, error, words):
    with pytest.raises(error, match=words):
        CameraStageConfig.from_mapping(values)
