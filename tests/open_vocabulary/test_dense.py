"""Detection by two towers: regions of what words say, against a model that is known by heart."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from tokenizers.pre_tokenizers import WhitespaceSplit  # noqa: E402

from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.open_vocabulary import dense  # noqa: E402
from embodied_perception.open_vocabulary.box_scores import BoxScores  # noqa: E402
from embodied_perception.open_vocabulary.compact_clip import CompactClip  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_detector  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary  # noqa: E402
from embodied_perception.open_vocabulary.words import Words  # noqa: E402

KNOWN = ("<padding>", "<unknown>", "red", "green", "blue", "gray")
COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint with random weights, as training/clip.py writes one."""
    folder = tmp_path_factory.mktemp("compact_clip")
    torch.manual_seed(0)
    save_file(CompactClip(len(KNOWN)).state_dict(), folder / "model.safetensors")
    config = {"model_type": "compact_clip", "architectures": ["CompactClip"], "words": len(KNOWN)}
    (folder / "config.json").write_text(json.dumps(config))
    preprocessor = {
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(KNOWN)}, "<unknown>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=KNOWN[1],
        pad_token=KNOWN[0],
        model_max_length=16,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def detector(folder, monkeypatch):
    """Points are the colours of every other pixel, and texts are the colours that they name."""
    found = load_detector(str(folder))
    found._scale, found._bias = 20.0, -14.0

    class See(torch.nn.Module):
        def forward(self, images):
            return torch.nn.functional.normalize(images[..., ::2, ::2] + 1e-6, dim=1)

    monkeypatch.setattr(found.model.backend, "network", See())
    return found


def words(*names, background=(), thresholds=None):
    colors = {"gray": (1, 1, 1)} | COLORS
    points = np.array([colors[name] for name in (*names, *background)], np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    limits = thresholds or [None] * len(names)
    labels = tuple(
        Label(*pair, threshold=least) for *pair, least in zip(names, limits, strict=True)
    )
    count = len(names)
    vocabulary = Vocabulary(labels, ("name",), background)
    return Words(vocabulary, points[:count], np.arange(count), points[count:])


def picture(size_hw, **boxes):
    image = np.full((*size_hw, 3), 128, np.uint8)
    for key, (left, top, right, bottom) in boxes.items():
        image[top:bottom, left:right] = COLORS[key.rstrip("0123456789")]
    return image


def test_a_region_is_a_box_with_the_right_label(detector):
    image = picture((60, 80), red=(10, 20, 30, 40), blue=(50, 4, 70, 50))
    (found,) = detector.detect([image], words("blue", "red", "green"), 0.5)
    assert {tuple(box) for box in found.boxes.tolist()} == {(50, 4, 70, 50), (10, 20, 30, 40)}
    order = np.argsort(found.labels)
    np.testing.assert_array_equal(found.labels[order], [0, 1])
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-6)), atol=1e-4)
    np.testing.assert_allclose(found.points[order], np.eye(3)[[2, 0]], atol=1e-3)


def test_two_things_of_a_label_are_two_boxes(detector):
    image = picture((60, 80), red1=(10, 20, 30, 40), red2=(40, 20, 60, 40))
    (found,) = detector.detect([image], words("red"), 0.5)
    assert sorted(found.boxes[:, 0].tolist()) == [10, 40]


def test_specks_are_left_out(detector):
    (found,) = detector.detect([picture((60, 80), red=(10, 20, 14, 22))], words("red"), 0.0)
    assert not any(box[2] - box[0] <= 4 for box in found.boxes)


def test_what_is_not_there_is_not_found(detector):
    image = picture((60, 80), red=(10, 20, 30, 40))
    (found,) = detector.detect([image], words("green"), 0.5)
    assert len(found) == 0
    assert found.points.shape == (0, 3)


def test_background_texts_take_what_fits_them_better(detector):
    detector._scale = 40.0  # gray is like red enough
    image = picture((60, 80), red=(10, 20, 30, 40))
    (open_to_all,) = detector.detect([image], words("red"), 0.01)
    (found,) = detector.detect([image], words("red", background=("gray",)), 0.01)
    assert open_to_all.boxes.tolist() == [[0, 0, 80, 60]]
    assert found.boxes.tolist() == [[10, 20, 30, 40]]


def test_labels_have_thresholds_of_their_own(detector):
    image = picture((60, 80), red=(10, 20, 30, 40), blue=(50, 4, 70, 50))
    (found,) = detector.detect([image], words("blue", "red", thresholds=(0.9999, None)), 0.5)
    assert found.labels.tolist() == [1]


def test_boxes_are_as_sure_as_those_were_right(detector):
    """And the threshold is held to that, while the region stays what fits."""
    detector._box_scores = BoxScores(2.0, -8.0)
    image = picture((60, 80), red=(10, 20, 30, 40))
    score = 1 / (1 + np.exp(-(2 * 6 - 8)))  # of places that fit by a logit of 6
    (found,) = detector.detect([image], words("red"), score - 0.001)
    assert found.boxes.tolist() == [[10, 20, 30, 40]]
    np.testing.assert_allclose(found.scores, score, atol=1e-4)
    (found,) = detector.detect([image], words("red"), score + 0.001)
    assert len(found) == 0


@pytest.mark.parametrize("size", [(61, 81), (60, 81), (7, 9)])
def test_odd_sizes_end_at_the_border(detector, size):
    height, width = size
    image = picture(size, red=(0, 0, width, height))
    (found,) = detector.detect([image], words("red"), 0.5)
    np.testing.assert_array_equal(found.boxes, [[0, 0, width, height]])


def test_more_of_the_same_by_a_crop(detector):
    image = picture((60, 80), red=(10, 20, 30, 40), blue=(50, 4, 70, 50))
    point = detector.point_of(image, np.array([50, 4, 70, 50]))
    np.testing.assert_allclose(point, [0, 0, 1], atol=0.05)
    like = Words.of_example(Label("like this"), point)
    (found,) = detector.detect([image], like, 0.5)
    assert found.boxes.tolist() == [[50, 4, 70, 50]]


def test_a_box_beyond_the_image_shows_nothing(detector):
    with pytest.raises(InferenceError, match="is not in the image"):
        detector.point_of(picture((60, 80)), np.array([200.0, 4, 300, 50]))


def test_boxes_are_right_where_memory_was_short(detector, monkeypatch):
    see = detector.model.backend.network

    class Short(torch.nn.Module):
        def forward(self, images):
            if images.shape[-1] > 60:
                raise torch.OutOfMemoryError("out of memory")
            return see(images)

    monkeypatch.setattr(detector.model.backend, "network", Short())
    (found,) = detector.detect([picture((64, 80), red=(8, 16, 32, 40))], words("red"), 0.7)
    np.testing.assert_allclose(found.boxes, [[8, 16, 32, 40]], atol=4)


def test_images_in_a_batch_are_those_alone(folder):
    detector = load_detector(str(folder))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (40, 56, 3), dtype=np.uint8) for _ in range(2)]
    vocabulary = detector.words(Vocabulary((Label("red"), Label("blue")), ("name",), ("gray",)))
    for image, together in zip(images, detector.detect(images, vocabulary, 0.0), strict=True):
        (alone,) = detector.detect([image], vocabulary, 0.0)
        np.testing.assert_array_equal(together.boxes, alone.boxes)


def test_many_labels(detector):
    names = tuple(f"{name} {number}" for number in range(700) for name in COLORS)[:2000]
    points = np.tile(np.eye(3, dtype=np.float32), (700, 1))[:2000]
    vocabulary = Vocabulary(tuple(map(Label, names)), ("name",), ())
    many = Words(vocabulary, points, np.arange(2000), points[:0])
    image = picture((60, 80), red=(10, 20, 30, 40))
    (found,) = detector.detect([image], many, 0.5)
    assert set(found.labels % 3) == {0}
    assert len(found) == 300


# Bad input


def test_a_text_that_is_too_long(folder):
    detector = load_detector(str(folder))
    with pytest.raises(OpenVocabularyError, match="has 20 tokens, the model takes 16"):
        detector.words(Vocabulary((Label("red " * 19 + "red"),), ("name",), ()))


@pytest.mark.parametrize(
    ("count", "reason"), [(None, "words: got None"), (0, "got 0"), ("6", "got '6'"), (7, "words")]
)
def test_a_config_with_another_number_of_words(folder, tmp_path, count, reason):
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text()) | {"words": count}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InferenceError, match=reason):
        load_detector(str(copy))


def test_without_a_tokenizer(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(InferenceError, match="has no tokenizer"):
        load_detector(str(copy))


def test_no_image(folder):
    detector = load_detector(str(folder))
    with pytest.raises(InferenceError):
        detector.detect([np.zeros((4, 4), np.uint8)], words("red"), 0.5)


def test_regions_are_those_of_the_mask():
    shown = np.zeros((20, 30), bool)
    shown[2:8, 3:9] = shown[10:18, 20:29] = True
    shown[12:14, 22:24] = False
    shown[19, 0] = True  # a speck
    (first, all_of_it), (second, with_a_hole) = dense._regions(shown, 8)
    assert (first, second) == ((3, 2, 9, 8), (20, 10, 29, 18))
    assert all_of_it.all()
    np.testing.assert_array_equal(with_a_hole, shown[10:18, 20:29])
