"""ATE, RPE and drift against hand-made computations and known errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation import Trajectory, evaluate_trajectory, plot_trajectory
from embodied_perception.geometry import Transform

HZ = 10


def walk(seed: int, count: int = 80) -> Trajectory:
    rng = np.random.default_rng(seed)
    positions = np.cumsum(rng.normal(0.05, 0.1, (count, 3)), axis=0)
    turns = Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.05, (count, 3)), axis=0))
    stamps = 10**18 + np.arange(count) * 10**9 // HZ
    return Trajectory(stamps, positions, turns.as_quat())


def moved(
    trajectory: Trajectory, seed: int, scale: float = 1.0, noise_m: float = 0.0
) -> Trajectory:
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed)
    positions = turn.apply(trajectory.positions_m * scale) + rng.normal(0, 5, 3)
    positions += rng.normal(0, noise_m, positions.shape) if noise_m else 0
    quaternions = (turn * Rotation.from_quat(trajectory.quaternions_xyzw)).as_quat()
    return Trajectory(trajectory.stamps_ns, positions, quaternions)


def umeyama_rmse(a: np.ndarray, b: np.ndarray, with_scale: bool) -> float:
    """RMSE of b after its best similarity onto a (Umeyama 1991, equations 38 to 43)."""
    a0, b0 = a - a.mean(0), b - b.mean(0)
    u, d, vt = np.linalg.svd(a0.T @ b0 / len(a))
    s = np.diag([1, 1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    c = np.trace(np.diag(d) @ s) / b0.var(0).sum() if with_scale else 1.0
    return float(np.sqrt((np.linalg.norm(a0 - c * b0 @ (u @ s @ vt).T, axis=1) ** 2).mean()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_ate_agrees_with_umeyama_by_hand(seed, with_scale):
    truth = walk(seed)
    estimate = moved(truth, seed + 1, 0.7 if with_scale else 1.0, noise_m=0.1)
    errors = evaluate_trajectory(estimate, truth, with_scale)
    expected = umeyama_rmse(truth.positions_m, estimate.positions_m, with_scale)
    assert errors.ate_rmse_m == pytest.approx(expected, rel=1e-6)
    assert errors.ate_rmse_m == pytest.approx(np.sqrt((errors.errors_m**2).mean()), rel=1e-6)
    assert errors.ate_max_m == pytest.approx(errors.errors_m.max(), rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "with_scale", "kind"), [(1, False, "SE(3)"), (3, True, "Sim(3)")]
)
def test_a_moved_copy_has_no_error(scale, with_scale, kind):
    truth = walk(3)
    errors = evaluate_trajectory(moved(truth, 4, scale), truth, with_scale)
    assert errors.alignment == kind
    assert errors.scale == pytest.approx(1 / scale)
    for name in ("ate_rmse_m", "rpe_1s_m", "rpe_1m_m", "drift_percent", "end_error_m"):
        assert errors.figures()[name] == pytest.approx(0, abs=1e-6), name
    assert errors.rpe_1s_deg == pytest.approx(0, abs=1e-4)
    steps = np.linalg.norm(np.diff(truth.positions_m, axis=0), axis=1)
    assert errors.path_length_m == pytest.approx(steps.sum())
    assert errors.matched_poses == len(truth)


def circle(count: int, scale: float = 1.0, yaw_rate_error: float = 0.0) -> Trajectory:
    angle = np.linspace(0, 1.5, count)
    positions = scale * np.column_stack([np.sin(angle), 1 - np.cos(angle), np.zeros(count)]) * 10
    angle = angle + yaw_rate_error * np.arange(count) / HZ
    yaw = Rotation.from_rotvec(np.outer(angle, [0, 0, 1]))
    return Trajectory(np.arange(count) * 10**9 // HZ, positions, yaw.as_quat())


def test_drift_of_a_wrong_scale_is_that_scale():
    # A chord shrinks by the same 4 % as the path, and is shorter than its arc.
    errors = evaluate_trajectory(circle(200, 0.96), circle(200))
    assert errors.drift_percent == pytest.approx(4.0, rel=0.03)
    chord = 2 * 10 * np.sin(1.5 / 2)
    assert errors.end_error_m == pytest.approx(0.04 * chord, rel=1e-6)
    assert errors.rpe_1m_m == pytest.approx(0.04, rel=0.05)


def test_rotation_error_per_second():
    errors = evaluate_trajectory(circle(200, yaw_rate_error=np.radians(2)), circle(200))
    assert errors.rpe_1s_deg == pytest.approx(2.0, rel=1e-6)
    assert errors.ate_rmse_m == pytest.approx(0, abs=1e-6)


def test_the_reference_is_interpolated():
    truth = circle(1000)
    some = slice(3, 990, 7)
    between = Trajectory(
        truth.stamps_ns[some] + 50_000_000,
        (truth.positions_m[some] + truth.positions_m[4:991:7]) / 2,
        truth.quaternions_xyzw[some],
    )
    errors = evaluate_trajectory(between, truth)
    assert errors.matched_poses == len(between)
    assert errors.ate_rmse_m < 1e-6


def test_poses_in_a_gap_or_outside_of_the_reference_do_not_count():
    estimate = circle(100)
    keep = np.r_[10:40, 60:90]
    truth = Trajectory(
        estimate.stamps_ns[keep], estimate.positions_m[keep], estimate.quaternions_xyzw[keep]
    )
    assert evaluate_trajectory(estimate, truth).matched_poses == 60


def test_standing_still():
    still = Trajectory(np.arange(20) * 10**8, np.zeros((20, 3)), np.tile([0, 0, 0, 1.0], (20, 1)))
    truth = Trajectory(still.stamps_ns, np.zeros((20, 3)) + 7, still.quaternions_xyzw)
    errors = evaluate_trajectory(still, truth)
    assert (errors.alignment, errors.ate_rmse_m, errors.end_error_m) == ("first pose", 0, 0)
    assert errors.drift_percent is None
    assert errors.rpe_1m_m is None
    with pytest.raises(EvaluationError, match="Sim"):
        evaluate_trajectory(still, truth, with_scale=True)


@pytest.mark.parametrize(
    ("stamps", "positions", "quaternions", "expected"),
    [
        ([1, 2], np.zeros((3, 3)), np.ones((2, 4)), r"positions_m: got shape \(3, 3\), expected"),
        ([1, 2], np.zeros((2, 3)), np.ones((2, 3)), "quaternions_xyzw: got shape"),
        ([1, 2], [[0, 0, 0], [0, np.nan, 0]], np.ones((2, 4)), "positions_m: pose 1 is .*finite"),
        ([1, 2], np.zeros((2, 3)), np.zeros((2, 4)), "pose 0 has length 0"),
        ([2, 2], np.zeros((2, 3)), np.ones((2, 4)), "pose 1 is at 2 ns after 2 ns"),
        ([[1, 2]], np.zeros((2, 3)), np.ones((2, 4)), "expected"),
    ],
)
def test_bad_trajectories_are_refused(stamps, positions, quaternions, expected):
    with pytest.raises(EvaluationError, match=expected):
        Trajectory(np.array(stamps), np.array(positions), np.array(quaternions))


def cut(trajectory: Trajectory, count: int, shift_ns: int = 0) -> Trajectory:
    return Trajectory(
        trajectory.stamps_ns[:count] + shift_ns,
        trajectory.positions_m[:count],
        trajectory.quaternions_xyzw[:count],
    )


@pytest.mark.parametrize("reference_count", [0, 1, 2, 80])
@pytest.mark.parametrize(("count", "shift_ns"), [(0, 0), (2, 0), (80, 10**12)])
def test_too_little_overlap_is_refused(count, shift_ns, reference_count):
    estimate, truth = cut(walk(1), count, shift_ns), cut(walk(1), reference_count)
    with pytest.raises(EvaluationError, match=r"expected 3 or more.*reference: "):
        evaluate_trajectory(estimate, truth)


@pytest.mark.parametrize("noise_m", [0.0, 0.05])
def test_picture(tmp_path, noise_m):
    truth = walk(5)
    errors = evaluate_trajectory(moved(truth, 6, noise_m=noise_m), truth)
    plot_trajectory(errors, tmp_path / "trajectory.png", "walk")
    assert (tmp_path / "trajectory.png").stat().st_size > 20_000


def test_the_way_of_a_part_is_that_of_its_transforms():
    body, body_from_part = walk(3), Transform.from_rotation_vector((0.3, -1, 2), (1, 2, 3))
    part = body.of_part(body_from_part)
    for k in (0, 40, 79):
        world_from_body = Transform.from_quaternion(body.quaternions_xyzw[k], body.positions_m[k])
        expected = world_from_body @ body_from_part
        found = Transform.from_quaternion(part.quaternions_xyzw[k], part.positions_m[k])
        np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-9)
