"""Trajectories out of bags and text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from embodied_perception.bags.datasets.text_files import read_rows, seconds_as_ns, split_lines
from embodied_perception.bags.reader import BagReader
from embodied_perception.errors import BagError, EvaluationError
from embodied_perception.evaluation import Trajectory
from embodied_perception.stages.messages import stamp_ns

_ODOMETRY = "nav_msgs/msg/Odometry"
_POSE_TYPES = {
    _ODOMETRY: lambda message: message.pose.pose,
    "geometry_msgs/msg/PoseStamped": lambda message: message.pose,
}


def read_trajectory(path: Path, topic: str) -> Trajectory:
    """Read poses from a topic of a bag, or from a TUM text file (.txt, .tum), which has no topics.

    Covariances come with nav_msgs/Odometry.

    Raises:
        BagError: no such file or topic, the topic has no poses, or they make no trajectory; the
            message names file and topic.

    """
    if path.suffix in {".txt", ".tum"}:
        return _read_tum(path)
    where = f"{path}: {topic}"
    stamps_ns, poses, covariances = [], [], []
    with BagReader(path) as bag:
        messages = bag.messages([topic])
        type_name = bag.topics[topic].type_name
        if type_name not in _POSE_TYPES:
            raise BagError(f"{where}: got {type_name}, expected {' or '.join(_POSE_TYPES)}")
        for _, _, message in messages:
            pose = _POSE_TYPES[type_name](message)
            position, turn = pose.position, pose.orientation
            stamps_ns.append(stamp_ns(message.header))
            poses.append((position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w))
            if type_name == _ODOMETRY:
                covariances.append(message.pose.covariance)
        if not poses:
            raise BagError(f"{where}: no poses" + (f" ({bag.damage})" if bag.damage else ""))
    stated = np.reshape(covariances, (-1, 6, 6)) if covariances else None
    return _trajectory(stamps_ns, poses, where, stated)


def _read_tum(path: Path) -> Trajectory:
    rows = read_rows(path, 8, "stamp tx ty tz qx qy qz qw")
    stamps = [seconds_as_ns(path, line, words[0]) for line, words in split_lines(path)]
    return _trajectory(stamps, rows[:, 1:], str(path))


def _trajectory(
    stamps_ns: list[int], poses: ArrayLike, where: str, covariances: np.ndarray | None = None
) -> Trajectory:
    values = np.array(poses, float).reshape(-1, 7)
    try:
        return Trajectory(np.array(stamps_ns, np.int64), values[:, :3], values[:, 3:], covariances)
    except EvaluationError as error:
        raise BagError(f"{where}: {error}") from error
