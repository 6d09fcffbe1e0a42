"""EuRoC MAV (Burri et al., IJRR 2016): stereo at 20 Hz, IMU at 200 Hz, poses of the body.

Published layout: ``mav0/{cam0,cam1}/{data/,data.csv,sensor.yaml}``, ``mav0/imu0`` and
``mav0/state_groundtruth_estimate0``. Flat layout: ``cam0/*.png``, ``cam0.yaml``, ``imu.csv``,
``imu.yaml``, ``groundtruth.csv``. base_link is the body frame of the set; ``T_BS`` of each sensor
goes into /tf_static.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Imu

from embodied_perception.bags.datasets.dataset import (
    Dataset,
    DatasetMessage,
    DatasetOptions,
    ground_truth,
    rigid_from_rows,
    static_transforms,
)
from embodied_perception.bags.datasets.images import CameraStream
from embodied_perception.bags.datasets.text_files import (
    nanoseconds,
    read_opencv_yaml,
    read_rows,
    split_lines,
)
from embodied_perception.camera import Camera, rectify_pair
from embodied_perception.errors import BagError, CameraError, GeometryError
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import header

DESCRIPTION = "EuRoC MAV: mav0/cam0, cam1, imu0, state_groundtruth_estimate0"

_IMU_FRAME = "imu_link"
_ROS_DISTORTION = {"radial-tangential": "plumb_bob", "equidistant": "equidistant"}


@dataclass(frozen=True)
class _Layout:
    """Where the files lie."""

    images: tuple[Path, Path]
    cameras: tuple[Path, Path]
    imu: Path
    imu_sensor: Path
    ground_truth: Path


def matches(folder: Path) -> bool:
    """Tell whether the folder looks like this format."""
    layout = _layout(folder)
    return layout.images[0].is_dir() and layout.cameras[0].is_file()


def open_dataset(folder: Path, options: DatasetOptions) -> Dataset:
    """Open the folder that holds ``mav0``, ``mav0`` itself, or a flat extract."""
    if options.camera is not None:
        raise BagError(f"{folder}: --camera has no use here, the YAML files say the calibration")
    layout = _layout(folder)
    problems: list[str] = []
    sensors = [_read_camera(path) for path in layout.cameras if path.is_file()]
    images = [_images_by_stamp(path) for path in layout.images[: len(sensors)]]
    stamps_ns = sorted(set.union(*(set(side) for side in images)))[: options.limit]
    if not stamps_ns:
        raise BagError(f"{layout.images[0]}: no PNG images named by their stamp in ns")
    if len(sensors) == 2:
        sensors = _rectify(sensors, problems)
    cameras = [
        CameraStream(side, camera, options.images, problems)
        for side, (camera, _) in zip(("left", "right"), sensors, strict=False)
    ]
    edges = [
        ("base_link", camera.optical_frame, base_from_camera)
        for camera, (_, base_from_camera) in zip(cameras, sensors, strict=True)
    ]
    last_ns = stamps_ns[-1] if options.limit is not None else 2**63
    poses = [m for m in _ground_truth(layout.ground_truth, problems) if m.stamp_ns <= last_ns]
    imu = [m for m in _imu(layout.imu, problems) if m.stamp_ns <= last_ns]
    if imu:
        edges.append(("base_link", _IMU_FRAME, _base_from_sensor(layout.imu_sensor)))
    first_ns = min([stamps_ns[0], *(stream[0].stamp_ns for stream in (poses, imu) if stream)])
    frames = _frames(stamps_ns, cameras, images, problems)
    streams = [static_transforms(edges, first_ns), imu, poses, frames]
    frame_topic = f"{cameras[0].topic}/camera_info"
    frame_count = sum(stamp in images[0] for stamp in stamps_ns)
    return Dataset(folder, frame_count, frame_topic, streams, problems)


def _layout(folder: Path) -> _Layout:
    mav0 = folder / "mav0" if (folder / "mav0").is_dir() else folder
    if (mav0 / "cam0" / "sensor.yaml").is_file():
        return _Layout(
            (mav0 / "cam0" / "data", mav0 / "cam1" / "data"),
            (mav0 / "cam0" / "sensor.yaml", mav0 / "cam1" / "sensor.yaml"),
            mav0 / "imu0" / "data.csv",
            mav0 / "imu0" / "sensor.yaml",
            mav0 / "state_groundtruth_estimate0" / "data.csv",
        )
    return _Layout(
        (folder / "cam0", folder / "cam1"),
        (folder / "cam0.yaml", folder / "cam1.yaml"),
        folder / "imu.csv",
        folder / "imu.yaml",
        folder / "groundtruth.csv",
    )


def _frames(
    stamps_ns: list[int],
    cameras: list[CameraStream],
    images: list[dict[int, Path]],
    problems: list[str],
) -> Iterator[DatasetMessage]:
    for stamp_ns in stamps_ns:
        for camera, side in zip(cameras, images, strict=True):
            if stamp_ns in side:
                yield from camera.color(side[stamp_ns], stamp_ns)
            else:
                problems.append(f"{camera.name} camera: no image at {stamp_ns} ns")


def _images_by_stamp(folder: Path) -> dict[int, Path]:
    return {int(path.stem): path for path in folder.glob("*.png") if path.stem.isdigit()}


def _read_camera(path: Path) -> tuple[Camera, Transform]:
    """Read (camera, base_from_camera)."""
    values = read_opencv_yaml(path)
    try:
        model = _ROS_DISTORTION[values["distortion_model"]]
        width, height = (int(value) for value in values["resolution"])
        fx, fy, cx, cy = (float(value) for value in values["intrinsics"])
        distortion = np.array(values["distortion_coefficients"], float)
    except (KeyError, TypeError, ValueError) as error:
        raise BagError(
            f"{path}: {error}: expected resolution, intrinsics (4), distortion_coefficients and "
            f"distortion_model ({' or '.join(_ROS_DISTORTION)})"
        ) from error
    if model == "plumb_bob":
        distortion = np.append(distortion, np.zeros(5 - len(distortion)))  # k3 = 0
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    try:
        return Camera(width, height, K, model, distortion), _base_from_sensor(path)
    except CameraError as error:
        raise BagError(f"{path}: {error}") from error


def _base_from_sensor(path: Path) -> Transform:
    try:
        values = np.array(read_opencv_yaml(path)["T_BS"]["data"], float).reshape(4, 4)
        return rigid_from_rows(values)
    except (KeyError, TypeError, ValueError, GeometryError) as error:
        raise BagError(f"{path}: T_BS: {error}; expected 16 numbers of a rigid 4x4") from error


def _rectify(
    sensors: list[tuple[Camera, Transform]], problems: list[str]
) -> list[tuple[Camera, Transform]]:
    """Give both cameras R and P of a common rectified image plane (REP-104)."""
    (left, base_from_left), (right, base_from_right) = sensors
    right_from_left = base_from_right.inverse() @ base_from_left
    try:
        left, right = rectify_pair(left, right, right_from_left)
    except CameraError as error:
        problems.append(f"the images cannot be rectified: {error}")
    return [(left, base_from_left), (right, base_from_right)]


def _imu(path: Path, problems: list[str]) -> list[DatasetMessage]:
    messages = []
    for stamp_ns, row in _read_stamped(path, 7, "ns, angular rate, acceleration", problems):
        message = Imu(header=header(stamp_ns, _IMU_FRAME))
        message.orientation_covariance[0] = -1.0  # sensor_msgs/Imu: orientation is not known
        rate, acceleration = message.angular_velocity, message.linear_acceleration
        rate.x, rate.y, rate.z = row[:3]
        acceleration.x, acceleration.y, acceleration.z = row[3:]
        messages.append(DatasetMessage("/imu", message, stamp_ns))
    return messages


def _ground_truth(path: Path, problems: list[str]) -> list[DatasetMessage]:
    poses = []
    for stamp_ns, row in _read_stamped(path, 8, "ns, position, quaternion wxyz", problems):
        w, x, y, z = row[3:7]
        try:
            poses.append(ground_truth(Transform.from_quaternion((x, y, z, w), row[:3]), stamp_ns))
        except GeometryError as error:
            raise BagError(f"{path}: at {stamp_ns} ns: {error}") from error
    return poses


def _read_stamped(
    path: Path, columns: int, fields: str, problems: list[str]
) -> list[tuple[int, list[float]]]:
    """Read (stamp, further numbers) in the order of time; a missing file is only a problem."""
    if not path.exists():
        problems.append(f"{path}: missing, so the bag goes without")
        return []
    rows = read_rows(path, columns, fields)
    stamps = [nanoseconds(path, line, words[0]) for line, words in split_lines(path)]
    return sorted(zip(stamps, rows[:, 1:].tolist(), strict=True))
