"""Boxes of one node classified by another, on a graph."""

import numpy as np
import pytest
from embodied_perception_interfaces.srv import SetVocabulary
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception_interfaces.msg import VocabularyLabel

from embodied_perception.ros import qos
from embodied_perception.stages.box_messages import bounding_box, boxes_of
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header, stamp_ns
from embodied_perception.stages.zero_shot import ZeroShotStage

STAMP_NS = 1_000_000_007
BOXES = np.array([[4, 6, 30, 40], [20, 0, 79, 59]])


pytestmark = pytest.mark.usefixtures("own_cache")


def test_boxes_of_another_node(graph, host, make_open, scene):
    host(
        ZeroShotStage,
        model=str(make_open("clip")[0]),
        device="cpu",
        image_transport="raw",
        regions="boxes",
        vocabulary=["red mug", "door"],
        background=False,
    )
    told = graph.record("/zero_shot/detections", Detection2DArray)
    images = graph.publisher("/camera/image_raw", Image, qos.RELIABLE)
    boxes = graph.publisher("/detections", Detection2DArray)
    for publisher in (images, boxes):
        graph.until(publisher.get_subscription_count, "a listener")
    graph.until(lambda: graph.node.count_publishers("/zero_shot/detections"), "the node")
    image = scene(60, 80)

    def answer(stamp):
        # As a detector does: the boxes come a while after their image.
        images.publish(image_message(image, "rgb8", stamp, "optical"))
        head = header(stamp, "optical")
        graph.until(lambda: len(told) == stamp - STAMP_NS, "the answer before")
        boxes.publish(array(head))
        return graph.until(lambda: len(told) > stamp - STAMP_NS and told[-1], "an answer")

    first = answer(STAMP_NS)
    assert stamp_ns(first.header) == STAMP_NS
    np.testing.assert_allclose(boxes_of(first).boxes, BOXES)
    assert [each.id for each in first.detections] == ["3", "4"]
    for each in first.detections:
        said = {one.hypothesis.class_id: one.hypothesis.score for one in each.results}
        assert said.keys() == {"red mug", "door"}
        assert sum(said.values()) == pytest.approx(1, abs=1e-5)

    asked = [VocabularyLabel(name="cup", threshold=-1.0)]
    assert graph.call(SetVocabulary, "/zero_shot/set_vocabulary", labels=asked).revision == 2
    second = answer(STAMP_NS + 1)
    assert {each.results[0].hypothesis.class_id for each in second.detections} == {"cup"}


def array(head: Header) -> Detection2DArray:
    return Detection2DArray(
        header=head,
        detections=[
            Detection2D(header=head, id=str(number), bbox=bounding_box(box))
            for number, box in enumerate(BOXES, 3)
        ],
    )
