"""Nodes that run models, on a graph: masks for Nav2, and a model that is missing."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

pytest.importorskip("torch")
pytest.importorskip("transformers")

from diagnostic_msgs.msg import DiagnosticArray

from embodied_perception.ros import qos
from embodied_perception.segmentation.segmenter import Segmenter
from embodied_perception.stages.image_messages import (
    frame_from_image,
    image_message,
)
from embodied_perception.stages.segmentation import SegmentationStage

LABELS = ("floor", "wall", "person")
IMAGES = "/camera/image_raw"
#: As Nav2's semantic segmentation layer subscribes to images.
SENSOR_DATA = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def model(tmp_path, make_compact):
    make_compact(tmp_path / "model", LABELS)
    return str(tmp_path / "model")


@pytest.fixture
def send(graph):
    """Send an image; its stamp is the number given."""
    publisher = graph.publisher(IMAGES, Image, qos.RELIABLE)

    def send(image, stamp):
        graph.until(publisher.get_subscription_count, "a listener to the images")
        publisher.publish(image_message(image, "rgb8", stamp, "optical"))

    return send


def test_nav2_gets_its_masks(graph, host, send, model, scene):
    host(SegmentationStage, model=model, image_transport="raw")
    masks = graph.record("/segmentation/mask", Image, SENSOR_DATA)
    shares = graph.record("/segmentation/confidence", Image, SENSOR_DATA)
    image = scene(40, 56)
    graph.until(lambda: graph.node.count_publishers("/segmentation/mask"), "the node")
    send(image, 1_000_000_007)
    graph.until(lambda: masks and shares, "a mask and its confidence")
    (expected,) = Segmenter.load(model).segment([image])
    np.testing.assert_array_equal(frame_from_image(masks[0]).labels, expected.mask)
    assert masks[0].header == shares[0].header
    assert (masks[0].header.frame_id, masks[0].header.stamp.nanosec) == ("optical", 7)
    # Whoever comes late hears the names all the same.
    infos = graph.record("/segmentation/label_info", LabelInfo, qos.LATCHED)
    graph.until(lambda: infos, "the names of the classes")
    assert [each.class_name for each in infos[0].class_map] == list(LABELS)


class Node:
    """A node's lifecycle, seen from outside."""

    def __init__(self, graph, name):
        self._graph, self._name = graph, name

    @property
    def state(self):
        self._graph.client(GetState, f"/{self._name}/get_state")
        return self._graph.call(GetState, f"/{self._name}/get_state").current_state.id

    def change(self, transition):
        request = Transition(id=transition)
        name = f"/{self._name}/change_state"
        return self._graph.call(ChangeState, name, transition=request).success


@pytest.fixture
def container(graph, start, tmp_path):
    """A container of the image stage and of a segmentation whose model is not there."""
    told = graph.record("/diagnostics", DiagnosticArray)
    start(
        "ros.container",
        "--ros-args",
        *("-p", "stages:=[segmentation, image]"),
        *("-p", f"model:={tmp_path / 'later'}"),
    )
    return told


def test_a_missing_model_leaves_its_node_inactive_and_others_go_on(
    graph,
    container,
    send,
    scene,
    tmp_path,
    model,  # noqa: ARG001 - it moves the model's folder
):
    segmentation = Node(graph, "segmentation")
    assert segmentation.state == State.PRIMARY_STATE_INACTIVE
    assert not segmentation.change(Transition.TRANSITION_ACTIVATE)
    graph.until(
        lambda: any(
            f"inactive: {tmp_path / 'later'} is no folder" in status.message
            for message in container
            for status in message.status
            if status.level == DiagnosticStatus.ERROR
        ),
        "why it is inactive",
    )
    assert segmentation.state == State.PRIMARY_STATE_INACTIVE
    assert Node(graph, "image").state == State.PRIMARY_STATE_ACTIVE
    colors = graph.record("/image/image_color", Image)
    graph.until(lambda: graph.node.count_publishers("/image/image_color"), "the image node")
    send(scene(24, 24), 5)
    graph.until(lambda: colors, "an image of the node that goes on")

    # Once the model is there, the same node works.
    (tmp_path / "model").rename(tmp_path / "later")
    masks = graph.record("/segmentation/mask", Image)
    for stamp in (10, 20):  # and again after it let the model go
        assert segmentation.change(Transition.TRANSITION_ACTIVATE)
        masks.clear()
        graph.until(lambda: graph.node.count_subscribers(IMAGES), "a listener")
        send(scene(24, 24), stamp)
        graph.until(lambda: masks, "a mask")
        assert segmentation.change(Transition.TRANSITION_DEACTIVATE)
