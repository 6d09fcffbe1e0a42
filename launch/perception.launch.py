"""Runs stages in one process, where they share one subscription a topic.

An argument left empty is not passed on, so that the default stays where it is declared: in the
stage (`ros2 param describe /odometry NAME`). The nodes configure and activate themselves, unless
their parameter `autostart` says otherwise; nothing here has to drive their lifecycle.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from embodied_perception.stages import DEFAULT_STAGES, STAGES

CONFIG = Path(__file__).resolve().parent.parent / "config"
#: Launch argument to the image topic of the stages.
CAMERAS = {
    "color": "camera/color/image_raw",
    "depth": "camera/depth/image_raw",
    "left": "camera/left/image_raw",
    "right": "camera/right/image_raw",
    "image": "camera/image_raw",
}
MASK = "camera/mask"  # has no calibration of its own, and is never packed
LABEL_INFO = "camera/label_info"  # names the classes in it
BOXES = "detections"
#: The topics beside an image that carry it packed (image_transport).
PACKED = ("compressed", "compressedDepth", "ffmpeg", "foxglove")
FRAMES = ("base_frame", "odom_frame")
SWITCH = ["true", "false"]

ARGUMENTS = [
    DeclareLaunchArgument(
        "stages",
        default_value=" ".join(DEFAULT_STAGES),
        description=f"stages to run, separated by spaces, of: {', '.join(STAGES)}",
    ),
    DeclareLaunchArgument(
        "color",
        default_value="",
        description="topic of the colour images, without its transport's suffix, for example "
        "/camera/camera/color/image_raw; camera_info is expected beside it",
    ),
    DeclareLaunchArgument(
        "depth",
        default_value="",
        description="topic of the depth images, likewise; they need not be aligned with colour",
    ),
    DeclareLaunchArgument(
        "left",
        default_value="",
        description="topic of a stereo pair's left images, likewise; odometry is stereo then",
    ),
    DeclareLaunchArgument(
        "right",
        default_value="",
        description="topic of its right images, likewise",
    ),
    DeclareLaunchArgument(
        "image",
        default_value="",
        description="topic of the images for the stages of one camera, likewise; odometry is of "
        "it too then, where no color is given",
    ),
    DeclareLaunchArgument(
        "mask",
        default_value="",
        description="topic of masks of classes, for odometry that has moving_labels, such as "
        "/segmentation/mask; label_info is expected beside it",
    ),
    DeclareLaunchArgument(
        "boxes",
        default_value="",
        description="topic of boxes for zero_shot to classify, each by itself, in place of whole "
        "images, such as /open_vocabulary/detections",
    ),
    DeclareLaunchArgument(
        "model",
        default_value="",
        description="model of segmentation, classification, open_vocabulary or zero_shot: "
        "builtin:NAME, hf:OWNER/REPO, or a folder; for several such stages, give a params_file",
    ),
    DeclareLaunchArgument(
        "device", default_value="", description="where models run: cpu, cuda, cuda:1"
    ),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", *PACKED],
        description="how images come",
    ),
    DeclareLaunchArgument(
        "base_frame", default_value="", description="frame of the robot whose motion is reported"
    ),
    DeclareLaunchArgument(
        "odom_frame", default_value="", description="frame in which the motion is reported"
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="ROS parameter file; when empty, config/STAGE.yaml of each stage",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes"),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=SWITCH,
        description="take the time from /clock, as when a bag is played",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="what is logged, at least",
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=SWITCH, description="show the results in RViz"
    ),
]


def start_nodes(context: LaunchContext) -> list[Node]:
    given = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    stages = given["stages"].split()
    parameter_files = [given["params_file"]]
    if not given["params_file"]:
        parameter_files = [str(CONFIG / f"{stage}.yaml") for stage in stages]
    parameters = {
        name: ParameterValue(given[name], value_type=str)
        for name in ("model", "device", "image_transport", *FRAMES)
        if given[name]
    }
    if given["left"]:
        parameters["mode"] = "stereo"
    elif given["image"] and not given["color"]:
        parameters["mode"] = "mono"
    if given["boxes"]:
        parameters["regions"] = "boxes"
    sim_time = {"use_sim_time": given["use_sim_time"] == "true"}
    # RViz is in the same namespace and its topics are relative, so that the same rules fit it.
    common = {"namespace": given["namespace"], "remappings": remappings(given)}
    return [
        # Without a name: one would rename every node of the process.
        Node(
            package="embodied_perception",
            executable="perception_container",
            parameters=[*parameter_files, {**parameters, **sim_time, "stages": stages}],
            ros_arguments=["--log-level", given["log_level"]],
            output="screen",
            **common,
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz2",
            arguments=["-d", str(CONFIG / "rviz" / "perception.rviz")],
            parameters=[sim_time],
            condition=IfCondition(LaunchConfiguration("rviz")),
            **common,
        ),
    ]


def remappings(given: dict[str, str]) -> list[tuple[str, str]]:
    rules = []
    for argument, image in CAMERAS.items():
        if topic := given[argument]:
            rules += [(image, topic), (beside(image), beside(topic))]
            rules += [(f"{image}/{packed}", f"{topic}/{packed}") for packed in PACKED]
    if given["mask"]:
        rules += [(MASK, given["mask"]), (LABEL_INFO, beside(given["mask"], "label_info"))]
    if given["boxes"]:
        rules.append((BOXES, given["boxes"]))
    return rules


def beside(image_topic: str, name: str = "camera_info") -> str:
    """What is in the same namespace, as image_transport expects the calibration of a camera."""
    namespace, slash, _ = image_topic.rpartition("/")
    return f"{namespace}{slash}{name}"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_nodes)])
