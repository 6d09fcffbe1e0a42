"""The evidence of `builtin:objects` lies on the things themselves, in the demo's recording."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")
pytest.importorskip("vision_msgs.msg", reason="reading the bag needs vision_msgs: ./run test")

from embodied_perception.bags import BagReader
from embodied_perception.classification.classifier import Classifier

BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR, LABELS = "/camera/color/image_raw/compressed", "/ground_truth/labels/compressed"
OBJECTS, NAMES = "/ground_truth/objects", "/ground_truth/label_info"
STEP = 10  # frames
LEAST_PX = 200
GROWTH = 2.5  # side of a crop, in longer sides of the box


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load("builtin:objects")


@pytest.fixture(scope="module")
def crops():
    """Pictures (S, S, 3) RGB, masks (S, S) of the object in them, and its class in a word."""
    images, masks, boxes, numbers = [], [], [], {}
    with BagReader(BAG) as bag:
        for topic, _, message in bag.messages([COLOR, LABELS, OBJECTS, NAMES]):
            if topic == NAMES:
                numbers = {each.class_name: each.class_id for each in message.class_map}
            elif topic == OBJECTS:
                boxes.append(message.detections)
            else:
                flag = cv2.IMREAD_COLOR if topic == COLOR else cv2.IMREAD_UNCHANGED
                decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), flag)
                (images if topic == COLOR else masks).append(decoded)
    found, chance = [], np.random.default_rng(0)
    for image, mask, detections in list(zip(images, masks, boxes, strict=True))[::STEP]:
        for detection in detections:
            word = detection.results[0].hypothesis.class_id.split()[-1]
            cut = around(detection.bbox, image.shape[:2], mask == numbers[word], chance)
            if cut is not None:
                window, inside = cut
                found.append((image[window][..., ::-1].copy(), inside[window], word))
    return found


def around(box, size_hw, is_class, chance):
    """The window of a crop, and the object's pixels; None where it is cut off or hardly seen."""
    width, height = box.size_x, box.size_y
    left, top = box.center.position.x - (width - 1) / 2, box.center.position.y - (height - 1) / 2
    if left <= 0 or top <= 0 or left + width >= size_hw[1] or top + height >= size_hw[0]:
        return None
    inside = np.zeros(size_hw, bool)
    inside[int(top) : int(top + height), int(left) : int(left + width)] = True
    inside &= is_class
    if inside.sum() < LEAST_PX:
        return None
    side = min(round(GROWTH * max(width, height)), *size_hw)
    # Anywhere in the crop: heat that is always in the middle must not do.
    corner = (
        int(np.clip(start + (length - side) * chance.random(), 0, size - side))
        for start, length, size in zip((top, left), (height, width), size_hw, strict=True)
    )
    return tuple(slice(start, start + side) for start in corner), inside


def test_objects_of_the_demo_are_recognised(classifier, crops):
    assert len(crops) > 80
    probabilities = classifier.classify([picture for picture, _, _ in crops])
    right = [classifier.labels[each.argmax()] == word
             for each, (_, _, word) in zip(probabilities, crops, strict=True)]  # fmt: skip
    assert np.mean(right) > 0.65


def test_evidence_is_thrice_as_dense_on_the_object_as_elsewhere(classifier, crops):
    """Share of Grad-CAM's mass inside the object's mask, over what a uniform map has there."""
    gains, of_the_middle = [], []
    for picture, mask, word in crops:
        heat = classifier.evidence(picture, classifier.labels.index(word), "grad_cam")
        if heat.sum() > 0:
            gains.append(gain(heat, mask))
        else:
            gains.append(0.0)  # no evidence at all is none inside
        rows, columns = np.mgrid[-1 : 1 : len(heat) * 1j, -1 : 1 : len(heat) * 1j]
        of_the_middle.append(gain(np.exp(-(rows**2 + columns**2) / 0.18), mask))
    assert np.mean(gains) >= 3.0
    assert np.mean(of_the_middle) < 2.5  # what a spot in the middle would get


def gain(heat, mask):
    return heat[mask].sum() / heat.sum() / mask.mean()
