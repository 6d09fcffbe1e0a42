"""`perception tf` on a live graph: one static publisher, and one that moves."""

import json
import re
import time

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from embodied_perception.cli.main import main
from embodied_perception.errors import PerceptionError
from embodied_perception.geometry import Transform
from embodied_perception.ros import discovery, qos, transforms
from embodied_perception.stages.messages import header, transform_message

MOUNT = Transform.from_rotation_vector((0, 0, np.pi / 2), (0.2, 0, 0.5))
PERIOD_S = 0.02


def at(x_m):
    return Transform(np.eye(3), np.array([x_m, 0.0, 0.0]))


@pytest.fixture
def mount(graph):
    """base -> camera, latched."""
    publisher = graph.publisher("/tf_static", TFMessage, qos.LATCHED)
    publisher.publish(TFMessage(transforms=[transform_message(MOUNT, "base", "camera", 0)]))


@pytest.fixture
def drive(graph):
    """odom -> base at 50 Hz, by the wall clock: after k transforms it is at k metres."""
    publisher = graph.publisher("/tf", TFMessage)
    stamps_ns = []

    def publish():
        stamps_ns.append(time.time_ns())
        edge = transform_message(at(len(stamps_ns)), "odom", "base", stamps_ns[-1])
        publisher.publish(TFMessage(transforms=[edge]))

    timer = graph.node.create_timer(PERIOD_S, publish)
    yield stamps_ns
    graph.node.destroy_timer(timer)


@pytest.mark.usefixtures("mount", "drive")
def test_tree(start):
    process = start("cli", "tf", "tree", "--wait", "1")
    assert process.wait() == 0, process.output
    title, odom, base, camera = process.output.splitlines()
    assert (title, odom) == ("the graph: 3 frames", "odom")
    assert camera == "    └── camera  static"
    found = re.fullmatch(
        r"└── base  dynamic, ([\d.]+) Hz, (\d+) transforms, 0.00 to ([\d.]+) s, "
        r"the last ([\d.]+) s ago",
        base,
    )
    rate_hz, count, last_s, age_s = map(float, found.groups())
    assert rate_hz == pytest.approx(1 / PERIOD_S, rel=0.3)
    assert last_s == pytest.approx((count - 1) / rate_hz, abs=0.05)
    assert age_s < 0.5


@pytest.mark.usefixtures("mount")
def test_lookup_answers_as_soon_as_it_can(start, drive):
    began = time.monotonic()
    process = start("cli", "tf", "lookup", "odom", "camera", "--json", "--wait", "20")
    assert process.wait() == 0, process.output
    assert time.monotonic() - began < 10
    found = json.loads(process.output)
    metres = drive.index(found["stamp_ns"]) + 1
    np.testing.assert_allclose(found["matrix"], (at(metres) @ MOUNT).matrix, atol=1e-9)


def test_lookup_at_a_stamp(drive):
    def is_enough(history):
        return len(drive) > 30 and any(edge.samples > 10 for edge in history.tree.edges())

    history = transforms.hear_transforms(20, is_enough)
    (edge,) = history.tree.edges()
    first = drive.index(edge.earliest_ns)
    between_ns = (drive[first] + drive[first + 1]) // 2
    found = history.tree.lookup("odom", "base", between_ns)
    np.testing.assert_allclose(found.translation, [first + 1.5, 0, 0], atol=1e-6)
    assert history.start_ns == edge.earliest_ns
    assert abs(history.end_ns - time.time_ns()) < 5e9


@pytest.fixture
def impatient(monkeypatch):
    """Those who are found late are asked for again: see :func:`once_found`."""
    monkeypatch.setattr(discovery, "PATIENCE_S", 1.0)


def once_found(ask, unknown):
    """The first answer without the word that says that nobody was found yet.

    Where the machine is busy, the first announcement of a participant gets lost now and then.
    """
    for _ in range(10):
        answer = ask()
        if unknown not in answer:
            break
    return answer


@pytest.mark.usefixtures("drive", "impatient")
def test_what_is_not_heard_is_waited_for_and_then_said(capsys):
    def ask():
        assert main(["tf", "lookup", "odom", "lidar", "--wait", "0.2"]) == 2
        return capsys.readouterr().err

    assert once_found(ask, "heard no transform") == (
        "perception: error: frame 'lidar' does not exist; known frames: base, odom\n"
    )


@pytest.mark.usefixtures("drive")
@pytest.mark.parametrize("frame", ["/base", ""])
def test_names_that_make_no_sense_are_refused_at_once(capsys, frame):
    began = time.monotonic()
    assert main(["tf", "lookup", "odom", frame, "--wait", "60"]) == 2
    assert time.monotonic() - began < 10
    assert "expected a name without a leading slash" in capsys.readouterr().err


@pytest.mark.usefixtures("mount")
def test_ages_are_by_the_graphs_clock(graph):
    clock, tf = graph.publisher("/clock", Clock), graph.publisher("/tf", TFMessage)

    def publish():
        clock.publish(Clock(clock=header(12_000_000_000, "").stamp))
        tf.publish(TFMessage(transforms=[transform_message(at(1), "odom", "base", 11_500_000_000)]))

    timer = graph.node.create_timer(PERIOD_S, publish)
    history = transforms.hear_transforms(0.5)
    graph.node.destroy_timer(timer)
    assert (history.start_ns, history.end_ns) == (11_500_000_000, 12_000_000_000)


@pytest.mark.usefixtures("impatient")
def test_silence_says_what_to_check(graph, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    graph.publisher("/tf", TFMessage)
    told = []

    def ask():
        told.clear()
        with pytest.raises(PerceptionError) as caught:
            transforms.hear_transforms(0.2, lambda _: False, told.append)
        return str(caught.value)

    message = once_found(ask, "0 of /tf and")
    assert (
        "heard no transform within 1.2 s; publishers found: 1 of /tf and 0 of /tf_stat" in message
    )
    assert "ROS_DOMAIN_ID (here " in message
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE that reaches this machine (here LOCALHOST)" in message
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1


def test_ctrl_c_ends_it_quietly(graph, start):
    listening = graph.node.count_subscribers("/tf")
    process = start("cli", "tf", "tree", "--wait", "60")
    graph.until(lambda: graph.node.count_subscribers("/tf") > listening, lambda: process.output)
    assert process.interrupt() == 130
    assert process.output == "perception: interrupted\n"
