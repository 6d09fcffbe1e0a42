"""NEES against noise that is known, hand-made computations, and what it must not depend on."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation import Trajectory, evaluate_consistency, plot_consistency
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import twist_transform

HZ = 10


def trajectory(poses, covariances=None):
    return Trajectory(
        10**18 + np.arange(len(poses)) * 10**9 // HZ,
        np.array([pose.translation for pose in poses]),
        np.array([pose.quaternion_xyzw for pose in poses]),
        covariances,
    )


def in_axes_of(pose, covariance):
    """A covariance of the body's twist, along the axes that ``pose`` is in."""
    turn = np.kron(np.eye(2), pose.rotation)
    return turn @ covariance @ turn.T


def noisy_odometry(seed, count, size=1.0):
    """(estimate, truth): each step errs by correlated noise, ``size`` times what it says."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(0, 1, (6, 6)) * np.repeat((0.004, 0.002), 3)[:, None]
    step_covariance = mixed @ mixed.T
    estimated, true, covariance = Transform.identity(), Transform.identity(), np.zeros((6, 6))
    poses, truth, stated = [estimated], [true], [covariance]
    for _ in range(count - 1):
        motion = twist_transform(rng.normal((0.1, 0, 0, 0, 0, 0.1), 0.05))
        error = twist_transform(size * rng.multivariate_normal(np.zeros(6), step_covariance))
        estimated, true = estimated @ motion, true @ motion @ error
        carried = motion.inverse().adjoint
        covariance = carried @ covariance @ carried.T + step_covariance
        poses.append(estimated)
        truth.append(true)
        stated.append(in_axes_of(estimated, covariance))
    return trajectory(poses, np.array(stated)), trajectory(truth)


@pytest.fixture(scope="module")
def honest():
    return noisy_odometry(0, 1001)


def test_honest_odometry_is_consistent(honest):
    found = evaluate_consistency(*honest)
    assert len(found.ends_ns) == 100
    assert (np.diff(found.ends_ns) == 10**9).all()
    for name, freedom in (("pose", 6), ("position", 3), ("rotation", 3)):
        nees = found.stretches[name]
        assert nees.freedom == freedom
        assert nees.verdict == "consistent"
        assert nees.mean == pytest.approx(nees.values.mean())
        assert nees.band == pytest.approx(chi2.ppf((0.025, 0.975), 100 * freedom) / 100)
        assert nees.share_inside == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(("times", "verdict"), [(9.0, "cautious"), (1 / 9, "overconfident")])
def test_nees_goes_down_as_covariance_goes_up(honest, times, verdict):
    estimate, truth = honest
    other = Trajectory(
        estimate.stamps_ns,
        estimate.positions_m,
        estimate.quaternions_xyzw,
        estimate.covariances * times,
    )
    before, after = evaluate_consistency(estimate, truth), evaluate_consistency(other, truth)
    for name, nees in after.stretches.items():
        np.testing.assert_allclose(nees.values * times, before.stretches[name].values, rtol=1e-6)
        assert nees.verdict == verdict
        np.testing.assert_allclose(after.whole[name] * times, before.whole[name], rtol=1e-6)


def test_the_whole_way_is_as_uncertain_as_it_says():
    ends = [evaluate_consistency(*noisy_odometry(seed, 21)).whole["pose"][-1] for seed in range(60)]
    low, high = chi2.ppf((0.001, 0.999), 6 * len(ends)) / len(ends)
    assert low < np.mean(ends) < high


def test_axes_are_those_of_the_odometry_frame():
    # The body looks along y of the frame; it is off by 2 cm along the frame's x.
    turned = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    poses = [Transform(turned, np.array([0, 0.1 * k, 0])) for k in range(11)]
    error = twist_transform(np.array([0, 0, 0, 0, 0.03, 0])).rotation  # about the frame's y
    truth = [*poses[:-1], Transform(error @ turned, poses[-1].translation + np.array([0.02, 0, 0]))]
    growth = np.diag([0.01, 0.5, 0.6, 0.7, 0.02, 0.8]) ** 2
    found = evaluate_consistency(
        # The first pose is exact, so that all there is at the end has been added since.
        trajectory(poses, np.array([np.zeros((6, 6))] * 10 + [growth])),
        trajectory(truth),
    )
    assert found.stretches["position"].values == pytest.approx([(0.02 / 0.01) ** 2])
    assert found.stretches["rotation"].values == pytest.approx([(0.03 / 0.02) ** 2])
    assert found.stretches["pose"].values == pytest.approx([4 + 2.25])
    assert found.figures()["whole"] == pytest.approx(
        {"pose": 6.25, "position": 4, "rotation": 2.25}
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_where_the_frames_lie_does_not_matter(seed):
    estimate, truth = noisy_odometry(seed, 31)
    move, other = (
        Transform(Rotation.random(random_state=seed + k).as_matrix(), np.array([5.0, -3.0, k]))
        for k in range(2)
    )

    def moved(by, given):
        poses = [
            by @ Transform.from_quaternion(*pose)
            for pose in zip(given.quaternions_xyzw, given.positions_m, strict=True)
        ]
        stated = given.covariances
        if stated is not None:
            stated = np.array([in_axes_of(by, covariance) for covariance in stated])
        return trajectory(poses, stated)

    before = evaluate_consistency(estimate, truth)
    after = evaluate_consistency(moved(move, estimate), moved(other, truth))
    for name, nees in before.stretches.items():
        np.testing.assert_allclose(after.stretches[name].values, nees.values, rtol=1e-5)


def test_a_stretch_goes_on_until_something_was_added():
    estimate, truth = noisy_odometry(4, 41)
    poses, stated = list(estimate.positions_m), estimate.covariances.copy()
    # It stands from 1.0 to 2.5 s: nothing is added.
    quaternions, true_quaternions = estimate.quaternions_xyzw.copy(), truth.quaternions_xyzw.copy()
    true_positions = truth.positions_m.copy()
    for k in range(11, 26):
        poses[k], quaternions[k], stated[k] = poses[10], quaternions[10], stated[10]
        true_positions[k], true_quaternions[k] = true_positions[10], true_quaternions[10]
    standing = Trajectory(estimate.stamps_ns, np.array(poses), quaternions, stated)
    found = evaluate_consistency(
        standing, Trajectory(truth.stamps_ns, true_positions, true_quaternions)
    )
    ends_s = (found.ends_ns - estimate.stamps_ns[0]) / 1e9
    np.testing.assert_allclose(ends_s, [1.0, 2.6, 3.6])


def spoiled(change):
    estimate, truth = noisy_odometry(1, 21)
    stated = estimate.covariances.copy()
    change(stated)
    return (
        Trajectory(estimate.stamps_ns, estimate.positions_m, estimate.quaternions_xyzw, stated),
        truth,
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda stated: stated.fill(0.0), "states no covariances: all are zero"),
        (lambda stated: stated[3].fill(np.nan), "pose 3: not finite"),
        (lambda stated: stated[4].fill(np.inf), "pose 4: not finite"),
        (lambda stated: np.negative(stated[5], out=stated[5]), "pose 5: .*negative"),
        (lambda stated: stated[6].__setitem__((0, 5), 9.0), "pose 6: not symmetric"),
        (lambda stated: stated.__setitem__(slice(None), np.eye(6)), "does not grow"),
    ],
)
def test_covariances_that_are_none_are_refused(change, reason):
    with pytest.raises(EvaluationError, match=reason):
        evaluate_consistency(*spoiled(change))


def test_poses_without_covariances_and_short_ones_are_refused():
    estimate, truth = noisy_odometry(1, 21)
    with pytest.raises(EvaluationError, match="states no covariances"):
        evaluate_consistency(truth, estimate)
    with pytest.raises(EvaluationError, match=r"2\.00 s long.*over 5 s"):
        evaluate_consistency(estimate, truth, stretch_s=5)
    with pytest.raises(EvaluationError, match=r"covariances: got shape \(20, 6, 6\)"):
        Trajectory(
            estimate.stamps_ns,
            estimate.positions_m,
            estimate.quaternions_xyzw,
            estimate.covariances[1:],
        )


def test_the_picture_shows_stretches_above_the_band_there(tmp_path):
    estimate, truth = noisy_odometry(2, 101, size=10.0)
    path = tmp_path / "nees.png"
    plot_consistency(evaluate_consistency(estimate, truth), path)
    picture = cv2.imread(str(path))
    assert picture.shape[:2] == (552, 1560)
    blue = np.abs(picture.astype(int) - (0x8E, 0x68, 0x31)).sum(axis=2) < 60
    green = np.abs(picture.astype(int) - (216, 239, 214)).sum(axis=2) < 30
    for panel in np.split(np.arange(1560), 3):
        assert blue[:, panel].sum() > 100
        assert np.nonzero(blue[:, panel])[0].mean() < np.nonzero(green[:, panel])[0].mean()
