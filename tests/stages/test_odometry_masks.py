"""Masks of classes that move by themselves, through the odometry stage."""

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import LabelInfo, VisionClass

from embodied_perception.camera import Camera, rectify_pair
from embodied_perception.errors import ConfigError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.imaging import RawPixels
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import StageRunner

START_NS, PERIOD_NS = 1_700_000_000_000_000_000, 33_333_333
STEP_M = 0.02
PERSON = 11


@pytest.fixture
def look(wall):
    """Feeds images of a wall with masks; returns the outputs and where features were."""
    config = OdometryStageConfig(base_frame="", moving_labels=("person", "300"))
    stage = OdometryStage(config, TransformTree())
    stage.wanted = lambda _: True

    def feed(count, mask, encoding="mono8"):
        stamp_ns = START_NS + count * PERIOD_NS
        frames = {"color": wall.color(count * STEP_M, stamp_ns), "depth": wall.depth(stamp_ns)}
        for frame in frames.values():
            frame.camera = wall.camera
        frames["mask"] = Frame(RawPixels(mask, encoding), stamp_ns, "optical")
        frames["mask"].class_numbers = {"floor": 3, "person": PERSON}
        return stage.process(**frames)

    feed.stage = stage
    return feed


def test_the_mask_is_an_input_where_classes_are_named(look):
    assert [each.name for each in look.stage.inputs] == ["color", "depth", "mask"]
    (mask,) = (each for each in look.stage.inputs if each.name == "mask")
    assert (mask.topic, mask.label_info_topic) == ("camera/mask", "camera/label_info")
    plain = OdometryStage(OdometryStageConfig(), TransformTree())
    assert [each.name for each in plain.inputs] == ["color", "depth"]


@pytest.mark.parametrize(("dtype", "encoding", "label"), [
    (np.uint8, "mono8", PERSON), (np.uint16, "16UC1", PERSON), (np.uint16, "16UC1", 300),
])  # fmt: skip
def test_features_keep_away_from_what_moves(look, dtype, encoding, label):
    mask = np.full((240, 320), 3, dtype)
    seen = [look(k, mask, encoding)["status"].features_tracked for k in range(3)]
    assert seen[-1] > 100
    mask[:, :160] = label
    given = look(3, mask, encoding)
    assert given["status"].state_name == "OK"
    assert 0.25 * seen[-1] < given["status"].features_tracked < 0.6 * seen[-1]


def test_other_classes_do_not_matter(look):
    mask = np.full((240, 320), PERSON + 1, np.uint8)
    assert [look(k, mask)["status"].state_name for k in range(4)] == ["INIT", "OK", "OK", "OK"]


def test_a_mask_of_another_size_is_refused_with_words(look):
    with pytest.raises(FrameError, match=r"mask has shape \(120, 160\).*\(240, 320\).*publish it"):
        look(0, np.zeros((120, 160), np.uint8))


@pytest.mark.parametrize("labels", [("70000",), ("",), (" ",), (11,)])
def test_labels_are_names_or_numbers_that_a_mask_can_hold(labels):
    with pytest.raises(ConfigError, match="moving_labels"):
        OdometryStageConfig(moving_labels=labels)


def test_a_class_that_the_mask_has_not_is_refused_with_words(wall):
    config = OdometryStageConfig(base_frame="", moving_labels=("dog",))
    stage = OdometryStage(config, TransformTree())
    mask = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), START_NS, "optical")
    mask.class_numbers = {"floor": 0, "cat": 1}
    with pytest.raises(FrameError, match="no class 'dog'; it has: floor, cat"):
        stage._moving(wall.color(0.0, START_NS), mask)


def test_images_wait_for_the_names_of_classes(wall):
    """Three images come before the names, and are processed with them."""
    config = OdometryStageConfig(base_frame="", moving_labels=("person",))
    runner = StageRunner(OdometryStage, config)
    sources = {(each.input_name, each.type): each for each in runner.sources()}
    for name in ("color", "depth"):
        runner.accept(sources[name, CameraInfo], wall.camera)
    names = sources["mask", LabelInfo]
    assert (names.topic, names.latched) == ("camera/label_info", True)

    def send(count):
        stamp_ns = START_NS + count * PERIOD_NS
        mask = Frame(RawPixels(np.zeros((240, 320), np.uint8), "mono8"), stamp_ns, "optical")
        frames = {
            "color": wall.color(count * STEP_M, stamp_ns),
            "depth": wall.depth(stamp_ns),
            "mask": mask,
        }
        return [
            ready
            for name, frame in frames.items()
            for ready in runner.accept(sources[name, Image], frame)
        ]

    assert [send(count) for count in range(3)] == [[], [], []]
    info = LabelInfo(class_map=[VisionClass(class_id=PERSON, class_name="person")])
    ready = [each for told in Decoder().decode(info) for each in runner.accept(names, told)]
    assert len(ready) == 3
    assert all(each.frames["mask"].class_numbers == {"person": PERSON} for each in ready)
    for each in ready:
        assert runner.process(each)
    assert not runner.report.dropped


def test_the_mask_of_a_pair_is_rectified_with_its_left_image(wall):
    camera = Camera.pinhole(320, 240, 260.0, 260.0, 159.5, 119.5)
    pair = rectify_pair(
        camera, camera, Transform.from_rotation_vector((0, 0, 0.2), (-0.1, 0.03, 0))
    )
    config = OdometryStageConfig(mode="stereo", base_frame="", moving_labels=("person",))
    stage = OdometryStage(config, TransformTree())
    frames = {}
    for side, calibrated in zip(("left", "right"), pair, strict=True):
        frames[side] = wall.color(0.0, START_NS)
        frames[side].camera = calibrated
    mask = np.zeros((240, 320), np.uint8)
    mask[:, 150:170] = PERSON
    frames["mask"] = Frame(RawPixels(mask, "mono8"), START_NS, "left")
    frames["mask"].class_numbers = {"person": PERSON}
    moving = stage._moving(frames["left"], frames.pop("mask"))
    image = stage._setup.moment(moving, **frames).image
    top, bottom = (np.flatnonzero(image.moving[row]).mean() for row in (20, 220))
    assert abs(top - bottom) > 15  # the pair is rolled, and so is the strip
