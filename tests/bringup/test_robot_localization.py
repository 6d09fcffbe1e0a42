"""The example for robot_localization fits what odometry publishes.

The filter is not on PyPI: what it needs of messages is tested with the stage.
"""

import re
from pathlib import Path

import pytest
import yaml
from nav_msgs.msg import Odometry

from embodied_perception.cli.parameters import read_parameter_file
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "robot_localization.yaml"
DEFAULTS = OdometryStageConfig()
# Of each sensor, in the order of the filter's state.
POSE, VELOCITY, ACCELERATION = slice(0, 6), slice(6, 12), slice(12, 15)


def with_examples(text: str) -> str:
    """Those that wait behind a `#`, too."""
    return re.sub(r"(?m)^( +)# (\w+: \S.*)$", r"\1\2", text)


@pytest.fixture(scope="module", params=[str, with_examples], ids=["as it is", "with examples"])
def parameters(request) -> dict:
    return yaml.safe_load(request.param(FILE.read_text()))["/**"]["ros__parameters"]


def test_it_hears_odometry(parameters: dict) -> None:
    topics = {output.topic: getattr(output, "type", None) for output in OdometryStage.outputs}
    assert topics[parameters["odom0"]] is Odometry


def test_frames_are_those_of_odometry(parameters: dict) -> None:
    assert parameters["odom_frame"] == parameters["world_frame"] == DEFAULTS.odom_frame
    assert parameters["base_link_frame"] == DEFAULTS.base_frame
    assert parameters["map_frame"] == DEFAULTS.map_frame


def test_velocities_are_fused_and_nothing_twice(parameters: dict) -> None:
    fused = parameters["odom0_config"]
    assert fused[VELOCITY] == [True] * 6
    assert fused[POSE] == [False] * 6
    assert fused[ACCELERATION] == [False] * 3
    assert parameters["odom0_differential"] is False
    assert parameters["odom0_relative"] is False
    assert parameters["two_d_mode"] is False


def test_every_sensor_says_of_each_state_whether_it_is_fused(parameters: dict) -> None:
    sensors = [name for name in parameters if re.fullmatch(r"(odom|imu)\d", name)]
    assert sensors
    for name in sensors:
        fused = parameters[f"{name}_config"]
        assert len(fused) == 15
        assert {type(value) for value in fused} == {bool}
        assert any(fused)


def test_what_the_filter_publishes_odometry_does_not(parameters: dict, tmp_path: Path) -> None:
    """Odometry's own parameter file has what to set."""
    assert parameters["publish_tf"] is True
    ours = tmp_path / "odometry.yaml"
    ours.write_text(with_examples((ROOT / "config" / "odometry.yaml").read_text()))
    set_there = read_parameter_file(ours, OdometryStage.name)
    for name in ("publish_tf", "publish_map_tf"):
        assert f"({name}: false)" in FILE.read_text()
        assert set_there[name] is False
