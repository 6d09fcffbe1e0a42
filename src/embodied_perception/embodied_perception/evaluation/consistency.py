"""Whether odometry errs by as much as it says: the normalised estimation error squared, NEES.

A pose states the covariance of its error. Where that is right, the squared error weighed by the
inverse covariance is chi-square distributed, with as many degrees of freedom as the error has: its
mean is 6 for a pose, 3 for position or rotation alone. A larger one says that odometry trusts
itself too much; a smaller one, too little.

The poses of one run all carry the errors of those before them, and are no sample; stretches of the
way are, as far as errors of one stretch and the next have nothing to do with each other. What is
the covariance of a stretch? Let T = world_from_body be estimated, and the twist x be how the truth
differs, in the body's axes: T exp(x) is true. From time s to t, the estimate moves by
M = T_s^-1 T_t and the truth by

    exp(-x_s) M exp(x_t) = M exp(-Ad(M^-1) x_s) exp(x_t).

To first order, the stretch's own error is e = x_t - Ad(M^-1) x_s. Odometry adds to what it has
erred before, so that e has nothing to do with x_s, and

    cov(x_t) = Ad(M^-1) cov(x_s) Ad(M^-1)^T + cov(e),

which is solved for cov(e). Here x_s is all of the error at s. The part of it that the poses after s
do not inherit, the noise of that one image, is stated nowhere in a message; by twice its covariance
cov(e) comes out too small. So stretches must be long enough for it not to count, and where nothing
has been added in some direction, as where a robot stands, the stretch goes on until something is.

The reference is taken to be exact. Where its own errors are not small beside odometry's, they count
as odometry's, and it seems overconfident.

nav_msgs/Odometry states the error along the axes of its frame instead, position as well as
rotation: turned back by the rotation of T, it is the covariance of x.

Source: Y. Bar-Shalom, X. R. Li, T. Kirubarajan, Estimation with Applications to Tracking and
Navigation, 2001, section 5.4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import eigh
from scipy.stats import chi2

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.trajectory import Trajectory, at_stamps_of
from embodied_perception.geometry import Transform

CONFIDENCE = 0.95
STRETCH_S = 1.0
#: Of a twist (translation, rotation): which parts each figure is about.
PARTS = {"pose": slice(0, 6), "position": slice(0, 3), "rotation": slice(3, 6)}
#: A smaller share of the covariance than this is what carrying it along, to first order, may get
#: wrong; it is no growth.
_LEAST_GROWTH = 1e-4
_SYMMETRY = 1e-6


@dataclass(frozen=True, eq=False)
class Nees:
    """Errors of a kind, each weighed by what odometry says of it.

    Attributes:
        freedom: degrees of freedom of one error.
        values: (N,) NEES of N stretches, N >= 1.

    """

    freedom: int
    values: np.ndarray

    @property
    def mean(self) -> float:
        """The average NEES (ANEES); ``freedom`` where the covariance is right."""
        return float(self.values.mean())

    @property
    def band(self) -> tuple[float, float]:
        """Between which the mean of N lies in 95 % of the cases, where the covariance is right."""
        count = len(self.values)
        low, high = chi2.interval(CONFIDENCE, self.freedom * count) / np.float64(count)
        return float(low), float(high)

    @property
    def share_inside(self) -> float:
        """Share of the stretches whose error lies in the ellipsoid that should hold 95 %."""
        return float((self.values <= chi2.ppf(CONFIDENCE, self.freedom)).mean())

    @property
    def verdict(self) -> str:
        """``consistent``, ``overconfident`` (errs by more than it says) or ``cautious``."""
        low, high = self.band
        if self.mean > high:
            return "overconfident"
        return "cautious" if self.mean < low else "consistent"

    def figures(self) -> dict[str, Any]:
        """Return them by name, for a table or JSON."""
        return {
            "anees": self.mean,
            "band": list(self.band),
            "share_inside": self.share_inside,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, eq=False)
class Consistency:
    """Errors of odometry beside what it says of them, by the names of :data:`PARTS`.

    Attributes:
        stretches: NEES over stretches of the way that do not overlap.
        ends_ns: (N,) when these end.
        whole: (M,) NEES of the way from the first pose to each later one.
        stamps_ns: (M,) of those.

    """

    stretches: dict[str, Nees]
    ends_ns: np.ndarray = field(repr=False)
    whole: dict[str, np.ndarray] = field(repr=False)
    stamps_ns: np.ndarray = field(repr=False)

    def figures(self) -> dict[str, Any]:
        """Return the single figures by name, for a table or JSON."""
        return {
            "stretches": len(self.ends_ns),
            **{name: nees.figures() for name, nees in self.stretches.items()},
            "whole": {name: float(values[-1]) for name, values in self.whole.items()},
        }


def evaluate_consistency(
    estimate: Trajectory, reference: Trajectory, stretch_s: float = STRETCH_S
) -> Consistency:
    """Compare the errors of an estimate with the covariances that it states.

    Args:
        estimate: In any world frame, in metres, with covariances.
        reference: As for :func:`evaluate_trajectory`.
        stretch_s: The shortest stretch, seconds.

    Raises:
        EvaluationError: the estimate states no covariances, or one that is none; fewer than 3 poses
            match; or the matching ones are shorter than one stretch.

    """
    estimate, reference = at_stamps_of(estimate, reference)
    errors = _Errors(estimate, reference)
    stretches = list(errors.stretches(round(stretch_s * 1e9)))
    if not stretches:
        raise EvaluationError(
            f"the poses that the reference covers are {errors.seconds:.2f} s long, or their "
            f"covariance does not grow; expected growth over {stretch_s:g} s or more"
        )
    whole = list(errors.from_start())
    return Consistency(
        {
            name: Nees(part.stop - part.start, _nees(stretches, part))
            for name, part in PARTS.items()
        },
        estimate.stamps_ns[[stretch.end for stretch in stretches]],
        {name: _nees(whole, part) for name, part in PARTS.items()},
        estimate.stamps_ns[[stretch.end for stretch in whole]],
    )


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The way up to pose ``end``: its error (6,), as a twist, and what its covariance should be.

    ``accumulated`` (6, 6) is the covariance of pose ``end`` itself.
    """

    end: int
    error: np.ndarray
    covariance: np.ndarray
    accumulated: np.ndarray

    @property
    def has_grown(self) -> bool:
        """Whether something was added in every direction."""
        try:
            shares = eigh(self.covariance, self.accumulated, eigvals_only=True)
        except LinAlgError:  # something is stated to be exact
            return False
        return bool(shares[0] > _LEAST_GROWTH)


class _Errors:
    """Two trajectories at the same stamps, pose by pose."""

    def __init__(self, estimate: Trajectory, reference: Trajectory) -> None:
        self._stamps_ns = estimate.stamps_ns
        self._poses, self._truth = _transforms(estimate), _transforms(reference)
        self._covariances = _body_covariances(estimate, self._poses)

    @property
    def seconds(self) -> float:
        return float(self._stamps_ns[-1] - self._stamps_ns[0]) * 1e-9

    def stretches(self, least_ns: int) -> Iterator[_Stretch]:
        """Those that follow each other, each as long as it must be."""
        start = 0
        for end in range(len(self._poses)):
            if self._stamps_ns[end] - self._stamps_ns[start] < least_ns:
                continue
            stretch = self._between(start, end)
            if stretch.has_grown:
                yield stretch
                start = end

    def from_start(self) -> Iterator[_Stretch]:
        """The whole way up to each pose."""
        ways = (self._between(0, end) for end in range(1, len(self._poses)))
        return (way for way in ways if way.has_grown)

    def _between(self, start: int, end: int) -> _Stretch:
        motion = self._poses[start].inverse() @ self._poses[end]
        truth = self._truth[start].inverse() @ self._truth[end]
        off = motion.inverse() @ truth
        carried = motion.inverse().adjoint
        before, after = self._covariances[start], self._covariances[end]
        return _Stretch(
            end,
            np.concatenate((off.translation, off.rotation_vector)),
            after - carried @ before @ carried.T,
            after,
        )


def _transforms(trajectory: Trajectory) -> list[Transform]:
    return [
        Transform.from_quaternion(*pose)
        for pose in zip(trajectory.quaternions_xyzw, trajectory.positions_m, strict=True)
    ]


def _body_covariances(estimate: Trajectory, poses: list[Transform]) -> np.ndarray:
    """Covariances (N, 6, 6) of twists in the body's axes."""
    stated = estimate.covariances
    if stated is None or not stated.any():
        raise EvaluationError("the estimate states no covariances: all are zero, or there are none")
    for place, covariance in enumerate(stated):
        size = np.abs(covariance).max()
        if not np.isfinite(size):
            raise EvaluationError(f"covariance of pose {place}: not finite, expected variances")
        is_symmetric = np.abs(covariance - covariance.T).max() <= _SYMMETRY * size
        if not is_symmetric or np.linalg.eigvalsh(covariance)[0] < -_SYMMETRY * size:
            raise EvaluationError(
                f"covariance of pose {place}: not symmetric, or negative in some direction; "
                "expected row-major 6x6 of x, y, z and rotation about x, y, z"
            )
    turned_back = np.stack([np.kron(np.eye(2), pose.rotation.T) for pose in poses])
    return turned_back @ stated @ turned_back.transpose(0, 2, 1)


def _nees(stretches: list[_Stretch], part: slice) -> np.ndarray:
    errors = np.stack([stretch.error[part] for stretch in stretches])
    covariances = np.stack([stretch.covariance[part, part] for stretch in stretches])
    weighed = np.linalg.solve(covariances, errors[..., None])[..., 0]
    return np.einsum("ni,ni->n", errors, weighed)
