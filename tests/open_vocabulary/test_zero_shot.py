"""Zero-shot classification against transformers' own pipeline, and "none of these"."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.open_vocabulary.calibration import Calibration  # noqa: E402
from embodied_perception.open_vocabulary.encoder import Encoder  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Vocabulary  # noqa: E402
from embodied_perception.open_vocabulary.zero_shot import NONE, ZeroShotClassifier  # noqa: E402

NAMES = ("red mug", "door", "fire extinguisher")


def classifier(make_open, kind, **others):
    encoder = Encoder.load(str(make_open(kind)[0]))
    return ZeroShotClassifier(encoder, encoder.words(Vocabulary.of(*NAMES, **others)))


@pytest.mark.parametrize("size", [(60, 80), (48, 48), (90, 50)])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_scores_are_those_of_the_pipeline(make_open, scene, kind, size):
    _, processor, network = make_open(kind)
    image = scene(*size)
    pipeline = transformers.pipeline(
        "zero-shot-image-classification",
        model=network,
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
    )
    said = pipeline(
        Image.fromarray(image), candidate_labels=list(NAMES), hypothesis_template="a photo of a {}."
    )
    expected = {each["label"]: each["score"] for each in said}
    shares = classifier(make_open, kind, background=()).classify([image])[0]
    np.testing.assert_allclose(shares[:3], [expected[name] for name in NAMES], atol=1e-3)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_none_of_these(make_open, scene, kind):
    images = [scene(60, 80, seed) for seed in range(4)]
    shares = classifier(make_open, kind).classify(images)
    alone = classifier(make_open, kind, background=()).classify(images)
    assert shares.shape == (4, 4)
    assert (shares[:, :3] < alone[:, :3]).all()
    if kind == "clip":
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
        np.testing.assert_array_equal(alone[:, 3], 0)
    else:
        np.testing.assert_allclose(shares[:, 3], 1 - shares[:, :3].max(1), atol=1e-6)


def test_images_of_several_sizes_keep_their_order(make_open, scene):
    sizes = [(60, 80), (90, 50), (60, 80)]
    images = [scene(*size, seed) for seed, size in enumerate(sizes)]
    found = classifier(make_open, "clip")
    one_by_one = np.concatenate([found.classify([image]) for image in images])
    np.testing.assert_allclose(found.classify(images), one_by_one, atol=1e-5)


def test_what_a_label_gets_everywhere_is_held_against_it(make_open, scene):
    images = [scene(60, 80, seed) for seed in range(12)]
    found = classifier(make_open, "clip", background=())
    calibrated = found.calibrated(images)
    logits = np.log(calibrated.classify(images)[:, :3])
    centred = logits - logits.mean(1, keepdims=True)
    np.testing.assert_allclose(centred.mean(0), 0, atol=1e-4)
    assert abs(sum(calibrated.calibration.offsets.values())) < 1e-4
    assert calibrated.calibration.temperature == 1.0


def test_temperature_makes_the_truth_as_probable_as_it_gets(make_open, scene):
    images = [scene(60, 80, seed) for seed in range(12)]
    found = classifier(make_open, "clip")
    true = np.arange(12) % 4  # no better than chance: it should be unsure
    calibrated = found.calibrated(images, true.tolist())

    def surprise(temperature):
        other = ZeroShotClassifier(
            found.encoder, found.words, Calibration(temperature, calibrated.calibration.offsets)
        )
        return -np.log(other.classify(images)[np.arange(12), true]).mean()

    best = calibrated.calibration.temperature
    assert best > 1.5
    assert surprise(best) <= min(surprise(each) for each in (0.5, 1.0, 0.8 * best, 1.2 * best))


@pytest.mark.parametrize(
    ("count", "labels", "reason"),
    [
        (1, None, "got 1 images to calibrate by"),
        (3, [0, 1], "expected one each, from 0 to 3"),
        (3, [0, 1, 4], "expected one each, from 0 to 3"),
        (3, [0, -1, 2], "expected one each, from 0 to 3"),
    ],
)
def test_too_little_to_calibrate_by(make_open, scene, count, labels, reason):
    images = [scene(60, 80, seed) for seed in range(count)]
    with pytest.raises(OpenVocabularyError, match=reason):
        classifier(make_open, "clip").calibrated(images, labels)


def test_offsets_are_of_names(make_open, scene):
    """Whatever the order of the labels; those that it does not know stay as they are."""
    image = scene(60, 80)
    found = classifier(make_open, "clip", background=())
    raised = ZeroShotClassifier(found.encoder, found.words, Calibration(1.0, {"door": -2.0}))
    before, after = (np.log(each.classify([image])[0, :3]) for each in (found, raised))
    gained = after - before
    assert gained[1] - gained[0] == pytest.approx(2, abs=1e-4)
    assert gained[2] - gained[0] == pytest.approx(0, abs=1e-4)
    words = found.encoder.words(Vocabulary.of(*reversed(NAMES), background=()))
    turned = ZeroShotClassifier(found.encoder, words, raised.calibration).classify([image])[
        0, 2::-1
    ]
    np.testing.assert_allclose(np.log(turned), after, atol=1e-4)


def test_answers_in_words(make_open):
    found = classifier(make_open, "clip")
    shares = np.array([0.2, 0.5, 0.0, 0.3])
    assert found.ranked(shares, 0.0, 5) == [("door", 0.5), (NONE, 0.3), ("red mug", 0.2)]
    assert found.ranked(shares, 0.25, 5) == [("door", 0.5), (NONE, 0.3)]
    assert found.ranked(shares, 0.0, 1) == [("door", 0.5)]
    assert found.ranked(shares, 0.6, 5) == []


def test_no_images(make_open):
    assert classifier(make_open, "clip").classify([]).shape == (0, 4)


def test_another_kind_of_model(make_open):
    with pytest.raises(
        InferenceError, match="model_type: got 'owlvit', expected 'clip', 'siglip', 'compact_clip'"
    ):
        Encoder.load(str(make_open("owlvit")[0]))


def test_siglip_2_of_flexible_size(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "siglip2"}')
    with pytest.raises(InferenceError, match=r"got 'siglip2'.* hf:google/siglip2-base-patch16-224"):
        Encoder.load(str(tmp_path))


def test_an_image_that_is_none(make_open):
    with pytest.raises(InferenceError, match="expected uint8"):
        classifier(make_open, "clip").classify([np.zeros((60, 80), np.uint8)])
