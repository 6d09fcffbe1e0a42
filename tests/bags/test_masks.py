"""Masks of a recording, the names of their classes, and what belongs to them."""

import numpy as np
import pytest
from std_msgs.msg import String
from vision_msgs.msg import LabelInfo, VisionClass

from embodied_perception.bags import BagReader
from embodied_perception.bags.masks import (
    LabelNames,
    frames_at_one_stamp,
    label_names_beside,
    mask_of,
)
from embodied_perception.errors import BagError, EvaluationError, FrameError
from embodied_perception.evaluation.mask_numbers import UNLABELLED
from embodied_perception.stages.image_messages import compressed_image_message, image_message

SECOND = 10**9
MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)


def info(**classes):
    return LabelInfo(
        class_map=[VisionClass(class_id=n, class_name=name) for name, n in classes.items()]
    )


def names_beside(path, topic):
    with BagReader(path) as bag:
        return label_names_beside(bag, topic)


def test_names_are_those_beside_the_masks(write):
    path = write(
        ("/truth/label_info", info(road=4, sky=1)),
        ("/segmentation/label_info", info(car=0)),
        ("/truth/chatter", String()),
    )
    for topic in ("/truth/labels/compressed", "/truth/labels"):
        names = names_beside(path, topic)
        assert names.classes == ("sky", "road")
        mask = np.array([[4, 1, 255]], np.uint8)
        assert names.numbers.classes_of(mask).tolist() == [[1, 0, UNLABELLED]]
    assert names_beside(path, "/segmentation/mask").classes == ("car",)
    assert names_beside(path, "/elsewhere/mask") is None


def test_the_only_names_hold_for_all(write):
    assert names_beside(write(("/truth/info", info(sky=0))), "/other/mask").classes == ("sky",)
    assert names_beside(write(("/chatter", String())), "/mask") is None


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (info(), "got 0 classes with 0 numbers"),
        (info(a=3, b=3), "got 2 classes with 1 numbers"),
        (info(a=65535), "a number of its own up to 65000"),
        (info(Road=1, road=2), "'road' is there twice"),
    ],
)
def test_names_that_make_no_sense_name_their_topic(write, message, why):
    path = write(("/label_info", message))
    with pytest.raises(BagError, match=f"a.mcap: /label_info: .*{why}"):
        names_beside(path, "/mask")


def test_masks_raw_and_as_png(write):
    wide = MASK.astype(np.uint16) * 1000
    path = write(
        ("/raw", image_message(MASK, "mono8", SECOND, "camera")),
        ("/wide", image_message(wide, "16UC1", SECOND, "camera")),
        ("/png", compressed_image_message(MASK, SECOND, "camera", "png")),
        ("/wide_png", compressed_image_message(wide, SECOND, "camera", "png")),
        ("/jpeg", compressed_image_message(MASK, SECOND, "camera")),
        ("/colours", image_message(np.zeros((3, 4, 3), np.uint8), "rgb8", SECOND, "camera")),
    )
    topics = ["/raw", "/wide", "/png", "/wide_png", "/jpeg", "/colours"]
    problems = []
    ((raw, wide_raw, png, wide_png, jpeg, colours),) = frames_at_one_stamp(
        path, topics, problems.append
    )
    assert problems == []
    for frame, expected in ((raw, MASK), (png, MASK), (wide_raw, wide), (wide_png, wide)):
        assert np.array_equal(mask_of(frame), expected)
        assert mask_of(frame).dtype == expected.dtype
    for frame, why in ((jpeg, "got no PNG file"), (colours, "rgb8")):
        with pytest.raises(FrameError, match=why):
            mask_of(frame)


def test_only_what_has_the_same_stamp_belongs_together(write):
    def masks(topic, *stamps):
        return [(topic, image_message(MASK, "mono8", stamp, "c")) for stamp in stamps]

    path = write(
        *masks("/true", *(k * SECOND for k in range(1, 6))),
        *masks("/said", 2 * SECOND, 3 * SECOND + 1, 5 * SECOND),
    )
    problems = []
    pairs = list(frames_at_one_stamp(path, ["/true", "/said"], problems.append))
    assert [[frame.stamp_ns // SECOND for frame in pair] for pair in pairs] == [[2, 2], [5, 5]]
    assert problems == ["3 of /true: nothing of the same stamp on /said"]


def test_numbers_without_names():
    names = LabelNames.counted(["sky", "road"])
    assert names.numbers.classes_of(np.array([[1, 0, 255]], np.uint8)).tolist() == [
        [1, 0, UNLABELLED]
    ]
    with pytest.raises(EvaluationError, match="class number 2"):
        names.numbers.classes_of(np.array([[2]], np.uint8))
