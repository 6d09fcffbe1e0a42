"""A way that comes back to where it began: its end is known, and the rest follows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_perception.geometry import Transform
from embodied_perception.odometry.pose_graph import Edge, optimise, without_surplus

COUNT = 24
SIGMAS = np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
COVARIANCE = np.diag(SIGMAS**2)
EXACT = 1e-10 * np.eye(6)


def twist(numbers):
    return Transform.from_rotation_vector(numbers[3:], numbers[:3])


@pytest.fixture
def circle():
    """True poses on a circle of 2 m, each looking ahead; the last one is the first one again."""
    step = Transform.from_rotation_vector([0, 0, 2 * np.pi / COUNT], [0.5, 0.0, 0.0])
    poses = [Transform.identity()]
    for _ in range(COUNT):
        poses.append(poses[-1] @ step)
    return poses


def measured(truth, seed, sigmas=SIGMAS):
    """Edges along the way, with noise, and the poses that they add up to."""
    random = np.random.default_rng(seed)
    edges, poses = [], {0: truth[0]}
    for place, (before, after) in enumerate(pairwise(truth)):
        noise = twist(random.normal(0, 1, 6) * sigmas)
        edges.append(Edge(place, place + 1, before.inverse() @ after @ noise, COVARIANCE))
        poses[place + 1] = poses[place] @ edges[-1].first_from_second
    return poses, edges


def error_m(poses, truth):
    places = np.array([poses[place].translation for place in range(len(truth))])
    true = np.array([pose.translation for pose in truth])
    return float(np.sqrt(((places - true) ** 2).sum(axis=1).mean()))


def test_a_closed_loop_spreads_the_error(circle):
    gains = []
    for seed in range(8):
        poses, edges = measured(circle, seed)
        loop = Edge(0, COUNT, Transform.identity(), EXACT, is_loop=True)
        closed = optimise(poses, [*edges, loop], fixed=0)
        np.testing.assert_allclose(closed[COUNT].matrix, np.eye(4), atol=2e-3)
        gains.append(error_m(closed, circle) / error_m(poses, circle))
    assert np.mean(gains) < 0.6


def test_without_a_loop_nothing_moves(circle):
    poses, edges = measured(circle, 1)
    same = optimise(poses, edges, fixed=0)
    for name, pose in poses.items():
        np.testing.assert_allclose(same[name].matrix, pose.matrix, atol=1e-9)


def test_it_agrees_with_scipy(circle):
    from scipy.optimize import least_squares

    poses, edges = measured(circle[:7], 3)
    edges.append(Edge(1, 6, circle[1].inverse() @ circle[6], COVARIANCE))

    def residuals(unknowns):
        moved = {0: poses[0]}
        for name in range(1, 7):
            moved[name] = poses[name] @ twist(unknowns[6 * name - 6 : 6 * name])
        parts = []
        for edge in edges:
            between = moved[edge.first].inverse() @ moved[edge.second]
            off = edge.first_from_second.inverse() @ between
            parts.append(np.concatenate([off.translation, off.rotation_vector]) / SIGMAS)
        return np.concatenate(parts)

    best = least_squares(residuals, np.zeros(36), xtol=1e-14, ftol=1e-14).x
    ours = optimise(poses, edges, fixed=0)
    for name in range(1, 7):
        expected = poses[name] @ twist(best[6 * name - 6 : 6 * name])
        np.testing.assert_allclose(ours[name].matrix, expected.matrix, atol=1e-4)


def test_a_wrong_loop_loses_against_the_way(circle):
    poses, edges = measured(circle[:13], 2)
    wrong = Edge(0, 12, Transform.identity(), COVARIANCE, is_loop=True)
    kept = optimise(poses, [*edges, wrong], fixed=0)
    assert np.linalg.norm(kept[12].translation - poses[12].translation) < 0.25
    trusted = optimise(poses, [*edges, Edge(0, 12, Transform.identity(), COVARIANCE)], fixed=0)
    assert np.linalg.norm(trusted[12].translation) < 1.0


def test_whichever_is_fixed_stays(circle):
    poses, edges = measured(circle, 4)
    loop = Edge(COUNT, 0, Transform.identity(), EXACT, is_loop=True)
    moved = optimise(poses, [*edges, loop], fixed=COUNT)
    np.testing.assert_array_equal(moved[COUNT].matrix, poses[COUNT].matrix)
    np.testing.assert_allclose(moved[0].matrix, poses[COUNT].matrix, atol=2e-3)


def test_one_pose_alone_is_left_alone():
    pose = Transform.from_rotation_vector([0.1, 0.2, 0.3], [1, 2, 3])
    assert optimise({7: pose}, [], fixed=7)[7] is pose


numbers = st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6).map(np.array)


@given(numbers, numbers, st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_edges_join_and_turn_round_as_their_noise_does(first, second, seed):
    a_b, b_c = twist(first), twist(second)
    one, other = Edge(0, 1, a_b, 1e-6 * np.diag([1, 2, 3, 4, 5, 6.0])), Edge(1, 2, b_c, EXACT)
    random = np.random.default_rng(seed)
    samples = random.multivariate_normal(np.zeros(6), one.covariance, 1500)
    joined, back = one.followed_by(other), one.reversed()
    np.testing.assert_allclose(joined.first_from_second.matrix, (a_b @ b_c).matrix, atol=1e-12)
    np.testing.assert_allclose(back.first_from_second.matrix, a_b.inverse().matrix, atol=1e-12)

    def spread(centre, noisy):
        offs = [centre.inverse() @ each for each in noisy]
        return np.cov(np.array([[*o.translation, *o.rotation_vector] for o in offs]).T)

    noisy = [a_b @ twist(sample) for sample in samples]
    got = spread(a_b @ b_c, [each @ b_c for each in noisy])
    scale = np.sqrt(np.outer(np.diag(joined.covariance), np.diag(joined.covariance)))
    assert np.abs((got - joined.covariance) / scale).max() < 0.2
    got = spread(a_b.inverse(), [each.inverse() for each in noisy])
    scale = np.sqrt(np.outer(np.diag(back.covariance), np.diag(back.covariance)))
    assert np.abs((got - back.covariance) / scale).max() < 0.2
    assert (joined.first, joined.second, back.first, back.second) == (0, 2, 1, 0)


def parts(names, edges):
    """How many separate parts the poses make up."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = (
        [end(edge) for edge in edges] for end in (lambda e: e.first, lambda e: e.second)
    )
    graph = coo_matrix((np.ones(len(edges)), (first, second)), shape=(names, names))
    return connected_components(graph, directed=False)[0]


ends = st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1])


@given(st.lists(st.tuples(ends, st.booleans(), st.floats(1e-6, 1.0)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_only_the_surest_loops_stay_and_what_hangs_together_does_so(drawn):
    edges = [
        Edge(first, second, Transform.identity(), variance * np.eye(6), is_loop)
        for (first, second), is_loop, variance in drawn
    ]
    kept = without_surplus(edges, loops=4)
    slots = [edges.index(edge) for edge in kept]
    assert slots == sorted(set(slots))
    assert [e for e in kept if not e.is_loop] == [e for e in edges if not e.is_loop]
    assert parts(10, kept) == parts(10, edges)
    loops = [edge for edge in edges if edge.is_loop]
    variances = sorted(edge.covariance[0, 0] for edge in loops)
    assert sorted(e.covariance[0, 0] for e in kept if e.is_loop)[:4] == variances[:4]
    # More than these are only kept to join parts: at most one less than there are poses.
    assert sum(edge.is_loop for edge in kept) <= 4 + 9


def test_loops_in_excess_change_little(circle):
    poses, edges = measured(circle, 5)
    loops = []
    for count in range(60):
        poorly = 1.0 if count < 30 else 100.0
        loops.append(Edge(0, COUNT, Transform.identity(), poorly * 1e-6 * np.eye(6), is_loop=True))
    kept = without_surplus([*edges, *loops], loops=30)
    assert kept == [*edges, *loops[:30]]
    few, all_ = (optimise(poses, each, fixed=0) for each in (kept, [*edges, *loops]))
    for name, pose in few.items():
        np.testing.assert_allclose(pose.matrix, all_[name].matrix, atol=1e-4)
