"""Parameters and remappings of the command line."""

from pathlib import Path

import pytest

from embodied_perception.cli.parameters import read_parameter_file, remappings, stage_config
from embodied_perception.errors import ConfigError
from embodied_perception.stages.odometry import OdometryStage

FILE = """\
/**:
  ros__parameters:
    features: 300
    use_sim_time: true
odometry:
  ros__parameters:
    base_frame: chassis
    max_depth_m: 6
segmentation:
  ros__parameters:
    features: 7
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(FILE)
    return path


def test_a_file_then_words(file):
    config = stage_config(OdometryStage, file, ["base_frame:=body", "min_inliers:=30"])
    assert (config.features, config.base_frame, config.min_inliers) == (300, "body", 30)
    assert config.max_depth_m == 6.0
    assert type(config.max_depth_m) is float


def test_defaults():
    config = stage_config(OdometryStage, None, [])
    assert config == OdometryStage.config_type()


def test_a_nodes_own_section_wins(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(FILE + "/odometry:\n  ros__parameters: {features: 500}\n")
    assert stage_config(OdometryStage, path, []).features == 500


def test_an_empty_value_is_an_empty_text():
    assert stage_config(OdometryStage, None, ["base_frame:="]).base_frame == ""


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fetures:=300", "unknown parameter 'fetures'; known: features, "),
        ("features:=10", "features: got 10, expected 50 to 2000"),
        ("features:=2001", "expected 50 to 2000"),
        ("features:=300.0", "features: got 300.0 .float., expected int"),
        ("features:=true", "features: got True .bool., expected int"),
        ("features:=many", "features: got 'many' .str., expected int"),
        ("features:=[300]", "features: got .300. .list., expected int"),
        ("features:=[300", "--param features: got '.300', expected a value"),
        ("features:=", "features: got '' .str., expected int"),
        ("max_depth_m:=.nan", "max_depth_m: got nan, expected 0.5 to 200 m"),
        ("max_depth_m:=.inf", "max_depth_m: got inf"),
        ("base_frame:=3", "base_frame: got 3 .int., expected str"),
        ("publish_tf:=1", "publish_tf: got 1 .int., expected bool"),
        ("features=300", "--param: got 'features=300', expected name:=value"),
    ],
)
def test_words_that_make_no_sense(word, message):
    with pytest.raises(ConfigError, match=message):
        stage_config(OdometryStage, None, [word])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- a\n- b\n",
        b"odometry: 3\n",
        b"odometry: {ros__parameters: [1]}\n",
        b"odometry: {ros__parameters: {features: [}\n",
        b"\xff\xfe\x00",
    ],
)
def test_files_that_make_no_sense(tmp_path, content):
    path = tmp_path / "robot.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"robot\.yaml"):
        stage_config(OdometryStage, path, [])


def test_a_value_out_of_range_in_a_file(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text("odometry: {ros__parameters: {features: 1}}")
    with pytest.raises(ConfigError, match="features: got 1, expected 50 to 2000"):
        stage_config(OdometryStage, path, [])


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml"):
        read_parameter_file(tmp_path / "no.yaml", "odometry")
    with pytest.raises(ConfigError, match=tmp_path.name):
        read_parameter_file(tmp_path, "odometry")


def test_remappings():
    assert remappings(["a/b:=/c", "~/d:=/e"]) == {"a/b": "/c", "~/d": "/e"}
    assert remappings([]) == {}


@pytest.mark.parametrize("word", ["a", "a=/b", ":=/b", "a:=", "a:=b"])
def test_remappings_that_make_no_sense(word):
    with pytest.raises(ConfigError, match="expected topic:=/topic/in/the/bag"):
        remappings([word])


def test_a_name_that_nobody_knows_is_refused_by_file(tmp_path: Path) -> None:
    file = tmp_path / "odometry.yaml"
    file.write_text("odometry: {ros__parameters: {use_sim_time: true, featurs: 200}}")
    with pytest.raises(ConfigError, match=r"odometry.yaml: unknown parameter 'featurs'"):
        stage_config(OdometryStage, file, [])
