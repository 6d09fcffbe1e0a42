"""Pairing by stamp: the same sets, whatever the order of arrival."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.stages.pairing import RESTART_NS, StampPairer

MS = 1_000_000
START = 10_000 * MS


class Pairs:
    """A pairer of ``a`` (leading) and ``b`` whose items are their own stamps."""

    def __init__(self, tolerance_ns=10 * MS, capacity=30, names=("a", "b")):
        self.problems = []
        self.pairer = StampPairer(
            names, tolerance_ns, lambda *problem: self.problems.append(problem), capacity
        )
        self.sets = []

    def push(self, name, *stamps):
        for stamp_ns in stamps:
            self.sets += self.pairer.push(name, stamp_ns, stamp_ns)

    @property
    def reasons(self):
        return [reason for reason, _ in self.problems]

    @property
    def pairs(self):
        return [tuple(items.values()) for _, items in self.sets]


@st.composite
def streams(draw):
    """Two streams of about the same rate, each with its offset, jitter and losses."""
    period = draw(st.sampled_from([20, 33, 50])) * MS
    both = []
    for _ in range(2):
        offset = draw(st.integers(0, period))
        jitter = draw(st.integers(0, period // 8))
        # The first two are there, so that their gap tells the rate.
        kept = [True, True, *draw(st.lists(st.sampled_from([True, True, False]), max_size=20))]
        stamps = [
            START + offset + index * period + draw(st.integers(-jitter, jitter))
            for index, keep in enumerate(kept)
            if keep
        ]
        both.append(stamps)
    return both


def interleave(first, second, choices):
    """The messages of both, each in its order, the choice of which comes next given."""
    left, right = list(first), list(second)
    for choice in choices:
        if (choice and left) or not right:
            if not left:
                return
            yield "a", left.pop(0)
        else:
            yield "b", right.pop(0)
    yield from (("a", stamp) for stamp in left)
    yield from (("b", stamp) for stamp in right)


@given(streams(), st.lists(st.booleans(), max_size=40), st.lists(st.booleans(), max_size=40))
def test_the_same_sets_whatever_the_order_of_arrival(both, order, other_order):
    runs = []
    for choices in (order, other_order):
        pairs = Pairs(capacity=100)
        for name, stamp in interleave(*both, choices):
            pairs.push(name, stamp)
        runs.append((pairs.sets, sorted(pairs.problems)))
    assert runs[0] == runs[1]


@given(streams(), st.lists(st.booleans(), max_size=40))
def test_each_leader_once_with_its_nearest_partner_within_tolerance(both, order):
    leaders, partners = both
    pairs = Pairs(capacity=100)
    for name, stamp in interleave(leaders, partners, order):
        pairs.push(name, stamp)
    assert [stamp for stamp, _ in pairs.sets] == [a for a, _ in pairs.pairs]
    given_out = [a for a, _ in pairs.pairs]
    assert given_out == sorted(set(given_out))
    used = [b for _, b in pairs.pairs]
    assert used == sorted(set(used))
    free = list(partners)
    for a, b in pairs.pairs:
        assert abs(a - b) <= 10 * MS
        assert abs(a - b) == min(abs(a - other) for other in free)
        free = [other for other in free if other > b]
    # Whoever came before the last set and is not in one had nobody.
    assert pairs.reasons == ["UNPAIRED"] * len(pairs.reasons)
    settled = [a for a in leaders if given_out and a <= given_out[-1]]
    assert len(pairs.reasons) >= len(settled) - len(given_out)


def test_equal_stamps_are_paired_at_once():
    pairs = Pairs()
    pairs.push("b", START)
    pairs.push("a", START)
    assert pairs.pairs == [(START, START)]
    pairs.push("a", START + 33 * MS)
    assert len(pairs.sets) == 1
    pairs.push("b", START + 33 * MS)
    assert pairs.pairs[1] == (START + 33 * MS, START + 33 * MS)
    assert pairs.problems == []


def test_a_partner_close_by_is_not_waited_for_once_the_rate_is_known():
    pairs = Pairs()
    for index in range(3):
        at = START + index * 33 * MS
        pairs.push("b", at)
        pairs.push("a", at + MS)
    # The second partner tells the rate, and that the first pair is settled.
    assert pairs.pairs == [(START + i * 33 * MS + MS, START + i * 33 * MS) for i in range(3)]


def test_the_nearer_of_two_partners():
    pairs = Pairs()
    pairs.push("a", START)
    pairs.push("b", START - 9 * MS)
    assert pairs.sets == []
    pairs.push("b", START + 4 * MS)
    assert pairs.pairs == [(START, START + 4 * MS)]


def test_a_partner_too_far_away():
    pairs = Pairs()
    pairs.push("a", START)
    pairs.push("b", START + 11 * MS)
    assert pairs.sets == []
    assert pairs.reasons == ["UNPAIRED"]
    assert "no b within 10 ms of a" in pairs.problems[0][1]
    assert "sync_tolerance_s" in pairs.problems[0][1]


def test_the_tolerance_itself_is_near_enough():
    pairs = Pairs()
    pairs.push("a", START)
    pairs.push("b", START + 10 * MS)
    assert pairs.pairs == [(START, START + 10 * MS)]


def test_the_end_settles_what_waits():
    pairs = Pairs()
    pairs.push("a", START, START + 100 * MS)
    pairs.push("b", START - 9 * MS)
    assert pairs.sets == []
    assert [items for _, items in pairs.pairer.finish()] == [{"a": START, "b": START - 9 * MS}]
    assert pairs.reasons == ["UNPAIRED"]  # the second one


@pytest.mark.parametrize("name", ["a", "b"])
def test_duplicates_are_counted_and_used_once(name):
    pairs = Pairs()
    pairs.push(name, START, START)
    pairs.push("b" if name == "a" else "a", START)
    assert pairs.pairs == [(START, START)]
    assert pairs.reasons == ["DUPLICATE"]
    pairs.push(name, START)
    assert pairs.reasons == ["DUPLICATE"] * 2


def test_a_straggler_is_dropped():
    pairs = Pairs()
    pairs.push("a", START, START + 50 * MS, START + 20 * MS)
    assert pairs.reasons == ["OUT_OF_ORDER"]
    assert "30.0 ms before" in pairs.problems[0][1]


@pytest.mark.parametrize("stamp_ns", [0, -1])
def test_an_unset_stamp_is_no_time(stamp_ns):
    pairs = Pairs(names=("a",))
    pairs.push("a", stamp_ns)
    assert pairs.sets == []
    assert pairs.reasons == ["NO_STAMP"]


def test_a_loop_starts_anew():
    pairs = Pairs()
    lap = [START + index * 33 * MS for index in range(60)]
    for _ in range(3):
        for stamp in lap:
            pairs.push("a", stamp)
            pairs.push("b", stamp)
    assert pairs.pairs == [(stamp, stamp) for stamp in lap] * 3
    assert pairs.problems == []


def test_what_waited_when_time_went_back_is_counted():
    pairs = Pairs()
    pairs.push("a", START, START + 33 * MS)
    back = START - 3 * RESTART_NS
    pairs.push("b", START - 100 * MS)
    pairs.push("a", back)
    assert pairs.reasons == ["UNPAIRED"] * 2
    assert "time went back" in pairs.problems[0][1]
    pairs.push("b", back - RESTART_NS, back)
    assert pairs.pairs == [(back, back)]


@pytest.mark.parametrize(("name", "silent"), [("a", "b"), ("b", "a")])
def test_a_silent_partner_is_bounded_and_counted(name, silent):
    pairs = Pairs(capacity=5)
    pairs.push(name, *(START + index * 33 * MS for index in range(50)))
    assert pairs.sets == []
    assert pairs.reasons == ["UNPAIRED"] * 45
    assert f"{name} comes, but {silent} not" in pairs.problems[-1][1]
    # Those that still wait are used when it wakes up.
    pairs.push(silent, START + 49 * 33 * MS)
    assert pairs.pairs == [(START + 49 * 33 * MS,) * 2]


def test_a_single_stream_does_not_wait():
    pairs = Pairs(tolerance_ns=0, names=("a",))
    pairs.push("a", START)
    pairs.push("a", START + 1)
    assert pairs.pairs == [(START,), (START + 1,)]
    assert pairs.problems == []


def test_three_streams_need_all_partners():
    pairs = Pairs(names=("a", "b", "c"))
    pairs.push("a", START)
    pairs.push("b", START)
    assert pairs.sets == []
    pairs.push("c", START)
    assert pairs.sets == [(START, {"a": START, "b": START, "c": START})]
    pairs.push("a", START + 33 * MS)
    pairs.push("b", START + 33 * MS)
    pairs.push("c", START + 66 * MS)
    assert pairs.reasons == ["UNPAIRED"]
    assert "no c" in pairs.problems[0][1]
