"""What the node adds: from publishing a VGA RGB-D pair to receiving its odometry.

Three things are timed in turn on the same pairs, so that whatever else the machine does hits all
alike: the odometry node; the transport alone (an echo node that answers the same two images with
an empty nav_msgs/Odometry); and the stage alone, called in this process.

    ./run benchmark node_latency
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagReader
from embodied_perception.ros import qos
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.image_messages import frame_from_compressed, image_message
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import FrameSet, StageRunner

DEMO_BAG = Path(__file__).parents[1] / "src/embodied_perception_bringup/demo/demo_room.mcap"
IMAGES = ("camera/color/image_raw", "camera/depth/image_raw")
PACKED = ("/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth")
INFOS = ("camera/color/camera_info", "camera/depth/camera_info")
TARGET_RATIO = 1.25


class Echo(Node):
    """Answers a pair of images at once."""

    def __init__(self) -> None:
        super().__init__("echo")
        self._came: dict[str, int] = {}
        self._publisher = self.create_publisher(Odometry, "odom", qos.RELIABLE)
        for topic in IMAGES:
            self.create_subscription(Image, topic, self._hear(topic), qos.SENSOR)

    def _hear(self, topic: str) -> Callable[[Image], None]:
        def hear(message: Image) -> None:
            self._came[topic] = stamp_ns(message.header)
            if len(self._came) == len(IMAGES) and len(set(self._came.values())) == 1:
                self._publisher.publish(Odometry(header=message.header))

        return hear


class Side:
    """Topics of one answering process, in a namespace of its own."""

    def __init__(self, node: Node, namespace: str) -> None:
        self._answered_ns = 0
        self._answered_at = 0.0
        self._publishers = [
            node.create_publisher(kind, f"{namespace}/{topic}", qos.RELIABLE)
            for kind, topics in ((CameraInfo, INFOS), (Image, IMAGES))
            for topic in topics
        ]
        node.create_subscription(Odometry, f"{namespace}/odom", self._hear, qos.RELIABLE)
        self.heard = lambda: all(
            publisher.get_subscription_count() for publisher in self._publishers[-2:]
        )

    def time(self, messages: list[Any], executor: SingleThreadedExecutor) -> float | None:
        """Publish a pair; returns after how many seconds its answer came, if it came."""
        wanted_ns = stamp_ns(messages[-1].header)
        start = time.perf_counter()
        for publisher, message in zip(self._publishers, messages, strict=True):
            publisher.publish(message)
        while self._answered_ns != wanted_ns and time.perf_counter() < start + 0.5:
            executor.spin_once(timeout_sec=0.1)
        return self._answered_at - start if self._answered_ns == wanted_ns else None

    def _hear(self, message: Odometry) -> None:
        self._answered_at = time.perf_counter()
        self._answered_ns = stamp_ns(message.header)


def read_pairs(path: Path, count: int) -> tuple[TFMessage, list[list[Any]]]:
    """Static transforms, and per moment the two calibrations and the two decoded images."""
    topics = [f"/{topic}" for topic in INFOS] + list(PACKED)
    moments: dict[int, dict[str, Any]] = {}
    with BagReader(path) as bag:
        for topic, _, message in bag.messages(["/tf_static", *topics]):
            if topic == "/tf_static":
                transforms = message
                continue
            stamp = stamp_ns(message.header)
            if topic in PACKED:
                frame, color = frame_from_compressed(message), topic == PACKED[0]
                array = frame.rgb if color else np.rint(np.nan_to_num(frame.depth_m) * 1000)
                pixels = array if color else array.astype(np.uint16)
                message = image_message(pixels, "rgb8" if color else "16UC1", stamp, frame.frame_id)
            moments.setdefault(stamp, {})[topic] = message
            if len(moments) > count:
                break
    pairs = [
        [moments[stamp][topic] for topic in topics]
        for stamp in sorted(moments)
        if len(moments[stamp]) == len(topics)
    ]
    return transforms, pairs[:count]


def make_stage_call(transforms: TFMessage) -> Callable[[list[Any]], float]:
    """The stage as the node runs it, without the graph."""
    runner = StageRunner(OdometryStage, OdometryStageConfig())
    runner.is_wanted = lambda sink: not sink.on_demand
    sources = {source.topic: source for source in runner.sources()}
    runner.accept(sources["/tf_static"], list(transforms.transforms))
    decoder = {topic: Decoder() for topic in sources}

    def call(messages: list[Any]) -> float:
        ready: list[FrameSet] = []
        for topic, message in zip(INFOS + IMAGES, messages, strict=True):
            ready += runner.accept(sources[topic], *decoder[topic].decode(message))
        start = time.perf_counter()
        runner.process(ready[0])
        return time.perf_counter() - start

    return call


@contextmanager
def running(*command: str) -> Iterator[None]:
    """A process of this Python, ended as Ctrl-C ends it."""
    process = subprocess.Popen([sys.executable, *command])  # noqa: S603 - our own
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def measure(bag: Path, count: int, warm_up: int, rate_hz: float) -> dict[str, list[float]]:
    """Seconds by what was timed; pairs without an answer are left out."""
    transforms, pairs = read_pairs(bag, count + warm_up)
    call_stage = make_stage_call(transforms)
    rclpy.init()
    node = Node("node_latency")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    sides = {"node": Side(node, "/ours"), "transport": Side(node, "/bare")}
    node.create_publisher(TFMessage, "/tf_static", qos.LATCHED).publish(transforms)
    times: dict[str, list[float]] = {"node": [], "transport": [], "stage": []}
    ours = ["-m", "embodied_perception.ros.nodes", "odometry", "--ros-args", "-r", "__ns:=/ours"]
    with running(*ours), running(__file__, "--echo"):
        deadline = time.monotonic() + 30
        while not all(side.heard() for side in sides.values()):
            if time.monotonic() > deadline:
                raise SystemExit("the nodes did not subscribe within 30 s")
            time.sleep(0.05)
        time.sleep(1)
        slots: dict[str, Callable[[list[Any]], float | None]] = {
            name: lambda pair, side=side: side.time(pair, executor) for name, side in sides.items()
        }
        slots["stage"] = call_stage
        due = time.monotonic()
        for index, pair in enumerate(pairs):
            for name, slot in slots.items():
                time.sleep(max(due - time.monotonic(), 0))
                due = max(due, time.monotonic() - 0.5) + 1 / rate_hz / len(slots)
                seconds = slot(pair)
                if seconds is not None and index >= warm_up:
                    times[name].append(seconds)
    node.destroy_node()
    rclpy.shutdown()
    return times


def report(times: dict[str, list[float]], count: int) -> dict[str, Any]:
    """Show a table; returns the figures."""
    table = Table("", "answered", "median [ms]", "95 % [ms]")
    for name, seconds in times.items():
        middle, late = np.quantile(seconds, (0.5, 0.95)) * 1e3
        table.add_row(name, f"{len(seconds)}/{count}", f"{middle:.2f}", f"{late:.2f}")
    Console().print(table)
    median_ms = {name: float(np.median(seconds) * 1e3) for name, seconds in times.items()}
    figures = {
        "latency_ms": median_ms["node"],
        "p95_ms": float(np.quantile(times["node"], 0.95) * 1e3),
        "stage_ms": median_ms["stage"],
        "transport_ms": median_ms["transport"],
        "ratio": median_ms["node"] / (median_ms["stage"] + median_ms["transport"]),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bag", type=Path, default=DEMO_BAG)
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--warm-up", type=int, default=20, help="pairs before those that count")
    parser.add_argument("--rate", type=float, default=10.0, help="pairs a second")
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.echo:
        rclpy.init(args=["--ros-args", "-r", "__ns:=/bare"])
        try:
            rclpy.spin(Echo())
        except (KeyboardInterrupt, ExternalShutdownException):
            return 0
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    times = measure(arguments.bag, arguments.pairs, arguments.warm_up, arguments.rate)
    figures = report(times, arguments.pairs)
    print(f"ratio {figures['ratio']:.2f}, wanted at most {TARGET_RATIO}")
    print(
        json.dumps(
            {
                "ours": figures,
                "peers": {
                    "stage + transport": {
                        "latency_ms": round(figures["stage_ms"] + figures["transport_ms"], 3)
                    }
                },
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
