"""What a robot's owner touches fits what the stages declare."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from embodied_perception.cli.parameters import read_parameter_file
from embodied_perception.stages import STAGES, stage_type
from embodied_perception.stages.odometry import MASK
from embodied_perception.stages.runner import StageRunner
from embodied_perception.stages.stage import Stage
from embodied_perception.stages.transports import TRANSPORTS

ROOT = Path(__file__).parents[2]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
#: Of our stages; the one for robot_localization has a test of its own.
PARAMETER_FILES = sorted(
    set((ROOT / "config").glob("*.yaml")) - {ROOT / "config" / "robot_localization.yaml"}
)
RVIZ = ROOT / "config" / "rviz" / "perception.rviz"
#: Parameters of every node, which no stage declares.
HOST_PARAMETERS = {"use_sim_time": bool, "autostart": bool, "image_transport": str}
STAGE_TYPES = [stage_type(name) for name in STAGES]


def input_topics(stage: type[Stage]) -> set[str]:
    """Raw and packed images, and calibrations."""
    runner = StageRunner(stage, stage.config_type())
    sources = [s for name in TRANSPORTS for s in runner.sources(runner.transports(name))]
    return {source.topic + source.suffix for source in sources if source.input_name}


def output_topics(stage: type[Stage]) -> set[str]:
    return {output.topic.replace("~", stage.name) for output in stage.outputs}


def constants(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def displays(node: dict) -> list[dict]:
    found = []
    for display in node["Displays"]:
        found += displays(display) if display["Class"] == "rviz_common/Group" else [display]
    return found


@pytest.fixture(scope="module")
def view() -> dict:
    return yaml.safe_load(RVIZ.read_text())


def test_rviz_shows_topics_that_exist(view: dict) -> None:
    shown = {
        display["Topic"]["Value"]
        for display in displays(view["Visualization Manager"])
        if "Topic" in display
    }
    known = {"ground_truth/odom"}.union(*map(input_topics, STAGE_TYPES))
    assert shown <= known.union(*map(output_topics, STAGE_TYPES))
    assert {"odom", "odometry/path", "odometry/features"} <= shown


def test_rviz_builds_points_from_the_cameras(view: dict) -> None:
    clouds = [
        display
        for display in displays(view["Visualization Manager"])
        if display["Class"] == "rviz_default_plugins/DepthCloud"
    ]
    odometry = stage_type("odometry")
    color, depth = odometry.inputs
    transports = [
        (cloud["Color Transport Hint"], cloud["Depth Map Transport Hint"]) for cloud in clouds
    ]
    assert transports == [("raw", "raw"), ("compressed", "compressedDepth")]
    for cloud in clouds:
        assert cloud["Color Image Topic"] == color.topic
        assert cloud["Depth Map Topic"] == depth.topic


def test_rviz_hears_what_is_published(view: dict) -> None:
    """A reliable or latched subscription does not match a publisher that offers less."""
    latched = {
        output.topic.replace("~", stage.name)
        for stage in STAGE_TYPES
        for output in stage.outputs
        if getattr(output, "latched", False)
    }
    cameras = set().union(*map(input_topics, STAGE_TYPES))
    for display in displays(view["Visualization Manager"]):
        topic = display.get("Topic", {})
        if topic.get("Value") in cameras:
            assert topic["Reliability Policy"] == "Best Effort"
        elif topic:
            assert topic["Durability Policy"] == (
                "Transient Local" if topic["Value"] in latched else "Volatile"
            )


def test_rviz_looks_from_the_odometry_frame(view: dict) -> None:
    config = stage_type("odometry").config_type()
    options = view["Visualization Manager"]["Global Options"]
    assert options["Fixed Frame"] == config.odom_frame


@pytest.mark.parametrize("stage", STAGE_TYPES, ids=lambda stage: stage.name)
def test_every_stage_has_its_launch_file_and_its_parameters(stage: type[Stage]) -> None:
    assert ROOT / "launch" / f"{stage.name}.launch.py" in LAUNCH_FILES
    assert ROOT / "config" / f"{stage.name}.yaml" in PARAMETER_FILES


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_parameters_exist_and_are_in_range(path: Path, tmp_path: Path) -> None:
    """Those in force, and those that wait behind a `#`."""
    stage = stage_type(path.stem)
    everything = tmp_path / path.name
    everything.write_text(re.sub(r"(?m)^( +)# (\w+: \S.*)$", r"\1\2", path.read_text()))
    examples = read_parameter_file(everything, stage.name)
    in_force = read_parameter_file(path, stage.name)
    assert len(examples) > len(in_force) > 0
    defaults = stage.config_type()
    for name, expected in HOST_PARAMETERS.items():
        assert isinstance(examples.pop(name, expected()), expected)
    for name, value in examples.items():
        assert value != getattr(defaults, name), f"{name} is the default anyway"
    stage.config_type.from_mapping(examples)


def test_launch_remaps_the_stages_images() -> None:
    words = constants(ROOT / "launch" / "perception.launch.py")
    for stage in STAGE_TYPES:
        for image in stage.inputs:
            assert image.topic in words
            # The launch file derives this one from the image's topic, as image_transport does.
            beside = f"{image.topic.rpartition('/')[0]}/camera_info"
            assert image.camera_info_topic in (beside, "")
    assert TRANSPORTS.keys() - {"raw"} <= set(words)


def test_launch_remaps_the_mask_and_leaves_calibrations_alone() -> None:
    """Its function alone, as launch is not everywhere."""
    source = ast.parse((ROOT / "launch" / "perception.launch.py").read_text())
    wanted = {"CAMERAS", "PACKED", "MASK", "LABEL_INFO", "BOXES", "remappings", "beside"}
    source.body = [
        each
        for each in source.body
        if getattr(each, "name", "") in wanted
        or (isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") in wanted)
    ]
    space: dict = {}
    exec(compile(source, "perception.launch.py", "exec"), space)  # noqa: S102
    given = dict.fromkeys((*space["CAMERAS"], "mask", "boxes"), "")
    assert space["remappings"](given) == []
    assert space["MASK"] == MASK.topic
    both = space["remappings"](given | {"image": "/front/image", "mask": "/people/mask"})
    assert (MASK.topic, "/people/mask") in both
    assert (MASK.label_info_topic, "/people/label_info") in both
    assert [to for topic, to in both if topic == "camera/camera_info"] == ["/front/camera_info"]


def test_launch_sets_parameters_that_exist() -> None:
    words = constants(ROOT / "launch" / "perception.launch.py")
    parameters = {info.name for info in stage_type("odometry").config_type.parameters()}
    assert {"base_frame", "odom_frame"} <= parameters & set(words)
    assert {"use_sim_time", "image_transport"} <= set(words)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_starts_programs_that_are_installed(path: Path) -> None:
    setup = (ROOT / "src" / "embodied_perception" / "setup.py").read_text()
    programs = set(re.findall(r'"(\w+) = embodied_perception\.', setup)) | {"rviz2"}
    started = set()
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call):
            started |= {
                keyword.value.value
                for keyword in call.keywords
                if keyword.arg == "executable" and isinstance(keyword.value, ast.Constant)
            }
    assert started <= programs
    assert started or path.name.removesuffix(".launch.py") in STAGES  # it includes another


def test_the_demo_waits_for_topics_of_the_stage() -> None:
    words = {
        word
        for word in constants(ROOT / "launch" / "demo.launch.py")
        if word.startswith("/camera/")
    }
    assert words <= {f"/{topic}" for topic in input_topics(stage_type("odometry"))}
    assert len(words) == 2


def test_files_that_are_referred_to_exist() -> None:
    bringup = ROOT / "src" / "embodied_perception_bringup"
    for path in [
        ROOT / "launch" / "odometry.launch.py",
        ROOT / "launch" / "perception.launch.py",
        RVIZ,
        bringup / "demo" / "demo_room.mcap",
    ]:
        assert path.is_file()
    assert "DIRECTORY ../../launch ../../config demo" in (bringup / "CMakeLists.txt").read_text()
    for dockerfile in (ROOT / "docker").glob("*.Dockerfile"):
        for name in re.findall(r"(\w+\.launch\.py)", dockerfile.read_text()):
            assert ROOT / "launch" / name in LAUNCH_FILES


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_file_describes_itself(path: Path) -> None:
    """Where launch is installed, the file is read as `ros2 launch --show-args` does."""
    pytest.importorskip("launch_ros", reason="launch is not on PyPI: runs on an installed ROS")
    from launch import LaunchContext
    from launch.launch_description_sources import AnyLaunchDescriptionSource

    description = AnyLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert {"base_frame", "color", "depth", "image_transport", "rviz"} <= set(arguments)
    assert all(argument.description for argument in arguments.values())
