"""7-Scenes (Shotton et al., CVPR 2013): RGB-D of a hand-held Kinect with KinectFusion poses.

Files: ``frame-NNNNNN.{color.png|color.jpg,depth.png,pose.txt}`` at 30 Hz without stamps. Depth is
in millimetres, 0 or 65535 where unknown, and **not** registered to colour. Poses are those of the
depth camera. The set gives no calibration of the colour camera: here it is nominal, good to about
10 px and 1 cm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embodied_perception.bags.datasets.dataset import (
    START_NS,
    Dataset,
    DatasetMessage,
    DatasetOptions,
    ground_truth,
    rigid_from_rows,
    static_transforms,
    upright_from_camera_world,
)
from embodied_perception.bags.datasets.images import CameraStream
from embodied_perception.bags.datasets.text_files import read_rows
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError, GeometryError
from embodied_perception.geometry import BODY_FROM_OPTICAL, Transform

DESCRIPTION = "7-Scenes: frame-000000.color.png, .depth.png, .pose.txt"

_FRAMES_PER_SECOND = 30
_WIDTH, _HEIGHT = 640, 480
_DEPTH_K = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])  # the authors' default
_COLOR_CAMERA = Camera.pinhole(_WIDTH, _HEIGHT, 540.0, 540.0, 320.0, 240.0)
#: The colour camera sits 3 cm to the left of the depth camera.
_DEPTH_FROM_COLOR = Transform(np.eye(3), np.array([-0.03, 0.0, 0.0]))
_INVALID = 65535


def matches(folder: Path) -> bool:
    """Tell whether the folder looks like this format."""
    return any(folder.glob("frame-*.depth.png")) or bool(_sequences(folder))


def open_dataset(folder: Path, options: DatasetOptions) -> Dataset:
    """Open one sequence; a scene folder must hold only one."""
    sequences = _sequences(folder)
    if sequences and not any(folder.glob("frame-*.depth.png")):
        if len(sequences) > 1:
            names = ", ".join(sequence.name for sequence in sequences)
            raise BagError(f"{folder}: holds several sequences, give one of them: {names}")
        folder = sequences[0]
    problems: list[str] = []
    depth_files = sorted(folder.glob("frame-*.depth.png"))[: options.limit]
    depth_camera = Camera(_WIDTH, _HEIGHT, _read_depth_intrinsics(folder))
    color_camera = options.camera or _COLOR_CAMERA
    color = CameraStream("color", color_camera, options.images, problems)
    depth = CameraStream("depth", depth_camera, options.images, problems)
    edges = [
        ("base_link", depth.optical_frame, BODY_FROM_OPTICAL),
        (depth.optical_frame, color.optical_frame, _DEPTH_FROM_COLOR),
    ]
    first_ns = _stamp_ns(depth_files[0])
    return Dataset(
        folder,
        len(depth_files),
        f"{depth.topic}/camera_info",
        [static_transforms(edges, first_ns), _frames(depth_files, color, depth, problems)],
        problems,
    )


def _frames(
    depth_files: list[Path], color: CameraStream, depth: CameraStream, problems: list[str]
) -> Iterator[DatasetMessage]:
    for depth_file in depth_files:
        stamp_ns = _stamp_ns(depth_file)
        start = depth_file.name.removesuffix("depth.png")
        pose_file = depth_file.with_name(f"{start}pose.txt")
        try:
            yield ground_truth(_read_pose(pose_file), stamp_ns)
        except BagError as error:
            problems.append(str(error))
        color_file = depth_file.with_name(f"{start}color.jpg")
        if not color_file.exists():
            color_file = color_file.with_suffix(".png")
        yield from color.color(color_file, stamp_ns)
        yield from depth.depth(depth_file, stamp_ns, _to_millimetres)


def _to_millimetres(pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels == _INVALID, 0, pixels).astype(np.uint16)


def _stamp_ns(depth_file: Path) -> int:
    number = depth_file.name[len("frame-") : -len(".depth.png")]
    if not number.isdigit():
        raise BagError(f"{depth_file}: got number {number!r}, expected digits after 'frame-'")
    return START_NS + round(int(number) * 1e9 / _FRAMES_PER_SECOND)


def _read_pose(path: Path) -> Transform:
    rows = read_rows(path, 4, "a row of a 4x4 matrix")
    if len(rows) != 4:
        raise BagError(f"{path}: got {len(rows)} rows, expected 4 of camera-to-world")
    try:
        return upright_from_camera_world(rigid_from_rows(rows))
    except GeometryError as error:
        raise BagError(f"{path}: {error}") from error


def _read_depth_intrinsics(folder: Path) -> np.ndarray:
    path = folder / "camera-intrinsics.txt"
    if not path.exists():
        return _DEPTH_K
    K = read_rows(path, 3, "a row of K")
    if K.shape != (3, 3):
        raise BagError(f"{path}: got {len(K)} rows, expected the 3 of K")
    return K


def _sequences(folder: Path) -> list[Path]:
    return [
        sequence
        for sequence in sorted(folder.glob("seq-*"))
        if sequence.is_dir() and any(sequence.glob("frame-*.depth.png"))
    ]
