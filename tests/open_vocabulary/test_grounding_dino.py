"""Grounding DINO against transformers' own processor and network."""

import shutil

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.open_vocabulary.detections import areas  # noqa: E402
from embodied_perception.open_vocabulary.grounding_dino import GroundingDinoDetector  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_detector  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary  # noqa: E402
from embodied_perception.open_vocabulary.words import Words  # noqa: E402

NAMES = ("red mug", "door", "fire extinguisher")
#: Tokens of a tiny checkpoint are letters: where those of the names are in the caption.
SPANS = (slice(1, 7), slice(8, 12), slice(13, 29))
LONG = ("x " * 100, "y " * 100, "z " * 99)


@pytest.fixture(scope="module")
def detector(make_open):
    return load_detector(str(make_open("grounding-dino")[0]))


def plain(*labels):
    return Vocabulary(labels or tuple(map(Label, NAMES)), background=())


def said_by_transformers(make_open, image):
    """Boxes (Q, 4) in pixels, scores (Q,) and labels (Q,) of all queries."""
    _, processor, network = make_open("grounding-dino")
    inputs = processor(images=Image.fromarray(image), text=[list(NAMES)], return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    of_names = torch.stack([outputs.logits[..., span].amax(-1) for span in SPANS], -1)
    # Its own score takes the first and last token and the dots too, which are no words.
    outputs.logits = torch.full_like(outputs.logits, -torch.inf)
    outputs.logits[..., : len(NAMES)] = of_names
    (found,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[image.shape[:2]]
    )
    return found["boxes"].numpy(), found["scores"].numpy(), of_names[0].argmax(-1).numpy()


@pytest.mark.parametrize("size", [(60, 80), (48, 48), (90, 50), (30, 41)])
def test_boxes_scores_and_labels_are_those_of_transformers(make_open, detector, scene, size):
    image = scene(*size)
    height, width = size
    boxes, scores, labels = said_by_transformers(make_open, image)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    (found,) = detector.detect([image], detector.words(plain()), 0.0)
    order = np.argsort(-scores, kind="stable")
    order = order[areas(boxes[order]) > 0]
    assert len(found) == len(order) > 10
    np.testing.assert_allclose(found.boxes, boxes[order], atol=1)
    np.testing.assert_allclose(found.scores, scores[order], atol=1e-3)
    np.testing.assert_array_equal(found.labels, labels[order])
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=1), 1, atol=1e-5)
    assert found.points.shape[1] == 32


def test_images_are_detected_together_as_alone(detector, scene):
    images = [scene(60, 80, seed) for seed in range(3)]
    words = detector.words(plain())
    for image, found in zip(images, detector.detect(images, words, 0.0), strict=True):
        (alone,) = detector.detect([image], words, 0.0)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)


def test_half_precision_says_about_the_same(make_open, detector, scene):
    halved = load_detector(str(make_open("grounding-dino")[0]), Runtime("cpu", "bf16"))
    (exact,), (rough,) = (
        each.detect([scene(60, 80)], each.words(plain()), 0.0) for each in (detector, halved)
    )
    assert abs(len(rough) - len(exact)) < 3
    assert np.abs(rough.scores.mean() - exact.scores.mean()) < 0.05


def test_what_a_phrase_is_does_not_depend_on_the_others(detector):
    """Nor on templates, which there are none of here, nor on capitals."""
    alone = [detector.words(plain(Label(name))).points for name in NAMES]
    others = detector.words(
        Vocabulary.of(*(name.upper() for name in NAMES[::-1]), templates=("a {} here",))
    )
    for number, points in enumerate(alone[::-1]):
        np.testing.assert_allclose(others.points[others.label_of_word == number], points, atol=1e-5)
    assert np.abs(alone[0][:4] - alone[1]).max() > 0.05  # they do differ


def test_the_text_half_runs_once_for_a_vocabulary(detector, scene):
    runs = []
    handle = detector._text.register_forward_hook(lambda *_: runs.append(1))
    words = detector.words(plain())
    for seed in range(2):
        detector.detect([scene(60, 80, seed)], words, 0.0)
    handle.remove()
    assert len(runs) == 1
    assert not any("text_backbone" in name for name, _ in words.engine.network.named_parameters())


def test_a_label_is_as_sure_as_its_best_synonym(detector, scene):
    image = scene(60, 80)
    apart = detector.words(plain(Label("mug"), Label("kettle")))
    together = detector.words(plain(Label("mug", ("kettle",))))
    (two,), (one,) = (detector.detect([image], words, 0.0) for words in (apart, together))
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    assert set(two.labels) == {0, 1}
    assert set(one.labels) == {0}


def test_the_background_takes_what_it_fits_better(detector, scene):
    image = scene(60, 80)
    both = Vocabulary((Label("mug"),), background=("kettle.",))
    (left,) = detector.detect([image], detector.words(both), 0.0)
    (others,) = detector.detect([image], detector.words(plain(Label("mug"), Label("kettle"))), 0.0)
    of_mug = others.labels == 0
    assert 0 < len(left) == of_mug.sum() < len(others)
    np.testing.assert_allclose(left.boxes, others.boxes[of_mug], atol=1e-3)


def test_thresholds_of_single_labels(detector, scene):
    high = plain(Label("red mug", threshold=1.0), Label("door", threshold=1.0), Label(NAMES[2]))
    (some,) = detector.detect([scene(60, 80)], detector.words(high), 0.0)
    assert set(some.labels) == {2}


@pytest.mark.parametrize("name", ["dr. who", "Dr.Who?", ".dr who", "dr? who."])
def test_what_would_end_a_phrase_is_a_space(detector, name):
    expected = detector.words(plain(Label("dr who")))
    np.testing.assert_allclose(
        detector.words(plain(Label(name))).points, expected.points, atol=1e-6
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([Label(x) for x in LONG], "have 304 tokens, the model takes 256 together; give fewer"),
        ([Label("mug", LONG)], "have 308 tokens"),
        ([Label("mug"), Label("...")], "'...' has no letters"),
        ([Label("mug", ("?",))], "has no letters"),
        ([Label("消火器")], "'消火器' has no letters that the model knows"),
    ],
)
def test_words_that_it_cannot_take(detector, labels, expected):
    with pytest.raises(OpenVocabularyError, match=expected):
        detector.words(plain(*labels))


def test_as_many_tokens_as_it_takes(detector, scene):
    words = detector.words(plain(Label(LONG[0]), Label(LONG[1]), Label("z " * 51)))
    assert len(words.points) == 251
    assert len(detector.detect([scene(60, 80)], words, 0.0)[0]) > 10


def test_the_background_is_counted(detector):
    with pytest.raises(OpenVocabularyError, match=r"background texts \(these are 8\)"):
        detector.words(Vocabulary.of(*LONG[:2]))


def test_examples_are_refused(detector, scene):
    with pytest.raises(OpenVocabularyError, match="give words, or an OWL-ViT or OWLv2"):
        detector.point_of(scene(60, 80))
    example = Words.of_example(Label("this"), np.ones(32, np.float32) / np.sqrt(32))
    with pytest.raises(OpenVocabularyError, match="not what looks like an example"):
        detector.detect([scene(60, 80)], example, 0.0)


def test_an_image_that_is_none(detector):
    with pytest.raises(InferenceError, match="expected uint8"):
        detector.detect([np.zeros((60, 80), np.uint8)], detector.words(plain()), 0.0)


def test_an_image_with_too_few_places(detector):
    with pytest.raises(InferenceError, match=r"1 image.* of 120x1 on cpu: selected index k out of"):
        detector.detect([np.zeros((2, 200, 3), np.uint8)], detector.words(plain()), 0.0)


def test_another_kind_of_model(make_open):
    with pytest.raises(InferenceError, match="got 'owlv2', expected 'grounding-dino'"):
        GroundingDinoDetector.load(str(make_open("owlv2")[0]))


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        ("config.json", "DinoForObjectDetection", "DinoModel", "expected GroundingDinoForObject"),
        (
            "preprocessor_config.json",
            "{",
            '{"pad_size": {"height": 200, "width": 200},',
            r"pad_size: got \(200, 200\), expected none",
        ),
    ],
)
def test_checkpoints_that_it_does_not_take(make_open, tmp_path, file, before, after, expected):
    shutil.copytree(make_open("grounding-dino")[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / file
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(InferenceError, match=expected):
        load_detector(str(tmp_path))
