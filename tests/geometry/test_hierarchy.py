"""What a tree tells of its edges, and the trees that they make."""

import numpy as np
import pytest

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import (
    UNBOUNDED_NS,
    Transform,
    TransformEdge,
    TransformTree,
    TransformUnknown,
    hierarchy,
)

SECOND = 1_000_000_000
HERE = Transform.identity()


@pytest.fixture
def tree():
    """A robot at 10 Hz for 2 s, its camera, its lidar, and a cup that is handed over."""
    tree = TransformTree(UNBOUNDED_NS)
    for step in range(21):
        tree.set_dynamic("odom", "base_link", SECOND + step * SECOND // 10, HERE)
    tree.set_static("base_link", "lidar", HERE)
    tree.set_static("base_link", "camera", HERE)
    for second, parent in ((1, "table"), (2, "table"), (3, "base_link"), (6, "base_link")):
        tree.set_dynamic(parent, "cup", second * SECOND, HERE)
    return tree


def test_edges_are_sorted_and_say_what_is_known(tree):
    assert tree.edges() == [
        TransformEdge("base_link", "camera", True, 1, 0, 0),
        TransformEdge("base_link", "cup", False, 2, 3 * SECOND, 6 * SECOND),
        TransformEdge("base_link", "lidar", True, 1, 0, 0),
        TransformEdge("odom", "base_link", False, 21, SECOND, 3 * SECOND),
        TransformEdge("table", "cup", False, 2, SECOND, 2 * SECOND),
    ]


def test_an_empty_tree_has_none():
    assert TransformTree().edges() == []
    assert hierarchy([]) == []


def test_the_cache_limits_what_is_known():
    tree = TransformTree(cache_ns=SECOND)
    for second in range(1, 6):
        tree.set_dynamic("odom", "base_link", second * SECOND, HERE)
    assert tree.edges() == [
        TransformEdge("odom", "base_link", False, 2, 4 * SECOND, 5 * SECOND),
    ]


def test_an_unbounded_cache_keeps_everything():
    tree = TransformTree(UNBOUNDED_NS)
    stamps = (1, 1_700_000_000 * SECOND, 2**31 * SECOND)
    for stamp_ns in (*stamps, 2):
        assert tree.set_dynamic("odom", "base_link", stamp_ns, HERE)
    (edge,) = tree.edges()
    assert (edge.samples, edge.earliest_ns, edge.latest_ns) == (4, stamps[0], stamps[-1])


@pytest.mark.parametrize(
    ("child", "rate_hz"), [("base_link", 10.0), ("camera", None), ("cup", 1 / 3)]
)
def test_rates(tree, child, rate_hz):
    rates = {edge.child: edge.rate_hz for edge in tree.edges() if edge.parent != "table"}
    assert rates[child] == (None if rate_hz is None else pytest.approx(rate_hz))


def test_a_single_sample_has_no_rate():
    assert TransformEdge("a", "b", False, 1, SECOND, SECOND).rate_hz is None


def test_a_frame_hangs_on_its_latest_parent(tree):
    odom, table = hierarchy(tree.edges())
    assert [(depth, node.frame) for depth, node in odom.walk()] == [
        (0, "odom"),
        (1, "base_link"),
        (2, "camera"),
        (2, "cup"),
        (2, "lidar"),
    ]
    assert (odom.edge, table.edge, table.children) == (None, None, ())
    assert odom.children[0].edge == TransformEdge(
        "odom", "base_link", False, 21, SECOND, 3 * SECOND
    )


def test_the_order_of_edges_does_not_matter(tree):
    edges = tree.edges()
    assert hierarchy(reversed(edges)) == hierarchy(edges)


def test_the_known_span_is_common_to_all_moving_edges(tree):
    assert tree.known_span_ns("odom", "camera") == (SECOND, 3 * SECOND)
    assert tree.known_span_ns("cup", "odom") == (SECOND, 3 * SECOND)
    assert tree.known_span_ns("cup", "lidar") == (SECOND, 6 * SECOND)
    assert tree.known_span_ns("camera", "lidar") is None
    assert tree.known_span_ns("odom", "odom") is None


def test_edges_may_share_no_time(tree):
    tree.set_dynamic("camera", "lens", 9 * SECOND, HERE)
    assert tree.known_span_ns("odom", "lens") == (9 * SECOND, 3 * SECOND)


@pytest.mark.parametrize(
    ("target", "source", "error", "words"),
    [
        ("odom", "gripper", TransformUnknown, "'gripper' does not exist; known frames: base_link"),
        ("table", "odom", TransformUnknown, "the first ends in 'table', the second in 'odom'"),
        ("/odom", "cup", GeometryError, "leading slash"),
        ("odom", "", GeometryError, "leading slash"),
    ],
)
def test_no_span_of_what_is_not_there(tree, target, source, error, words):
    with pytest.raises(error, match=words):
        tree.known_span_ns(target, source)


def test_trees_that_were_separate_then_are_said_to_be(tree):
    """At second 2 the cup stood on the table, which hangs on nothing."""
    with pytest.raises(TransformUnknown, match="the first ends in 'odom', the second in 'table'"):
        tree.lookup("odom", "cup", 2 * SECOND)
    np.testing.assert_array_equal(tree.lookup("base_link", "cup", 3 * SECOND).matrix, np.eye(4))
