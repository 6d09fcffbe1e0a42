"""Detection by CLIP alone: its patches against transformers' modules, and its choice of words."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.inference.preprocessing import Preprocessing  # noqa: E402
from embodied_perception.open_vocabulary.clip_patches import whole  # noqa: E402
from embodied_perception.open_vocabulary.encoder import Encoder  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_detector  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary  # noqa: E402
from embodied_perception.open_vocabulary.words import Words  # noqa: E402

PATCH = 8
NAMES = ("red mug", "door", "lamp")


@pytest.fixture
def detector(make_open):
    return load_detector(str(make_open("clip")[0]))


def expected_points(network, pixel_values, **others):
    """What the last layer's attention has as values, on the way that the image's point goes."""
    said = {}
    values = network.vision_model.encoder.layers[-1].self_attn.v_proj
    hook = values.register_forward_hook(lambda *given: said.update(values=given[-1]))
    with torch.inference_mode():
        network.vision_model(pixel_values=pixel_values, **others)
        hook.remove()
        gathered = network.vision_model.encoder.layers[-1].self_attn.out_proj(said["values"])
        points = network.visual_projection(network.vision_model.post_layernorm(gathered))[:, 1:]
    return (points / points.norm(dim=-1, keepdim=True)).mT.numpy()


def test_points_of_the_size_in_training_are_those_of_the_last_layers_values(make_open, detector):
    _, _, network = make_open("clip")
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    got = detector.model.backend(images)
    assert got.shape == (2, 24, 6, 6)
    np.testing.assert_allclose(got.flatten(2), expected_points(network, images), atol=1e-5)
    assert float(got.flatten(2).std(2).mean()) > 0.05  # places differ


@pytest.mark.parametrize(
    ("size", "inside"),
    [((60, 80), (96, 128)), ((90, 50), (176, 96)), ((61, 97), (96, 152)), ((20, 90), (48, 192))],
)
def test_all_of_an_image_is_seen_larger_than_in_training(make_open, detector, scene, size, inside):
    """Its positions are interpolated, and its sides are whole patches."""
    _, processor, network = make_open("clip")
    image = scene(*size)
    given = processor.image_processor(
        image,
        size=dict(zip(("height", "width"), inside, strict=True)),
        do_center_crop=False,
        return_tensors="pt",
    )["pixel_values"]
    expected = expected_points(network, given, interpolate_pos_encoding=True)
    points, placement = detector.model.run([image])
    assert (placement.image_hw, placement.input_hw) == (size, inside)
    assert placement.is_whole
    assert points.shape[2:] == (inside[0] // PATCH, inside[1] // PATCH)
    np.testing.assert_allclose(points.flatten(2), expected, atol=2e-3)


def halves(size, left, right):
    """A picture of two colours."""
    image = np.empty((*size, 3), np.uint8)
    image[:, : size[1] // 2], image[:, size[1] // 2 :] = left, right
    return image


@pytest.mark.parametrize("size", [(48, 96), (60, 120), (64, 64)])
def test_halves_are_found_by_their_looks(detector, size):
    height, width = size
    colors = [(230, 90, 30), (20, 60, 200)]
    image = halves(size, *colors)
    left, right = np.array([[0, 0, width / 2, height], [width / 2, 0, width, height]])
    words = Words.of_example(Label("left"), detector.point_of(image, left))
    words = words.with_example(Label("right"), detector.point_of(image, right))
    for shown, expected in ((image, [left, right]), (halves(size, *colors[::-1]), [right, left])):
        (found,) = detector.detect([shown], words, 0.3)
        np.testing.assert_allclose(found.boxes[np.argsort(found.labels)], expected, atol=1e-4)
        assert (found.scores > 0.9).all()


class See(torch.nn.Module):
    """Says one thing of some patches, and another of the others."""

    def forward(self, images):
        height, width = (side // PATCH for side in images.shape[-2:])
        points = torch.zeros(len(images), 24, height, width)
        points[:, 1] = 1
        points[:, 0, 2:5, 3:9] = 1
        points[:, 1, 2:5, 3:9] = 0
        points[:, :2, 8, 1] = points[:, :2, 2, 3].clone()  # a patch alone
        return points


@pytest.mark.parametrize("size", [(60, 80), (90, 50), (61, 97), (480, 640), (96, 96)])
def test_boxes_are_where_the_patches_are(detector, scene, monkeypatch, size):
    monkeypatch.setattr(detector.model.backend, "network", See())
    axes = np.eye(24, dtype=np.float32)
    words = Words(Vocabulary.of("a", background=("b",)), axes[:1], np.zeros(1, int), axes[1:2])
    image = scene(*size)
    (found,) = detector.detect([image], words, 0.2)
    height, width = detector.model.preprocessing.placement(size[::-1]).input_hw
    scale = np.array([size[1] / width, size[0] / height] * 2) * PATCH
    np.testing.assert_allclose(found.boxes, [np.array([3, 2, 9, 5]) * scale], rtol=1e-5)
    np.testing.assert_allclose(found.points, axes[:1], atol=1e-6)
    scale = detector._scale
    np.testing.assert_allclose(found.scores, np.exp(scale) / (np.exp(scale) + 1), atol=1e-5)
    middle = found.boxes[0]
    np.testing.assert_allclose(detector.point_of(image, middle), axes[0], atol=1e-6)


def test_scores_are_shares_of_all_there_is_to_choose(detector, scene):
    vocabulary = Vocabulary(
        (Label("red mug", ("cup",)), Label("door"), Label("lamp")), background=("a wall.", "sky.")
    )
    words = detector.words(vocabulary)
    points = detector.model.run([scene(60, 80)])[0][0]
    labels, best = detector._scores(points, words)
    texts = np.concatenate([words.points, words.background])
    logits = detector._scale * np.einsum("td,dhw->thw", texts, points.numpy())
    logits = np.stack([logits[:2].max(0), *logits[2:]])
    expected = np.exp(logits) / np.exp(logits).sum(0)
    np.testing.assert_allclose(torch.stack(list(labels)), expected[:3], atol=1e-5)
    np.testing.assert_allclose(best, expected[3:].max(0), atol=1e-5)
    # What is in the background may as well be a label.
    as_labels, none = detector._scores(
        points, detector.words(Vocabulary.of("red mug", "door", background=()))
    )
    np.testing.assert_allclose(sum(as_labels), 1, atol=1e-5)
    assert not none.any()


def test_what_beats_chance_and_background_is_found(detector, scene):
    words = detector.words(Vocabulary.of(*NAMES, background=("a wall.",)))
    image = scene(60, 80)
    labels, background = detector._scores(detector.model.run([image])[0][0], words)
    found = detector.detect([image], words, 0.0)[0]
    for label, scores in enumerate(labels):
        shown = (scores >= 1 / 4) & (scores > background)
        own = found.scores[found.labels == label]
        assert bool(len(own)) == bool(shown.sum() > 1)
        if len(own):
            assert scores[shown].min() - 1e-6 <= own.min()
            assert own.max() <= scores.max() + 1e-6


def test_the_surest_come_first_and_thresholds_hold(detector, scene):
    words = detector.words(
        Vocabulary((Label(NAMES[0], threshold=1.0), Label(NAMES[1], threshold=0.0)), background=())
    )
    (found,) = detector.detect([scene(60, 80)], words, 0.9)
    assert set(found.labels) == {1}
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("size", [(1, 1), (4, 200), (1, 3000), (700, 3)])
def test_images_of_any_shape(detector, size):
    image = np.full((*size, 3), 90, np.uint8)
    words = detector.words(Vocabulary.of("mug", "door", background=()))
    (found,) = detector.detect([image], words, 0.0)
    assert len(found)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [size[1], size[0]] * 2).all()


def test_the_encoder_goes_on_with_whole_images(make_open, scene):
    encoder = Encoder.load(str(make_open("clip")[0]))
    assert not encoder.dense
    assert encoder.model.preprocessing.fixed_hw == (48, 48)
    assert encoder.points([scene(60, 80)]).shape == (1, 24)


@pytest.mark.parametrize(
    "given",
    [
        Preprocessing(shortest_edge=224, crop_hw=(224, 224)),
        Preprocessing(whole_hw=(224, 224), pad_hw=(256, 256)),
        Preprocessing(),
    ],
)
def test_sides_of_the_input(given):
    preprocessing = whole(given, 224, 14)
    assert preprocessing.placement((640, 480)).input_hw == (448, 602)
    assert preprocessing.placement((480, 640)).input_hw == (602, 448)
    assert preprocessing.placement((4000, 1000)).input_hw == (224, 896)
    assert preprocessing.words == "shorter side 448"


# Bad input


def test_one_text_alone_would_be_everywhere(detector, scene):
    alone = Vocabulary.of("red mug", background=())
    with pytest.raises(OpenVocabularyError, match=r"'red mug' is all there is, .*give background"):
        detector.words(alone)
    example = Words.of_example(Label("like this"), detector.point_of(scene(60, 80)))
    with pytest.raises(OpenVocabularyError, match=r"'like this' is all .*more labels or examples"):
        detector.detect([scene(60, 80)], example, 0.2)
    detector.words(Vocabulary.of("red mug", background=("a wall.",)))


@pytest.mark.parametrize(
    "box", [[90, 2, 99, 9], [2, 70, 9, 80], [-9, -9, -1, -1], [np.nan, 2, 9, 9]]
)
def test_a_box_that_is_not_in_the_image(detector, scene, box):
    with pytest.raises(InferenceError, match="is not in the image of 80x60"):
        detector.point_of(scene(60, 80), np.array(box, float))


def test_what_is_no_image(detector):
    words = detector.words(Vocabulary.of("mug", "door"))
    with pytest.raises(InferenceError, match="expected uint8"):
        detector.detect([np.zeros((60, 80), np.uint8)], words, 0.2)


def test_weights_of_another_class(make_open, tmp_path):
    folder = make_open("clip")[0]
    for path in folder.iterdir():
        text = path.read_bytes().replace(b"CLIPModel", b"CLIPVisionModel")
        (tmp_path / path.name).write_bytes(text)
    with pytest.raises(InferenceError, match=r"architectures: got .*expected CLIPModel"):
        load_detector(str(tmp_path))
