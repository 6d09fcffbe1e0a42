"""Runs the zero_shot stage; the arguments are those of perception.launch.py, but `stages`."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription


def generate_launch_description() -> LaunchDescription:
    perception = Path(__file__).with_name("perception.launch.py")
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                str(perception), launch_arguments={"stages": "zero_shot"}.items()
            )
        ]
    )
