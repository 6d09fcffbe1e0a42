"""The node `perception_container`: several stages in one process, each image decoded once."""

from __future__ import annotations

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from embodied_perception.ros.frame_hub import FrameHub
from embodied_perception.ros.process import spin
from embodied_perception.ros.stage_node import StageNode
from embodied_perception.stages import DEFAULT_STAGES, STAGES, stage_type


def main() -> int:
    """Run the stages that the parameter `stages` names."""

    def make_nodes() -> list[Node]:
        container = Node("perception_container")
        description = f"the stages to run, of: {', '.join(STAGES)}"
        container.declare_parameter(
            "stages",
            list(DEFAULT_STAGES),
            ParameterDescriptor(description=description, read_only=True),
        )
        hub = FrameHub(container)
        names = container.get_parameter("stages").value
        stages = [StageNode(stage_type(name), hub) for name in names]
        for stage in stages:
            stage.autostart()
        return [container, *stages]

    return spin(make_nodes)


if __name__ == "__main__":
    raise SystemExit(main())
