"""Textures told apart by their words, with the reasons, and what is no such classifier."""

import json
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from embodied_perception.classification.word_pyramid import CELLS, WordPyramid
from embodied_perception.classification.words import WordsClassifier, probabilities
from embodied_perception.classification.words_training import fit_classifier, train_centres
from embodied_perception.errors import FeatureError, InferenceError

sklearn_svm = pytest.importorskip("sklearn.svm", reason="needs: pip install --group learned")

LABELS = ("stripes", "checks", "blobs")
WORDS = 24


def picture(label, seed, size_wh=(90, 70)):
    """One of three textures, of random period and direction, with noise: (H, W, 3) uint8."""
    random = np.random.default_rng((LABELS.index(label), seed))
    x, y = np.meshgrid(*(np.arange(side) for side in size_wh))
    period = random.uniform(8, 11)
    phase = random.uniform(0, 2 * np.pi, 2)
    u, v = 2 * np.pi * x / period + phase[0], 2 * np.pi * y / period + phase[1]
    if label == "stripes":
        value = np.sin(u)
    elif label == "checks":
        value = np.sign(np.sin(u)) * np.sign(np.sin(v))
    else:
        value = 12 * cv2.GaussianBlur(random.normal(size=x.shape), None, 3)
    gray = 128 + 70 * value + random.normal(0, 3, x.shape)
    return np.repeat(np.clip(gray, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def train(labels, seed=0):
    classes = np.repeat(np.arange(len(labels)), 8)
    images = [picture(labels[each], place) for place, each in enumerate(classes)]
    centres = train_centres(images, len(images), WORDS, seed)
    return fit_classifier(centres, images, classes, labels, seed), images, classes, centres


@pytest.fixture(scope="module")
def trained():
    return train(LABELS)


@pytest.fixture(scope="module")
def classifier(trained):
    return trained[0]


@pytest.fixture
def folder(classifier, tmp_path):
    classifier.save(tmp_path / "model")
    return tmp_path / "model"


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_tensor(folder, name, value):
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {name: value}, folder / "model.safetensors")


@pytest.mark.parametrize("size_wh", [(90, 70), (60, 120), (180, 140)])
def test_textures_are_told_apart_on_images_not_seen(classifier, size_wh):
    images = [picture(label, seed, size_wh) for label in LABELS for seed in range(100, 104)]
    if size_wh == (180, 140):  # the same, seen from half as far
        half = [picture(label, seed) for label in LABELS for seed in range(100, 104)]
        images = [cv2.resize(each, size_wh, interpolation=cv2.INTER_LINEAR) for each in half]
    said = classifier.classify(images)
    assert said.shape == (12, 3)
    assert said.dtype == np.float32
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    right = said.argmax(axis=1) == np.repeat(np.arange(3), 4)
    assert right.mean() >= 11 / 12


@pytest.mark.parametrize("labels", [LABELS, LABELS[:2]])
def test_scores_are_the_decisions_of_scikit_learn(labels):
    classifier, images, classes, centres = train(labels, seed=5)
    pyramid = WordPyramid(centres)

    def histograms(of):
        return np.array([pyramid.histogram(pyramid.bins(image)[1]) for image in of])

    svm = sklearn_svm.LinearSVC(C=1.0, dual=True, max_iter=10_000, random_state=5)
    svm.fit(histograms(images), classes)
    unseen = [picture(label, seed) for label in labels for seed in range(200, 204)]
    expected = svm.decision_function(histograms(unseen))
    if len(labels) == 2:
        expected = np.column_stack([-expected, expected])
    scores = np.array([classifier.scores(image) for image in unseen])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_array_equal(
        classifier.classify(unseen).argmax(axis=1), svm.predict(histograms(unseen))
    )


def test_histograms_are_shares_of_each_level(trained):
    pyramid = WordPyramid(trained[3])
    boxes, bins = pyramid.bins(trained[1][0])
    assert bins.shape == (len(boxes), 2)
    shares = pyramid.histogram(bins).reshape(CELLS, WORDS) ** 2
    np.testing.assert_allclose([shares[0].sum(), shares[1:].sum()], 1, atol=1e-5)
    np.testing.assert_allclose(shares[1:].sum(axis=0), shares[0], atol=1e-5)
    left = (boxes[:, 0] + boxes[:, 2]) / 2 < 0.5
    assert np.isclose(shares[[1, 3]].sum(), left.mean(), atol=1e-5)


def test_words_are_the_nearest_centres(trained):
    from embodied_perception.classification.dense_sift import dense_root_sift

    image, centres = trained[1][3], trained[3]
    descriptors = dense_root_sift(image).descriptors
    distances = np.linalg.norm(descriptors[:, None] - centres, axis=2)
    words = WordPyramid(centres).bins(image)[1][:, 0]
    np.testing.assert_allclose(
        distances[np.arange(len(words)), words], distances.min(axis=1), atol=1e-3
    )


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from(LABELS), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_evidence_adds_up_to_the_score(classifier, width, height, label, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image = cv2.GaussianBlur(image, None, 2)
    heat = classifier.contributions(image, label)
    assert heat.shape == (height, width)
    assert heat.dtype == np.float32
    score = classifier.scores(image)[LABELS.index(label)]
    total = heat.sum(dtype=np.float64) + classifier.intercept(label)
    assert total == pytest.approx(score, abs=1e-4)


def test_evidence_is_where_the_texture_is(classifier):
    checks, stripes = picture("checks", 300, (160, 90)), picture("stripes", 300, (160, 90))
    image = np.concatenate([checks[:, :80], stripes[:, 80:]], axis=1)
    for label, other, here in (("checks", "stripes", 0), ("stripes", "checks", 1)):
        heat = classifier.contributions(image, label) - classifier.contributions(image, other)
        halves = heat[:, :80].sum(), heat[:, 80:].sum()
        assert halves[here] > halves[1 - here]
        assert halves[here] > 0


def test_the_same_seed_makes_the_same_classifier(trained, tmp_path):
    trained[0].save(tmp_path / "first")
    train(LABELS)[0].save(tmp_path / "second")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_what_is_saved_is_loaded_to_the_bit(classifier, folder):
    again = WordsClassifier.load(str(folder))
    images = [picture(label, 400) for label in LABELS]
    assert again.labels == LABELS
    np.testing.assert_array_equal(again.classify(images), classifier.classify(images))
    np.testing.assert_array_equal(
        again.contributions(images[0], "blobs"), classifier.contributions(images[0], "blobs")
    )
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "visual_words"
    assert config["id2label"] == {"0": "stripes", "1": "checks", "2": "blobs"}


def test_it_runs_without_scikit_learn_and_torch(folder):
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from embodied_perception.classification.words import WordsClassifier\n"
        f"classifier = WordsClassifier.load({str(folder)!r})\n"
        "print(classifier.classify([np.zeros((20, 30, 3), np.uint8)]).shape)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "(1, 3)", result.stderr


def test_probabilities_are_a_softmax_that_never_overflows():
    np.testing.assert_allclose(
        probabilities(np.array([[0.0, np.log(9)]]), 1.0), [[0.1, 0.9]], atol=1e-9
    )
    np.testing.assert_allclose(probabilities(np.array([[1e6, -1e6]]), 0.01), [[1, 0]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (2000, 3), (5, 5)])
def test_tiny_and_narrow_images_have_an_answer(classifier, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    said = classifier.classify([image])
    assert np.isfinite(said).all()
    assert said.sum() == pytest.approx(1, abs=1e-6)


def test_without_texture_all_images_are_alike(classifier):
    said = classifier.classify([np.full((40 + each, 60, 3), each, np.uint8) for each in (0, 99)])
    np.testing.assert_allclose(said[0], said[1], atol=1e-5)


def test_no_images_no_answers(classifier):
    assert classifier.classify([]).shape == (0, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((20, 30, 3), np.float32),
        np.zeros((0, 30, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(classifier, image):
    for ask in (
        lambda: classifier.classify([image]),
        lambda: classifier.contributions(image, "blobs"),
    ):
        with pytest.raises(InferenceError, match=r"expected uint8 RGB \(H, W, 3\)"):
            ask()


def test_evidence_is_what_speaks_for_a_class(classifier):
    image = picture("blobs", 3)
    heat = classifier.evidence(image, LABELS.index("blobs"))
    parts = classifier.contributions(image, "blobs")
    assert heat.max() == 1
    np.testing.assert_allclose(heat, parts.clip(0) / parts.max(), atol=1e-6)


def test_evidence_of_an_unknown_class_is_refused(classifier):
    with pytest.raises(InferenceError, match="'cup', expected one of stripes, checks, blobs"):
        classifier.contributions(picture("blobs", 0), "cup")


def test_training_needs_photos_and_a_choice(trained):
    _, images, classes, centres = trained
    with pytest.raises(InferenceError, match="got one class, stripes, expected two"):
        fit_classifier(centres, images[:8], classes[:8], ("stripes",), 0)
    with pytest.raises(InferenceError, match="class 'checks' has 3 photos to learn from, expec"):
        fit_classifier(centres, images[:11], classes[:11], LABELS[:2], 0)
    blank = [np.zeros((30, 30, 3), np.uint8)] * 8
    with pytest.raises(FeatureError, match="1 different descriptors for 24 words"):
        train_centres(blank, 8, WORDS, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"words": 25}, r"centres: got float32 of shape \(24, 128\), by config.json it is .*25"),
        ({"words": "24"}, "words: got '24', expected a number"),
        ({"words": -1}, "words: got -1"),
        ({"words": True}, "words: got True"),
        ({"words": 10**12}, "both files must come from one training"),
        ({"pyramid": [1, 2, 4]}, r"pyramid: got \[1, 2, 4\], expected \[1, 2\]"),
        ({"features": "hog"}, "features: got 'hog', expected 'dense_root_sift'"),
        ({"model_type": "vit"}, "model_type: got 'vit', expected 'visual_words'"),
        ({"id2label": {"0": "a", "1": "b"}}, r"coefficients: got float32 of shape \(3, 120\)"),
        ({"id2label": {"0": "a", "2": "b", "3": "c"}}, "has no name; number them from 0 on"),
        ({"id2label": {"0": "a", "1": 5, "2": "c"}}, '"1" has no name'),
        ({"id2label": {"0": "a", "1": " ", "2": "c"}}, '"1" has no name'),
        ({"id2label": {"0": "a", "1": "a", "2": "c"}}, "expected two or more different names"),
        ({"id2label": ["a", "b", "c"]}, "id2label: got"),
        ({"id2label": {}}, "id2label: got"),
        ({"id2label": None}, "id2label: got None"),
    ],
)
def test_a_config_that_lies_is_refused(folder, values, message):
    change_config(folder, **values)
    with pytest.raises(InferenceError, match=message):
        WordsClassifier.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\udcff"])
def test_a_config_that_is_no_json_object_is_refused(folder, text):
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InferenceError, match=r"config.json"):
        WordsClassifier.load(folder)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", np.zeros(1, np.float32), "temperature: got 0.0, expected more than 0"),
        ("temperature", np.ones(2, np.float32), r"temperature: got float32 of shape \(2,\)"),
        ("intercepts", np.full(3, np.nan, np.float32), "intercepts is not finite"),
        ("intercepts", np.zeros(3), "intercepts: got float64"),
        ("centres", np.zeros((WORDS, 64), np.float32), r"centres: got float32 of shape \(24, 64\)"),
    ],
)
def test_tensors_that_make_no_sense_are_refused(folder, name, value, message):
    change_tensor(folder, name, value)
    with pytest.raises(InferenceError, match=message):
        WordsClassifier.load(folder)


def test_a_tensor_that_is_missing_is_named(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["coefficients"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(InferenceError, match="lacks the tensor coefficients"):
        WordsClassifier.load(folder)


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_cut_off_weights_are_refused(folder, share):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InferenceError, match=r"model.safetensors is no whole safetensors file"):
        WordsClassifier.load(folder)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def test_a_pickle_is_not_opened(folder):
    path = folder / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InferenceError, match="no whole safetensors file"):
        WordsClassifier.load(folder)
    path.rename(folder / "model.pkl")
    with pytest.raises(InferenceError, match="never from pickles"):
        WordsClassifier.load(folder)


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(InferenceError, match=r"has no config.json; give a folder"):
        WordsClassifier.load(tmp_path)


def test_where_one_cannot_write_it_says_so(classifier, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InferenceError, match="cannot write"):
        classifier.save(tmp_path / "file")
