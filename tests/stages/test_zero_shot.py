"""Classification by words on messages: of images, and of boxes that another stage found."""

import numpy as np
import pytest
from embodied_perception_interfaces.msg import VocabularyLabel
from embodied_perception_interfaces.srv import SetVocabulary
from vision_msgs.msg import Classification, Detection2D, Detection2DArray

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.bags import BagReader
from embodied_perception.bags.replay import Replay
from embodied_perception.bags.writer import BagWriter
from embodied_perception.errors import ConfigError, InferenceError, OpenVocabularyError
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.open_vocabulary.calibration import Calibration
from embodied_perception.open_vocabulary.encoder import Encoder
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND, Vocabulary
from embodied_perception.open_vocabulary.zero_shot import NONE, ZeroShotClassifier
from embodied_perception.stages.box_messages import bounding_box, boxes_of
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header, stamp_ns
from embodied_perception.stages.open_vocabulary import OpenVocabularyConfig, OpenVocabularyStage
from embodied_perception.stages.runner import StageRunner
from embodied_perception.stages.stage import Status
from embodied_perception.stages.zero_shot import ZeroShotConfig, ZeroShotStage

STAMP_NS = 1_700_000_000_123_456_789
PERIOD_NS = 100_000_000
WORDS = ("red mug", "door")


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def model(make_open):
    return str(make_open("clip")[0])


class Host:
    """A runner of the stage, whose outputs come by topic."""

    def __init__(self, model, wanted=True, **values):
        config = ZeroShotConfig(**{"model": model, "device": "cpu", "vocabulary": WORDS} | values)
        self.runner = StageRunner(ZeroShotStage, config)
        self.runner.is_wanted = lambda sink: wanted or not sink.on_demand
        self.sources = {each.input_name: each for each in self.runner.sources()}
        self.runner.load()

    def image(self, image, place=0):
        frame = Frame(RawPixels(image, "rgb8"), STAMP_NS + place * PERIOD_NS, "optical")
        return self._take("image", frame)

    def boxes(self, *boxes, place=0):
        (decoded,) = Decoder().decode(boxes_message(*boxes, stamp=STAMP_NS + place * PERIOD_NS))
        return self._take("boxes", decoded)

    @property
    def dropped(self):
        return self.runner.report.dropped

    def _take(self, name, decoded):
        return [
            {sink.topic + sink.suffix: each for sink, each in self.runner.process(ready)}
            for ready in self.runner.accept(self.sources[name], decoded)
        ]


def boxes_message(*boxes, stamp=STAMP_NS):
    head = header(stamp, "optical")
    return Detection2DArray(
        header=head,
        detections=[
            Detection2D(header=head, id=str(7 + number), bbox=bounding_box(np.array(box)))
            for number, box in enumerate(boxes)
        ],
    )


def classifier(model, background=BACKGROUND, calibration=None):
    encoder = Encoder.load(model)
    words = encoder.words(Vocabulary.of(*WORDS, background=background))
    return ZeroShotClassifier(encoder, words, calibration)


def said_of(message):
    return {each.class_id: each.score for each in message.results}


def test_an_image_as_a_whole(model, scene):
    image = scene(60, 80)
    (topics,) = Host(model).image(image)
    message = topics["~/classification"]
    assert isinstance(message, Classification)
    assert (message.header.frame_id, stamp_ns(message.header)) == ("optical", STAMP_NS)
    expected = classifier(model).classify([image])[0]
    assert said_of(message) == pytest.approx(
        dict(zip((*WORDS, NONE), expected.tolist(), strict=True)), abs=1e-5
    )
    scores = [each.score for each in message.results]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert topics["~/overlay"].height == 60
    assert topics["~/source"].vocabulary_revision == 1
    assert topics["~/source"].model == model


def test_boxes_are_classified_each_by_itself(model, scene):
    image = scene(60, 80)
    boxes = [(4, 6, 30, 40), (20.5, 0, 79.5, 59.25), (-9, 50, 12, 90)]
    cuts = [image[6:40, 4:30], image[0:60, 20:80], image[50:60, 0:12]]
    host = Host(model, regions="boxes", background=False)
    assert host.image(image) == []
    (topics,) = host.boxes(*boxes)
    message = topics["~/detections"]
    expected = classifier(model, ()).classify(cuts)
    assert [each.id for each in message.detections] == ["7", "8", "9"]
    np.testing.assert_allclose(boxes_of(message).boxes, boxes, atol=1e-9)
    assert (message.header.frame_id, stamp_ns(message.header)) == ("optical", STAMP_NS)
    for got, shares in zip(message.detections, expected, strict=True):
        said = {each.hypothesis.class_id: each.hypothesis.score for each in got.results}
        assert said == pytest.approx(dict(zip(WORDS, shares.tolist(), strict=False)), abs=1e-5)
    assert "~/classification" not in topics


def test_boxes_and_images_are_paired_by_stamp(model, scene):
    host = Host(model, wanted=False, regions="boxes")
    images = [scene(60, 80, seed) for seed in range(3)]
    for place, image in enumerate(images):
        assert host.image(image, place) == []
    box = (10, 10, 50, 50)
    (last,) = host.boxes(box, place=2)  # nobody drew boxes in those before
    expected = classifier(model).classify([images[2][10:50, 10:50]])[0]
    (got,) = last["~/detections"].detections
    best = got.results[0].hypothesis
    assert (best.class_id, best.score) == (
        (*WORDS, NONE)[expected.argmax()],
        pytest.approx(expected.max(), abs=1e-5),
    )
    assert set(last) == {"~/detections", "~/source"}
    assert host.dropped == {}
    (none,) = host.boxes(place=3) + host.image(images[0], 3)
    assert none["~/detections"].detections == []


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((90, 10, 120, 50), "is not in the image of 80x60"),
        ((10, -30, 20, 0), "is not in the image"),
    ],
)
def test_a_box_of_another_camera(model, scene, box, reason):
    host = Host(model, regions="boxes")
    host.image(scene(60, 80))
    assert host.boxes((1, 1, 9, 9), box) == [{}]
    assert host.dropped == {"BAD_BOX": 1}
    assert reason in host.runner.report.last_problem


def test_a_box_that_is_none(model, scene):
    host = Host(model, regions="boxes")
    host.image(scene(60, 80))
    assert host.boxes((10, 10, 5, 20)) == []
    assert host.dropped == {"BAD_BOX": 1}


def test_a_detector_s_boxes_over_a_recording(model, make_open, scene, tmp_path):
    path = tmp_path / "in.mcap"
    with BagWriter(path) as bag:
        for k in (1, 2, 3):
            message = image_message(scene(60, 80, k), "rgb8", k * PERIOD_NS, "optical")
            bag.write("/camera/image_raw", message, k * PERIOD_NS, False)
    finding = OpenVocabularyConfig(
        model=str(make_open("owlv2")[0]),
        device="cpu",
        vocabulary=WORDS,
        threshold=0.0,
        background=False,
    )
    telling = ZeroShotConfig(model=model, device="cpu", vocabulary=WORDS, regions="boxes")
    stages = [(ZeroShotStage, telling), (OpenVocabularyStage, finding)]
    replay = Replay(path, stages, {"detections": "/open_vocabulary/detections"})
    out = tmp_path / "out.mcap"
    replay.run(out, copy=False)
    with BagReader(out) as bag:
        topics = ["/open_vocabulary/detections", "/zero_shot/detections"]
        found = {topic: {} for topic in topics}
        for topic, _, message in bag.messages(topics):
            found[topic][stamp_ns(message.header)] = message
    boxes, told = found.values()
    assert list(boxes) == list(told) == [k * PERIOD_NS for k in (1, 2, 3)]
    for stamp, message in told.items():
        given = boxes[stamp].detections
        assert len(given) > 0
        assert [each.bbox for each in message.detections] == [each.bbox for each in given]
        assert [each.id for each in message.detections] == [each.id for each in given]


def test_few_answers_and_sure_ones_alone(model, scene):
    image = scene(60, 80)
    expected = classifier(model).classify([image])[0]
    (topics,) = Host(model, top=1).image(image)
    (best,) = topics["~/classification"].results
    assert best.score == pytest.approx(expected.max(), abs=1e-5)
    (topics,) = Host(model, threshold=1.0).image(image)
    assert topics["~/classification"].results == []


def test_words_change_between_images(model, scene):
    host = Host(model)
    host.image(scene(60, 80))
    request = SetVocabulary.Request(labels=[VocabularyLabel(name="cup", threshold=-1.0)])
    (service,) = host.runner.stage.services
    assert host.runner.call(service, request)["revision"] == 2
    (topics,) = host.image(scene(60, 80), 1)
    assert said_of(topics["~/classification"]).keys() == {"cup", NONE}
    assert topics["~/source"].vocabulary_revision == 2
    (info,) = [
        message for sink, message in host.runner.announce(STAMP_NS) if sink.topic == "~/label_info"
    ]
    assert [each.class_name for each in info.class_map] == ["cup"]


def test_a_calibration_is_used(model, scene, tmp_path):
    image, path = scene(60, 80), tmp_path / "place.yaml"
    calibration = Calibration(3.0, {"door": 1.5})
    calibration.write(path, model)
    (topics,) = Host(model, calibration_file=str(path)).image(image)
    expected = classifier(model, calibration=calibration).classify([image])[0]
    got = said_of(topics["~/classification"])
    assert [got[name] for name in (*WORDS, NONE)] == pytest.approx(expected.tolist(), abs=1e-5)
    Calibration().write(path, "hf:other/model")
    with pytest.raises(OpenVocabularyError, match="is of the model 'hf:other/model'"):
        Host(model, calibration_file=str(path))
    with pytest.raises(OpenVocabularyError, match="cannot be read"):
        Host(model, calibration_file="nowhere.yaml")


def test_what_it_says_of_itself(model, scene):
    host = Host(model)
    assert host.runner.stage.status().level == Status.WARN
    host.image(scene(60, 80))
    status = host.runner.stage.status()
    assert status.level == Status.OK
    assert status.message.endswith("by revision 1")
    host.runner.unload()
    assert host.runner.stage.status().message == "no model is loaded yet"


def test_a_model_that_is_none(make_open):
    with pytest.raises(InferenceError, match="model_type: got 'owlv2'"):
        Host(str(make_open("owlv2")[0]))


@pytest.mark.parametrize("values", [{"regions": "halves"}, {"top": 0}, {"threshold": 1.5}])
def test_parameters_out_of_range(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ZeroShotConfig(**values)
