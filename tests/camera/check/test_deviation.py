"""What is known, what is fine, and what is off; clusters against sums by hand."""

import math

import numpy as np
import pytest

from embodied_perception.camera.check import Deviation, Limits, Verdict
from embodied_perception.camera.check.deviation import clustered, deviations


@pytest.mark.parametrize(
    ("value", "sigma", "verdict"),
    [
        (0.0, 0.1, Verdict.FINE),
        (-0.6, 0.1, Verdict.FINE),  # perhaps it is within the limit
        (0.8, 0.1, Verdict.OFF),
        (-0.8, 0.1, Verdict.OFF),
        (0.0, 0.25, Verdict.UNKNOWN),
        (9.0, 0.3, Verdict.UNKNOWN),
        (0.0, math.inf, Verdict.UNKNOWN),
        (0.0, math.nan, Verdict.UNKNOWN),
    ],
)
def test_verdicts_at_a_limit_of_one_half(value, sigma, verdict):
    assert Deviation("yaw", value, sigma, "deg", 0.5).verdict is verdict


def test_in_words():
    assert str(Deviation("yaw", -0.801, 0.1, "deg", 0.5)) == "yaw: -0.80 ± 0.10 deg"
    assert str(Deviation("yaw", 0.0, math.inf, "deg", 0.5)) == "yaw: not known"


def test_degrees_and_percents_with_their_limits():
    solution = np.array([0.01, -0.02, 0.0, 0.03])
    covariance = np.diag(np.array([0.001, 0.002, 0.003, 0.004]) ** 2)
    found = deviations(solution, covariance, "focal", Limits(0.5, 2.0))
    assert [each.name for each in found] == ["pitch", "yaw", "roll", "focal"]
    np.testing.assert_allclose(
        [each.value for each in found], [*np.degrees([0.01, -0.02, 0.0]), 3.0]
    )
    np.testing.assert_allclose(
        [each.sigma for each in found], [*np.degrees([0.001, 0.002, 0.003]), 0.4]
    )
    assert [(each.unit, each.limit) for each in found] == [("deg", 0.5)] * 3 + [("%", 2.0)]


def test_clusters_agree_with_least_squares_and_the_jackknife_of_a_mean():
    # With A = 1 and one observation a cluster, it is the mean and its standard error.
    values = np.array([1.0, 2.0, 4.0, 9.0])
    solution, covariance = clustered(np.ones((4, 1, 1)), values[:, None])
    assert solution[0] == pytest.approx(values.mean())
    assert math.sqrt(covariance[0, 0]) == pytest.approx(values.std(ddof=1) / 2)

    random = np.random.default_rng(0)
    A, b = random.normal(size=(6, 10, 3)), random.normal(size=(6, 10))
    solution, _ = clustered(np.einsum("cni,cnj->cij", A, A), np.einsum("cni,cn->ci", A, b))
    expected, *_ = np.linalg.lstsq(A.reshape(-1, 3), b.ravel(), rcond=None)
    np.testing.assert_allclose(solution, expected, atol=1e-10)


@pytest.mark.parametrize("matrices", [np.ones((2, 1, 1)), np.zeros((5, 1, 1)), np.zeros((0, 1, 1))])
def test_too_little_is_nothing(matrices):
    solution, covariance = clustered(matrices, np.ones((len(matrices), 1)))
    assert solution.tolist() == [0.0]
    assert np.isinf(covariance).all()
