"""`perception play`: the recording on the graph, in time."""

import time

import pytest
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagWriter
from embodied_perception.ros import qos
from embodied_perception.stages.messages import header

START_NS = 50_000_000_000
STEP_NS = 50_000_000
COUNT = 40


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Two seconds of odometry; the static transforms were recorded last."""
    path = tmp_path_factory.mktemp("bag") / "short.mcap"
    with BagWriter(path) as out:
        for index in range(COUNT):
            stamp_ns = START_NS + index * STEP_NS
            out.write("/pose", Odometry(header=header(stamp_ns, "odom")), stamp_ns)
        edge = TransformStamped(header=header(stamp_ns, "base_link"), child_frame_id="camera")
        out.write("/tf_static", TFMessage(transforms=[edge]), stamp_ns, latched=True)
    return path


@pytest.fixture
def heard(graph):
    """What arrived, in order: topic, receiver's time in seconds, message."""
    arrived = []
    for topic, kind, profile in (
        # Of what is there at once, rclpy takes what was subscribed to first.
        ("/tf_static", TFMessage, qos.LATCHED),
        ("/pose", Odometry, qos.RELIABLE),
        ("/clock", Clock, qos.RELIABLE),
    ):
        graph.node.create_subscription(
            kind,
            topic,
            lambda message, topic=topic: arrived.append((topic, time.monotonic(), message)),
            profile,
        )
    return arrived


def of(heard, wanted):
    return [(at, message) for topic, at, message in list(heard) if topic == wanted]


def clock_ns(heard):
    return [m.clock.sec * 1_000_000_000 + m.clock.nanosec for _, m in of(heard, "/clock")]


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_everything_comes_in_time_and_the_latched_first(start, heard, bag, rate):
    play = start("cli", "play", bag, "--rate", rate, "--wait-for", "/pose", "/tf_static")
    assert play.wait() == 0, play.output
    poses = of(heard, "/pose")
    stamps = [message.header.stamp for _, message in poses]
    expected = [header(START_NS + index * STEP_NS, "").stamp for index in range(COUNT)]
    assert stamps == expected
    took_s = poses[-1][0] - poses[0][0]
    assert took_s == pytest.approx((COUNT - 1) * STEP_NS * 1e-9 / rate, abs=0.3)
    clock = clock_ns(heard)
    assert clock == sorted(clock)
    assert (clock[0], clock[-1]) == (START_NS, START_NS + (COUNT - 1) * STEP_NS)
    (transforms,) = of(heard, "/tf_static")
    assert transforms[0] < poses[0][0]


def test_loop_starts_again_until_interrupted(graph, start, heard, bag):
    play = start("cli", "play", bag, "--rate", 8, "--loop", "--wait-for", "/pose")
    graph.until(lambda: len(of(heard, "/pose")) > 2 * COUNT, "a third round")
    assert any(later < earlier for earlier, later in zip(clock_ns(heard), clock_ns(heard)[1:]))  # noqa: B905
    assert play.interrupt() in (0, 130)
    assert "Traceback" not in play.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.mcap"], "nowhere.mcap"),
        (["{bag}", "--rate", "0"], "--rate"),
        (["{bag}", "--rate", "nan"], "--rate"),
        (["{bag}", "--wait-for", "/pose", "--timeout", "0.2"], "nobody subscribed to /pose"),
        (["{bag}", "--wait-for", "/poes", "--timeout", "0.2"], "/poes"),
    ],
)
def test_errors_are_one_line(start, bag, arguments, said):
    play = start("cli", "play", *(word.format(bag=bag) for word in arguments))
    assert play.wait() == 2
    assert said in play.output
    assert len(play.output.splitlines()) == 1
