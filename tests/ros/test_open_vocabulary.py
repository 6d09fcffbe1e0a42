"""Words that change while images come: none is lost, and each says which words looked at it."""

import threading
import time

import numpy as np
import pytest
from embodied_perception_interfaces.msg import ResultSource, Vocabulary, VocabularyLabel
from embodied_perception_interfaces.srv import SetVocabulary
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.ros import qos
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import stamp_ns
from embodied_perception.stages.open_vocabulary import OpenVocabularyStage

IMAGES = "/camera/image_raw"
SERVICE = "/open_vocabulary/set_vocabulary"
FIRST = ("red mug", "door")
MANY = ("cup", "lamp", "sofa", "book", "plant", "ball", "clock", "shelf")
PERIOD_S = 0.25  # a slower camera than the tiny model, on a busy machine too
START_NS = 1_000_000_000_000
START_UP_S = 60.0  # of a process that imports torch, on a busy machine


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def model(make_open):
    return str(make_open("owlv2")[0])


class Camera:
    """Sends one image again and again, by a thread of its own; and what came of them."""

    def __init__(self, graph, image):
        self.graph = graph
        self.sent = []
        self._stamp_ns = START_NS
        self._detections = graph.record("/open_vocabulary/detections", Detection2DArray)
        self._sources = graph.record("/open_vocabulary/source", ResultSource)
        self._image = image
        self._publisher = graph.publisher(IMAGES, Image)
        self._sending = threading.Lock()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self):
        self.graph.until(
            self._publisher.get_subscription_count, "a listener to the images", START_UP_S
        )
        for topic in ("detections", "source"):
            self.graph.until(
                lambda topic=topic: self.graph.node.count_publishers(f"/open_vocabulary/{topic}"),
                f"a publisher of {topic}",
            )
        # The first goes alone: the network takes its time over it.
        self.graph.until(self._answered_alone, "the first result")
        self.sent.clear()
        self._thread.start()

    def end(self):
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join()

    def last(self):
        """Stamp of the last image sent; whatever is sent after this call has a later one."""
        with self._sending:
            return self.sent[-1]

    def wait_for(self, count):
        """Wait until so many more images were sent."""
        enough = len(self.sent) + count
        self.graph.until(lambda: len(self.sent) >= enough, f"{count} images")

    def revisions(self):
        return {stamp_ns(each.header): each.vocabulary_revision for each in self._of(self._sources)}

    def names(self):
        return {
            stamp_ns(message.header): {
                found.results[0].hypothesis.class_id for found in message.detections
            }
            for message in self._of(self._detections)
        }

    def require_all_answered(self):
        """Each image has its boxes and its source, once, in the order of sending."""
        for results in (self._sources, self._detections):
            self.graph.until(
                lambda results=results: stamp_ns(results[-1].header) == self.sent[-1],
                "the last result",
            )
            assert [stamp_ns(each.header) for each in self._of(results)] == self.sent

    def _of(self, results):
        """Without those of the images that went out before all had found each other."""
        return [each for each in list(results) if stamp_ns(each.header) >= self.sent[0]]

    def _send(self):
        with self._sending:
            self._stamp_ns += round(PERIOD_S * 1e9)
            self._publisher.publish(image_message(self._image, "rgb8", self._stamp_ns, "optical"))
            self.sent.append(self._stamp_ns)

    def _answered_alone(self):
        self._send()
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if self.sent[-1] in self.revisions() and self.sent[-1] in self.names():
                return True
            time.sleep(0.01)
        return False

    def _run(self):
        while not self._enough.wait(PERIOD_S):
            self._send()


@pytest.fixture
def camera(graph, scene):
    camera = Camera(graph, scene(60, 80))
    yield camera
    camera.end()


def labels(*names):
    return [VocabularyLabel(name=name, threshold=-1.0) for name in names]


def hosted(host, model):
    return host(
        OpenVocabularyStage,
        image_transport="raw",
        model=model,
        device="cpu",
        vocabulary=list(FIRST),
        threshold=0.0,
        background=False,
    )


def test_words_change_under_load(graph, start, camera, model):
    words = {"model": model, "device": "cpu", "vocabulary": list(FIRST), "threshold": 0.0}
    given = [f"{name}:={value}" for name, value in (words | {"background": "false"}).items()]
    start("ros.nodes", "open_vocabulary", "--ros-args", *(w for g in given for w in ("-p", g)))
    camera.begin()
    # One that is refused may be asked again, until the way back is found.
    refused = graph.call(SetVocabulary, SERVICE, patience_s=2.0, labels=[])
    assert (refused.success, refused.revision) == (False, 0)
    assert "the vocabulary is empty" in refused.message
    camera.wait_for(5)
    said = [(camera.sent[0], 1, FIRST)]
    for revision, words in enumerate((MANY, ("消火器",), FIRST), 2):
        answer = graph.call(SetVocabulary, SERVICE, labels=labels(*words))
        said.append((camera.last(), revision, words))
        assert (answer.success, answer.revision) == (True, revision)
        assert answer.message.startswith(f"revision {revision}: {len(words)} label")
        camera.wait_for(4)
    camera.end()
    camera.require_all_answered()

    revisions, names = camera.revisions(), camera.names()
    in_order = list(revisions.values())
    assert in_order == sorted(in_order)
    assert set(in_order) == {1, 2, 3, 4}
    ends = [acknowledged for acknowledged, _, _ in said[1:]] + [camera.sent[-1]]
    for (acknowledged, revision, _), end in zip(said, ends, strict=True):
        # Each image sent after the acknowledgement, and before the next one's.
        after = [revisions[stamp] for stamp in camera.sent if acknowledged < stamp <= end]
        assert after
        assert after[0] == revision or revision == 1
        assert min(after) >= revision
    words_of = {revision: set(words) for _, revision, words in said}
    assert all(found <= words_of[revisions[stamp]] for stamp, found in names.items())
    assert {revisions[stamp] for stamp, found in names.items() if found} >= {1, 2}


def test_who_comes_late_hears_the_words_in_force(graph, host, model):
    hosted(host, model)
    mug = VocabularyLabel(name="mug", synonyms=["cup"], threshold=0.5, templates=["my {}"])
    asked = [mug, *labels("door")]
    fields = {"templates": ["name"], "background": ["a wall"]}
    assert graph.call(SetVocabulary, SERVICE, labels=asked, **fields).revision == 2
    infos = graph.record("/open_vocabulary/label_info", LabelInfo, qos.LATCHED)
    vocabularies = graph.record("/open_vocabulary/vocabulary", Vocabulary, qos.LATCHED)
    graph.until(lambda: infos and vocabularies, "the words in force")
    assert [(each.class_id, each.class_name) for each in infos[0].class_map] == [
        (0, "mug"),
        (1, "door"),
    ]
    (said,) = vocabularies  # the last alone
    assert (said.revision, said.labels) == (2, asked)
    assert (said.templates, said.background) == (["{}"], ["a wall"])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "the vocabulary is empty; give at least one label"),
        ([" "], "expected a name; it is empty"),
        (["mug", "Mug"], "give every word once"),
        (["a mug " * 20], "tokens, the model takes 64"),
    ],
)
def test_refused_words_change_nothing(graph, host, camera, model, given, reason):
    hosted(host, model)
    vocabularies = graph.record("/open_vocabulary/vocabulary", Vocabulary, qos.LATCHED)
    camera.begin()
    camera.wait_for(2)
    answer = graph.call(SetVocabulary, SERVICE, labels=labels(*given))
    assert not answer.success
    assert reason in answer.message
    camera.wait_for(3)
    camera.end()
    camera.require_all_answered()
    assert set(camera.revisions().values()) == {1}
    assert set.union(*camera.names().values()) <= {*FIRST}
    assert [each.revision for each in vocabularies] == [1]


def test_no_image_is_lost_while_words_are_encoded(graph, host, camera, model, monkeypatch):
    """However long that takes: the old words go on meanwhile."""
    node = hosted(host, model)
    texts = node._runner.stage._finder.detector.texts
    encode = texts.encode

    def slowly(given):
        time.sleep(8 * PERIOD_S)
        return encode(given)

    monkeypatch.setattr(texts, "encode", slowly)
    camera.begin()
    camera.wait_for(2)
    asked = camera.last()
    answer = graph.call(SetVocabulary, SERVICE, labels=labels("cup"))
    acknowledged = camera.last()
    assert (answer.success, answer.revision) == (True, 2)
    camera.wait_for(3)
    camera.end()
    camera.require_all_answered()
    revisions = camera.revisions()
    meanwhile = [revisions[stamp] for stamp in camera.sent if asked < stamp <= acknowledged]
    assert len(meanwhile) > 4
    assert np.mean(np.equal(meanwhile, 1)) > 0.7
    assert {revisions[stamp] for stamp in camera.sent if stamp > acknowledged} == {2}
