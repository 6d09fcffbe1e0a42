"""Parameters as a robot's owner sees them."""

import pytest
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from tf2_msgs.msg import TFMessage

from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

FIELDS = {info.name: info for info in OdometryStageConfig.parameters()}

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def node(host):
    return host(OdometryStage)


@pytest.fixture
def change(graph):
    def change(name, value):
        parameter = Parameter(name, value=value).to_parameter_msg()
        name = "/odometry/set_parameters"
        return graph.call(SetParameters, name, parameters=[parameter]).results[0]

    return change


def test_every_field_is_described_with_its_range(graph):
    name = "/odometry/describe_parameters"
    for told in graph.call(DescribeParameters, name, names=list(FIELDS)).descriptors:
        info = FIELDS[told.name]
        assert told.description.startswith(info.description)
        assert told.read_only == info.fixed
        for bounds in (*told.integer_range, *told.floating_point_range):
            assert (bounds.from_value, bounds.to_value) == (info.minimum, info.maximum)
        assert bool(told.integer_range or told.floating_point_range) == (info.minimum is not None)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("features", 3, "range"),
        ("max_depth_m", 1e6, "range"),
        ("features", 400.5, "type"),
        ("publish_tf", "yes", "type"),
        ("odom_frame", "map", "read-only"),
        ("image_transport", "pigeon", "expected one of raw, compressed"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(node, change, name, value, reason):
    before = node.get_parameter(name).value
    result = change(name, value)
    assert not result.successful
    assert reason in result.reason
    assert node.get_parameter(name).value == before


@pytest.mark.usefixtures("static_transforms")
def test_a_good_value_takes_effect_while_running(graph, node, change, camera):
    transforms = graph.record("/tf", TFMessage)
    camera.wait_until_heard()
    camera.send_until_tracked()
    graph.until(lambda: transforms, "a transform")
    assert change("publish_map_tf", value=False).successful
    assert change("publish_tf", value=False).successful
    told = len(transforms)
    camera.send_good()
    assert len(transforms) == told
    assert node._runner.stage.config.publish_tf is False
    assert change("publish_tf", value=True).successful
    camera.send_good()
    graph.until(lambda: len(transforms) > told, "a transform again")
