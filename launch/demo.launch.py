"""Plays the demo recording to odometry, as a robot's camera would publish it, and shows it."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    Shutdown,
)
from launch.conditions import UnlessCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import ExecutableInPackage, FindPackageShare


def generate_launch_description() -> LaunchDescription:
    odometry = Path(__file__).with_name("odometry.launch.py")
    rviz = LaunchConfiguration("rviz")
    bag = [FindPackageShare("embodied_perception_bringup"), "demo", "demo_room.mcap"]
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "rviz",
                default_value="true",
                choices=["true", "false"],
                description="show the results in RViz; without it, the launch ends with the bag",
            ),
            IncludeLaunchDescription(
                str(odometry),
                launch_arguments={
                    "image_transport": "compressed",
                    "use_sim_time": "true",
                    "rviz": rviz,
                }.items(),
            ),
            # No Node action: it would add ROS arguments, which are none of the player's.
            ExecuteProcess(
                cmd=[
                    ExecutableInPackage(package="embodied_perception", executable="perception"),
                    "play",
                    PathJoinSubstitution(bag),
                    "--wait-for",
                    "/camera/color/image_raw/compressed",
                    "/camera/depth/image_raw/compressedDepth",
                ],
                output="screen",
                on_exit=[Shutdown(reason="the bag has ended", condition=UnlessCondition(rviz))],
            ),
        ]
    )
