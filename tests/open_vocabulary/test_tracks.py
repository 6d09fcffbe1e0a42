"""Ids over time against scenes whose things are known, and what holds of all ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import ConfigError
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.tracks import Tracker, TrackerConfig

FRAME_NS = 33_000_000
CUP, MUG = 0, 1
#: Looks: two that are nothing like each other, and one that is like neither.
RED, BLUE, GREEN = np.eye(6, dtype=np.float32)[:3]


def detections(boxes, looks=None, labels=None, scores=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    points = (
        np.zeros((count, 0))
        if looks is None
        else np.reshape(looks, (count, -1 if count else len(RED)))
    )
    scores = np.linspace(0.9, 0.5, count) if scores is None else scores
    labels = np.zeros(count) if labels is None else labels
    return Detections(
        boxes,
        np.array(scores, np.float32),
        np.array(labels, np.int64),
        points.astype(np.float32),
    )


def box(x, y, side=40.0):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def noisy(look, rng, spread=0.03):
    """What a model says of the same thing a moment later: alike to a cosine of 0.99."""
    look = look + rng.normal(scale=spread, size=look.shape)
    return look / np.linalg.norm(look)


def follow(frames, config=None, step_ns=FRAME_NS):
    """Ids of each frame; the detections of a frame are dealt in another order each time."""
    tracker, rng = Tracker(config or TrackerConfig()), np.random.default_rng(1)
    result = []
    for index, found in enumerate(frames):
        order = rng.permutation(len(found))
        ids = np.zeros(len(found), np.int64)
        ids[order] = tracker.update(found.take(order), 10**18 + index * step_ns)
        result.append(ids.tolist())
    return result


@pytest.mark.parametrize("looks", [None, (RED, BLUE), (RED, RED)])
def test_boxes_that_cross_keep_their_ids(looks):
    frames = [
        detections([box(100 + 8 * step, 200), box(340 - 8 * step, 206)], looks)
        for step in range(31)
    ]
    assert follow(frames) == [[1, 2]] * 31


def test_boxes_that_meet_and_turn_back_are_told_apart_by_their_looks():
    rng = np.random.default_rng(0)
    away = np.abs(np.arange(-15, 16)) * 6  # they meet where a straight way would let them cross
    frames = [
        detections([box(200 - x, 200), box(202 + x, 200)], [noisy(RED, rng), noisy(BLUE, rng)])
        for x in away
    ]
    assert follow(frames) == [[1, 2]] * 31


def test_a_box_that_is_hidden_for_a_while_comes_back_as_itself():
    def scene(step, is_hidden):
        mover, wall = box(60 + 6 * step, 100), box(160, 100, 70)
        return detections([wall] if is_hidden else [wall, mover], None, [CUP] * (2 - is_hidden))

    hidden = range(11, 23)  # behind the wall, 0.4 s
    ids = follow([scene(step, step in hidden) for step in range(36)])
    assert ids == [[1] if step in hidden else [1, 2] for step in range(36)]


@pytest.mark.parametrize(("unseen", "expected"), [(9, 1), (12, 2)])
def test_things_are_forgotten_when_they_have_not_been_seen_for_too_long(unseen, expected):
    frames = [detections([box(50, 50)]), *[detections([])] * unseen, detections([box(50, 50)])]
    ids = follow(frames, TrackerConfig(keep_s=1.0), step_ns=100_000_000)
    assert ids == [[1], *[[]] * unseen, [expected]]


@pytest.mark.parametrize("has_looks", [False, True])
@pytest.mark.parametrize("speed", [0.0, 3.0, 10.0])
def test_like_neighbours_that_move_together_do_not_swap(has_looks, speed):
    rng = np.random.default_rng(2)
    frames = []
    for step in range(40):
        boxes = np.array([box(100 + 42 * number + speed * step, 90) for number in range(6)])
        looks = [noisy(RED, rng) for _ in boxes] if has_looks else None
        frames.append(detections(boxes + rng.normal(scale=1.0, size=boxes.shape), looks))
    assert follow(frames) == [[1, 2, 3, 4, 5, 6]] * 40


@pytest.mark.parametrize("has_looks", [False, True])
def test_a_row_of_like_things_stays_when_its_end_goes_and_another_comes(has_looks):
    frames = [
        detections(
            [box(100 + 42 * number + 6 * step, 90) for number in range(step, step + 5)],
            [RED] * 5 if has_looks else None,
        )
        for step in range(3)
    ]
    assert follow(frames) == [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 5, 6, 7]]


def test_like_things_that_jump_together_keep_their_order():
    rng = np.random.default_rng(3)
    for _ in range(20):
        jump = rng.uniform(150, 400, 2) * rng.choice([-1, 1], 2)
        places = np.array([[500, 500], [545, 500], [590, 505], [545, 550]], float)
        looks = [noisy(RED, rng, 0.02) for _ in range(8)]
        before = detections([box(*place) for place in places], looks[:4])
        after = detections([box(*place) for place in places + jump], looks[4:])
        assert follow([before, after]) == [[1, 2, 3, 4]] * 2


def test_what_was_carried_elsewhere_is_known_by_its_looks_alone():
    gone = [detections([box(400, 50)], [BLUE])] * 10
    before = detections([box(400, 50), box(60, 60)], [BLUE, RED])
    after = detections([box(400, 50), box(300, 220, 60)], [BLUE, RED])
    other = detections([box(400, 50), box(300, 220, 60)], [BLUE, GREEN])
    assert follow([before, *gone, after])[-1] == [1, 2]
    assert follow([before, *gone, other])[-1] == [1, 3]
    plain = [detections(each.boxes) for each in (before, *gone, after)]
    assert follow(plain)[-1] == [1, 3]


def test_one_thing_may_be_called_now_a_cup_and_now_a_mug():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 30)
    frames = [
        detections([box(50 + 3 * step, 50)], [noisy(RED, rng)], [label])
        for step, label in enumerate(labels)
    ]
    assert follow(frames) == [[1]] * 30


@pytest.mark.parametrize("looks", [None, (RED, BLUE)])
def test_another_label_that_looks_otherwise_is_another_thing(looks):
    frames = [
        detections([box(50, 50)], None if looks is None else [looks[label]], [label])
        for label in (CUP, MUG, CUP)
    ]
    assert follow(frames) == [[1], [2], [1]]


def test_a_thing_that_changes_its_size_is_expected_to_go_on():
    """Coming near for 1 s it grows by 6 % a frame; not seen for five, it is a third larger."""
    side = 20 * 1.06 ** np.arange(36)
    frames = [detections([box(320, 240, each)]) for each in side]
    frames[25:30] = [detections([])] * 5
    assert follow(frames) == [[1]] * 25 + [[]] * 5 + [[1]] * 6


def test_looks_change_slowly():
    angles = np.linspace(0, np.pi / 2, 60)  # in the end nothing like it was
    frames = [
        detections([box(50, 50)], [np.cos(angle) * RED + np.sin(angle) * BLUE], [step % 2])
        for step, angle in enumerate(angles)
    ]
    assert follow(frames) == [[1]] * 60


def test_three_hundred_boxes_in_an_image():
    """A hall full of chairs that passes by; more than are remembered, so the first ones stay."""
    rng = np.random.default_rng(5)
    places = np.stack(np.meshgrid(np.arange(20) * 60.0, np.arange(15) * 60.0), -1).reshape(-1, 2)
    looks = [noisy(RED, rng, 0.2) for _ in places]
    frames = [
        detections([box(x + 2 * step, y) for x, y in places], [noisy(each, rng) for each in looks])
        for step in range(4)
    ]
    assert follow(frames, TrackerConfig(most=300)) == [list(range(1, 301))] * 4
    ids = np.array(follow(frames))
    assert (ids[:, :256] == np.arange(1, 257)).all()
    assert len(np.unique(ids[:, 256:])) == 4 * 44


def test_the_stalest_go_first():
    tracker = Tracker(TrackerConfig(most=2))
    stamps = iter(range(10**9, 2 * 10**9, FRAME_NS))
    for x in (100, 200, 300):  # 100 is the stalest of three
        tracker.update(detections([box(x, 50)]), next(stamps))
    assert tracker.update(detections([box(x, 50) for x in (300, 200)]), next(stamps)).tolist() == [
        3,
        2,
    ]
    assert tracker.update(detections([box(100, 50)]), next(stamps)).tolist() == [4]


@st.composite
def scenes(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dimensions = draw(st.sampled_from([0, 3]))
    frames = []
    for _ in range(draw(st.integers(1, 6))):
        count = draw(st.integers(0, 7))
        looks = rng.normal(size=(count, dimensions)) + 1.0
        looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9)
        left_top = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([left_top, left_top + rng.uniform(0, 40, (count, 2))], 1)
        frames.append(detections(boxes, looks, rng.integers(0, 2, count), rng.uniform(0, 1, count)))
    return frames


@given(scenes(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_ids_are_given_once_and_do_not_depend_on_the_order(frames, random, most):
    config = TrackerConfig(most=most, keep_s=0.07)
    one, two = Tracker(config), Tracker(config)
    highest = 0
    for index, found in enumerate(frames):
        order = np.array(random.sample(range(len(found)), len(found)), np.int64)
        ids = one.update(found, index * FRAME_NS)
        np.testing.assert_array_equal(two.update(found.take(order), index * FRAME_NS), ids[order])
        assert ids.dtype == np.int64
        assert len(np.unique(ids)) == len(found)
        new = np.sort(ids[ids > highest])
        assert new.tolist() == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


def test_new_things_are_numbered_from_the_surest_on():
    found = detections([box(x, 50) for x in (50, 150, 250)], scores=[0.2, 0.9, 0.5])
    assert Tracker(TrackerConfig()).update(found, 5).tolist() == [3, 1, 2]


def test_after_a_restart_nothing_is_known():
    tracker = Tracker(TrackerConfig())
    tracker.update(detections([box(50, 50), box(150, 50)]), 10**9)
    tracker.restart()
    assert tracker.update(detections([box(150, 50)], [RED]), 5).tolist() == [1]


def test_empty_images_are_images():
    tracker = Tracker(TrackerConfig())
    assert tracker.update(Detections.none(), 1).shape == (0,)
    assert tracker.update(detections([box(50, 50)], [RED]), 2).tolist() == [1]
    assert tracker.update(Detections.none(), 3).tolist() == []  # of no dimension, as a model says
    with pytest.raises(ValueError, match="got stamp 3 ns after 3 ns"):
        tracker.update(detections([box(50, 50)], [RED]), 3)
    assert tracker.update(detections([box(50, 50)], [RED]), 4).tolist() == [1]


@pytest.mark.parametrize("stamp_ns", [0, 99, 100])
def test_time_goes_forward(stamp_ns):
    tracker = Tracker(TrackerConfig())
    tracker.update(detections([box(50, 50)]), 100)
    with pytest.raises(ValueError, match=rf"got stamp {stamp_ns} ns after 100 ns.*restart\(\)"):
        tracker.update(detections([box(50, 50)]), stamp_ns)
    assert tracker.update(detections([box(50, 50)]), 101).tolist() == [1]


def test_points_of_another_model_are_refused():
    tracker = Tracker(TrackerConfig())
    tracker.update(detections([box(50, 50)], [RED]), 100)
    with pytest.raises(ValueError, match=r"points of 0 dimensions after 6.*restart\(\)"):
        tracker.update(detections([box(50, 50)]), 200)
    assert tracker.update(detections([box(50, 50)], [RED]), 200).tolist() == [1]
    # Once all is forgotten, nothing stands against it.
    assert tracker.update(detections([box(50, 50)]), 3 * 10**9).tolist() == [2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_boxes_that_are_none_do_no_harm(bad):
    tracker = Tracker(TrackerConfig())
    with np.errstate(all="ignore"):
        for step in range(3):
            found = detections([box(50, 50), [bad, 0, bad, 1], [9, 9, 9, 9]], [RED, BLUE, GREEN])
            ids = tracker.update(found, step * FRAME_NS)
            assert ids[0] == 1
            assert len(set(ids.tolist())) == 3


@pytest.mark.parametrize("values", [{"keep_s": 0.0}, {"most": 0}, {"keep_s": "long"}])
def test_a_memory_that_makes_no_sense_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrackerConfig(**values)
