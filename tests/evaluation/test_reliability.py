"""Calibration error against a plain sum over bins, and its properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.reliability import BINS, Reliability

answers = st.integers(1, 60).flatmap(
    lambda count: st.tuples(
        arrays(np.float32, count, elements=st.floats(0, 1, width=32)), arrays(np.bool_, count)
    )
)


def plain_ece(confidence, right):
    """As the paper writes it: bin m of M is ((m - 1) / M, m / M]."""
    total = 0.0
    for m in range(1, BINS + 1):
        low, high = (m - 1) / BINS, m / BINS
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_ece_is_the_papers():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.01, 1, 5000)
    right = rng.random(5000) < confidence**2
    found = Reliability.of(confidence, right)
    assert found.ece == pytest.approx(plain_ece(confidence, right), abs=1e-12)
    assert found.ece > 0.1
    assert found.counts.sum() == 5000


def test_by_hand():
    # 0.7 and 0.72 share a bin: two of four right there; 1.0 is alone and wrong.
    found = Reliability.of(np.array([0.7, 0.7, 0.72, 0.72, 1.0]), np.array([1, 1, 0, 0, 0], bool))
    assert found.ece == pytest.approx(0.8 * abs(0.5 - 0.71) + 0.2 * 1.0)
    assert found.accuracy[10] == 0.5
    assert found.mean_confidence[10] == pytest.approx(0.71)
    assert np.isnan(found.accuracy[0])


@given(answers)
def test_ece_is_a_share_and_no_less_than_the_overall_gap(case):
    confidence, right = case
    ece = Reliability.of(confidence, right).ece
    gap = abs(confidence.astype(float).mean() - right.mean())
    assert gap - 1e-9 <= ece <= 1 + 1e-9


@given(answers, answers)
def test_parts_add_up(first, second):
    parts = Reliability.none() + Reliability.of(*first) + Reliability.of(*second)
    both = (np.concatenate(each) for each in zip(first, second, strict=True))
    whole = Reliability.of(*both)
    assert np.array_equal(parts.counts, whole.counts)
    assert np.array_equal(parts.rights, whole.rights)
    assert parts.ece == pytest.approx(whole.ece)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_where_confidence_is_right_there_is_no_error(tenths):
    # Of 20 answers with confidence k / 20, k are right.
    confidence = np.repeat(np.array(tenths) / 20, 20)
    right = np.concatenate([np.arange(20) < each for each in tenths])
    assert Reliability.of(confidence, right).ece == pytest.approx(0, abs=1e-12)


def test_edges_lie_in_the_lower_bin_and_zero_in_the_first():
    found = Reliability.of(np.array([0.0, 1 / BINS, 1.0]), np.ones(3, bool))
    assert found.counts[[0, BINS - 1]].tolist() == [2, 1]


def test_without_answers_nothing_is_known():
    assert np.isnan(Reliability.none().ece)
    assert np.isnan(Reliability.of(np.empty((0,)), np.empty(0, bool)).ece)


@pytest.mark.parametrize("bad", [-0.1, 1.5, np.nan, np.inf])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(EvaluationError, match="expected probabilities from 0 to 1"):
        Reliability.of(np.array([0.5, bad]), np.ones(2, bool))


def test_two_shapes_are_refused():
    with pytest.raises(EvaluationError, match=r"shape \(2,\) for answers of shape \(3,\)"):
        Reliability.of(np.ones(2), np.ones(3, bool))
