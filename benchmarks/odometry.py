"""Odometry on a recorded data set: ours, and of RGB-D Open3D's, in one run on two cores.

Timed is the way from decoded images to a pose, registration of depth to colour or rectification
included. Ours runs as the odometry stage, as every host runs it; Open3D gets the registered depth
for nothing.

    ./run benchmark odometry --data ../shared/data/kitchen_rgbd
    ./run benchmark odometry --data ../shared/data/euroc_v1_01_static --mode stereo
    ./run benchmark odometry --data ../shared/data/kitti_mono --mode mono

Errors of one camera alone are those that the best scale leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from embodied_perception.bags.datasets import DatasetOptions, open_dataset
from embodied_perception.camera import DepthRegistration
from embodied_perception.evaluation import Trajectory, TrajectoryErrors, evaluate_trajectory
from embodied_perception.evaluation.plots import plot_trajectory
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform
from embodied_perception.stages.camera_setups import SETUPS
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import StageRunner

CORES = 2
GROUND_TRUTH = "/ground_truth/odom"
INSTALL_OPEN3D = "pip install open3d  (Debian: apt install libusb-1.0-0 libgomp1 libgl1)"
RATIOS = ("ate_rmse_m", "drift_percent", "rpe_1s_m", "frames_per_s")


#: The frames of one time, decoded, by the name of the stage's input.
Moment = dict[str, Frame]


@dataclass
class Recording:
    """All of a data set: the stage's runner knows its transforms."""

    runner: StageRunner
    moments: list[Moment]
    truth: Trajectory

    def lead(self, moment: Moment) -> Frame:
        """The frame whose stamp the pose has."""
        return moment[self.runner.stage.inputs[0].name]


@dataclass
class Result:
    """One method's poses of base_link, or None where it was lost, and seconds a frame."""

    poses: list[Transform | None]
    seconds: list[float]


def read(folder: Path, mode: str, limit: int | None) -> Recording:
    """Decode a data set to memory, through the messages it becomes."""
    runner = StageRunner(OdometryStage, OdometryStageConfig(mode=mode))
    runner.is_wanted = lambda sink: not sink.on_demand
    sources = {}
    for transport in ("raw", "compressed"):
        for source in runner.sources(runner.transports(transport)):
            sources["/" + source.topic.lstrip("/") + source.suffix] = source
    decoders: dict[str, Decoder] = {}
    moments, truth = [], []
    for message in open_dataset(folder, DatasetOptions(limit=limit)).messages():
        if message.topic == GROUND_TRUTH:
            truth.append((stamp_ns(message.message.header), message.message.pose.pose))
        topic = message.topic
        if mode == "mono":
            topic = topic.replace("/left/", "/").replace("/color/", "/")
        if topic not in sources:
            continue
        (decoded,) = decoders.setdefault(topic, Decoder()).decode(message.message)
        for ready in runner.accept(sources[topic], decoded):
            for frame in ready.frames.values():
                _ = frame.depth_m if frame.pixels.is_depth else (frame.gray, frame.rgb)
            moments.append(ready.frames)
    if not moments:
        wanted = " and ".join(image.topic for image in runner.stage.inputs)
        raise SystemExit(f"{folder}: nothing on {wanted}; choose another --mode")
    return Recording(runner, moments, as_trajectory(truth))


def as_trajectory(poses: Sequence[tuple[int, Any]]) -> Trajectory:
    """From stamps and geometry_msgs/Pose."""
    places = [(pose.position.x, pose.position.y, pose.position.z) for _, pose in poses]
    turns = [pose.orientation for _, pose in poses]
    return Trajectory(
        np.array([stamp for stamp, _ in poses]),
        np.array(places),
        np.array([(turn.x, turn.y, turn.z, turn.w) for turn in turns]),
    )


def run_ours(recording: Recording) -> Result:
    """Run the stage, with all that it publishes by itself."""
    result = Result([], [])
    stage = recording.runner.stage
    for moment in recording.moments:
        start = time.perf_counter()
        given = stage.process(**moment)
        result.seconds.append(time.perf_counter() - start)
        result.poses.append(pose_of(given["odom"].pose.pose) if "odom" in given else None)
    return result


def pose_of(pose: Any) -> Transform:
    """From geometry_msgs/Pose."""
    turn, place = pose.orientation, pose.position
    return Transform.from_quaternion((turn.x, turn.y, turn.z, turn.w), (place.x, place.y, place.z))


def run_open3d(recording: Recording, open3d: Any) -> Result:
    """Open3D's hybrid RGB-D odometry (Park et al., ICCV 2017), from frame to frame."""
    odometry = open3d.pipelines.odometry
    jacobian = odometry.RGBDOdometryJacobianFromHybridTerm()
    first = recording.moments[0]["color"]
    intrinsic = open3d.camera.PinholeCameraIntrinsic(
        first.camera.width, first.camera.height, first.camera.K
    )
    base_from_camera = lookup(recording, "base_link", first)
    register = registration(recording)
    world_from_camera, before = Transform.identity(), None
    result = Result([], [])
    for moment in recording.moments:
        depth_m = np.nan_to_num(register(moment["depth"].depth_m))
        start = time.perf_counter()
        image = open3d.geometry.RGBDImage.create_from_color_and_depth(
            open3d.geometry.Image(moment["color"].rgb),
            open3d.geometry.Image(depth_m),
            depth_scale=1.0,
            depth_trunc=8.0,
        )
        found = True
        if before is not None:
            found, before_from_now, _ = odometry.compute_rgbd_odometry(
                image, before, intrinsic, np.eye(4), jacobian, odometry.OdometryOption()
            )
            if found:
                moved = Transform(before_from_now[:3, :3], before_from_now[:3, 3])
                world_from_camera = world_from_camera @ moved
        before = image
        result.seconds.append(time.perf_counter() - start)
        world_from_base = world_from_camera @ base_from_camera.inverse()
        result.poses.append(world_from_base if found else None)
    return result


def lookup(recording: Recording, target: str, frame: Frame) -> Transform:
    """``target_from_camera`` of a frame."""
    return recording.runner.transforms.lookup(target, frame.frame_id, frame.stamp_ns)


def registration(recording: Recording) -> Callable[[np.ndarray], np.ndarray]:
    """What takes depth to the colour camera."""
    color, depth = (recording.moments[0][name] for name in ("color", "depth"))
    if color.frame_id == depth.frame_id:
        return lambda depth_m: depth_m
    color_from_depth = lookup(recording, color.frame_id, depth)
    return DepthRegistration(depth.camera, color.camera, color_from_depth).register


def evaluate(result: Result, recording: Recording) -> tuple[TrajectoryErrors, dict[str, Any]]:
    """Errors of the poses that there are, and all figures."""
    posed = [
        (recording.lead(moment).stamp_ns, pose)
        for moment, pose in zip(recording.moments, result.poses, strict=True)
        if pose is not None
    ]
    estimate = Trajectory(
        np.array([stamp for stamp, _ in posed]),
        np.array([pose.translation for _, pose in posed]),
        np.array([pose.quaternion_xyzw for _, pose in posed]),
    )
    alone = recording.runner.stage.config.mode == "mono"
    errors = evaluate_trajectory(estimate, recording.truth, with_scale=alone)
    figures: dict[str, Any] = {
        name: round(value, 5) if isinstance(value, float) else value
        for name, value in errors.figures().items()
    }
    figures["ate_percent"] = round(100 * errors.ate_rmse_m / max(errors.path_length_m, 1e-9), 4)
    figures["lost_frames"] = len(result.poses) - len(posed)
    figures["frames_per_s"] = round(1.0 / float(np.mean(result.seconds)), 2)
    figures["median_ms"] = round(1e3 * float(np.median(result.seconds)), 3)
    figures["p99_ms"] = round(1e3 * float(np.quantile(result.seconds, 0.99)), 3)
    return errors, figures


def show(console: Console, columns: dict[str, dict[str, Any]]) -> None:
    """Print the figures side by side."""
    table = Table("", *columns)
    for name in next(iter(columns.values())):
        table.add_row(name, *(str(figures.get(name)) for figures in columns.values()))
    console.print(table)


def ratios(ours: dict[str, Any], peers: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Ours over each peer's, of the figures that matter most."""
    return {
        peer: {
            name: round(ours[name] / figures[name], 3)
            for name in RATIOS
            if ours.get(name) is not None and figures.get(name)
        }
        for peer, figures in peers.items()
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument(
        "--mode", choices=tuple(SETUPS), default="rgbd", help="default: %(default)s"
    )
    parser.add_argument("--limit", type=int, help="frames from the start; all by default")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/benchmarks/odometry"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    console = Console()

    recording = read(arguments.data, arguments.mode, arguments.limit)
    methods = {"ours": run_ours}
    if arguments.mode == "rgbd" and not arguments.no_peers:
        try:
            import open3d
        except (ImportError, OSError) as error:
            console.print(f"without Open3D ({error}); to install it: {INSTALL_OPEN3D}")
        else:
            methods["open3d"] = lambda data: run_open3d(data, open3d)

    columns: dict[str, dict[str, Any]] = {}
    for name, method in methods.items():
        errors, columns[name] = evaluate(method(recording), recording)
        plot_trajectory(
            errors, arguments.output / f"{name}.png", f"{name} on {arguments.data.name}"
        )
    show(console, columns)
    console.print(f"plots: {arguments.output}")
    ours = columns.pop("ours")
    print(json.dumps({"ours": ours, "peers": columns, "ratio": ratios(ours, columns)}))
    return 0


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    cv2.setNumThreads(CORES)
    raise SystemExit(main())
