"""Things laid out by what they are like."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: ./run test")

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.embedding import tsne


@pytest.fixture(scope="module")
def heaps():
    """Three heaps of 12 things in 80 dimensions."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 10, (3, 80)).repeat(12, 0)
    return (centres + random.normal(0, 1, centres.shape)).astype(np.float32)


def test_like_things_lie_together(heaps):
    places = tsne(heaps)
    assert places.shape == (36, 2)
    np.testing.assert_allclose([places.min(0), places.max(0)], [[0, 0], [1, 1]], atol=1e-6)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_array_equal(apart.argmin(1) // 12, np.arange(36) // 12)


def test_the_same_seed_gives_the_same_plane(heaps):
    np.testing.assert_array_equal(tsne(heaps, 5), tsne(heaps, 5))


@pytest.mark.parametrize("features", [np.ones((6, 9)), np.arange(4.0)[:, None], np.eye(5)])
def test_odd_things_have_places_too(features):
    places = tsne(features)
    assert places.shape == (len(features), 2)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()


def test_too_few_things_are_refused():
    with pytest.raises(EvaluationError, match=r"shape \(3, 9\), expected \(N, D\) of 4 or more"):
        tsne(np.eye(3, 9))


def test_what_is_not_finite_is_refused(heaps):
    heaps = heaps.copy()
    heaps[3, 4] = np.nan
    with pytest.raises(EvaluationError, match="not finite"):
        tsne(heaps)
