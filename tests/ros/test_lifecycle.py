"""Unconfigured, inactive, active, and what the node does in each."""

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

COLOR = "/camera/color/image_raw/compressed"
ARGUMENTS = ("--ros-args", "-p", "image_transport:=compressed")


class Lifecycle:
    def __init__(self, graph):
        self._graph = graph

    @property
    def state(self):
        self._graph.client(ChangeState, "/odometry/change_state")  # found before it is needed
        name = "/odometry/get_state"
        return self._graph.call(GetState, name, patience_s=1.0).current_state.id

    def change(self, transition):
        request = Transition(id=transition)
        return self._graph.call(ChangeState, "/odometry/change_state", transition=request).success


@pytest.fixture
def lifecycle(graph):
    return Lifecycle(graph)


@pytest.mark.usefixtures("static_transforms")
def test_the_whole_life(graph, start, camera, lifecycle):
    node = start("ros.nodes", "odometry", *ARGUMENTS, "-p", "autostart:=false")
    assert lifecycle.state == State.PRIMARY_STATE_UNCONFIGURED
    # A step that is not possible now is refused, and changes nothing.
    assert not lifecycle.change(Transition.TRANSITION_ACTIVATE)
    assert lifecycle.state == State.PRIMARY_STATE_UNCONFIGURED

    assert lifecycle.change(Transition.TRANSITION_CONFIGURE)
    assert lifecycle.state == State.PRIMARY_STATE_INACTIVE
    graph.until(lambda: graph.node.count_publishers("/odom"), "the publisher of /odom")
    assert graph.node.count_subscribers(COLOR) == 0

    for _ in range(2):
        assert lifecycle.change(Transition.TRANSITION_ACTIVATE)
        assert lifecycle.state == State.PRIMARY_STATE_ACTIVE
        camera.wait_until_heard()
        camera.send_until_tracked()
        assert lifecycle.change(Transition.TRANSITION_DEACTIVATE)
        assert lifecycle.state == State.PRIMARY_STATE_INACTIVE
        graph.until(lambda: graph.node.count_subscribers(COLOR) == 0, "no subscriber")

    assert lifecycle.change(Transition.TRANSITION_CLEANUP)
    assert lifecycle.state == State.PRIMARY_STATE_UNCONFIGURED
    graph.until(lambda: graph.node.count_publishers("/odom") == 0, "no publisher")

    # Set up again after clean-up, and shut down while active.
    assert lifecycle.change(Transition.TRANSITION_CONFIGURE)
    assert lifecycle.change(Transition.TRANSITION_ACTIVATE)
    assert lifecycle.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert lifecycle.state == State.PRIMARY_STATE_FINALIZED
    assert node.interrupt() == 0
    assert "Traceback" not in node.output


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("features: -5", "features"),
        ("features: many", "features"),
        ("image_transport: pigeon", "raw, compressed, compressedDepth"),
    ],
)
def test_a_nonsense_parameter_file_ends_the_process(start, tmp_path, value, said):
    path = tmp_path / "odometry.yaml"
    path.write_text(f"odometry:\n  ros__parameters:\n    {value}\n")
    node = start("ros.nodes", "odometry", "--ros-args", "--params-file", path)
    assert node.wait() == 2
    assert said in node.output
    assert "Traceback" not in node.output


def test_an_activation_that_fails_says_why_and_rolls_back(graph, start, lifecycle):
    topic = "/camera/color/image_raw"
    nonsense = f"qos_overrides.{topic}.subscription.reliability:=sometimes"
    node = start("ros.nodes", "odometry", "--ros-args", "-p", nonsense)
    graph.until(lambda: "sometimes" in node.output, lambda: node.output)
    assert lifecycle.state == State.PRIMARY_STATE_UNCONFIGURED
    assert graph.node.count_subscribers("/camera/color/camera_info") == 0
    assert graph.node.count_publishers("/odom") == 0
    assert "Traceback" not in node.output
