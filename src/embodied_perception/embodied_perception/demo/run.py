"""Runs the demo's processes: a player, a node, and here a recorder that watches."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import Image

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.message_types import message_class
from embodied_perception.bags.replay import resolve
from embodied_perception.demo.watch import Watch
from embodied_perception.errors import PerceptionError
from embodied_perception.ros.recorder import RecordedTopic, Recorder
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import Sink, Source, StageRunner

_DISCOVERY_S = 1.0
_START_S = 30.0
_GRACE_S = 10.0


def _played_topics(bag_path: Path) -> dict[str, RecordedTopic]:
    with BagReader(bag_path) as bag:
        return {
            topic: RecordedTopic(message_class(info.type_name), info.latched)
            for topic, info in bag.topics.items()
        }


def _odometry_topics(runner: StageRunner) -> dict[str, RecordedTopic]:
    topics = {"/diagnostics": RecordedTopic(DiagnosticArray)}
    for sink in runner.sinks():
        if sink.type is not Image:  # pictures are recorded compressed
            topics[_full_name(sink)] = RecordedTopic(sink.type, sink.latched)
    return topics


def _full_name(end: Source | Sink) -> str:
    return resolve(end.topic, OdometryStage.name, {}) + end.suffix


def run_demo(
    bag_path: Path, output: Path, rate: float, watch: Watch, tick: Callable[[], None]
) -> None:
    """Play a recording through the odometry node, and record everything that is said.

    Args:
        bag_path: with compressed images.
        output: an .mcap file; the processes' own words go beside it.
        rate: times real time.
        watch: told of every message.
        tick: called a few times a second, to show something.

    Raises:
        PerceptionError: a process ended before its time.
    """
    runner = StageRunner(OdometryStage, OdometryStageConfig())
    sources = runner.sources(runner.transports("compressed"))
    listened = [_full_name(source) for source in sources]
    played = _played_topics(bag_path)
    node = (
        "embodied_perception.ros.nodes", "odometry", "--ros-args",
        "-p", "image_transport:=compressed", "-p", "use_sim_time:=true",
    )  # fmt: skip
    player = (
        "embodied_perception.cli", "play", str(bag_path),
        "--rate", str(rate), "--wait-for", *played,
    )  # fmt: skip
    with (
        BagWriter(output) as bag,
        _recording(bag, played | _odometry_topics(runner), watch) as recorder,
    ):
        _require_silence(recorder)
        with _process("odometry", output.parent, *node) as odometry:
            _wait_until_it_listens(recorder, odometry, [t for t in listened if t in played])
            with _process("play", output.parent, *player) as play:
                while play.poll() is None:
                    _require_alive(odometry)
                    tick()
                _require_success(play)


def _require_silence(recorder: Recorder) -> None:
    """Two robots on one graph would be taken for one."""
    time.sleep(_DISCOVERY_S)
    if recorder.count_publishers("/odom"):
        raise PerceptionError(
            "somebody publishes /odom on this graph already: end it, or choose another "
            "ROS_DOMAIN_ID (ROS_DOMAIN_ID=42 ./run demo)"
        )


def _wait_until_it_listens(recorder: Recorder, odometry: _Process, topics: list[str]) -> None:
    deadline = time.monotonic() + _START_S
    # The recorder is the first to listen to each of them.
    while any(recorder.count_subscribers(topic) < 2 for topic in topics):
        _require_alive(odometry)
        if time.monotonic() > deadline:
            raise PerceptionError(f"odometry does not listen: see {odometry.log}")
        time.sleep(0.05)


def _require_alive(odometry: _Process) -> None:
    if odometry.poll() is not None:
        raise PerceptionError(f"odometry ended early: see {odometry.log}")


def _require_success(play: _Process) -> None:
    if play.returncode != 0:
        raise PerceptionError(f"the player failed: see {play.log}")


class _Process(subprocess.Popen[bytes]):
    """A module of ours, run by this interpreter, with its words in a file."""

    def __init__(self, log: Path, module: str, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as words:
            super().__init__(
                [sys.executable, "-m", module, *arguments], stdout=words, stderr=subprocess.STDOUT
            )


@contextmanager
def _process(name: str, folder: Path, module: str, *arguments: str) -> Iterator[_Process]:
    process = _Process(folder / f"{name}.log", module, *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _recording(
    bag: BagWriter, topics: dict[str, RecordedTopic], watch: Watch
) -> Iterator[Recorder]:
    rclpy.init()
    recorder = Recorder(bag, topics, watch.take)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=spin, name="recorder")
    thread.start()
    try:
        yield recorder
    finally:
        # By the thread that spins: another may take from it what should wake it, for ever.
        executor.create_task(executor.shutdown)
        thread.join()
        executor.shutdown()  # where that thread had ended before
        recorder.destroy_node()
        rclpy.try_shutdown()
