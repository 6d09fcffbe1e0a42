"""LightGlue matches as transformers' own does, whichever features it is given."""

import numpy as np
import pytest

from embodied_perception.errors import FeatureError
from embodied_perception.features.extraction import Extractor
from embodied_perception.features.learned import LightGlue
from embodied_perception.features.matching import match_features

ALL = 10**6


@pytest.fixture
def folder(tmp_path, make_lightglue, write_preprocessor):
    make_lightglue(tmp_path)
    write_preprocessor(tmp_path)
    return tmp_path


def shifted(gray):
    """Another picture, much like it: by a cell to the right, and its last third is new."""
    moved = np.roll(gray, gray.shape[1] // 11, axis=1)
    moved[-gray.shape[0] // 3 :] = 255 - moved[-gray.shape[0] // 3 :]
    return moved


@pytest.fixture
def processor(tmp_path, write_preprocessor, processor_class):
    write_preprocessor(tmp_path)
    return processor_class("LightGlueImageProcessor").from_pretrained(tmp_path)


def theirs(network, processor, images):
    """Pixels (N, 4) in both images of what transformers' own processor and model match, the surest
    first, and through how many layers features have gone.
    """
    torch = pytest.importorskip("torch")
    pair = processor([np.dstack([each] * 3) for each in images], return_tensors="pt")
    with torch.no_grad():
        output = network(**pair)
    sizes = [[each.shape for each in images]]
    (found,) = processor.post_process_keypoint_matching(output, sizes)
    order = np.argsort(-found["matching_scores"].numpy(), kind="stable")
    both = np.hstack([found["keypoints0"].numpy(), found["keypoints1"].numpy()])
    return both[order], output.prune.unique().tolist()


@pytest.mark.parametrize("sureness", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("shape", [(72, 88), (216, 176)])
def test_matches_are_those_of_transformers(
    tmp_path, make_lightglue, processor, picture, shape, sureness
):
    network = make_lightglue(tmp_path, sureness)
    images = [picture(*shape), shifted(picture(*shape))]
    expected, _ = theirs(network, processor, images)
    lightglue = LightGlue(tmp_path)
    first, second = (lightglue.superpoint.extract(each, ALL) for each in images)
    pairs = lightglue.match(first, second)
    assert len(first) != len(second)  # the fewer ones get padded
    assert len(pairs) == len(expected) >= 8
    ratio = np.array(shape[::-1]) / (88, 72)
    both = np.hstack([first.pixels[pairs[:, 0]], second.pixels[pairs[:, 1]]])
    cut_off = both - np.tile((ratio - 1) / 2, 2) - expected
    assert ((cut_off > -1e-3) & (cut_off < 1 + 1e-3)).all()


def test_it_stops_early_and_leaves_features_out_when_it_is_sure(
    tmp_path, make_lightglue, processor, picture
):
    """Or the test above would not see either."""
    images = [picture(72, 88), shifted(picture(72, 88))]
    unsure, sure = (
        theirs(make_lightglue(tmp_path, each), processor, images)[1] for each in (0.0, 5.0)
    )
    assert unsure == [1, 3]  # layers that features have gone through, all three at the most
    assert sure == [1, 2]


@pytest.mark.parametrize("confidence", [0.9, -1.0])
def test_without_attention_it_matches_what_is_nearest(
    tmp_path, make_lightglue, write_preprocessor, picture, confidence
):
    make_lightglue(
        tmp_path,
        initializer_range=1e-4,
        depth_confidence=confidence,
        width_confidence=confidence,
    )
    write_preprocessor(tmp_path)
    lightglue = LightGlue(tmp_path)
    features = lightglue.superpoint.extract(picture(144, 176))
    itself = lightglue.match(features, features)
    np.testing.assert_array_equal(itself[:, 0], itself[:, 1])
    assert len(itself) > len(features) / 3
    other = lightglue.superpoint.extract(shifted(picture(144, 176)))
    for first, second in [(features, other), (features.only(np.arange(30)[::-1]), other)]:
        pairs = lightglue.match(first, second)
        nearest = match_features(first, second, ratio=1)
        # Scores also weigh what else a feature is like, so a few differ.
        both = set(map(tuple, pairs)) & set(map(tuple, nearest))
        assert len(both) > 0.8 * len(pairs)
        assert len(both) > len(nearest) / 4


def test_no_feature_is_matched_twice(folder, picture):
    lightglue = LightGlue(folder)
    first, second = (lightglue.superpoint.extract(picture(144, 176, seed)) for seed in (0, 1))
    pairs = lightglue.match(first, second.only(np.arange(20)))
    assert len(pairs) > 0
    for column in pairs.T:
        assert len(set(column.tolist())) == len(pairs)


def test_where_there_is_nothing_there_are_no_matches(folder, picture):
    lightglue = LightGlue(folder)
    some = lightglue.superpoint.extract(picture(72, 88))
    none = some.only(np.zeros(0, int))
    for first, second in [(none, some), (some, none), (none, none)]:
        assert lightglue.match(first, second).shape == (0, 2)
    assert lightglue.match(some.only(np.array([3])), some).shape[1] == 2


@pytest.mark.parametrize("kind", ["orb", "sift"])
def test_features_of_another_kind_are_refused(folder, picture, kind):
    lightglue, gray = LightGlue(folder), picture(100, 120)
    others = Extractor(kind).extract(gray)
    with pytest.raises(FeatureError, match=r"its own SuperPoint describes: got .* expected 32 flo"):
        lightglue.match(lightglue.superpoint.extract(gray), others)


def test_images_of_two_sizes_match_where_they_are_resized(folder, picture, write_preprocessor):
    small, large = picture(72, 88), np.kron(picture(72, 88), np.ones((2, 2), np.uint8))
    lightglue = LightGlue(folder)
    write_preprocessor(folder, resample=0)  # the large one, resized so, is the small one
    exact = LightGlue(folder)
    first, second = (exact.superpoint.extract(each, ALL) for each in (small, large))
    pairs = exact.match(first, second)
    assert len(pairs) > len(first) / 3
    np.testing.assert_allclose(
        second.pixels[pairs[:, 1]], 2 * first.pixels[pairs[:, 0]] + 0.5, atol=1e-4
    )
    write_preprocessor(folder, do_resize=False)
    lightglue = LightGlue(folder)
    first, second = (lightglue.superpoint.extract(each) for each in (small, large))
    with pytest.raises(FeatureError, match=r"images of 88x72 and 176x144, but .* do_resize"):
        lightglue.match(first, second)


@pytest.mark.parametrize(("depth", "width"), [(-1.0, 0.99), (0.95, 0.0)])
def test_confidences_that_transformers_cannot_use_are_refused(
    tmp_path, make_lightglue, depth, width
):
    make_lightglue(tmp_path, depth_confidence=depth, width_confidence=width)
    with pytest.raises(
        FeatureError, match=f"got depth_confidence {depth} and width.* {width}; set"
    ):
        LightGlue(tmp_path)
