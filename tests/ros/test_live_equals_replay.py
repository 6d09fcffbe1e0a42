"""One answer, whoever hosts the stage."""

import itertools

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.replay import Replay
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

FRAMES = 60
IMAGES = ("/camera/color/image_raw/compressed", "/camera/depth/image_raw/compressedDepth")
INFOS = ("/camera/color/camera_info", "/camera/depth/camera_info")


def values(odometry):
    pose, twist = odometry.pose, odometry.twist
    return (
        *(getattr(pose.pose.position, axis) for axis in "xyz"),
        *(getattr(pose.pose.orientation, axis) for axis in "xyzw"),
        *(
            getattr(part, axis)
            for part in (twist.twist.linear, twist.twist.angular)
            for axis in "xyz"
        ),
        *pose.covariance,
        *twist.covariance,
    )


def by_stamp(messages):
    return {(m.header.stamp.sec, m.header.stamp.nanosec): values(m) for m in messages}


def test_every_pose_is_that_of_replay(graph, start, demo_bag, tmp_path):
    short, replayed = tmp_path / "short.mcap", tmp_path / "replayed.mcap"
    with BagReader(demo_bag) as bag, BagWriter(short) as out:
        end_ns = bag.start_ns + FRAMES * 1_000_000_000 // 15
        for topic, log_ns, message in itertools.takewhile(
            lambda found: found[1] < end_ns, bag.messages(["/tf_static", *IMAGES, *INFOS])
        ):
            out.write(topic, message, log_ns, latched=bag.topics[topic].latched)
    Replay(short, [(OdometryStage, OdometryStageConfig())]).run(replayed, copy=False)
    with BagReader(replayed) as bag:
        expected = by_stamp(message for _, _, message in bag.messages(["/odom"]))
    assert len(expected) >= FRAMES - 2

    for rate in (1.0, 0.3):  # the second is for a machine that is busy with something else
        live, dropped = play_live(graph, start, short, rate)
        if "dropped TOO_SLOW" not in dropped:
            break
    assert not dropped
    assert by_stamp(live) == expected


def play_live(graph, start, bag, rate):
    """The odometry of a node that hears the bag, and what it dropped."""
    live = graph.record("/odom", Odometry)
    diagnostics = graph.record("/diagnostics", DiagnosticArray)

    def told():
        return {value.key: value.value for value in diagnostics[-1].status[0].values}

    topics = (*IMAGES, *INFOS)
    reliable = [f"qos_overrides.{topic}.subscription.reliability:=reliable" for topic in topics]
    options = ["image_transport:=compressed", "use_sim_time:=true", *reliable]
    words = [word for option in options for word in ("-p", option)]
    node = start("ros.nodes", "odometry", "--ros-args", *words)
    graph.until(lambda: diagnostics, "a first word of the node")
    play = start("cli", "play", bag, "--rate", rate, "--wait-for", *topics)
    assert play.wait() == 0, play.output
    heard = len(diagnostics)
    graph.until(lambda: len(diagnostics) >= heard + 2, "diagnostics after the end")
    assert node.interrupt() == 0, node.output
    return live, {key: value for key, value in told().items() if key.startswith("dropped")}
