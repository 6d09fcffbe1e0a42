"""What comes out: made when wanted, with the declared quality of service, and reset on request."""

import cv2
import numpy as np
import pytest
from embodied_perception_interfaces.msg import OdometryStatus
from embodied_perception_interfaces.srv import MapFile, ResetToPose
from geometry_msgs.msg import Point, Pose, PoseStamped
from nav_msgs.msg import Path
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from embodied_perception.ros import qos
from embodied_perception.stages.odometry import OdometryStage

pytestmark = pytest.mark.usefixtures("static_transforms", "node")


class Counting(OdometryStage):
    """Notes for which images a picture was made."""

    def __init__(self, config, transforms):
        super().__init__(config, transforms)
        self.drawn = []

    def process(self, **frames):
        results = super().process(**frames)
        self.drawn.append("features" in results)
        return results


@pytest.fixture
def node(host, camera):
    node = host(Counting)
    camera.wait_until_heard()
    camera.send_until_tracked()
    return node


def test_pictures_are_made_only_while_someone_looks(graph, node, camera):
    topic = "/odometry/features"
    camera.send_good()
    drawn = node._runner.stage.drawn
    assert not any(drawn)

    packed = graph.record(f"{topic}/compressed", CompressedImage)
    graph.until(lambda: node.count_subscribers(f"{topic}/compressed"), "the subscription")
    graph.until(lambda: camera.send_good() and packed, "a compressed picture")
    assert cv2.imdecode(np.frombuffer(packed[-1].data, np.uint8), 1).shape == (480, 640, 3)
    assert drawn[-1]

    raw = graph.record(topic, Image)
    graph.until(lambda: camera.send_good() and raw, "a raw picture")
    assert (raw[-1].encoding, raw[-1].width, raw[-1].height) == ("rgb8", 640, 480)
    assert raw[-1].header.frame_id == "camera_color_optical_frame"

    graph.forget(topic, f"{topic}/compressed")
    graph.until(lambda: camera.send_good() and not drawn[-1], "no picture any more")


def test_who_comes_late_gets_the_last_path(graph, camera):
    early = graph.record("/odometry/path", Path, qos.LAST)
    graph.until(lambda: camera.send_good() and len(early) > 1, "two paths", timeout_s=60)
    late = graph.record("/odometry/path", Path, qos.LAST)
    graph.until(lambda: late, "the latched path")
    assert late[0] == early[-1]
    assert len(late) == 1
    assert late[0].header.frame_id == "odom"


def published(graph, topic):
    infos = graph.node.get_publishers_info_by_topic(topic)
    return [info.qos_profile for info in infos if info.node_name == "odometry"]


def test_quality_of_service(graph):
    for topic, durability in {
        "/odom": DurabilityPolicy.VOLATILE,
        "/tf": DurabilityPolicy.VOLATILE,
        "/odometry/status": DurabilityPolicy.VOLATILE,
        "/odometry/features": DurabilityPolicy.VOLATILE,
        "/odometry/path": DurabilityPolicy.TRANSIENT_LOCAL,
    }.items():
        told = graph.until(lambda topic=topic: published(graph, topic), f"who publishes {topic}")
        assert [profile.durability for profile in told] == [durability]
        assert [profile.reliability for profile in told] == [ReliabilityPolicy.RELIABLE]
    heard = graph.node.get_subscriptions_info_by_topic("/camera/color/camera_info")
    assert [info.qos_profile.reliability for info in heard] == [ReliabilityPolicy.BEST_EFFORT]


def test_reset_begins_a_new_epoch_at_the_origin(graph, camera):
    told = graph.record("/odometry/status", OdometryStatus)
    camera.send_good()
    epoch = graph.until(lambda: told and told[-1], "a status").epoch
    answer = graph.call(Trigger, "/odometry/reset")
    assert answer.success
    assert "anew" in answer.message
    pose = camera.send_good().pose.pose
    assert (pose.position.x, pose.position.y, pose.position.z) == pytest.approx((0, 0, 0))
    assert pose.orientation.w == pytest.approx(1)
    graph.until(lambda: told[-1].epoch == epoch + 1, "the new epoch in the status")
    assert told[-1].state_name == "INIT"


def test_a_map_is_saved_and_recognised_after_a_start_elsewhere(graph, camera, tmp_path):
    in_map = graph.record("/odometry/map_pose", PoseStamped)
    path = str(tmp_path / "room.npz")
    answer = graph.call(MapFile, "/odometry/save_map", path=path)
    assert (answer.success, answer.message) == (True, f"1 places written to {path}")
    answer = graph.call(MapFile, "/odometry/load_map", path=f"{path}.old")
    assert not answer.success
    assert answer.message.startswith(f"{path}.old: no such file")
    assert graph.call(MapFile, "/odometry/load_map", path=path).success

    stamped = PoseStamped(pose=Pose(position=Point(x=3.0)))
    stamped.header.frame_id = "map"
    answer = graph.call(ResetToPose, "/odometry/reset_to_pose", pose=stamped)
    assert (answer.success, "expected 'odom'" in answer.message) == (False, True)
    stamped.header.frame_id = "odom"
    assert graph.call(ResetToPose, "/odometry/reset_to_pose", pose=stamped).success
    odom = camera.send_good()
    assert odom.pose.pose.position.x == pytest.approx(3.0)

    def told():
        return next((each for each in in_map if each.header.stamp == odom.header.stamp), None)

    pose = graph.until(told, "a pose in the map that was loaded").pose
    assert pose.position.x == pytest.approx(0.0, abs=0.01)
