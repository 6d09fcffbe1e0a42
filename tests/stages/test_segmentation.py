"""Segmentation on messages: what Nav2's segmentation layer takes, of one camera and of several."""

import json

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.errors import ConfigError, InferenceError
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.segmentation.segmenter import Segmenter
from embodied_perception.stages.image_messages import frame_from_image
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.runner import StageRunner
from embodied_perception.stages.segmentation import (
    SegmentationConfig,
    SegmentationStage,
)
from embodied_perception.stages.stage import Status

STAMP_NS = 1_700_000_000_123_456_789
LABELS = ("floor", "wall", "person")


@pytest.fixture
def model(tmp_path, make_compact):
    make_compact(tmp_path / "model", LABELS)
    return str(tmp_path / "model")


class Host:
    """A runner of the stage, whose outputs come by topic."""

    def __init__(self, **values):
        self.runner = StageRunner(SegmentationStage, SegmentationConfig(**values))
        self.note = self.runner.load()
        self.sources = {
            source.input_name: source for source in self.runner.sources() if source.input_name
        }

    def announced(self):
        return {sink.topic: message for sink, message in self.runner.announce(STAMP_NS)}

    def send(self, name, frame):
        found = {}
        for ready in self.runner.accept(self.sources[name], frame):
            for sink, message in self.runner.process(ready):
                found[sink.topic + sink.suffix] = message
        return found


def frame(image, stamp=STAMP_NS, frame_id="optical"):
    return Frame(RawPixels(image, "rgb8"), stamp, frame_id)


def test_the_topics_are_those_of_nav2(model, scene):
    host = Host(model=model)
    info = host.announced()["~/label_info"]
    assert isinstance(info, LabelInfo)
    assert [(each.class_id, each.class_name) for each in info.class_map] == list(enumerate(LABELS))
    sinks = {sink.topic + sink.suffix: sink for sink in host.runner.sinks()}
    assert sinks["~/label_info"].latched

    image = scene(40, 56)
    found = host.send("camera", frame(image))
    mask, confidence = found["~/mask"], found["~/confidence"]
    (expected,) = Segmenter.load(model).segment([image])
    for message in (mask, confidence):
        assert (message.encoding, message.width, message.height) == ("mono8", 56, 40)
        assert (message.header.frame_id, stamp_ns(message.header)) == ("optical", STAMP_NS)
    np.testing.assert_array_equal(frame_from_image(mask).labels, expected.mask)
    shares = np.frombuffer(confidence.data, np.uint8).reshape(40, 56)
    np.testing.assert_allclose(shares / 255, expected.confidence, atol=0.5 / 255 + 1e-6)
    assert isinstance(found["~/overlay"], Image)
    assert isinstance(found["~/overlay/compressed"], CompressedImage)
    assert host.runner.stage.status().level == Status.OK


def test_masks_of_many_classes_have_16_bits(tmp_path, make_compact, scene):
    make_compact(tmp_path, [f"kind {index}" for index in range(260)])
    host = Host(model=str(tmp_path))
    assert host.send("camera", frame(scene(24, 24)))["~/mask"].encoding == "16UC1"


def test_unsure_pixels_are_unlabelled(model, scene):
    image = scene(48, 48)
    (sure,) = Segmenter.load(model).segment([image])
    middle = float(np.median(sure.confidence))
    mask = frame_from_image(
        Host(model=model, threshold=middle).send("camera", frame(image))["~/mask"]
    )
    np.testing.assert_array_equal(mask.labels == 255, sure.confidence < np.float32(middle))

    seen = LABELS[np.bincount(sure.mask.ravel()).argmax()]
    single = Host(model=model, class_thresholds=(f"{seen}=1.0",))
    mask = frame_from_image(single.send("camera", frame(image))["~/mask"]).labels
    np.testing.assert_array_equal(mask == 255, sure.mask == LABELS.index(seen))


def test_thresholds_change_while_it_runs(model, scene):
    host = Host(model=model)
    assert (frame_from_image(host.send("camera", frame(scene(24, 24)))["~/mask"]).labels < 3).all()
    host.runner.reconfigure(SegmentationConfig(model=model, threshold=1.0))
    later = host.send("camera", frame(scene(24, 24), STAMP_NS + 10**8))
    assert (frame_from_image(later["~/mask"]).labels == 255).all()
    with pytest.raises(ConfigError, match="has no class 'cat'; it has: floor, wall, person"):
        host.runner.reconfigure(SegmentationConfig(model=model, class_thresholds=("cat=0.5",)))
    assert host.runner.stage.config.threshold == 1.0


def test_several_cameras_are_segmented_together(model, scene):
    host = Host(model=model, cameras=("front", "arm/left"))
    front, left = scene(32, 48, 1), scene(40, 40, 2)
    assert host.send("front", frame(front, frame_id="front_optical")) == {}
    found = host.send("arm_left", frame(left, STAMP_NS + 5_000_000, "left_optical"))
    for topic, image, frame_id, stamp in (
        ("~/front", front, "front_optical", STAMP_NS),
        ("~/arm/left", left, "left_optical", STAMP_NS + 5_000_000),
    ):
        (expected,) = Segmenter.load(model).segment([image])
        np.testing.assert_array_equal(
            frame_from_image(found[f"{topic}/mask"]).labels, expected.mask
        )
        for kind in ("mask", "confidence", "overlay", "overlay/compressed"):
            message = found[f"{topic}/{kind}"]
            assert (message.header.frame_id, stamp_ns(message.header)) == (frame_id, stamp)


def test_gray_images_and_images_smaller_than_the_stride(model):
    host = Host(model=model)
    gray = Frame(RawPixels(np.full((3, 2), 77, np.uint8), "mono8"), STAMP_NS, "optical")
    mask = host.send("camera", gray)["~/mask"]
    assert (mask.width, mask.height) == (2, 3)


def test_a_depth_image_is_refused_and_the_next_one_taken(model, scene):
    host = Host(model=model)
    depth = Frame(RawPixels(np.full((24, 24), 900, np.uint16), "16UC1"), STAMP_NS, "optical")
    assert host.send("camera", depth) == {}
    assert host.runner.report.dropped == {"WRONG_ENCODING": 1}
    assert host.send("camera", frame(scene(24, 24), STAMP_NS + 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cameras": ()}, "cameras: got \\[\\], expected different names"),
        ({"cameras": ("a", "a")}, "cameras: got \\['a', 'a'\\]"),
        ({"cameras": ("arm/left", "arm_left")}, "cameras: got"),
        ({"cameras": ("/front",)}, "cameras: got"),
        ({"cameras": ("my camera",)}, "cameras: got"),
        ({"class_thresholds": ("person",)}, "class_thresholds: got 'person', expected NAME=SHARE"),
        ({"class_thresholds": ("person=x",)}, "class_thresholds: got 'person=x'"),
        ({"class_thresholds": ("person=1.5",)}, "class_thresholds: got 'person=1.5'"),
        ({"class_thresholds": ("=0.5",)}, "class_thresholds: got '=0.5'"),
        ({"threshold": 1.5}, "threshold: got 1.5, expected 0 to 1"),
        ({"precision": "int8"}, "precision: got 'int8', expected one of auto"),
    ],
)
def test_parameters_that_make_no_sense(values, message):
    with pytest.raises(ConfigError, match=message):
        SegmentationConfig(**values)


def test_a_class_that_the_model_has_not(model):
    with pytest.raises(ConfigError, match="has no class 'cat'; it has: floor, wall, person"):
        Host(model=model, class_thresholds=("cat=0.5",))


def test_a_device_that_is_not_there_is_told(model, scene):
    host = Host(model=model, device="cuda:7")
    assert host.note == "PyTorch finds no cuda:7 here: runs on the CPU"
    host.send("camera", frame(scene(24, 24)))
    status = host.runner.stage.status()
    assert status.level == Status.WARN
    assert host.note in status.message
    assert status.values["device"] == "cpu"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"cut off"),
            "model.safetensors cannot be read; copy it again",
        ),
        (
            lambda folder: change(folder, id2label={"0": "floor", "1": "wall"}),
            r"classify.0.weight: got shape \(12, 24, 1, 1\), expected \(8, 24, 1, 1\)",
        ),
        (lambda folder: change(folder, id2label={"0": "floor", "2": "wall"}), '"1" has no name'),
        (lambda folder: change(folder, id2label=None), "id2label: got None"),
        (lambda folder: change(folder, model_type="unet"), "model_type: got 'unet', expected"),
        (
            lambda folder: (folder / "preprocessor_config.json").unlink(),
            "has no preprocessor_config.json",
        ),
    ],
)
def test_models_that_are_not_whole(model, tmp_path, spoil, message):
    spoil(tmp_path / "model")
    with pytest.raises(InferenceError, match=message) as caught:
        Host(model=model)
    assert str(tmp_path / "model") in str(caught.value)


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
