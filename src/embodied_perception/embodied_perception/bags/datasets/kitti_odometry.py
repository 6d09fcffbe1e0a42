"""KITTI odometry (Geiger et al., CVPR 2012): rectified stereo of a driving car at 10 Hz.

Published layout: ``sequences/00/{image_0..image_3,calib.txt,times.txt}`` and ``poses/00.txt``.
Extract layout: ``images/``, ``calib.txt`` with two unnamed rows, ``poses.txt``; 10 Hz is assumed.
Poses are of the left grey camera in its first frame. The grey pair is taken where there is one,
else the colour pair.
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
    ground_truth_stream,
    rigid_from_rows,
    static_transforms,
    upright_from_camera_world,
)
from embodied_perception.bags.datasets.images import CameraStream, first_size
from embodied_perception.bags.datasets.text_files import read_rows, split_lines
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError, GeometryError
from embodied_perception.geometry import BODY_FROM_OPTICAL, Transform

DESCRIPTION = "KITTI odometry: image_0, image_1 (or image_2, image_3), calib.txt, times.txt"

_PERIOD_NS = 100_000_000
# Folders of the left and right images, with their rows in calib.txt.
_PAIRS = ((("image_0", 0), ("image_1", 1)), (("image_2", 2), ("image_3", 3)), (("images", 0),))


def matches(folder: Path) -> bool:
    """Tell whether the folder looks like this format."""
    has_images = any((folder / pair[0][0]).is_dir() for pair in _PAIRS)
    return has_images and (folder / "calib.txt").is_file()


def open_dataset(folder: Path, options: DatasetOptions) -> Dataset:
    """Open a folder ``sequences/NN`` or an extract."""
    if options.camera is not None:
        raise BagError(f"{folder}: --camera has no use here, calib.txt says the calibration")
    pair = next((pair for pair in _PAIRS if (folder / pair[0][0]).is_dir()), None)
    if pair is None:
        raise BagError(f"{folder}: no folder image_0, image_2 or images, expected one")
    files = [sorted((folder / name).glob("*.png")) for name, _ in pair]
    projections = _read_calibration(folder / "calib.txt")
    if len(projections) <= pair[-1][1]:
        raise BagError(
            f"{folder / 'calib.txt'}: got {len(projections)} rows, expected {pair[-1][1] + 1}"
        )
    stamps_ns = _read_stamps(folder / "times.txt", len(files[0]))
    stamps_ns = stamps_ns[: min(len(stamps_ns), *(len(side) for side in files))][: options.limit]
    if not stamps_ns:
        raise BagError(f"{folder / pair[0][0]}: no PNG images, or times.txt is empty")
    problems: list[str] = []
    size_wh = first_size(files[0])
    left_P = projections[pair[0][1]]
    cameras = [
        CameraStream(side, _camera(size_wh, projections[row], left_P), options.images, problems)
        for side, (_, row) in zip(("left", "right"), pair, strict=False)
    ]
    edges = [
        ("base_link", camera.optical_frame, BODY_FROM_OPTICAL @ _grey_from(projections[row]))
        for camera, (_, row) in zip(cameras, pair, strict=True)
    ]
    poses = _read_poses(folder, problems)[: len(stamps_ns)]
    streams = [
        static_transforms(edges, stamps_ns[0]),
        ground_truth_stream(stamps_ns[: len(poses)], poses),
        _frames(stamps_ns, cameras, files),
    ]
    return Dataset(folder, len(stamps_ns), f"{cameras[0].topic}/camera_info", streams, problems)


def _frames(
    stamps_ns: list[int], cameras: list[CameraStream], files: list[list[Path]]
) -> Iterator[DatasetMessage]:
    for index, stamp_ns in enumerate(stamps_ns):
        for camera, side in zip(cameras, files, strict=True):
            yield from camera.color(side[index], stamp_ns)


def _camera(size_wh: tuple[int, int], projection: np.ndarray, left_P: np.ndarray) -> Camera:
    """Build the rectified camera; REP-104: the right one has P[0, 3] = -fx * baseline."""
    P = projection.copy()
    P[:, 3] -= left_P[:, 3]
    P[2, 3] = 0.0  # millimetres of misalignment that CameraInfo cannot say
    return Camera(*size_wh, projection[:, :3], P=P)


def _grey_from(projection: np.ndarray) -> Transform:
    """Return where a camera sits in the left grey camera: P = K [I | -position]."""
    return Transform(np.eye(3), -np.linalg.solve(projection[:, :3], projection[:, 3]))


def _read_calibration(path: Path) -> list[np.ndarray]:
    """Read the projection matrices (3, 4) in the order P0, P1, ..., named or not."""
    projections = []
    for line, words in split_lines(path):
        named = words[0].endswith(":")
        if named and not words[0].startswith("P"):
            continue  # Tr: the laser scanner
        numbers = words[1:] if named else words
        try:
            values = np.array([float(number) for number in numbers])
            projection = values.reshape(3, 4)
        except ValueError as error:
            raise BagError(
                f"{path}: line {line}: got {len(numbers)} fields, expected 12 numbers (3x4)"
            ) from error
        if not np.isfinite(projection).all() or projection[0, 0] <= 0:
            raise BagError(f"{path}: line {line}: got fx {projection[0, 0]}, expected more than 0")
        projections.append(projection)
    return projections


def _read_stamps(path: Path, count: int) -> list[int]:
    if not path.exists():
        return [START_NS + index * _PERIOD_NS for index in range(count)]
    seconds = read_rows(path, 1, "seconds")[:, 0]
    if not np.isfinite(seconds).all() or (np.diff(seconds, prepend=-1) <= 0).any():
        raise BagError(f"{path}: got times that do not rise, expected seconds from 0 on")
    return [START_NS + round(second * 1e9) for second in seconds]


def _read_poses(folder: Path, problems: list[str]) -> list[Transform]:
    published = folder.resolve().parents[1] / "poses" / f"{folder.resolve().name}.txt"
    path = next((path for path in (folder / "poses.txt", published) if path.exists()), None)
    if path is None:
        problems.append(f"{folder}: no poses.txt or {published}, so the bag has no ground truth")
        return []
    rows = read_rows(path, 12, "a 3x4 matrix")
    return [_pose(path, number, row.reshape(3, 4)) for number, row in enumerate(rows, start=1)]


def _pose(path: Path, number: int, matrix: np.ndarray) -> Transform:
    try:
        return upright_from_camera_world(rigid_from_rows(matrix))
    except GeometryError as error:
        raise BagError(f"{path}: pose {number}: {error}") from error
