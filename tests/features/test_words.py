"""Words of clusters that are known, and images found again by them."""

import math

import numpy as np
import pytest

from embodied_perception.errors import FeatureError
from embodied_perception.features.words import InvertedIndex, Vocabulary

RANDOM = np.random.default_rng(5)
CENTRES = {
    "float": RANDOM.normal(0, 10, (12, 8)).astype(np.float32),
    "bits": RANDOM.integers(0, 256, (12, 32), np.uint8),
}


def around(centres, each, seed=0):
    """Descriptors near centres, and the centre of each."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(centres)), each)
    near = centres[labels]
    if centres.dtype == np.uint8:
        flips = random.random((len(near), near.shape[1] * 8)) < 0.03
        return near ^ np.packbits(flips, axis=1), labels
    return (near + random.normal(0, 0.3, near.shape)).astype(np.float32), labels


@pytest.fixture(scope="module", params=CENTRES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def vocabulary(kind):
    descriptors, _ = around(CENTRES[kind], 40)
    return Vocabulary.train([descriptors], 12, seed=3)


def test_words_are_the_clusters(kind, vocabulary):
    descriptors, labels = around(CENTRES[kind], 25, seed=9)
    words = vocabulary.words(descriptors)
    # As one of the words can have taken two clusters, nearly all of one cluster agree.
    agree = [np.bincount(words[labels == label]).max() for label in range(12)]
    assert np.mean(agree) > 22
    assert len(set(words.tolist())) >= 9


def test_majorities_are_those_of_the_bits():
    descriptors, _ = around(CENTRES["bits"][:1], 201)
    (centre,) = Vocabulary.train([descriptors], 1).centres
    np.testing.assert_array_equal(centre, CENTRES["bits"][0])


def test_training_is_the_same_every_time(kind):
    descriptors, _ = around(CENTRES[kind], 20)
    first, second = (Vocabulary.train([descriptors], 6, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)


def test_words_that_all_images_have_tell_nothing():
    centres = CENTRES["float"][:3]
    images = [centres[[0, 1]], centres[[0, 2]], centres[[0]], centres[[0, 2]]]
    vocabulary = Vocabulary.train(images, 3)
    words = vocabulary.words(centres)
    expected = [math.log(4 / 4), math.log(4 / 1), math.log(4 / 2)]
    np.testing.assert_allclose(vocabulary.weights[words], expected, atol=1e-6)
    assert vocabulary.bag(centres[[0, 0]]) == {}
    bag = vocabulary.bag(centres[[0, 1, 2, 2]])
    length = math.hypot(math.log(4), 2 * math.log(2))
    assert bag[int(words[1])] == pytest.approx(math.log(4) / length)
    assert sum(weight**2 for weight in bag.values()) == pytest.approx(1)


def test_an_image_is_found_by_its_words():
    vocabulary = Vocabulary(CENTRES["float"], np.ones(12))
    index = InvertedIndex(vocabulary)
    for image in range(4):
        index.add(image, vocabulary.bag(CENTRES["float"][3 * image : 3 * image + 3]))
    seen = CENTRES["float"][[3, 4, 5, 6]] + 0.01
    found = index.query(vocabulary.bag(seen))
    assert [image for image, _ in found] == [1, 2]
    assert found[0][1] == pytest.approx(3 / math.sqrt(3 * 4))
    assert found[1][1] == pytest.approx(1 / math.sqrt(3 * 4))
    index.remove(1)
    index.remove(77)
    assert [image for image, _ in index.query(vocabulary.bag(seen))] == [2]
    assert len(index) == 3
    index.add(2, {})
    assert index.query(vocabulary.bag(seen)) == []


def test_what_is_saved_is_loaded(vocabulary, tmp_path):
    path = tmp_path / "words.npz"
    vocabulary.save(path)
    again = Vocabulary.load(path)
    assert len(again) == len(vocabulary)
    np.testing.assert_array_equal(again.centres, vocabulary.centres)
    np.testing.assert_array_equal(again.weights, vocabulary.weights)


def test_no_descriptors_no_words(vocabulary):
    nothing = np.zeros((0, vocabulary.centres.shape[1]), vocabulary.centres.dtype)
    assert vocabulary.words(nothing).shape == (0,)
    assert vocabulary.bag(nothing) == {}


def test_descriptors_of_another_kind_are_refused():
    vocabulary = Vocabulary(CENTRES["bits"], np.ones(12))
    with pytest.raises(FeatureError, match="got descriptors of 8 float32, the vocabulary has 32 u"):
        vocabulary.words(CENTRES["float"])


@pytest.mark.parametrize(
    "images", [[], [np.zeros((0, 32), np.uint8)], [np.ones((9, 32), np.uint8)]]
)
def test_too_few_descriptors_make_no_vocabulary(images):
    with pytest.raises(FeatureError, match="different descriptors for 5 words; give more images"):
        Vocabulary.train(images, 5)


@pytest.mark.parametrize("content", [b"", b"words", b"PK\x03\x04"])
def test_files_that_are_no_vocabulary_are_refused(tmp_path, content):
    path = tmp_path / "words.npz"
    path.write_bytes(content)
    with pytest.raises(FeatureError, match=r"words.npz: no vocabulary"):
        Vocabulary.load(path)


def test_a_pickle_in_a_vocabulary_is_not_opened(tmp_path):
    path = tmp_path / "words.npz"
    np.savez(path, centres=np.array([print], dtype=object), weights=np.ones(1))
    with pytest.raises(FeatureError, match="no vocabulary"):
        Vocabulary.load(path)


def test_arrays_that_are_no_words_are_refused():
    with pytest.raises(FeatureError, match=r"expected \(W, D\) and \(W,\)"):
        Vocabulary(np.zeros((3, 4), np.float32), np.ones(2))
