"""Classification on messages: words, not numbers, and the evidence drawn."""

import numpy as np
import pytest
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.classification.loading import load_classifier
from embodied_perception.errors import ConfigError, InferenceError
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.stages.classification import (
    ClassificationConfig,
    ClassificationStage,
)
from embodied_perception.stages.image_messages import frame_from_image
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.runner import StageRunner
from embodied_perception.stages.stage import Status

STAMP_NS = 1_700_000_000_123_456_789
LABELS = ("cup", "mug", "plate", "vase")


@pytest.fixture
def model(tmp_path, make_classification):
    make_classification("resnet", tmp_path / "model", LABELS)
    return str(tmp_path / "model")


class Host:
    """A runner of the stage, whose outputs come by topic."""

    def __init__(self, wanted=True, **values):
        self.runner = StageRunner(ClassificationStage, ClassificationConfig(**values))
        self.runner.is_wanted = lambda sink: wanted or not sink.on_demand
        self.runner.load()
        self.source = next(each for each in self.runner.sources() if each.input_name)

    def send(self, image, stamp=STAMP_NS):
        frame = Frame(RawPixels(image, "rgb8"), stamp, "optical")
        found = {}
        for ready in self.runner.accept(self.source, frame):
            found |= {sink.topic + sink.suffix: each for sink, each in self.runner.process(ready)}
        return found


def test_the_most_probable_classes_come_in_words(model, scene):
    image = scene(48, 64)
    message = Host(model=model, top=3).send(image)["~/classification"]
    assert isinstance(message, Classification)
    assert (message.header.frame_id, stamp_ns(message.header)) == ("optical", STAMP_NS)
    probabilities = load_classifier(model).classify([image])[0]
    order = np.argsort(-probabilities)[:3]
    assert [each.class_id for each in message.results] == [LABELS[number] for number in order]
    np.testing.assert_allclose(
        [each.score for each in message.results], probabilities[order], atol=1e-6
    )


def test_what_is_improbable_is_left_out_and_nothing_is_said_too(model, scene):
    image = scene(48, 64)
    probabilities = np.sort(load_classifier(model).classify([image])[0])[::-1]
    between = float(probabilities[:2].mean())
    host = Host(model=model, least_probability=between)
    assert len(host.send(image)["~/classification"].results) == 1
    host.runner.reconfigure(ClassificationConfig(model=model, least_probability=1.0))
    assert len(host.send(image, STAMP_NS + 1)["~/classification"].results) == 0


def test_evidence_is_drawn_for_whoever_looks(model, scene):
    image = scene(48, 64)
    assert "~/evidence" not in Host(wanted=False, model=model).send(image)
    drawn = Host(model=model).send(image)["~/evidence"]
    assert isinstance(drawn, Image)
    assert (drawn.width, drawn.height) == (64, 48)
    others = [
        frame_from_image(
            Host(model=model, evidence_class=label).send(image)["~/evidence"]
        ).rgb.tobytes()
        for label in LABELS
    ]
    assert len(set(others)) == len(LABELS)  # each has its title, and a map of its own
    best = int(load_classifier(model).classify([image])[0].argmax())
    assert frame_from_image(drawn).rgb.tobytes() == others[best]


def test_the_evidence_of_a_class_that_there_is_not(model, scene):
    with pytest.raises(ConfigError, match="no class 'cat'; it has: cup, mug, plate, vase"):
        Host(model=model, evidence_class="cat")
    host = Host(model=model)
    with pytest.raises(ConfigError, match="no class 'cat'"):
        host.runner.reconfigure(ClassificationConfig(model=model, evidence_class="cat"))
    assert host.send(scene(24, 24))


def test_a_method_that_a_network_has_not_is_counted(model, scene):
    host = Host(model=model, evidence_method="attention_rollout")
    assert host.send(scene(24, 24)) == {}
    assert host.runner.report.dropped == {"MODEL_FAILED": 1}
    assert "a resnet has no attention_rollout; set auto" in host.runner.report.last_problem


def test_a_classifier_by_visual_words(tmp_path, scene, make_words):
    make_words(tmp_path)
    host = Host(model=str(tmp_path))
    found = host.send(scene(48, 64))
    assert {each.class_id for each in found["~/classification"].results} == {"left", "right"}
    assert "~/evidence" in found
    assert host.runner.stage.status().level == Status.OK
    assert host.runner.stage.status().values["architecture"] == "visual_words"


@pytest.mark.parametrize("shape", [(1, 1), (2, 300)])
def test_tiny_images(model, shape, scene):
    found = Host(model=model).send(scene(*shape))
    assert sum(each.score for each in found["~/classification"].results) == pytest.approx(1)


def test_a_model_for_something_else(tmp_path, make_compact):
    make_compact(tmp_path)
    with pytest.raises(InferenceError, match="got 'compact_unet', expected 'resnet', 'vit'"):
        Host(model=str(tmp_path))
