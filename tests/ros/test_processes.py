"""Processes begin, answer, and end as they should."""

import signal
import time

import pytest
from embodied_perception_interfaces.msg import OdometryStatus


@pytest.fixture
def node(graph, start, request):
    """An odometry node in a namespace of its own: those of other tests may linger in the graph."""
    namespace = f"/n{abs(hash(request.node.name))}"
    node = start("ros.nodes", "odometry", "--ros-args", "-r", f"__ns:={namespace}")
    topic = f"{namespace}/camera/color/camera_info"
    graph.until(lambda: graph.node.count_subscribers(topic), lambda: node.output or "the node")
    return node


@pytest.mark.parametrize("times", [1, 2, 5])
def test_ctrl_c_ends_a_node_quietly(node, times):
    for _ in range(times):
        node.popen.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output
    assert "rror" not in node.output


def test_terminate_ends_a_node_quietly(node):
    node.popen.terminate()
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output


@pytest.mark.usefixtures("static_transforms")
def test_the_container_runs_odometry(graph, start, camera):
    told = graph.record("/odometry/status", OdometryStatus)
    arguments = ("-p", "image_transport:=compressed", "-p", "stages:=[odometry]")
    container = start("ros.container", "--ros-args", *arguments)
    camera.wait_until_heard()
    camera.send_until_tracked()
    graph.until(lambda: told, "a status")
    assert set(graph.node.get_node_names()) >= {"odometry", "perception_container"}
    assert container.interrupt() == 0
    assert "Traceback" not in container.output


def test_the_container_names_the_stages_that_there_are(start):
    container = start("ros.container", "--ros-args", "-p", "stages:=[juggling]")
    assert container.wait() == 2
    assert "'juggling'" in container.output
    assert "odometry" in container.output
    assert "Traceback" not in container.output
