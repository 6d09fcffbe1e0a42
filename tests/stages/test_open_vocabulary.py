"""Detection by words on messages: names, not numbers, and the words changed at any time."""

import threading

import numpy as np
import pytest
from embodied_perception_interfaces.msg import Vocabulary, VocabularyLabel
from embodied_perception_interfaces.srv import SetVocabulary
from vision_msgs.msg import Detection2DArray, LabelInfo

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.errors import ConfigError, InferenceError, OpenVocabularyError
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels
from embodied_perception.open_vocabulary.finding import Finder
from embodied_perception.open_vocabulary.loading import load_detector, load_masker
from embodied_perception.open_vocabulary.overlay import draw_detections
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.open_vocabulary import OpenVocabularyConfig, OpenVocabularyStage
from embodied_perception.stages.runner import StageRunner
from embodied_perception.stages.stage import Status

STAMP_NS = 1_700_000_000_123_456_789
WORDS = ("red mug", "door")


pytestmark = pytest.mark.usefixtures("own_cache")


class Host:
    """A runner of the stage, whose outputs come by topic."""

    def __init__(self, folder, wanted=True, **values):
        usual = {"model": str(folder), "vocabulary": WORDS, "threshold": 0.0, "background": False}
        self.runner = StageRunner(OpenVocabularyStage, OpenVocabularyConfig(**usual | values))
        self.runner.is_wanted = lambda sink: wanted or not sink.on_demand
        self.source = next(each for each in self.runner.sources() if each.input_name)
        self.sent = 0

    def loaded(self):
        self.runner.load()
        return self

    def send(self, image):
        frame = Frame(RawPixels(image, "rgb8"), STAMP_NS + self.sent * 100_000_000, "optical")
        self.sent += 1
        found = {}
        for ready in self.runner.accept(self.source, frame):
            found |= {sink.topic + sink.suffix: each for sink, each in self.runner.process(ready)}
        return found

    def announced(self):
        return {sink.topic: message for sink, message in self.runner.announce(STAMP_NS)}

    def ask(self, *labels, **others):
        request = SetVocabulary.Request(
            labels=[
                label
                if isinstance(label, VocabularyLabel)
                else VocabularyLabel(name=label, threshold=-1.0)
                for label in labels
            ],
            **others,
        )
        (service,) = self.runner.stage.services
        return self.runner.call(service, request)


@pytest.fixture
def host(make_open):
    return Host(make_open("owlv2")[0]).loaded()


def test_boxes_have_names_and_the_stamp_of_the_image(host, make_open, scene):
    image = scene(60, 80)
    topics = host.send(image)
    message = topics["~/detections"]
    assert isinstance(message, Detection2DArray)
    assert (message.header.frame_id, stamp_ns(message.header)) == ("optical", STAMP_NS)
    detector = load_detector(str(make_open("owlv2")[0]))
    stage_words = host.runner.stage._words.revision.words
    expected = Finder(detector, 0.0).find(image, stage_words)
    assert len(message.detections) == len(expected) > 3
    for got, box, score, label in zip(
        message.detections, expected.boxes, expected.scores, expected.labels, strict=True
    ):
        (result,) = got.results
        assert result.hypothesis.class_id == WORDS[label]
        assert result.hypothesis.score == pytest.approx(float(score), abs=1e-5)
        centre, size = got.bbox.center.position, (got.bbox.size_x, got.bbox.size_y)
        # The centre of the first pixel is 0 in messages.
        left_top = np.array([centre.x, centre.y]) + 0.5 - np.array(size) / 2
        np.testing.assert_allclose([*left_top, *(left_top + size)], box, atol=1e-3)
    assert topics["~/overlay"].height == 60


def test_every_result_says_what_made_it(host, make_open, scene):
    source = host.send(scene(60, 80))["~/source"]
    assert source.vocabulary_revision == 1
    assert source.model == str(make_open("owlv2")[0])
    assert stamp_ns(source.header) == STAMP_NS
    others = ["cup", "lamp", "sofa", "book", "plant", "ball", "clock", "shelf"]
    host.ask(*others)
    later = host.send(scene(60, 80))
    assert later["~/source"].vocabulary_revision == 2
    names = {each.results[0].hypothesis.class_id for each in later["~/detections"].detections}
    assert names
    assert names <= {*others}


def test_words_change_for_a_model_that_takes_them_with_the_image(make_open, scene):
    host = Host(make_open("grounding-dino")[0]).loaded()
    assert host.send(scene(60, 80))["~/detections"].detections
    host.ask("cup", "lamp")
    with pytest.raises(OpenVocabularyError, match="the model takes 256 together"):
        host.ask(*("x " * count for count in (98, 99, 100)))
    later = host.send(scene(60, 80))
    assert later["~/source"].vocabulary_revision == 2
    names = {each.results[0].hypothesis.class_id for each in later["~/detections"].detections}
    assert names
    assert names <= {"cup", "lamp"}


def test_a_model_that_chooses_wants_a_choice(make_open, scene):
    host = Host(make_open("clip")[0]).loaded()
    assert host.send(scene(60, 80))["~/detections"].detections
    with pytest.raises(OpenVocabularyError, match=r"'cup' is all there is, and .* chooses among"):
        host.ask("cup")
    assert host.send(scene(60, 80))["~/source"].vocabulary_revision == 1
    host.ask("cup", background=["a wall"])
    assert host.send(scene(60, 80))["~/source"].vocabulary_revision == 2


def test_embeddings_are_those_of_the_boxes(host, scene):
    topics = host.send(scene(60, 80))
    message = topics["~/embeddings"]
    points = np.array(message.values).reshape(-1, message.dimensions)
    assert len(points) == len(topics["~/detections"].detections)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-4)


def test_what_nobody_looks_at_is_not_made(make_open, scene):
    topics = Host(make_open("owlv2")[0], wanted=False).loaded().send(scene(60, 80))
    assert set(topics) == {"~/detections", "~/source"}


@pytest.mark.parametrize("kind", ["clipseg", "sam2"])
def test_masks_have_the_numbers_of_their_boxes(make_open, scene, kind):
    folder, image = make_open("owlv2")[0], scene(60, 80)
    host = Host(folder, masks=str(make_open(kind)[0])).loaded()
    topics = host.send(image)
    message = topics["~/masks"]
    assert (message.header, message.encoding) == (topics["~/detections"].header, "16UC1")
    assert stamp_ns(message.header) == STAMP_NS
    got = np.frombuffer(bytes(message.data), np.uint16).reshape(message.height, message.width)
    words = host.runner.stage._words.revision.words
    found = Finder(load_detector(str(folder)), 0.0).find(image, words)
    masker = load_masker(str(make_open(kind)[0]))
    expected = masker.numbered(image, found, words.vocabulary)
    np.testing.assert_array_equal(got, expected)
    assert 1 < expected.max() <= len(topics["~/detections"].detections)
    ids = np.array([int(each.id) for each in topics["~/detections"].detections])
    drawn = draw_detections(image, found, WORDS, ids, expected)
    overlay = topics["~/overlay"]
    np.testing.assert_array_equal(np.reshape(overlay.data, drawn.shape), drawn)


def test_masks_are_made_while_someone_looks(make_open, scene, monkeypatch):
    host = Host(make_open("owlv2")[0], wanted=False, masks=str(make_open("sam2")[0])).loaded()
    masker, made = host.runner.stage._masker, []
    numbered = masker.numbered
    monkeypatch.setattr(masker, "numbered", lambda *given: made.append(1) or numbered(*given))
    assert "~/masks" not in host.send(scene(60, 80))
    assert not made
    for looked_at, topics in (("~/overlay", {"~/overlay"}), ("~/masks", {"~/masks"})):
        host.runner.is_wanted = lambda sink, topic=looked_at: sink.topic == topic
        assert set(host.send(scene(60, 80))) - {"~/overlay/compressed"} == topics | {
            "~/detections",
            "~/source",
        }
    assert len(made) == 2


def test_without_a_masker_there_are_no_masks(host, scene):
    assert "~/masks" not in {sink.topic for sink in host.runner.sinks()}
    assert "~/masks" not in host.send(scene(60, 80))
    assert "~/masks" in {output.topic for output in OpenVocabularyStage.outputs}


def test_a_masker_that_fails_does_not_cost_the_boxes(make_open, scene, monkeypatch):
    host = Host(make_open("owlv2")[0], masks=str(make_open("sam2")[0])).loaded()
    masker, stage = host.runner.stage._masker, host.runner.stage
    expected = host.send(scene(60, 80))["~/detections"].detections
    assert stage.status().level == Status.OK
    assert stage.status().values["masks"].startswith(f"{masker.model.source}, cpu")

    def fail(*_):
        raise InferenceError("masks on cpu: out of memory; take a smaller model")

    with monkeypatch.context() as patch:
        patch.setattr(masker, "numbered", fail)
        topics = host.send(scene(60, 80))
        assert "~/masks" not in topics
        assert "~/overlay" in topics
        boxes = [each.bbox for each in topics["~/detections"].detections]
        assert boxes == [each.bbox for each in expected]
        status = stage.status()
        assert (status.level, "; masks: masks on cpu: out of" in status.message) == (
            Status.WARN,
            True,
        )
    assert "~/masks" in host.send(scene(60, 80))
    assert stage.status().level == Status.OK


def test_nothing_found_masks_nothing(make_open, scene):
    values = {"threshold": 1.0, "masks": str(make_open("sam2")[0])}
    message = Host(make_open("owlv2")[0], **values).loaded().send(scene(60, 80))["~/masks"]
    assert (message.width, message.height) == (80, 60)
    assert not np.any(message.data)


def test_a_masker_learns_new_words_before_they_are_in_force(make_open, scene):
    host = Host(make_open("owlv2")[0], masks=str(make_open("clipseg")[0])).loaded()
    texts = host.runner.stage._masker.texts
    for words in ("plate", "spoon"), ("fork",):
        before = texts.encoded
        host.ask(*words)
        assert texts.encoded == before + len(words)
        for _ in range(2):
            host.send(scene(60, 80))
        assert texts.encoded == before + len(words)


def test_a_masker_that_is_none_keeps_the_stage_from_loading(make_open, scene):
    folder = make_open("owlv2")[0]
    for masks, reason in (
        (str(folder), "got 'owlv2', expected 'clipseg', 'sam2', 'sam2_video'"),
        ("hf:facebook/sam2.1-hiera-tiny", "get it with: perception models pull hf:facebook/sam2"),
    ):
        host = Host(folder, masks=masks)
        with pytest.raises(InferenceError, match=reason):
            host.loaded()
        assert host.runner.stage._finder is None
    host = Host(folder, masks=str(make_open("sam2")[0])).loaded()
    host.send(scene(60, 80))
    host.runner.unload()
    assert host.runner.stage._masker is None


def test_nothing_found_is_said_too(make_open, scene):
    topics = Host(make_open("owlv2")[0], threshold=1.0).loaded().send(scene(60, 80))
    assert topics["~/detections"].detections == []
    assert topics["~/source"].vocabulary_revision == 1


def test_the_words_in_force_are_announced(host):
    said = host.announced()
    info, vocabulary = said["~/label_info"], said["~/vocabulary"]
    assert isinstance(info, LabelInfo)
    assert [(each.class_id, each.class_name) for each in info.class_map] == [
        (0, "red mug"),
        (1, "door"),
    ]
    assert isinstance(vocabulary, Vocabulary)
    assert vocabulary.revision == 1
    assert vocabulary.templates == ["a photo of a {}."]
    label = VocabularyLabel(name="sofa", synonyms=["couch"], threshold=0.5, templates=["my {}"])
    answer = host.ask(label, "door", templates=["name"], background=["a wall"])
    assert answer["revision"] == 2
    assert answer["message"].startswith("revision 2: 2 labels")
    vocabulary = host.announced()["~/vocabulary"]
    assert vocabulary.revision == 2
    assert vocabulary.labels == [label, VocabularyLabel(name="door", threshold=-1.0)]
    assert (vocabulary.templates, vocabulary.background) == (["{}"], ["a wall"])
    host.ask("door")
    said = host.announced()["~/vocabulary"]  # what is left out is as the parameters say
    assert (said.templates, said.background) == (["a photo of a {}."], [])


def test_background_texts_are_used_unless_a_parameter_says_otherwise(make_open):
    host = Host(make_open("owlv2")[0], background=True, templates=("name",)).loaded()
    host.ask("door")
    said = host.announced()["~/vocabulary"]
    assert (said.templates, said.background) == (["{}"], list(BACKGROUND))


def test_words_that_were_there_before_are_not_encoded_again(host, scene):
    texts = host.runner.stage._finder.detector.texts
    host.ask("cup", "red mug")
    before = texts.encoded
    for _ in range(3):
        host.send(scene(60, 80))
    host.ask("red mug", "cup")
    assert texts.encoded == before


@pytest.mark.parametrize(
    ("labels", "others", "reason"),
    [
        ((), {}, "the vocabulary is empty"),
        (("mug", "mug"), {}, "'mug' is in the labels 'mug' and 'mug'"),
        ((" ",), {}, "it is empty"),
        (("mug",), {"templates": ["a photo"]}, "has no slots"),
        ((VocabularyLabel(name="mug", threshold=1.5),), {}, "threshold: got 1.5, expected 0 to 1"),
        ((VocabularyLabel(name="mug", threshold=float("nan")),), {}, "threshold: got nan"),
        (("a mug " * 20,), {}, r"has \d+ tokens, the model takes 64"),
        (("x" * 300,), {}, "has 300 characters"),
        (tuple(f"thing {number}" for number in range(10_000)), {}, "got 10000 labels"),
    ],
)
def test_what_makes_no_vocabulary_is_refused_and_the_old_words_stay(
    host, scene, labels, others, reason
):
    with pytest.raises(OpenVocabularyError, match=reason):
        host.ask(*labels, **others)
    topics = host.send(scene(60, 80))
    assert topics["~/source"].vocabulary_revision == 1
    assert {each.results[0].hypothesis.class_id for each in topics["~/detections"].detections} == {
        *WORDS
    }


def test_names_of_any_script(host, scene):
    host.ask("消火器", "красная кружка")
    info = host.announced()["~/label_info"]
    assert [each.class_name for each in info.class_map] == ["消火器", "красная кружка"]
    names = {
        each.results[0].hypothesis.class_id
        for each in host.send(scene(60, 80))["~/detections"].detections
    }
    assert names
    assert names <= {"消火器", "красная кружка"}


def test_images_go_on_with_the_old_words_while_new_ones_are_encoded(host, scene, monkeypatch):
    started, may_end = threading.Event(), threading.Event()
    detector = host.runner.stage._finder.detector
    encode = detector.texts.encode

    def slowly(texts):
        started.set()
        assert may_end.wait(20)
        return encode(texts)

    monkeypatch.setattr(detector.texts, "encode", slowly)
    asking = threading.Thread(target=host.ask, args=("cup",))
    asking.start()
    assert started.wait(20)
    assert host.send(scene(60, 80))["~/source"].vocabulary_revision == 1
    may_end.set()
    asking.join()
    assert host.send(scene(60, 80))["~/source"].vocabulary_revision == 2


def test_parameters_change_the_words_and_thresholds(host, scene, tmp_path):
    stage = host.runner.stage
    path = tmp_path / "words.yaml"
    path.write_text("labels: [plate]\nbackground: []\n")
    changed = OpenVocabularyConfig(model=stage.config.model, vocabulary_file=str(path))
    host.runner.reconfigure(changed)
    topics = host.send(scene(60, 80))
    assert topics["~/source"].vocabulary_revision == 2
    higher = OpenVocabularyConfig(
        model=stage.config.model, vocabulary_file=str(path), threshold=1.0
    )
    host.runner.reconfigure(higher)
    topics = host.send(scene(60, 80))
    assert topics["~/source"].vocabulary_revision == 2  # the words are the same
    assert topics["~/detections"].detections == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"vocabulary": ()}, "the vocabulary is empty"),
        ({"vocabulary": ("mug", "Mug")}, "give every word once"),
        ({"vocabulary_file": "nowhere.yaml"}, r"nowhere\.yaml cannot be read"),
        ({"templates": ("a photo",)}, "has no slots"),
    ],
)
def test_parameters_that_make_no_vocabulary(host, scene, values, reason):
    stage = host.runner.stage
    with pytest.raises(OpenVocabularyError, match=reason):
        host.runner.reconfigure(OpenVocabularyConfig(model=stage.config.model, **values))
    assert host.send(scene(60, 80))["~/source"].vocabulary_revision == 1
    with pytest.raises(OpenVocabularyError, match=reason):
        Host(stage.config.model, **values).loaded()


def test_ids_stay_from_image_to_image(host, make_open, scene):
    image = scene(60, 80)
    one, two = (host.send(image)["~/detections"].detections for _ in range(2))
    assert [each.id for each in one] == [each.id for each in two]
    assert len({each.id for each in one}) == len(one)
    host.runner.stage.restart()
    without = Host(make_open("owlv2")[0], track=False).loaded().send(image)
    assert {each.id for each in without["~/detections"].detections} == {""}


def test_parts_of_the_image_are_looked_at_too(make_open, scene):
    image = scene(96, 128)
    alone, parts = (
        Host(make_open("owlv2")[0], tiles=tiles).loaded().send(image)["~/detections"].detections
        for tiles in (1, 3)
    )
    smallest = [min(each.bbox.size_x for each in found) for found in (alone, parts)]
    assert smallest[1] < 0.8 * smallest[0]


def test_a_model_that_is_none(make_open):
    with pytest.raises(InferenceError, match="model_type: got 'siglip'"):
        Host(make_open("siglip")[0]).loaded()
    with pytest.raises(InferenceError, match="is not on this machine; get it with: perception"):
        Host("hf:google/owlv2-base-patch16-ensemble").loaded()


def test_without_a_model_there_are_no_words_to_change(make_open):
    host = Host(make_open("owlv2")[0])
    with pytest.raises(OpenVocabularyError, match="no model is loaded; activate the node"):
        host.ask("mug")
    assert host.announced() == {}
    host.loaded().runner.unload()
    assert host.runner.stage.status().level == Status.WARN


@pytest.mark.parametrize("values", [{"threshold": 1.1}, {"tiles": 0}, {"most_overlap": -0.1}])
def test_parameters_out_of_range(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        OpenVocabularyConfig(**values)
