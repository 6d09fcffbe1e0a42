"""Features of every kind: found again where a known motion moved them."""

import cv2
import numpy as np
import pytest

from embodied_perception.errors import FeatureError
from embodied_perception.features.extraction import (
    DESCRIPTORS,
    DETECTORS,
    Extractor,
    orientations,
)
from embodied_perception.features.matching import match_features

KINDS = [f"{d}+{w}" for w, detectors in DESCRIPTORS.items() for d in detectors]
TURN = cv2.getRotationMatrix2D((160, 120), 25.0, 1.0)


@pytest.fixture(scope="module")
def scene():
    """Polygons over noise: corners, blobs, and texture."""
    random = np.random.default_rng(1)
    noise = cv2.resize(random.integers(60, 190, (24, 32), np.uint8), (320, 240))
    for _ in range(60):
        middle = random.uniform((20, 20), (300, 220))
        corners = middle + random.uniform(-22, 22, (4, 2))
        hull = cv2.convexHull(corners.astype(np.float32)).astype(np.int32)
        cv2.fillConvexPoly(noise, hull, int(random.integers(0, 256)), cv2.LINE_AA)
    return noise


@pytest.fixture(scope="module")
def turned(scene):
    return cv2.warpAffine(scene, TURN, (320, 240), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("kind", KINDS)
def test_matches_lead_to_where_things_have_moved(scene, turned, kind):
    extractor = Extractor(kind)
    assert extractor.name == kind
    second_image, motion = turned, TURN
    if kind.endswith("hog"):  # it describes upright patches
        motion = np.array([[1.0, 0, 7], [0, 1, -4]])
        second_image = cv2.warpAffine(scene, motion, (320, 240), borderMode=cv2.BORDER_REFLECT)
    first, second = extractor.extract(scene, 300), extractor.extract(second_image, 300)
    pairs = match_features(first, second)
    expected = first.pixels[pairs[:, 0]] @ motion[:, :2].T + motion[:, 2]
    errors = np.linalg.norm(second.pixels[pairs[:, 1]] - expected, axis=1)
    assert len(pairs) >= 25
    assert (errors < 3).mean() > 0.75
    assert np.median(errors) < 1.2


@pytest.mark.parametrize("kind", KINDS)
def test_all_arrays_speak_of_the_same_features(scene, kind):
    features = Extractor(kind).extract(scene, 120)
    count = len(features)
    assert 0 < count <= 120
    assert features.pixels.shape == (count, 2)
    assert features.sizes.shape == features.angles.shape == features.responses.shape == (count,)
    assert len(features.descriptors) == count
    assert features.is_binary == kind.endswith(("orb", "akaze"))
    assert (features.pixels >= 0).all()
    assert (features.pixels < (320, 240)).all()
    assert ((features.angles >= 0) & (features.angles <= 360)).all()
    some = features.only(np.array([2, 0]))
    np.testing.assert_array_equal(some.descriptors, features.descriptors[[2, 0]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(240, 320), (40, 40), (9, 200)])
def test_where_nothing_is_nothing_is_found(kind, shape):
    features = Extractor(kind).extract(np.full(shape, 128, np.uint8))
    assert len(features) == 0
    assert features.pixels.shape == (0, 2)
    assert match_features(features, features).shape == (0, 2)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_detectors_usual_descriptor(detector):
    usual = {"sift": "sift", "akaze": "akaze"}.get(detector, "orb")
    assert Extractor(detector).name == f"{detector}+{usual}"


def test_orientation_points_to_the_bright_side():
    gray = np.zeros((100, 100), np.uint8)
    gray[:, 50:] = 200
    angles = orientations(np.dstack([gray, gray.T])[..., 0], np.array([[50.0, 50.0]]))
    assert angles[0] == pytest.approx(0, abs=1) or angles[0] == pytest.approx(360, abs=1)
    assert orientations(gray.T.copy(), np.array([[50.0, 50.0]]))[0] == pytest.approx(90, abs=1)
    assert orientations(gray, np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("surf", "no detector is called 'surf'; there are: fast, shi_tomasi, harris, orb, sift"),
        ("", "no detector is called ''"),
        ("fast+akaze", "'akaze' does not describe what 'fast' detects; these do: orb, sift, hog"),
        ("orb+brief", "'brief' does not describe what 'orb' detects; these do: orb, hog"),
    ],
)
def test_kinds_that_there_are_not_are_refused(kind, message):
    with pytest.raises(FeatureError) as caught:
        Extractor(kind)
    assert str(caught.value).startswith(message)
