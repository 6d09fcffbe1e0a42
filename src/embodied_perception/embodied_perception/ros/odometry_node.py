"""The node `odometry`."""

from __future__ import annotations

from embodied_perception.ros.process import spin
from embodied_perception.ros.stage_node import StageNode
from embodied_perception.stages.odometry import OdometryStage


def main() -> int:
    """Run the odometry stage on a ROS graph."""

    def make_nodes() -> list[StageNode]:
        node = StageNode(OdometryStage)
        node.autostart()
        return [node]

    return spin(make_nodes)


if __name__ == "__main__":
    raise SystemExit(main())
