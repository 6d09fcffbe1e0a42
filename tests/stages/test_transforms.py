"""Transforms out of messages, and what is wrong with them in words."""

import numpy as np
import pytest

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.stages.messages import transform_message
from embodied_perception.stages.transforms import TransformHistory, learn_transform

SECOND = 1_000_000_000
HERE = Transform.identity()


def edge(parent, child, second=0.0, moved=HERE):
    return transform_message(moved, parent, child, round(second * SECOND))


def broken(parent, child, **rotation):
    message = edge(parent, child, 1)
    for name, value in rotation.items():
        setattr(message.transform.rotation, name, value)
    return message


@pytest.fixture
def history():
    history = TransformHistory()
    history.take([edge("odom", "base_link", second) for second in (10, 11, 12)], static=False)
    history.take([edge("base_link", "camera")], static=True)
    history.set_time(9 * SECOND, 13 * SECOND)
    return history


def test_a_static_one_holds_at_any_time_and_a_moving_one_at_its_stamp():
    tree = TransformTree()
    at_x = Transform(np.eye(3), np.array([2.0, 0, 0]))
    learn_transform(tree, edge("a", "b", 5, at_x), static=True)
    learn_transform(tree, edge("b", "c", 5, at_x), static=False)
    assert tree.lookup("a", "b", 99 * SECOND).translation[0] == 2
    assert tree.lookup("a", "c", 5 * SECOND).translation[0] == 4
    with pytest.raises(GeometryError):
        tree.lookup("a", "c", 6 * SECOND)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (broken("a", "b", w=0.0), r"^a -> b: quaternion_xyzw: got \[0.0, 0.0, 0.0, 0.0\]"),
        (broken("a", "b", x=float("nan")), "^a -> b: .*expected finite numbers"),
        (edge("a", "a"), "^a -> a: .*own parent"),
        (edge("", "a"), "^ -> a: .*expected two names"),
        (edge("a", "/"), "^a -> /: .*expected two names"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_frames(message, words):
    tree = TransformTree()
    for static in (True, False):
        with pytest.raises(GeometryError, match=words):
            learn_transform(tree, message, static)
    assert tree.frames() == []


def test_good_frames_have_no_problems(history):
    assert history.problems() == []
    assert not history.is_empty
    assert history.tree.frames() == ["base_link", "camera", "odom"]


def test_nothing_and_nonsense_are_not_the_same():
    history = TransformHistory()
    assert history.is_empty
    history.take([edge("a", "a")], static=True)
    assert not history.is_empty
    assert len(history.problems()) == 1


def test_separate_trees_are_a_problem(history):
    history.take([edge("world", "table")], static=True)
    (problem,) = history.problems()
    assert problem.startswith("two separate trees: publish a transform that connects them")
    assert problem.endswith("odom, world")
    history.take([edge("alone", "thing")], static=True)
    assert history.problems()[0].startswith("3 separate trees")


def test_what_is_refused_is_counted_by_edge(history):
    for x in (1.0, 2.0, 3.0):
        message = broken("base_link", "imu", w=float("nan"), x=x)
        history.take([message], static=False)
    history.take([edge("camera", "odom", 12)], static=False)
    history.take([edge("camera", "camera")], static=True)
    imu, loop, own = history.problems()
    assert imu.startswith("BAD_TRANSFORM, 3 times: base_link -> imu: quaternion_xyzw: got [1.0")
    assert loop.startswith("BAD_TRANSFORM, once: camera -> odom: ")
    assert "odom -> base_link -> camera -> odom" in loop
    assert "own parent" in own


def test_two_parents_are_named_with_their_times(history):
    history.take([edge("base_link", "cup", second) for second in (10, 11)], static=False)
    history.take([edge("odom", "cup", second) for second in (11.5, 12)], static=False)
    (problem,) = history.problems()
    assert "cup is said to be in base_link (1.00 to 2.00 s) and odom (2.50 to 3.00 s)" in problem


def test_the_same_frame_static_and_moving(history):
    history.take([edge("odom", "base_link")], static=True)
    (problem,) = history.problems()
    assert "base_link is said to be in odom (moving) and odom (static)" in problem


def test_a_leading_slash_makes_no_other_frame(history):
    history.take([edge("/base_link", "/camera")], static=True)
    assert history.problems() == []


def test_transforms_without_stamps(history):
    history.take([edge("base_link", "wheel", 0)], static=False)
    (problem,) = history.problems()
    assert problem.startswith("base_link -> wheel comes without stamps")


def test_times_count_from_the_start(history):
    assert history.seconds(round(11.5 * SECOND)) == pytest.approx(2.5)
    history.set_time(None, 20 * SECOND)
    assert (history.start_ns, history.end_ns) == (10 * SECOND, 20 * SECOND)


@pytest.mark.parametrize("start_s", [1_700_000_000, 1])
def test_stamps_of_another_clock_decide(history, start_s):
    """A simulation's stamps in a recording by the wall clock."""
    history.set_time(start_s * SECOND, (start_s + 5) * SECOND)
    assert (history.start_ns, history.end_ns) == (10 * SECOND, 12 * SECOND)


def test_static_frames_know_no_time():
    history = TransformHistory()
    history.take([edge("a", "b")], static=True)
    history.set_time(3 * SECOND, 5 * SECOND)
    assert (history.start_ns, history.end_ns) == (3 * SECOND, 5 * SECOND)
    history.set_time(None, 5 * SECOND)
    assert history.end_ns == 5 * SECOND
