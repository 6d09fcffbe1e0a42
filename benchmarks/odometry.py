"""Odometry on a recording: ours, and of RGB-D Open3D's and OpenCV's, in one run on two cores.

Timed is the way from decoded images to a pose, registration of depth to colour or rectification
included. Ours runs as the odometry stage, as every host runs it; the others get the registered
depth for nothing. Ours also says how exact it is, which NEES checks, and corrects its map where it
sees a place again.

    ./run benchmark odometry --data ../shared/data/kitchen_rgbd
    ./run benchmark odometry --data ../shared/data/euroc_v1_01_static --mode stereo
    ./run benchmark odometry --data ../shared/data/kitti_mono --mode mono
    ./run benchmark odometry --data out/rooms/demo_rounds.mcap

Errors of one camera alone are those that the best scale leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from embodied_perception_interfaces.msg import OdometryStatus
from rich.console import Console
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.bags.datasets import DatasetOptions, open_dataset
from embodied_perception.camera import DepthRegistration
from embodied_perception.cli.evaluate.odometry import consistency_table
from embodied_perception.errors import EvaluationError, PerceptionError
from embodied_perception.evaluation import (
    Trajectory,
    TrajectoryErrors,
    evaluate_consistency,
    evaluate_trajectory,
    plot_consistency,
    plot_trajectory,
)
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
INSTALL_OPENCV = "pip install 'opencv-contrib-python-headless<5' in place of opencv-python-headless"
FARTHEST_M = 8.0
RATIOS = ("ate_rmse_m", "drift_percent", "rpe_1s_m", "frames_per_s")


#: The frames of one time, decoded, by the name of the stage's input.
Moment = dict[str, Frame]


@dataclass
class Recording:
    """All of a recording: the stage's runner knows its transforms."""

    runner: StageRunner
    moments: list[Moment]
    truth: Trajectory

    def lead(self, moment: Moment) -> Frame:
        """The frame whose stamp the pose has."""
        return moment[self.runner.stage.inputs[0].name]


@dataclass
class Result:
    """One method's poses of base_link, or None where it was lost, and seconds a frame.

    Ours adds the covariance (6, 6) of each pose, and where it is in the map. For a while after a
    loss, its pose is a guess.
    """

    poses: list[Transform | None] = field(default_factory=list)
    lost: int = 0
    seconds: list[float] = field(default_factory=list)
    covariances: list[np.ndarray] = field(default_factory=list)
    in_map: list[Transform] = field(default_factory=list)


def messages_of(data: Path, limit: int | None) -> Iterator[tuple[str, Any]]:
    """Topics and messages of a bag, or of a data set as it would be in one."""
    if data.is_file() or (data / "metadata.yaml").is_file():
        with BagReader(data) as bag:
            for topic, _, message in bag.messages():
                yield topic, message
    else:
        for each in open_dataset(data, DatasetOptions(limit=limit)).messages():
            yield each.topic, each.message


def read(data: Path, mode: str, limit: int | None) -> Recording:
    """Decode a recording to memory."""
    config = OdometryStageConfig(mode=mode)
    if mode == "mono":  # the way from the camera to base_link has no length in unknown units
        config = replace(config, base_frame="")
    runner = StageRunner(OdometryStage, config)
    runner.is_wanted = lambda sink: not sink.on_demand
    sources = {}
    for transport in ("raw", "compressed"):
        for source in runner.sources(runner.transports(transport)):
            sources["/" + source.topic.lstrip("/") + source.suffix] = source
    decoders: dict[str, Decoder] = {}
    moments, truth = [], []
    for topic, message in messages_of(data, limit):
        if topic == GROUND_TRUTH:
            truth.append((stamp_ns(message.header), message.pose.pose))
        if mode == "mono":
            topic = topic.replace("/left/", "/").replace("/color/", "/")
        if topic not in sources or len(moments) == limit:
            continue
        for decoded in decoders.setdefault(topic, Decoder()).decode(message):
            for ready in runner.accept(sources[topic], decoded):
                for frame in ready.frames.values():
                    _ = frame.depth_m if frame.pixels.is_depth else (frame.gray, frame.rgb)
                moments.append(ready.frames)
    if not moments:
        wanted = " and ".join(image.topic for image in runner.stage.inputs)
        raise SystemExit(f"{data}: nothing on {wanted}; choose another --mode")
    if not truth:
        raise SystemExit(f"{data}: no true poses on {GROUND_TRUTH}; there is nothing to compare to")
    recording = Recording(runner, moments, as_trajectory(truth))
    if mode == "mono":
        base_from_camera = lookup(recording, "base_link", moments[0]["image"])
        recording.truth = recording.truth.of_part(base_from_camera)
    return recording


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
    result = Result()
    stage = recording.runner.stage
    for moment in recording.moments:
        start = time.perf_counter()
        given = stage.process(**moment)
        result.seconds.append(time.perf_counter() - start)
        result.poses.append(pose_of(given["odom"].pose.pose) if "odom" in given else None)
        result.lost += "odom" not in given or given["status"].state == OdometryStatus.LOST
        if "odom" in given:
            result.covariances.append(np.reshape(given["odom"].pose.covariance, (6, 6)))
        if "map_pose" in given:
            result.in_map.append(pose_of(given["map_pose"].pose))
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

    def image(moment: Moment, depth_m: np.ndarray) -> Any:
        return open3d.geometry.RGBDImage.create_from_color_and_depth(
            open3d.geometry.Image(moment["color"].rgb),
            open3d.geometry.Image(np.nan_to_num(depth_m)),
            depth_scale=1.0,
            depth_trunc=FARTHEST_M,
        )

    def compare(before: Any, now: Any) -> np.ndarray | None:
        found, before_from_now, _ = odometry.compute_rgbd_odometry(
            now, before, intrinsic, np.eye(4), jacobian, odometry.OdometryOption()
        )
        return before_from_now if found else None

    return run_frame_to_frame(recording, image, compare)


def run_opencv(recording: Recording) -> Result:
    """OpenCV's RGB-D odometry (Steinbruecker et al., ICCV Workshops 2011), frame to frame."""
    color = recording.moments[0]["color"]
    odometry = cv2.rgbd.RgbdOdometry_create(color.camera.K.astype(np.float32), 0.1, FARTHEST_M)

    def image(moment: Moment, depth_m: np.ndarray) -> Any:
        gray = moment["color"].gray
        return cv2.rgbd.OdometryFrame_create(gray, depth_m.astype(np.float32))

    def compare(before: Any, now: Any) -> np.ndarray | None:
        found, now_from_before = odometry.compute2(before, now)
        return np.linalg.inv(now_from_before) if found else None

    return run_frame_to_frame(recording, image, compare)


def run_frame_to_frame(
    recording: Recording,
    image: Callable[[Moment, np.ndarray], Any],
    compare: Callable[[Any, Any], np.ndarray | None],
) -> Result:
    """Add up a peer's motions from frame to frame.

    Args:
        recording: of RGB-D.
        image: makes the peer's image of a moment and its registered depth (H, W), NaN unknown.
        compare: before_from_now (4, 4) of two such images, or None where the peer finds none.

    """
    base_from_camera = lookup(recording, "base_link", recording.moments[0]["color"])
    register = registration(recording)
    world_from_camera, before = Transform.identity(), None
    result = Result()
    for moment in recording.moments:
        depth_m = register(moment["depth"].depth_m)
        start = time.perf_counter()
        now = image(moment, depth_m)
        motion: np.ndarray | None = np.eye(4)
        if before is not None:
            motion = compare(before, now)
        before = now
        result.seconds.append(time.perf_counter() - start)
        if motion is not None:
            moved = Transform(motion[:3, :3], motion[:3, 3])
            world_from_camera = world_from_camera @ moved
        world_from_base = world_from_camera @ base_from_camera.inverse()
        result.poses.append(None if motion is None else world_from_base)
        result.lost += motion is None
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


def evaluate(
    result: Result, recording: Recording
) -> tuple[Trajectory, TrajectoryErrors, dict[str, Any]]:
    """Poses that there are, their errors, and all figures."""
    estimate = trajectory_of(result, recording)
    alone = recording.runner.stage.config.mode == "mono"
    errors = evaluate_trajectory(estimate, recording.truth, with_scale=alone)
    figures = rounded(errors.figures())
    figures["ate_percent"] = round(100 * errors.ate_rmse_m / max(errors.path_length_m, 1e-9), 4)
    figures["lost_frames"] = result.lost
    figures["frames_per_s"] = round(1.0 / float(np.mean(result.seconds)), 2)
    figures["median_ms"] = round(1e3 * float(np.median(result.seconds)), 3)
    figures["p99_ms"] = round(1e3 * float(np.quantile(result.seconds, 0.99)), 3)
    return estimate, errors, figures


def trajectory_of(result: Result, recording: Recording) -> Trajectory:
    """The poses that there are, with their covariances where the method states them."""
    posed = [
        (recording.lead(moment).stamp_ns, pose)
        for moment, pose in zip(recording.moments, result.poses, strict=True)
        if pose is not None
    ]
    return Trajectory(
        np.array([stamp for stamp, _ in posed]),
        np.array([pose.translation for _, pose in posed]),
        np.array([pose.quaternion_xyzw for _, pose in posed]),
        np.array(result.covariances) if result.covariances else None,
    )


def rounded(value: Any) -> Any:
    """With as many digits as matter, however deep the figures are nested."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def show(console: Console, columns: dict[str, dict[str, Any]]) -> None:
    """Print the figures side by side."""
    table = Table("", *columns)
    for name in next(iter(columns.values())):
        table.add_row(name, *(str(figures.get(name, "")) for figures in columns.values()))
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


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """For a benchmark on a recording, described by its first line."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of a data set, or a bag with true poses"
    )
    parser.add_argument(
        "--mode", choices=tuple(SETUPS), default="rgbd", help="default: %(default)s"
    )
    return parser


def main() -> int:
    """Run the benchmark."""
    parser = parser_of(__doc__)
    parser.add_argument("--limit", type=int, help="frames from the start; all by default")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/benchmarks/odometry"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    console = Console()

    try:
        recording = read(arguments.data, arguments.mode, arguments.limit)
    except PerceptionError as error:
        raise SystemExit(str(error)) from error
    title = f"on {arguments.data.name}"
    result = run_ours(recording)
    estimate, errors, ours = evaluate(result, recording)
    plot_trajectory(errors, arguments.output / "ours.png", f"ours {title}")
    columns: dict[str, dict[str, Any]] = {}
    with_peers = arguments.mode == "rgbd" and not arguments.no_peers
    for name, method in (peers(console) if with_peers else {}).items():
        _, errors, columns[name] = evaluate(method(recording), recording)
        plot_trajectory(errors, arguments.output / f"{name}.png", f"{name} {title}")
    corrected = map_figures(result, estimate, recording)
    show(console, {"ours": ours, "ours in the map": corrected, **columns})
    try:
        if arguments.mode == "mono":
            raise EvaluationError("the scale of one camera alone is not known")
        consistency = evaluate_consistency(estimate, recording.truth)
        console.print(consistency_table(consistency))
        plot_consistency(consistency, arguments.output / "nees.png", f"ours {title}")
        nees = rounded(consistency.figures())
    except EvaluationError as error:
        console.print(f"no NEES: {error}")
        nees = None
    console.print(f"plots: {arguments.output}")
    ratio = ratios(ours, columns)
    ours |= {"map": corrected, "nees": nees}
    print(json.dumps({"ours": ours, "peers": columns, "ratio": ratio}))
    return 0


def map_figures(result: Result, estimate: Trajectory, recording: Recording) -> dict[str, Any]:
    """Errors of what loop closure makes of the poses, as each was told at its time."""
    if len(result.in_map) != len(estimate):  # a set-up without scale has no map
        return {}
    in_map = Trajectory(
        estimate.stamps_ns,
        np.array([pose.translation for pose in result.in_map]),
        np.array([pose.quaternion_xyzw for pose in result.in_map]),
    )
    figures = rounded(evaluate_trajectory(in_map, recording.truth).figures())
    return {name: figures[name] for name in ("ate_rmse_m", "end_error_m")}


def peers(console: Console) -> dict[str, Callable[[Recording], Result]]:
    """Those that are installed; what is missing is said."""
    methods: dict[str, Callable[[Recording], Result]] = {}
    try:
        import open3d
    except (ImportError, OSError) as error:
        console.print(f"without Open3D ({error}); to install it: {INSTALL_OPEN3D}")
    else:
        methods["open3d"] = lambda recording: run_open3d(recording, open3d)
    if hasattr(cv2, "rgbd"):
        methods["opencv"] = run_opencv
    else:
        console.print(f"without OpenCV's odometry: this wheel has no cv2.rgbd; {INSTALL_OPENCV}")
    return methods


def use_cores() -> None:
    """Keep to so many cores as all figures are of."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    cv2.setNumThreads(CORES)


if __name__ == "__main__":
    use_cores()
    raise SystemExit(main())
