"""The tree answers as tf2 does: interpolation, static frames, latest time, refusals."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import (
    Transform,
    TransformExtrapolation,
    TransformTree,
    TransformUnknown,
)

SECOND = 1_000_000_000


def moved(x, y=0.0, z=0.0, turn=0.0):
    return Transform.from_rotation_vector([0, 0, turn], [x, y, z])


@pytest.fixture
def tree():
    """odom -> base_link at 1 m/s and 0.1 rad/s from second 1 to 5, with a camera and an arm."""
    tree = TransformTree()
    for second in range(1, 6):
        tree.set_dynamic("odom", "base_link", second * SECOND, moved(second, turn=0.1 * second))
    tree.set_static("base_link", "camera", moved(0.2, z=0.5))
    tree.set_dynamic("base_link", "arm", 2 * SECOND, moved(0, 1))
    tree.set_dynamic("base_link", "arm", 4 * SECOND, moved(0, 3))
    return tree


def test_between_samples_it_interpolates(tree):
    odom_from_base = tree.lookup("odom", "base_link", int(2.25 * SECOND))
    np.testing.assert_allclose(odom_from_base.matrix, moved(2.25, turn=0.225).matrix, atol=1e-12)


@given(st.integers(1 * SECOND, 5 * SECOND))
def test_any_time_inside_of_the_cache_answers(stamp_ns):
    tree = TransformTree()
    for second in (1, 2, 5):
        tree.set_dynamic("odom", "base_link", second * SECOND, moved(second))
    translation = tree.lookup("odom", "base_link", stamp_ns).translation
    np.testing.assert_allclose(translation, [stamp_ns / SECOND, 0, 0], atol=1e-9)


def test_static_frames_hold_at_any_time(tree):
    for stamp_ns in (0, 1, 10**18):
        np.testing.assert_array_equal(
            tree.lookup("base_link", "camera", stamp_ns).translation, [0.2, 0, 0.5]
        )


def test_chains_compose_across_a_common_ancestor(tree):
    expected = moved(0.2, z=0.5).inverse() @ moved(0, 2)
    camera_from_arm = tree.lookup("camera", "arm", 3 * SECOND)
    np.testing.assert_allclose(camera_from_arm.matrix, expected.matrix, atol=1e-12)
    arm_from_camera = tree.lookup("arm", "camera", 3 * SECOND)
    np.testing.assert_allclose(arm_from_camera.matrix, expected.inverse().matrix, atol=1e-12)


def test_zero_asks_for_the_latest_common_time(tree):
    # The arm is known up to 4 s only, so that is the latest time for odom <- arm.
    expected = moved(4, turn=0.4) @ moved(0, 3)
    np.testing.assert_allclose(tree.lookup("odom", "arm", 0).matrix, expected.matrix, atol=1e-12)
    tree.set_static("arm", "gripper", moved(1))
    np.testing.assert_allclose(
        tree.lookup("odom", "gripper", 0).matrix, (expected @ moved(1)).matrix, atol=1e-12
    )
    # Towards the camera only odom -> base_link changes, which is known up to 5 s.
    assert tree.lookup("odom", "camera", 0).translation[0] > 5


def test_a_frame_in_itself_is_the_identity_at_any_time(tree):
    np.testing.assert_array_equal(tree.lookup("arm", "arm", 77 * SECOND).matrix, np.eye(4))


def test_edges_above_the_common_ancestor_do_not_matter(tree):
    tree.set_dynamic("map", "odom", 100 * SECOND, moved(1))
    np.testing.assert_allclose(
        tree.lookup("odom", "base_link", 2 * SECOND).translation, [2, 0, 0], atol=1e-12
    )


@pytest.mark.parametrize(
    ("asked_s", "direction", "asked_text"),
    [(5.000000001, "future", "5.000000001 s"), (0.5, "past", "0.500000000 s")],
)
def test_extrapolation_names_the_time_and_the_known_range(tree, asked_s, direction, asked_text):
    with pytest.raises(TransformExtrapolation) as caught:
        tree.lookup("odom", "camera", round(asked_s * SECOND))
    message = str(caught.value)
    assert asked_text in message
    assert direction in message
    assert "'odom' -> 'base_link'" in message
    assert "[1.000000000 s, 5.000000000 s]" in message
    assert (caught.value.earliest_ns, caught.value.latest_ns) == (1 * SECOND, 5 * SECOND)


def test_the_refusing_edge_may_be_on_the_side_of_the_target(tree):
    with pytest.raises(TransformExtrapolation, match="'base_link' -> 'arm'"):
        tree.lookup("arm", "odom", 5 * SECOND)


def test_a_single_sample_answers_only_at_its_time():
    tree = TransformTree()
    tree.set_dynamic("odom", "base_link", SECOND, moved(1))
    assert tree.lookup("odom", "base_link", SECOND).translation[0] == 1
    assert tree.lookup("odom", "base_link", 0).translation[0] == 1
    for stamp_ns in (SECOND - 1, SECOND + 1):
        with pytest.raises(TransformExtrapolation):
            tree.lookup("odom", "base_link", stamp_ns)


def test_unknown_frames_are_named_beside_the_known(tree):
    with pytest.raises(TransformUnknown, match=r"'lidar' does not exist.*arm, base_link, camera"):
        tree.lookup("odom", "lidar", 0)
    with pytest.raises(TransformUnknown, match="known frames: none"):
        TransformTree().lookup("a", "b", 0)


@pytest.mark.parametrize("stamp_ns", [0, 3 * SECOND])
def test_separate_trees_are_not_connected(tree, stamp_ns):
    tree.set_static("world", "box", moved(1))
    with pytest.raises(TransformUnknown, match=r"'odom'.*'world'"):
        tree.lookup("camera", "box", stamp_ns)


@pytest.mark.parametrize("frame", ["", "/odom"])
def test_lookups_refuse_slashes_and_empty_names(tree, frame):
    with pytest.raises(GeometryError, match="leading slash"):
        tree.lookup(frame, "camera", 0)


def test_a_leading_slash_is_stripped_when_set():
    tree = TransformTree()
    tree.set_static("/base_link", "/camera", moved(1))
    assert tree.frames() == ["base_link", "camera"]


def test_the_order_of_arrival_does_not_matter():
    tree = TransformTree()
    for second in (3, 1, 2):
        assert tree.set_dynamic("odom", "base_link", second * SECOND, moved(second**2))
    assert tree.lookup("odom", "base_link", int(1.5 * SECOND)).translation[0] == 2.5


def test_samples_older_than_the_cache_are_dropped_and_ignored():
    tree = TransformTree(cache_ns=2 * SECOND)
    for second in (10, 11, 12, 13):
        assert tree.set_dynamic("odom", "base_link", second * SECOND, moved(second))
    assert not tree.set_dynamic("odom", "base_link", 10 * SECOND, moved(0))
    with pytest.raises(TransformExtrapolation, match=r"\[11.000000000 s, 13.000000000 s\]"):
        tree.lookup("odom", "base_link", 10 * SECOND)


def test_a_repeated_stamp_replaces():
    tree = TransformTree()
    tree.set_dynamic("odom", "base_link", SECOND, moved(1))
    tree.set_dynamic("odom", "base_link", SECOND, moved(2))
    assert tree.lookup("odom", "base_link", SECOND).translation[0] == 2


def test_a_new_parent_replaces_while_the_past_keeps_the_former():
    tree = TransformTree()
    tree.set_dynamic("table", "cup", 1 * SECOND, moved(1))
    tree.set_dynamic("table", "cup", 2 * SECOND, moved(1))
    tree.set_dynamic("gripper", "cup", 3 * SECOND, moved(9))
    assert tree.lookup("table", "cup", 2 * SECOND + 1).translation[0] == 1
    assert tree.lookup("gripper", "cup", 0).translation[0] == 9
    with pytest.raises(TransformUnknown):
        tree.lookup("table", "cup", 0)


def test_an_edge_can_turn_from_dynamic_to_static_and_back(tree):
    tree.set_static("base_link", "arm", moved(7))
    assert tree.lookup("base_link", "arm", 99 * SECOND).translation[0] == 7
    tree.set_dynamic("base_link", "arm", SECOND, moved(8))
    with pytest.raises(TransformExtrapolation):
        tree.lookup("base_link", "arm", 99 * SECOND)


@pytest.mark.parametrize(
    ("parent", "child", "message"),
    [
        ("a", "a", "own parent"),
        ("/a", "a", "own parent"),
        ("", "a", "two names"),
        ("a", "/", "two names"),
        ("camera", "odom", "odom -> base_link -> camera -> odom"),
        ("base_link", "odom", "odom -> base_link -> odom"),
    ],
)
def test_malformed_edges_are_refused_and_change_nothing(tree, parent, child, message):
    before = tree.frames()
    for add in (
        lambda: tree.set_static(parent, child, moved(1)),
        lambda: tree.set_dynamic(parent, child, SECOND, moved(1)),
    ):
        with pytest.raises(GeometryError, match=message):
            add()
    assert tree.frames() == before
    assert tree.lookup("odom", "base_link", 5 * SECOND).translation[0] == 5


@pytest.mark.parametrize(
    "broken",
    [
        Transform(np.eye(3), np.array([0, np.nan, 0])),
        Transform(np.full((3, 3), np.nan), np.zeros(3)),
        Transform(np.zeros((3, 3)), np.zeros(3)),
    ],
)
def test_transforms_that_are_not_rigid_are_refused_with_their_frames(tree, broken):
    with pytest.raises(GeometryError, match="'base_link' -> 'arm'"):
        tree.set_dynamic("base_link", "arm", 5 * SECOND, broken)


def test_clear_forgets_everything(tree):
    tree.clear()
    assert tree.frames() == []
    with pytest.raises(TransformUnknown):
        tree.lookup("odom", "base_link", 0)


def test_one_writer_and_readers_at_once():
    tree = TransformTree(cache_ns=SECOND // 100)
    tree.set_dynamic("odom", "base_link", 1, moved(1))
    wrong = []

    def read():
        for _ in range(300):
            x = tree.lookup("odom", "base_link", 0).translation[0]
            if x != int(x):
                wrong.append(x)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(2, 1000):
        tree.set_dynamic("odom", "base_link", step * SECOND // 1000, moved(step))
    for reader in readers:
        reader.join()
    assert not wrong
    assert tree.lookup("odom", "base_link", 0).translation[0] == 999
