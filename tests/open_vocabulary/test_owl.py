"""OWL-ViT and OWLv2 against transformers' own pipeline."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.open_vocabulary.detections import areas, overlaps  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_detector  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary  # noqa: E402

NAMES = ("red mug", "door", "fire extinguisher")
KINDS = ("owlvit", "owlv2")


def plain(*labels):
    return Vocabulary(labels or tuple(map(Label, NAMES)), ("name",), ())


def piped(make_open, kind, image, threshold):
    _, processor, network = make_open(kind)
    inputs = processor(text=[list(NAMES)], images=Image.fromarray(image), return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    sizes = torch.tensor([image.shape[:2]])
    return processor.image_processor.post_process_object_detection(
        outputs, threshold=threshold, target_sizes=sizes
    )[0]


@pytest.mark.parametrize("size", [(60, 80), (48, 48), (90, 50), (30, 41)])
@pytest.mark.parametrize("kind", KINDS)
def test_boxes_and_scores_are_those_of_the_pipeline(make_open, scene, kind, size):
    image = scene(*size)
    expected = {key: values.numpy() for key, values in piped(make_open, kind, image, 0.0).items()}
    boxes = _within(expected["boxes"], size)
    inside = areas(boxes) > 0
    assert inside.sum() > 15
    detector = load_detector(str(make_open(kind)[0]))
    (found,) = detector.detect([image], detector.words(plain()), 0.0)
    assert len(found) == inside.sum()
    # Those of one score may come in another order.
    at = np.abs(found.boxes[:, None] - boxes[None, inside]).max(-1)
    nearest = np.flatnonzero(inside)[at.argmin(1)]
    assert at.min(1).max() < 1
    assert len(set(nearest)) == len(found)
    np.testing.assert_allclose(found.scores, expected["scores"][nearest], atol=1e-3)
    np.testing.assert_array_equal(found.labels, expected["labels"][nearest])
    assert (np.diff(found.scores) <= 0).all()
    threshold = float(np.median(found.scores))
    (sure,) = detector.detect([image], detector.words(plain()), threshold)
    assert 0 < len(sure) == int((found.scores >= threshold).sum()) < len(found)


def _within(boxes, size):
    height, width = size
    return np.clip(boxes, 0, [width, height, width, height])


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_detected_together_as_alone(make_open, scene, kind):
    images = [scene(60, 80, seed) for seed in range(3)]
    detector = load_detector(str(make_open(kind)[0]))
    words = detector.words(plain())
    together = detector.detect(images, words, 0.0)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image], words, 0.0)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_a_label_is_as_sure_as_its_best_synonym(make_open, scene):
    detector = load_detector(str(make_open("owlv2")[0]))
    image = scene(60, 80)
    apart = detector.words(plain(Label("mug"), Label("cup")))
    together = detector.words(plain(Label("mug", ("cup",))))
    (two,), (one,) = (detector.detect([image], words, 0.0) for words in (apart, together))
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    assert set(two.labels) == {0, 1}
    assert set(one.labels) == {0}


def test_the_background_takes_what_it_fits_better(make_open, scene):
    detector = load_detector(str(make_open("owlv2")[0]))
    image = scene(60, 80)
    (all_of_them,) = detector.detect([image], detector.words(plain(Label("mug"))), 0.0)
    both = Vocabulary((Label("mug"),), ("name",), ("cup",))
    (left,) = detector.detect([image], detector.words(both), 0.0)
    (others,) = detector.detect([image], detector.words(plain(Label("mug"), Label("cup"))), 0.0)
    assert 0 < len(left) < len(all_of_them)
    assert len(left) == int((others.labels == 0).sum())


def test_thresholds_of_single_labels(make_open, scene):
    detector = load_detector(str(make_open("owlv2")[0]))
    image = scene(60, 80)
    (found,) = detector.detect([image], detector.words(plain()), 0.0)
    high = plain(Label("red mug", threshold=1.0), Label("door", threshold=0.0), Label(NAMES[2]))
    (some,) = detector.detect([image], detector.words(high), 1.0)
    assert set(found.labels) == {0, 1, 2}
    assert set(some.labels) == {1}
    assert len(some) == int((found.labels == 1).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_more_of_this(make_open, scene, kind):
    detector = load_detector(str(make_open(kind)[0]))
    image = scene(60, 80)
    (found,) = detector.detect([image], detector.words(plain()), 0.0)
    chosen = found.boxes[7]
    point = detector.point_of(image, chosen)
    same = overlaps(found.boxes, chosen[None])[:, 0].argmax()
    np.testing.assert_allclose(point, found.points[same], atol=1e-6)
    words = detector.words(plain()).with_example(Label("this"), point)
    (again,) = detector.detect([image], words, 0.0)
    at = overlaps(again.boxes, chosen[None])[:, 0].argmax()
    assert again.labels[at] == 3
    assert again.scores[at] > max(0.9, found.scores[same])


@pytest.mark.parametrize("size", [(1, 1), (4, 200)])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes(make_open, scene, kind, size):
    detector = load_detector(str(make_open(kind)[0]))
    image = np.ascontiguousarray(scene(16, 208)[: size[0], : size[1]])
    (found,) = detector.detect([image], detector.words(plain()), 0.0)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [size[1], size[0], size[1], size[0]]).all()


def test_another_kind_of_model(make_open):
    with pytest.raises(InferenceError, match="model_type: got 'siglip'"):
        load_detector(str(make_open("siglip")[0]))


def test_weights_of_another_class(make_open, tmp_path):
    folder = make_open("owlv2")[0]
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace("Owlv2ForObjectDetection", "Owlv2Model"))
    with pytest.raises(InferenceError, match="expected Owlv2ForObjectDetection"):
        load_detector(str(tmp_path))
