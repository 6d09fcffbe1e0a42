"""Dataset folders in their published and in their flat layouts, broken files included."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from embodied_perception.bags.datasets import DatasetOptions, detect, open_dataset
from embodied_perception.camera import Camera, camera_from_info
from embodied_perception.errors import BagError
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import transform_from_message

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_recordings = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no recordings in {SHARED}")
SECOND = 1_000_000_000
RNG = np.random.default_rng(1)


def write_image(path: Path, shape=(480, 640, 3), dtype=np.uint8, value=None) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (
        RNG.integers(0, 255, shape).astype(dtype) if value is None else np.full(shape, value, dtype)
    )
    assert cv2.imwrite(str(path), pixels)
    return pixels


def read_all(folder: Path, options: DatasetOptions | None = None):
    dataset = open_dataset(folder, options or DatasetOptions())
    messages = list(dataset.messages())
    stamps = [message.stamp_ns for message in messages]
    assert stamps == sorted(stamps)
    assert messages[0].topic == "/tf_static"
    assert messages[0].latched
    assert sum(m.topic == dataset.frame_topic for m in messages) == dataset.frame_count
    return dataset, messages


def on(messages, topic):
    return [message.message for message in messages if message.topic == topic]


def stamps_on(messages, topic):
    return [message.stamp_ns for message in messages if message.topic == topic]


def edges(messages):
    return {
        (edge.header.frame_id, edge.child_frame_id): transform_from_message(edge)
        for edge in messages[0].message.transforms
    }


def position(odometry):
    p = odometry.pose.pose.position
    return [p.x, p.y, p.z]


def pose_of(odometry) -> Transform:
    q = odometry.pose.pose.orientation
    return Transform.from_quaternion((q.x, q.y, q.z, q.w), position(odometry))


# 7-Scenes


def seven_scenes(folder: Path, count=3, suffix="jpg") -> Path:
    for k in range(count):
        write_image(folder / f"frame-{k:06}.color.{suffix}")
        write_image(folder / f"frame-{k:06}.depth.png", (480, 640), np.uint16, 1000 + k)
        matrix = np.eye(4)
        matrix[:3, 3] = (0.1 * k, 0.2 * k, 0.3 * k)  # right, down, forward
        np.savetxt(folder / f"frame-{k:06}.pose.txt", matrix)
    return folder


def test_seven_scenes(tmp_path):
    folder = seven_scenes(tmp_path / "kitchen")
    depth = np.full((480, 640), 1000, np.uint16)
    depth[0, :2] = 0, 65535
    cv2.imwrite(str(folder / "frame-000000.depth.png"), depth)
    assert detect(folder) == "7-scenes"
    dataset, messages = read_all(folder)
    assert (dataset.frame_count, dataset.problems) == (3, [])
    first_depth = on(messages, "/camera/depth/image_raw")[0]
    assert first_depth.encoding == "16UC1"
    got = np.frombuffer(first_depth.data, np.uint16).reshape(480, 640)
    assert got[0, :3].tolist() == [0, 0, 1000]
    jpeg = on(messages, "/camera/color/image_raw/compressed")[1]
    assert bytes(jpeg.data) == (folder / "frame-000001.color.jpg").read_bytes()
    assert stamps_on(messages, "/camera/color/camera_info") == [
        SECOND, SECOND + 33333333, SECOND + 66666667,
    ]  # fmt: skip
    color = camera_from_info(on(messages, "/camera/color/camera_info")[0])
    assert (color.fx, color.cx, color.cy, color.resolution_wh) == (540, 320, 240, (640, 480))
    assert camera_from_info(on(messages, "/camera/depth/camera_info")[0]).fx == 585

    tf = edges(messages)
    depth_from_color = tf["camera_depth_optical_frame", "camera_color_optical_frame"]
    np.testing.assert_allclose(depth_from_color.inverse().apply([1, 2, 3]), [1.03, 2, 3])
    base_from_depth = tf["base_link", "camera_depth_optical_frame"]
    np.testing.assert_allclose(base_from_depth.apply([1, 2, 3]), [3, -1, -2], atol=1e-12)

    truth = on(messages, "/ground_truth/odom")
    assert (truth[0].header.frame_id, truth[0].child_frame_id) == ("world", "base_link")
    np.testing.assert_allclose(position(truth[1]), [0.3, -0.1, -0.2])
    np.testing.assert_allclose(pose_of(truth[1]).rotation, np.eye(3), atol=1e-12)


def test_seven_scenes_as_published(tmp_path):
    seven_scenes(tmp_path / "office" / "seq-01", suffix="png")
    _, messages = read_all(tmp_path / "office")
    image = on(messages, "/camera/color/image_raw")[0]
    pixels = cv2.imread(str(tmp_path / "office" / "seq-01" / "frame-000000.color.png"))
    assert image.encoding == "bgr8"
    assert bytes(image.data) == pixels.tobytes()
    seven_scenes(tmp_path / "office" / "seq-02", 1)
    with pytest.raises(BagError, match="seq-01, seq-02"):
        open_dataset(tmp_path / "office", DatasetOptions())


def test_images_and_limit_options(tmp_path):
    folder = seven_scenes(tmp_path, 2)
    _, raw = read_all(folder, DatasetOptions(images="raw", limit=1))
    assert len(on(raw, "/camera/color/image_raw")) == len(on(raw, "/camera/depth/image_raw")) == 1
    _, packed = read_all(folder, DatasetOptions(images="compressed", limit=1))
    depth = on(packed, "/camera/depth/image_raw/compressedDepth")[0]
    png = np.frombuffer(bytes(depth.data)[12:], np.uint8)
    assert (cv2.imdecode(png, cv2.IMREAD_UNCHANGED) == 1000).all()
    camera = Camera.pinhole(640, 480, 500, 501, 320, 240)
    _, messages = read_all(folder, DatasetOptions(camera=camera))
    assert on(messages, "/camera/color/camera_info")[0].k[4] == 501


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "lost_topic", "expected"),
    [
        (lambda f: truncate(f / "frame-000001.color.jpg"), "/camera/color/image_raw/compressed",
         "frame-000001.color.jpg: no whole JPEG"),
        (lambda f: (f / "frame-000001.color.jpg").unlink(), "/camera/color/image_raw/compressed",
         "frame-000001.color.png: cannot read"),
        (lambda f: write_image(f / "frame-000001.color.jpg", (48, 64, 3)),
         "/camera/color/image_raw/compressed", "got 64x48 pixels, expected 640x480"),
        (lambda f: truncate(f / "frame-000001.depth.png"), "/camera/depth/image_raw",
         "frame-000001.depth.png: no whole JPEG or PNG"),
        (lambda f: write_image(f / "frame-000001.depth.png", (480, 640), np.uint8),
         "/camera/depth/image_raw", "got 8 bit, 1 channels, expected 16 bit"),
        (lambda f: (f / "frame-000001.pose.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n"),
         "/ground_truth/odom", "frame-000001.pose.txt: got 3 rows"),
        (lambda f: (f / "frame-000001.pose.txt").write_text("nan nan nan nan\n" * 4),
         "/ground_truth/odom", "frame-000001.pose.txt: .*not finite"),
        (lambda f: (f / "frame-000001.pose.txt").write_text("1 0 0 0\n0 1 oops 0\n"),
         "/ground_truth/odom", "frame-000001.pose.txt: line 2: got 'oops'"),
    ],
)  # fmt: skip
def test_broken_files_are_left_out_and_named(tmp_path, damage, lost_topic, expected):
    damage(seven_scenes(tmp_path))
    dataset, messages = read_all(tmp_path)
    assert len(on(messages, lost_topic)) == 2
    assert len(dataset.problems) == 1
    assert re.search(expected, dataset.problems[0])


# TUM RGB-D


def tum(folder: Path, color_s, depth_s) -> Path:
    for kind, times, shape, dtype, value in (
        ("rgb", color_s, (480, 640), np.uint8, 100),
        ("depth", depth_s, (480, 640), np.uint16, 10000),
    ):
        for time in times:
            write_image(folder / kind / f"{time}.png", shape, dtype, value)
        lines = [f"{time} {kind}/{time}.png" for time in times]
        (folder / f"{kind}.txt").write_text("# a comment\n" + "\n".join(lines))
    return folder


def test_tum_pairs_each_image_with_the_nearest_depth(tmp_path):
    color_s = ["1305031102.175304", "1305031102.211214", "1305031102.275326", "1305031102.400000"]
    depth_s = ["1305031102.160407", "1305031102.226738", "1305031102.262886", "1305031102.500000"]
    folder = tum(tmp_path / "rgbd_dataset_freiburg1_xyz", color_s, depth_s)
    (folder / "groundtruth.txt").write_text(
        "1305031102.1758 1 2 3 0 0 0 1\n1305031102.2758 1 2 4 0 0 0 2\n"
    )
    assert detect(folder) == "tum"
    dataset, messages = read_all(folder)
    expected_ns = [1305031102175304000, 1305031102211214000, 1305031102275326000]
    assert stamps_on(messages, "/camera/color/image_raw") == expected_ns
    assert stamps_on(messages, "/camera/depth/image_raw") == expected_ns
    depth = on(messages, "/camera/depth/image_raw")[0]
    assert np.frombuffer(depth.data, np.uint16)[0] == 2000  # 10000 / 5000 m
    assert depth.header.frame_id == "camera_color_optical_frame"
    camera = camera_from_info(on(messages, "/camera/color/camera_info")[0])
    assert (camera.fx, camera.D[4]) == (517.3, 1.1633)
    truth = on(messages, "/ground_truth/odom")
    np.testing.assert_allclose(position(truth[1]), [1, 2, 4])
    # The optical axes equal the world's here: forward is the world's z.
    np.testing.assert_allclose(pose_of(truth[0]).rotation @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    assert dataset.problems == [f"{folder}: 1 colour images without depth"]


def test_tum_of_an_unknown_camera_asks_for_its_calibration(tmp_path):
    folder = tum(tmp_path / "mine", ["1.0"], ["1.01"])
    with pytest.raises(BagError, match=r"--camera FILE\.yaml"):
        open_dataset(folder, DatasetOptions())
    camera = Camera.pinhole(640, 480, 525, 525, 320, 240)
    dataset, _ = read_all(folder, DatasetOptions(camera=camera))
    assert "bag has no ground truth" in dataset.problems[0]


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("rgb.txt", "yesterday rgb/1.0.png", "line 1: got 'yesterday', expected a time"),
        ("rgb.txt", "1.0", "line 1: got 1 field"),
        ("depth.txt", "9.0 depth/1.01.png", "within 20 ms"),
        ("groundtruth.txt", "# x\n1.0 0 0 0 0 0 0 0", "line 2: .*length"),
        ("groundtruth.txt", "1.0 0 0 0", "line 1: got 4 fields, expected 8"),
    ],
)
def test_tum_text_errors_name_file_and_line(tmp_path, file, content, expected):
    folder = tum(tmp_path / "freiburg3", ["1.0"], ["1.01"])
    (folder / file).write_text(content)
    with pytest.raises(BagError, match=expected):
        open_dataset(folder, DatasetOptions())


# KITTI odometry

P0 = "7.188560000000e+02 0 607.19 0 0 718.856 185.21 0 0 0 1 0"
P1 = "7.188560000000e+02 0 607.19 -386.1448 0 718.856 185.21 0 0 0 1 0"


def kitti(root: Path, times="0.0\n1.036242e-01\n") -> Path:
    folder = root / "sequences" / "00"
    for side in ("image_0", "image_1"):
        for k in range(2):
            write_image(folder / side / f"{k:06}.png", (37, 120))
    (folder / "calib.txt").write_text(f"P0: {P0}\nP1: {P1}\nP2: {P0}\nP3: {P1}\nTr: {P0}\n")
    (folder / "times.txt").write_text(times)
    (root / "poses").mkdir()
    (root / "poses" / "00.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0.1 0 1 0 0.2 0 0 1 1.5")
    return folder


def test_kitti_as_published(tmp_path):
    folder = kitti(tmp_path)
    assert detect(folder) == "kitti"
    dataset, messages = read_all(folder)
    assert dataset.problems == []
    assert stamps_on(messages, "/camera/right/image_raw") == [SECOND, SECOND + 103624200]
    right = on(messages, "/camera/right/camera_info")[0]
    assert (right.p[3], right.k[2], right.width) == (-386.1448, 607.19, 120)
    assert on(messages, "/camera/left/camera_info")[0].p[3] == 0
    assert on(messages, "/camera/left/image_raw")[0].encoding == "mono8"
    tf = edges(messages)
    right_at = tf["base_link", "camera_right_optical_frame"].translation
    np.testing.assert_allclose(right_at, [0, -386.1448 / 718.856, 0], atol=1e-9)
    np.testing.assert_allclose(position(on(messages, "/ground_truth/odom")[1]), [1.5, -0.1, -0.2])


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("calib.txt", "P0: 1 2 3", r"calib.txt: line 1: got 3 fields, expected 12"),
        ("calib.txt", f"P0: {P0}", r"calib.txt: got 1 rows, expected 2"),
        ("times.txt", "0.1\n0.0\n", r"times.txt: got times that do not rise"),
        ("times.txt", "now\n", r"times.txt: line 1: got 'now'"),
        ("poses.txt", "9 0 0 0 0 1 0 0 0 0 1 0", r"poses.txt: pose 1: got rotation"),
        ("poses.txt", "1 0 0", r"poses.txt: line 1: got 3 fields"),
    ],
)
def test_kitti_text_errors_name_file_and_line(tmp_path, file, content, expected):
    folder = kitti(tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(BagError, match=expected):
        open_dataset(folder, DatasetOptions())


# EuRoC

SENSOR = """%YAML:1.0
T_BS:
  cols: 4
  rows: 4
  data: [0.0, -1.0, 0.0, {x}, 1.0, 0.0, 0.0, {y}, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
resolution: [752, 480]
intrinsics: [458.654, 457.296, 367.215, 248.375]
distortion_model: radial-tangential
distortion_coefficients: [-0.28, 0.07, 0.0002, 1.8e-05]
"""
STAMPS = (1403715273262142976, 1403715273312143104)


def euroc(root: Path) -> Path:
    mav0 = root / "mav0"
    for name, y in (("cam0", 0.0), ("cam1", 0.11)):
        for stamp in STAMPS:
            write_image(mav0 / name / "data" / f"{stamp}.png", (480, 752))
        (mav0 / name / "sensor.yaml").write_text(SENSOR.format(x=0, y=y))
    (mav0 / "imu0").mkdir()
    (mav0 / "imu0" / "sensor.yaml").write_text(SENSOR.format(x=0, y=0))
    (mav0 / "imu0" / "data.csv").write_text(
        "#timestamp [ns],w,w,w,a,a,a\n" + f"{STAMPS[0] + 7},0.1,0.2,0.3,9.8,0.5,0.6\n"
    )
    truth = mav0 / "state_groundtruth_estimate0"
    truth.mkdir()
    (truth / "data.csv").write_text(
        f"#timestamp, p, q, v\n{STAMPS[0] + 9},1,2,3,0.5,-0.5,0.5,0.5,0,0,0\n"
    )
    return root


def test_euroc_as_published(tmp_path):
    folder = euroc(tmp_path)
    assert detect(folder) == "euroc"
    dataset, messages = read_all(folder)
    assert (dataset.frame_count, dataset.problems) == (2, [])
    assert stamps_on(messages, "/camera/left/image_raw") == list(STAMPS)
    imu = on(messages, "/imu")[0]
    assert (imu.angular_velocity.z, imu.linear_acceleration.x) == (0.3, 9.8)
    assert imu.orientation_covariance[0] == -1
    assert stamps_on(messages, "/imu") == [STAMPS[0] + 7]  # exact: beyond a float's precision
    truth = on(messages, "/ground_truth/odom")[0]
    q = truth.pose.pose.orientation
    np.testing.assert_allclose([q.x, q.y, q.z, q.w], [-0.5, 0.5, 0.5, 0.5])
    base_from_left = edges(messages)["base_link", "camera_left_optical_frame"]
    np.testing.assert_allclose(base_from_left.apply([1, 0, 0]), [0, 1, 0], atol=1e-12)
    left, right = (
        camera_from_info(on(messages, f"/camera/{side}/camera_info")[0])
        for side in ("left", "right")
    )
    assert len(left.D) == 5
    np.testing.assert_allclose(right.P[:, 3], [-0.11 * right.P[0, 0], 0, 0], atol=1e-9)
    np.testing.assert_allclose(left.P[:, :3], right.P[:, :3])
    assert detect(folder / "mav0") == "euroc"


def test_a_pair_of_fisheyes_is_rectified(tmp_path):
    folder = euroc(tmp_path)
    for name, y in (("cam0", 0.0), ("cam1", 0.11)):
        text = SENSOR.format(x=0, y=y).replace("radial-tangential", "equidistant")
        (folder / "mav0" / name / "sensor.yaml").write_text(text)
    _, messages = read_all(folder)
    right = camera_from_info(on(messages, "/camera/right/camera_info")[0])
    assert right.distortion_model == "equidistant"
    np.testing.assert_allclose(right.P[0, 3] / right.P[0, 0], -0.11)


def test_cameras_that_are_no_pair_stay_as_they_are(tmp_path):
    folder = euroc(tmp_path)
    (folder / "mav0" / "cam1" / "sensor.yaml").write_text(SENSOR.format(x=0.11, y=0))
    dataset, messages = read_all(folder)
    assert any("cannot be rectified" in problem for problem in dataset.problems)
    right = camera_from_info(on(messages, "/camera/right/camera_info")[0])
    np.testing.assert_array_equal(right.P[:, 3], 0)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("cam0/sensor.yaml", "T_BS: 3", "cam0/sensor.yaml: .*distortion_model"),
        (
            "cam0/sensor.yaml",
            SENSOR.format(x=0, y=0).replace("752", "wide"),
            "cam0/sensor.yaml: .*wide",
        ),
        ("cam0/sensor.yaml", SENSOR.format(x=0, y=0).replace("T_BS", "T"), "T_BS"),
        (
            "imu0/data.csv",
            f"{STAMPS[0]},1,2,3\n",
            "imu0/data.csv: line 1: got 4 fields, expected 7",
        ),
        ("imu0/data.csv", "1.5,1,2,3,4,5,6\n", "imu0/data.csv: line 1: got '1.5', expected nano"),
    ],
)
def test_euroc_text_errors_name_file_and_line(tmp_path, file, content, expected):
    folder = euroc(tmp_path)
    (folder / "mav0" / file).write_text(content)
    with pytest.raises(BagError, match=expected):
        open_dataset(folder, DatasetOptions())


# All of them


def test_unknown_folders(tmp_path):
    with pytest.raises(BagError, match="no such folder"):
        detect(tmp_path / "nowhere")
    with pytest.raises(BagError, match=r"no known dataset.*7-Scenes.*TUM.*KITTI.*EuRoC"):
        detect(tmp_path)
    with pytest.raises(BagError, match="no kitti dataset"):
        open_dataset(seven_scenes(tmp_path, 1), DatasetOptions(), "kitti")


@needs_recordings
@pytest.mark.parametrize(
    ("name", "format_name", "frames", "path_m"),
    [
        ("kitchen_rgbd", "7-scenes", 20, None),
        ("kitti_mono", "kitti", 20, 23.0),
        ("euroc_v1_01_static", "euroc", 20, 0.01),
    ],
)
def test_recordings(name, format_name, frames, path_m):
    assert detect(SHARED / name) == format_name
    dataset, messages = read_all(SHARED / name, DatasetOptions(limit=frames))
    assert (dataset.frame_count, dataset.problems) == (frames, [])
    positions = np.array([position(m) for m in on(messages, "/ground_truth/odom")])
    assert len(positions) == frames
    if path_m is not None:
        length = np.linalg.norm(positions[-1] - positions[0])
        assert length == pytest.approx(path_m, abs=0.3 * path_m + 0.01)
    if name == "kitti_mono":  # a car drives forward: +x
        assert positions[-1][0] > 0.95 * length
