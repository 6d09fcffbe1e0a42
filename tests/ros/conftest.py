"""A DDS graph on this machine: the test's own node, and nodes in processes of their own."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagReader
from embodied_perception.bags.message_types import message_class
from embodied_perception.ros import qos
from embodied_perception.ros.stage_node import StageNode
from embodied_perception.stages.messages import header

DEMO_BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR = "/camera/color/image_raw/compressed"
DEPTH = "/camera/depth/image_raw/compressedDepth"
INFOS = ("/camera/color/camera_info", "/camera/depth/camera_info")
TIMEOUT_S = 20.0

# A shell starts what runs in its background with SIGINT ignored, and a child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A program of this Python, with what it said."""

    def __init__(self, folder, name, arguments):
        self._log = folder / f"{name}.log"
        with self._log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments], stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def output(self):
        return self._log.read_text()

    def wait(self):
        return self.popen.wait(TIMEOUT_S)

    def interrupt(self):
        self.popen.send_signal(signal.SIGINT)
        return self.wait()

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Graph:
    """The test's node, spun by a thread of its own."""

    def __init__(self, name):
        self.node = rclpy.create_node(name)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._clients = {}
        self._thread = threading.Thread(target=self.executor.spin, daemon=True)
        self._thread.start()

    def pause(self):
        """Stop to spin, so that nodes can be destroyed."""
        if self._thread.is_alive():
            # By the thread that spins: another may take from it what should wake it, for ever.
            self.executor.create_task(self.executor.shutdown)
        self._thread.join()
        self.executor.shutdown()

    def close(self):
        self.pause()
        self.node.destroy_node()

    def until(self, condition, what, timeout_s=TIMEOUT_S):
        """Wait until the condition holds; returns what it gave. ``what`` may be a function."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s} s: {what() if callable(what) else what}")
            time.sleep(0.01)
        return found

    def record(self, topic, kind, profile=qos.RELIABLE):
        """A list that grows by what arrives."""
        messages = []
        self.node.create_subscription(kind, topic, messages.append, profile)
        return messages

    def forget(self, *topics):
        for subscription in list(self.node.subscriptions):
            if subscription.topic_name in topics:
                self.node.destroy_subscription(subscription)

    def publisher(self, topic, kind, profile=qos.RELIABLE):
        return self.node.create_publisher(kind, topic, profile)

    def client(self, kind, name):
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
            assert self._clients[name].wait_for_service(TIMEOUT_S), f"no service {name}"
        return self._clients[name]

    def call(self, kind, name, *, patience_s=TIMEOUT_S, **fields):
        """Call a service. One that only reads may be asked again when ``patience_s`` is over:

        a node can hear a question before it has found the way back to the asker.
        """
        client = self.client(kind, name)
        asked = []

        def answered():
            if not asked or time.monotonic() > asked[-1][0] + patience_s:
                asked.append((time.monotonic(), client.call_async(kind.Request(**fields))))
            return next((future for _, future in asked if future.done()), None)

        return self.until(answered, f"an answer of {name}").result()


class Camera:
    """An RGB-D camera that sends one view again and again; what it sends can be spoilt."""

    def __init__(self, graph, view):
        self.graph = graph
        self.view = view
        self.stamp_ns = 1_000_000_000_000
        self.color = graph.publisher(COLOR, CompressedImage)
        self.depth = graph.publisher(DEPTH, CompressedImage)
        self.infos = [graph.publisher(topic, CameraInfo) for topic in INFOS]
        self.odom = graph.record("/odom", Odometry)

    def heard(self):
        publishers = (self.color, self.depth, *self.infos)
        return all(publisher.get_subscription_count() for publisher in publishers)

    def wait_until_heard(self):
        self.graph.until(self.heard, "a subscriber of every topic of the camera")
        self.graph.until(lambda: self.graph.node.count_publishers("/odom"), "a publisher of /odom")

    def send_infos(self, change=lambda _info: None):
        for publisher, info in zip(self.infos, self.view.infos(), strict=True):
            change(info)
            publisher.publish(info)

    def send(self, color=None, depth=None, step_ms=33):
        """Send a pair, ``step_ms`` after the last one; returns its stamp."""
        self.stamp_ns += round(step_ms * 1e6)
        for publisher, message in (
            (self.color, color or self.view.color()),
            (self.depth, depth or self.view.depth()),
        ):
            message.header = header(self.stamp_ns, message.header.frame_id)
            publisher.publish(message)
        return self.stamp_ns

    def has_odometry(self, stamp_ns):
        return any(stamp_of(message) == stamp_ns for message in list(self.odom))

    def send_until_tracked(self):
        """Send until a pair is answered: the first go out before all have found each other."""

        def answered():
            self.send_infos()
            stamp_ns = self.send()
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline and not self.has_odometry(stamp_ns):
                time.sleep(0.01)
            return self.has_odometry(stamp_ns)

        self.graph.until(answered, "a first answer")

    def send_good(self):
        """Send a good pair, and wait for its odometry."""
        stamp_ns = self.send()
        self.graph.until(lambda: self.has_odometry(stamp_ns), f"odometry at {stamp_ns} ns")
        return next(message for message in self.odom if stamp_of(message) == stamp_ns)


class View:
    """Fresh copies of the first messages of the demo bag."""

    def __init__(self, path):
        self._first = {}
        with BagReader(path) as bag:
            topics = ["/tf_static", COLOR, DEPTH, *INFOS]
            for topic, _, data in bag.serialized(topics):
                self._first.setdefault(topic, data)
                if len(self._first) == len(topics):
                    break
            self._kinds = {t: message_class(bag.topics[t].type_name) for t in topics}

    def _message(self, topic):
        return deserialize_message(self._first[topic], self._kinds[topic])

    def color(self):
        return self._message(COLOR)

    def depth(self):
        return self._message(DEPTH)

    def infos(self):
        return [self._message(topic) for topic in INFOS]

    def transforms(self):
        return self._message("/tf_static")


def stamp_of(message):
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


@pytest.fixture(scope="session")
def demo_bag():
    return DEMO_BAG


@pytest.fixture(scope="session")
def view():
    return View(DEMO_BAG)


@pytest.fixture(scope="session", autouse=True)
def ros():
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.shutdown()


_NAMES = (f"test_{number}" for number in itertools.count())


@pytest.fixture
def graph():
    graph = Graph(next(_NAMES))
    yield graph
    graph.close()


@pytest.fixture
def start(tmp_path):
    """Start ``python -m embodied_perception.MODULE ARGUMENTS``; it ends with the test."""
    processes = []

    def start(module, *arguments):
        name = f"{module}-{len(processes)}"
        command = ["-m", f"embodied_perception.{module}", *map(str, arguments)]
        processes.append(Process(tmp_path, name, command))
        return processes[-1]

    yield start
    for process in processes:
        process.end()


@pytest.fixture
def static_transforms(graph, view):
    """The camera's place on the robot, latched."""
    publisher = graph.publisher("/tf_static", TFMessage, qos.LATCHED)
    publisher.publish(view.transforms())
    return publisher


@pytest.fixture
def camera(graph, view):
    """Sends JPEG and compressedDepth."""
    return Camera(graph, view)


@pytest.fixture
def host(graph):
    """Run a stage in this process, on the graph; parameters are set before it starts."""
    nodes = []

    def host(stage_type, hub=None, **parameters):
        changes = {"image_transport": "compressed", **parameters}
        given = [Parameter(name, value=value) for name, value in changes.items()]
        node = StageNode(stage_type, hub, given)
        node.autostart()
        graph.executor.add_node(node)
        nodes.append(node)
        return node

    yield host
    graph.pause()
    while nodes:
        nodes.pop().destroy_node()
    # A lifecycle node's state machine keeps it in the graph until the collector finds it. If that
    # is after the next node of its name was made, the graph takes that one's topics away with it.
    gc.collect()


@pytest.fixture
def diagnostics(graph):
    """What /diagnostics says of the stage: values by key, empty at first."""
    messages = graph.record("/diagnostics", DiagnosticArray)
    return lambda: (
        {value.key: value.value for value in messages[-1].status[0].values} if messages else {}
    )
