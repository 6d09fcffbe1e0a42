"""Boxes of a recording, and what belongs to them."""

import re

import numpy as np
import pytest
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from embodied_perception.bags import BagReader
from embodied_perception.bags.boxes import BoxDecoder, names_in, require_box_topic
from embodied_perception.bags.moments import exact_moments
from embodied_perception.errors import BagError, FrameError
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.stages.box_messages import boxes_of, detections_message
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header

SECOND = 10**9


def detection(x=4.5, y=4.5, wide=10.0, high=10.0, theta=0.0, names=(("red mug", 1.0),)):
    message = Detection2D()
    message.bbox.center.position.x, message.bbox.center.position.y = x, y
    message.bbox.center.theta = theta
    message.bbox.size_x, message.bbox.size_y = wide, high
    for name, score in names:
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = name, score
        message.results.append(result)
    return message


def array(*detections, stamp=SECOND):
    return Detection2DArray(header=header(stamp, "camera"), detections=list(detections))


def test_what_is_published_is_read_as_it_was_found():
    boxes = np.array([[0, 0, 640, 480], [3.5, 7.25, 90, 88]], np.float32)
    scores, labels = np.array([0.5, 0.25], np.float32), np.array([1, 0])
    found = Detections(boxes, scores, labels, np.zeros((2, 0), np.float32))
    head = header(SECOND, "camera")
    named = boxes_of(detections_message(found, ("mug", "door"), np.array([4, 9]), head))
    np.testing.assert_array_equal(named.boxes, boxes)
    np.testing.assert_array_equal(named.scores, scores)
    assert named.names == ("door", "mug")
    assert named.ids == ("4", "9")
    assert named.frame_id == "camera"
    assert named.stamp_ns == SECOND


def test_a_box_spans_its_pixels_whole():
    # The demo's recording: pixels 0 to 9 and 20 to 20, the first and the last one inclusive.
    named = boxes_of(array(detection(), detection(x=20.0, y=3.0, wide=1.0, high=2.0)))
    assert named.boxes.tolist() == [[0, 0, 10, 10], [20, 2.5, 21, 4.5]]
    assert named.names == ("red mug", "red mug")
    assert named.stamp_ns == SECOND


def test_the_most_probable_hypothesis_counts():
    names = (("cup", 0.25), ("mug", 0.5), ("bowl", 0.125))
    named = boxes_of(array(detection(names=names)))
    assert named.names == ("mug",)
    assert named.scores.tolist() == [0.5]


def test_no_boxes_are_an_answer():
    named = boxes_of(array())
    assert (named.boxes.shape, named.names, named.scores.shape) == ((0, 4), (), (0,))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (detection(wide=-10.0), "got a size of -10 x 10, expected more than 0 pixels"),
        (detection(high=0.0), "got a size of 10 x 0"),
        (detection(x=float("nan")), "not finite"),
        (detection(wide=float("inf")), "not finite"),
        (detection(names=(("mug", float("nan")),)), "not finite"),
        (detection(theta=0.5), "turned by 0.5 rad, expected theta 0"),
        (detection(names=()), "it has no name"),
        (detection(names=((" ", 1.0),)), "it has no name"),
    ],
)
def test_boxes_that_make_no_sense_name_their_moment(bad, why):
    message = array(detection(), bad, stamp=3 * SECOND // 2)
    (error,) = BoxDecoder().decode(message)
    assert isinstance(error, BagError)
    assert re.match(f"1.500 s: box 2: .*{why}", str(error))


def test_boxes_of_a_graph_need_no_names_but_have_to_be_boxes():
    named = boxes_of(array(detection(names=()), detection()))
    assert named.names == ("", "red mug")
    assert named.scores.tolist() == [0, 1]
    (error,) = Decoder().decode(array(detection(), detection(wide=-10.0)))
    assert isinstance(error, FrameError)
    assert error.reason == "BAD_BOX"
    assert str(error) == "box 2: got a size of -10 x 10, expected more than 0 pixels"


def test_boxes_and_images_of_one_stamp(write):
    image = np.zeros((4, 6, 3), np.uint8)
    path = write(
        *(("/image", image_message(image + k, "rgb8", k * SECOND, "c")) for k in (1, 2, 3)),
        *(("/boxes", array(detection(x=float(k)), stamp=k * SECOND)) for k in (1, 3, 4)),
        ("/boxes", array(detection(wide=-1.0), stamp=5 * SECOND)),
    )
    problems = []
    decoders = [("/boxes", BoxDecoder()), ("/image", Decoder())]
    pairs = list(exact_moments(path, decoders, problems.append))
    told = [(boxes.stamp_ns // SECOND, int(frame.rgb[0, 0, 0])) for boxes, frame in pairs]
    assert told == [(1, 1), (3, 3)]
    assert [boxes.boxes[0, 0] for boxes, _ in pairs] == [-3.5, -1.5]
    assert problems == [
        "/boxes: 5.000 s: box 1: got a size of -1 x 10, expected more than 0 pixels",
        "1 of /boxes: nothing of the same stamp on /image",
    ]


def test_a_topic_is_its_own_partner(write):
    path = write(*(("/boxes", array(detection(), stamp=k * SECOND)) for k in (1, 2)))
    decoders = [("/boxes", BoxDecoder()), ("/boxes", BoxDecoder())]
    pairs = list(exact_moments(path, decoders, pytest.fail))
    assert [[each.stamp_ns // SECOND for each in pair] for pair in pairs] == [[1, 1], [2, 2]]


def test_names_are_those_of_all_messages(write):
    path = write(
        ("/true", array(detection(names=(("red mug", 1.0),)))),
        ("/true", array(detection(names=(("book", 1.0),)), detection(names=(("lamp", 1.0),)))),
        ("/true", array(detection(names=(("broken", 1.0),), wide=-1.0))),
        ("/said", array(detection(names=(("sofa", 0.5),)))),
    )
    assert names_in(path, ["/true"]) == ("book", "lamp", "red mug")
    assert names_in(path, ["/true", "/said"]) == ("book", "lamp", "red mug", "sofa")
    with pytest.raises(BagError, match="no topic /nowhere"):
        names_in(path, ["/nowhere"])


def test_a_topic_without_boxes_names_those_with(write):
    path = write(("/true", array()), ("/chatter", String()))
    with BagReader(path) as bag:
        require_box_topic(bag, "/true")
        for topic in ("/chatter", "/nowhere"):
            with pytest.raises(BagError, match=f"no topic {topic} with boxes .*there are: /true"):
                require_box_topic(bag, topic)
