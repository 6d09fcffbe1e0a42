"""SuperPoint gives what transformers' own processor, model and post-processing give."""

import numpy as np
import pytest

from embodied_perception.errors import FeatureError
from embodied_perception.features.learned import SuperPoint
from embodied_perception.features.matching import match_features
from embodied_perception.features.selection import select_balanced

ALL = 10**6


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def folder(tmp_path, make_superpoint, write_preprocessor):
    make_superpoint(tmp_path)
    write_preprocessor(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def processor(processor_class):
    return processor_class("SuperPointImageProcessor")


def theirs(torch, network, processor, gray):
    """Pixels before and after rounding, scores and descriptors; the surest first."""
    with torch.no_grad():
        output = network(**processor(np.dstack([gray] * 3), return_tensors="pt"))
    (found,) = processor.post_process_keypoint_detection(output, [gray.shape])
    order = np.argsort(-found["scores"].numpy(), kind="stable")
    exact = output.keypoints[0].numpy() * gray.shape[::-1]
    values = (exact, found["keypoints"].numpy(), found["scores"].numpy())
    return *(each[order] for each in values), found["descriptors"].numpy()[order]


@pytest.mark.parametrize(
    ("shape", "resize"),
    [
        ((72, 88), True),  # as the network wants it
        ((144, 176), True),
        ((97, 61), True),  # other proportions
        ((40, 50), True),  # enlarged
        ((75, 93), False),  # no whole cells
    ],
)
def test_features_are_those_of_transformers(
    torch, tmp_path, make_superpoint, write_preprocessor, processor, picture, shape, resize
):
    network = make_superpoint(tmp_path)
    write_preprocessor(tmp_path, do_resize=resize)
    gray = picture(*shape)
    exact, whole, scores, descriptors = theirs(
        torch, network, processor.from_pretrained(tmp_path), gray
    )
    ours = SuperPoint.load(tmp_path).extract(gray, ALL)
    assert len(ours) == len(scores) > 20
    # transformers multiplies coordinates; that takes the corner of a pixel for its middle.
    ratio = np.array(shape[::-1]) / ((88, 72) if resize else shape[::-1])
    np.testing.assert_allclose(ours.pixels - (ratio - 1) / 2, exact, atol=1e-3)
    cut_off = ours.pixels - (ratio - 1) / 2 - whole  # it also cuts the fraction off, 48.9999's too
    assert ((cut_off > -1e-3) & (cut_off < 1 + 1e-3)).all()
    np.testing.assert_allclose(ours.responses, scores, atol=1e-6)
    np.testing.assert_allclose(ours.descriptors, descriptors, atol=1e-5)
    assert ours.resolution_wh == shape[::-1]


def test_without_a_preprocessor_config_it_is_transformers_usual_one(
    torch, tmp_path, make_superpoint, processor, picture
):
    network = make_superpoint(tmp_path)
    gray = picture(100, 130)
    ours = SuperPoint.load(tmp_path).extract(gray, ALL)
    exact, _, _, descriptors = theirs(torch, network, processor(), gray)
    assert len(ours) > 100
    np.testing.assert_allclose(
        ours.pixels - (np.array([130 / 640, 100 / 480]) - 1) / 2, exact, atol=1e-3
    )
    np.testing.assert_allclose(ours.descriptors, descriptors, atol=1e-5)


def test_some_are_chosen_as_of_every_other_kind(folder, picture):
    superpoint, gray = SuperPoint.load(folder), picture(100, 200)
    everything, some = superpoint.extract(gray, ALL), superpoint.extract(gray, 25)
    chosen = select_balanced(everything.pixels, everything.responses, 25, (200, 100))
    assert len(everything) > len(some) == 25
    np.testing.assert_array_equal(some.pixels, everything.pixels[chosen])
    np.testing.assert_array_equal(some.descriptors, everything.descriptors[chosen])


def test_features_are_like_those_of_every_other_kind(folder, picture):
    superpoint, gray = SuperPoint.load(folder), picture(144, 176)
    features = superpoint.extract(gray)
    count = len(features)
    assert features.sizes.shape == features.angles.shape == features.responses.shape == (count,)
    arrays = (features.pixels, features.sizes, features.responses, features.descriptors)
    assert all(each.dtype == np.float32 for each in arrays)
    np.testing.assert_allclose(np.linalg.norm(features.descriptors, axis=1), 1, atol=1e-5)
    assert not features.is_binary
    assert (features.pixels >= 0).all()
    assert (features.pixels < (176, 144)).all()
    np.testing.assert_array_equal(features.sizes, 2 * 84)
    pairs = match_features(features, superpoint.extract(gray), ratio=1)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    assert len(pairs) > 0.9 * count


@pytest.mark.parametrize("shape", [(1, 1), (7, 64), (64, 7)])
def test_smaller_than_a_cell_there_is_nothing(
    tmp_path, make_superpoint, write_preprocessor, picture, shape
):
    make_superpoint(tmp_path, keypoint_threshold=0.0, border_removal_distance=0)
    write_preprocessor(tmp_path, do_resize=False)
    superpoint = SuperPoint.load(tmp_path)
    features = superpoint.extract(picture(*shape))
    assert features.pixels.shape == (0, 2)
    assert features.descriptors.shape == (0, 32)
    assert len(superpoint.extract(picture(8, 8))) > 0


def test_where_nothing_is_sure_nothing_is_found(tmp_path, make_superpoint, picture):
    make_superpoint(tmp_path, keypoint_threshold=1.0)
    features = SuperPoint.load(tmp_path).extract(picture(60, 80))
    assert features.pixels.shape == (0, 2)
    assert features.descriptors.shape == (0, 32)
    assert match_features(features, features).shape == (0, 2)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (np.zeros((20, 30, 3), np.uint8), r"uint8 of shape \(20, 30, 3\)"),
        (np.zeros((20, 30), np.float32), r"float32 of shape \(20, 30\)"),
        (np.zeros((0, 30), np.uint8), r"uint8 of shape \(0, 30\)"),
    ],
)
def test_what_is_no_gray_image_is_refused(folder, image, got):
    with pytest.raises(FeatureError, match=f"got {got}, expected uint8"):
        SuperPoint.load(folder).extract(image)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoder_hidden_sizes": [8, 8, 16]}, "got 3 encoder_hidden_sizes and .* expected 4 and"),
        ({"keypoint_decoder_dim": 17}, "keypoint_decoder_dim 17, expected 4 and 65"),
        ({"nms_radius": -1}, "its config.json does not work; copy the checkpoint again: .*nms"),
    ],
)
def test_numbers_that_are_not_superpoints_are_refused(tmp_path, config, message):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    sizes = {"encoder_hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 8}
    made = transformers.SuperPointConfig(**(sizes | config))
    transformers.SuperPointForKeypointDetection(made).save_pretrained(tmp_path)
    with pytest.raises(FeatureError, match=message):
        SuperPoint.load(tmp_path)
