"""Pictures of frames: no name on another, every frame named, and what cannot be drawn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation import plot_frames
from embodied_perception.evaluation.labels import place_labels
from embodied_perception.geometry import Transform, TransformTree

SECOND = 1_000_000_000
AREA = np.array([[0.0, 0.0], [7.0, 6.0]])


def at(*metres):
    return Transform(np.eye(3), np.array(metres, float))


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw a tree; returns the figure."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kw: (figures.append(self), save(self, *args, **kw))
    )

    def draw(tree, **options):
        path = tmp_path / "new" / "tree.png"
        plot_frames(tree, path, **options)
        assert path.read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    return draw


def boxes_by_text(figure):
    """Where each text of the right half is, in pixels."""
    renderer = figure.canvas.get_renderer()
    return {text.get_text(): text.get_window_extent(renderer) for text in figure.texts}


def lines_of(figure):
    """The lines of the diagram on the left: whether each is dashed."""
    diagram = next(axes for axes in figure.axes if axes.name == "rectilinear")
    return [line.get_linestyle() for line in diagram.lines if line.get_marker() == "None"]


def words_of(figure):
    diagram = next(axes for axes in figure.axes if axes.name == "rectilinear")
    return [text.get_text() for text in diagram.texts]


def robot(frames):
    """So many frames on a moving base, crowded and partly in one place."""
    tree = TransformTree()
    for step in range(11):
        tree.set_dynamic("odom", "base_link", SECOND + step * SECOND // 10, at(step / 10, 0, 0))
    for index in range(frames - 2):
        tree.set_static("base_link", f"sensor_{index}_frame", at(0.1 * (index // 2), 0, 0.3))
    return tree


@pytest.mark.parametrize("frames", [2, 5, 15])
def test_no_name_lies_on_another(drawn, frames):
    tree = robot(frames)
    boxes = boxes_by_text(drawn(tree))
    assert set(tree.frames()) <= set(boxes)
    names = [boxes[frame] for frame in tree.frames()]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(names, 2))


def test_frames_in_one_place_are_all_named(drawn):
    tree = TransformTree()
    for child in ("base_link", "imu", "gps"):
        tree.set_static("map", child, at(0, 0, 0))
    boxes = boxes_by_text(drawn(tree))
    rows = sorted(((boxes[frame].y0, frame) for frame in tree.frames()), reverse=True)
    assert [frame for _, frame in rows] == tree.frames()
    assert not any(
        boxes[one].overlaps(boxes[other]) for one, other in itertools.combinations(tree.frames(), 2)
    )


def test_dynamic_edges_are_dashed_with_their_rate(drawn):
    figure = drawn(robot(3))
    assert {"odom", "base_link", "10 Hz", "sensor_0_frame"} <= set(words_of(figure))
    # A stem and an arrow each, and one of each kind in the legend.
    assert sorted(lines_of(figure)) == ["-", "-", "-", "--", "--", "--"]


def test_what_is_not_there_at_the_time_is_said(drawn):
    figure = drawn(robot(3), stamp_ns=9 * SECOND)
    assert words_of(figure).count("not here at this time") == 2
    assert "base_link" not in boxes_by_text(figure)
    assert "odom" in boxes_by_text(figure)


def test_separate_trees_stand_apart_with_a_word(drawn):
    tree = robot(4)
    tree.set_static("world", "table", at(0, 0, 0))
    figure = drawn(tree, title="two trees")
    texts = boxes_by_text(figure)
    assert {"two trees", "world", "table"} <= set(texts)
    assert any(text.startswith("separate trees") for text in texts)
    assert abs(texts["world"].x0 - texts["odom"].x0) > 50


def test_names_are_no_mathematics(drawn):
    tree = TransformTree()
    tree.set_static("$a$", "b_{c$", at(1, 0, 0))
    assert {"$a$", "b_{c$"} <= set(boxes_by_text(drawn(tree)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tree.xyz", "Format 'xyz' is not supported .supported formats:.*png"),
        ("tree", "Format '' is not supported"),
        ("folder.png", "Is a directory"),
        ("file.txt/tree.png", "file.txt"),
    ],
)
def test_where_nothing_can_be_written(tmp_path, name, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(EvaluationError, match=f"{name}: cannot write: .*{words}"):
        plot_frames(robot(2), tmp_path / name)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(EvaluationError, match="no frames"):
        plot_frames(TransformTree(), tmp_path / "tree.png")


def test_absurdly_far_away(tmp_path):
    tree = TransformTree()
    tree.set_static("map", "moon", at(1e300, 0, 0))
    with pytest.raises(EvaluationError, match="'moon' is 1e\\+300 m away from 'map'"):
        plot_frames(tree, tmp_path / "tree.png")


points = st.tuples(st.floats(1, 6), st.floats(1, 5))


@settings(max_examples=30, deadline=None)
@given(st.lists(points, min_size=1, max_size=12), st.lists(st.floats(0.3, 2.0), min_size=12))
def test_labels_keep_apart_and_inside(anchors, widths):
    anchors = np.array(anchors)
    sizes = np.array([[width, 0.16] for width in widths[: len(anchors)]])
    taken = np.array([[[3.0, 2.0], [3.4, 2.1]]])
    strokes = np.stack([anchors, anchors + 0.3], axis=1)
    places = place_labels(anchors, sizes, strokes, taken, AREA, 0.16)
    boxes = [*np.stack([places.centres - sizes / 2, places.centres + sizes / 2], axis=1), taken[0]]
    for one, other in itertools.combinations(boxes, 2):
        assert (one[0] >= other[1]).any() or (other[0] >= one[1]).any()
    assert (places.centres - sizes / 2 >= AREA[0]).all()
    assert (places.centres + sizes / 2 <= AREA[1]).all()
    # A leader ends at the rim of its label.
    assert (np.abs(places.leader_ends - places.centres) <= sizes / 2 + 1e-9).all()
