"""TUM RGB-D (Sturm et al., IROS 2012): registered RGB-D with motion-capture poses.

Files: ``rgb.txt``, ``depth.txt`` (stamp in s, file name) and ``groundtruth.txt`` (stamp, position,
quaternion xyzw of the colour camera's optical frame). Depth PNG: 5000 units a metre, 0 unknown,
registered to the colour image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embodied_perception.bags.datasets.dataset import (
    Dataset,
    DatasetMessage,
    DatasetOptions,
    ground_truth,
    static_transforms,
)
from embodied_perception.bags.datasets.images import CameraStream
from embodied_perception.bags.datasets.text_files import seconds_as_ns, split_lines
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError, GeometryError
from embodied_perception.geometry import BODY_FROM_OPTICAL, Transform

DESCRIPTION = "TUM RGB-D: rgb.txt, depth.txt, groundtruth.txt"

_UNITS_PER_MILLIMETRE = 5.0
_MAX_PAIR_NS = 20_000_000
# fx, fy, cx, cy and plumb_bob k1, k2, p1, p2, k3 that the set's authors calibrated.
_CALIBRATIONS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3, 0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    "freiburg2": (520.9, 521.0, 325.1, 249.7, 0.2312, -0.7849, -0.0033, -0.0001, 0.9172),
    "freiburg3": (535.4, 539.2, 320.1, 247.6, 0.0, 0.0, 0.0, 0.0, 0.0),
}


def matches(folder: Path) -> bool:
    """Tell whether the folder looks like this format."""
    return (folder / "rgb.txt").is_file() and (folder / "depth.txt").is_file()


def open_dataset(folder: Path, options: DatasetOptions) -> Dataset:
    """Open a sequence; depth gets the stamp of the colour image nearest to it, at most 20 ms."""
    problems: list[str] = []
    colors, depths = _read_list(folder / "rgb.txt"), _read_list(folder / "depth.txt")
    pairs = _associate(np.array([c[0] for c in colors]), np.array([d[0] for d in depths]))
    if not pairs:
        raise BagError(
            f"{folder}: no image of rgb.txt has a depth image within {_MAX_PAIR_NS // 10**6} ms"
        )
    if len(pairs) < len(colors):
        problems.append(f"{folder}: {len(colors) - len(pairs)} colour images without depth")
    frames = [(colors[i][0], colors[i][1], depths[j][1]) for i, j in pairs][: options.limit]
    camera = options.camera or _calibration(folder)
    color = CameraStream("color", camera, options.images, problems)
    depth = CameraStream("depth", camera, options.images, problems, color.optical_frame)
    poses = _ground_truth(folder / "groundtruth.txt", problems)
    if options.limit is not None:
        poses = [pose for pose in poses if pose.stamp_ns <= frames[-1][0]]
    first_ns = min(frames[0][0], poses[0].stamp_ns if poses else frames[0][0])
    edges = [("base_link", color.optical_frame, BODY_FROM_OPTICAL)]
    streams = [static_transforms(edges, first_ns), poses, _frames(frames, color, depth)]
    return Dataset(folder, len(frames), f"{color.topic}/camera_info", streams, problems)


def _frames(
    frames: list[tuple[int, Path, Path]], color: CameraStream, depth: CameraStream
) -> Iterator[DatasetMessage]:
    for stamp_ns, color_file, depth_file in frames:
        yield from color.color(color_file, stamp_ns)
        yield from depth.depth(depth_file, stamp_ns, _to_millimetres)


def _to_millimetres(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels / _UNITS_PER_MILLIMETRE).astype(np.uint16)


def _associate(a_ns: np.ndarray, b_ns: np.ndarray) -> list[tuple[int, int]]:
    """Pair two sorted lists of stamps by the smallest difference first, each stamp once."""
    after = np.searchsorted(b_ns, a_ns)
    candidates = sorted(
        (abs(int(a_ns[i]) - int(b_ns[j])), i, int(j))
        for i in range(len(a_ns))
        for j in (after[i] - 1, after[i])
        if 0 <= j < len(b_ns)
    )
    used_a: set[int] = set()
    used_b: set[int] = set()
    for difference, i, j in candidates:
        if difference <= _MAX_PAIR_NS and i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
    # Both lists are sorted, and so a best pairing never crosses.
    return list(zip(sorted(used_a), sorted(used_b), strict=True))


def _read_list(path: Path) -> list[tuple[int, Path]]:
    entries = []
    for line, words in split_lines(path):
        if len(words) < 2:
            raise BagError(f"{path}: line {line}: got {len(words)} field, expected stamp and file")
        entries.append((seconds_as_ns(path, line, words[0]), path.parent / words[1]))
    return sorted(entries)


def _ground_truth(path: Path, problems: list[str]) -> list[DatasetMessage]:
    if not path.exists():
        problems.append(f"{path}: missing, so the bag has no ground truth")
        return []
    poses = []
    for line, words in split_lines(path):
        if len(words) < 8:
            raise BagError(
                f"{path}: line {line}: got {len(words)} fields, expected 8 "
                "(stamp tx ty tz qx qy qz qw)"
            )
        stamp_ns = seconds_as_ns(path, line, words[0])
        try:
            x, y, z, *quaternion_xyzw = (float(word) for word in words[1:8])
            world_from_optical = Transform.from_quaternion(quaternion_xyzw, (x, y, z))
        except (ValueError, GeometryError) as error:
            raise BagError(f"{path}: line {line}: {error}") from error
        poses.append(ground_truth(world_from_optical @ BODY_FROM_OPTICAL.inverse(), stamp_ns))
    return sorted(poses, key=lambda pose: pose.stamp_ns)


def _calibration(folder: Path) -> Camera:
    for name, (fx, fy, cx, cy, *distortion) in _CALIBRATIONS.items():
        if name in folder.resolve().name:
            K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
            return Camera(640, 480, K, "plumb_bob", np.array(distortion))
    raise BagError(
        f"{folder}: got a folder name without {', '.join(_CALIBRATIONS)}, which would say the "
        "camera; give its calibration: --camera FILE.yaml"
    )
