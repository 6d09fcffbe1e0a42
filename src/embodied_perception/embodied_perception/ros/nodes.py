"""The programs `odometry_node` and its like: each runs one stage on a ROS graph."""

from __future__ import annotations

import sys
from functools import partial

from embodied_perception.ros.process import spin
from embodied_perception.ros.stage_node import StageNode
from embodied_perception.stages import stage_type


def run_stage(name: str) -> int:
    """Run a stage as a node of its name; returns the process's exit status."""

    def make_nodes() -> list[StageNode]:
        node = StageNode(stage_type(name))
        node.autostart()
        return [node]

    return spin(make_nodes)


odometry = partial(run_stage, "odometry")
camera = partial(run_stage, "camera")
image = partial(run_stage, "image")
segmentation = partial(run_stage, "segmentation")
classification = partial(run_stage, "classification")
open_vocabulary = partial(run_stage, "open_vocabulary")
zero_shot = partial(run_stage, "zero_shot")
stereo_check = partial(run_stage, "stereo_check")
rgbd_check = partial(run_stage, "rgbd_check")

if __name__ == "__main__":
    raise SystemExit(run_stage(sys.argv[1]))
