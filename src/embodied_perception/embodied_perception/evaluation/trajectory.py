"""How far an estimated trajectory is from the true one: ATE, RPE and drift.

ATE and RPE after Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems", IROS 2012,
computed by ``evo``; alignment after Umeyama, PAMI 1991. Drift after Geiger et al., CVPR 2012.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from evo.core import metrics
from evo.core.filters import FilterException
from evo.core.geometry import GeometryException
from evo.core.trajectory import PoseTrajectory3D
from scipy.spatial.transform import Rotation, Slerp

from embodied_perception.errors import EvaluationError
from embodied_perception.geometry import Transform

#: The reference is interpolated between poses that are at most this far apart.
MAX_REFERENCE_GAP_NS = 250_000_000

MIN_POSES = 3
_RPE_SECONDS, _RPE_METRES = 1.0, 1.0
_DRIFT_FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5)
_MIN_DRIFT_PATH_M = 0.1  # a shorter path is the noise of the reference


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses of one body over time.

    Attributes:
        stamps_ns: (N,) int64, rising.
        positions_m: (N, 3) float64, in the world.
        quaternions_xyzw: (N, 4) float64, world_from_body, of any length but zero.
        covariances: (N, 6, 6) float64 of each pose's error: of position (metres) along the world's
            axes, then of rotation (radians) about them; None where none are stated.

    Raises:
        EvaluationError: shapes do not fit, values are not finite, or stamps do not rise.

    """

    stamps_ns: np.ndarray
    positions_m: np.ndarray
    quaternions_xyzw: np.ndarray
    covariances: np.ndarray | None = None

    def __post_init__(self) -> None:
        stamps_ns = np.asarray(self.stamps_ns, np.int64)
        count = len(stamps_ns) if stamps_ns.ndim == 1 else -1
        for name, width in (("positions_m", 3), ("quaternions_xyzw", 4)):
            values = np.array(getattr(self, name), float)
            if values.shape != (count, width):
                raise EvaluationError(
                    f"{name}: got shape {values.shape}, expected (N, {width}) with the N of "
                    f"stamps_ns {stamps_ns.shape}"
                )
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if bad.size:
                raise EvaluationError(f"{name}: pose {bad[0]} is {values[bad[0]]}, expected finite")
            object.__setattr__(self, name, values)
        lengths = np.linalg.norm(self.quaternions_xyzw, axis=1)
        if (lengths < 1e-9).any():
            raise EvaluationError(f"quaternions_xyzw: pose {np.argmin(lengths)} has length 0")
        object.__setattr__(self, "quaternions_xyzw", self.quaternions_xyzw / lengths[:, None])
        if self.covariances is not None and self.covariances.shape != (count, 6, 6):
            raise EvaluationError(
                f"covariances: got shape {self.covariances.shape}, expected (N, 6, 6) with the N "
                f"of stamps_ns {stamps_ns.shape}"
            )
        backward = np.flatnonzero(np.diff(stamps_ns) <= 0)
        if backward.size:
            first = backward[0]
            raise EvaluationError(
                f"stamps_ns: pose {first + 1} is at {stamps_ns[first + 1]} ns after "
                f"{stamps_ns[first]} ns, expected rising stamps (does the bag loop?)"
            )
        object.__setattr__(self, "stamps_ns", stamps_ns)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def of_part(self, body_from_part: Transform) -> Trajectory:
        """Poses, without covariances, of something that is fixed to the body."""
        turns = Rotation.from_quat(self.quaternions_xyzw)
        return Trajectory(
            self.stamps_ns,
            self.positions_m + turns.apply(body_from_part.translation),
            (turns * Rotation.from_matrix(body_from_part.rotation)).as_quat(),
        )


@dataclass(frozen=True)
class TrajectoryErrors:
    """The result of a comparison; a figure is None where the path is too short for it.

    Attributes:
        matched_poses: Estimated poses that the reference covers.
        path_length_m: Of the reference, over the matched poses.
        alignment: ``SE(3)``, ``Sim(3)``, or ``first pose`` where nothing moves and so no rotation
            can be fitted.
        scale: Applied to the estimate; 1 unless Sim(3).
        ate_rmse_m: Distance between positions after alignment; also median and maximum.
        rpe_1s_m: RMSE of relative translation over 1 s (the nearest number of frames).
        rpe_1s_deg: RMSE of relative rotation over 1 s.
        rpe_1m_m: RMSE of relative translation over 1 m of path.
        rpe_1m_deg: RMSE of relative rotation over 1 m of path.
        drift_percent: Mean relative translation error over all sub-paths of 10, 20, 30, 40 and
            50 % of the path, in percent of the sub-path's length; independent of alignment.
        end_error_m: Distance at the last pose after aligning the first one.
        stamps_ns: (N,) of the matched poses.
        reference_m: (N, 3) true positions.
        aligned_m: (N, 3) estimated positions after alignment.

    """

    matched_poses: int
    path_length_m: float
    alignment: str
    scale: float
    ate_rmse_m: float
    ate_median_m: float
    ate_max_m: float
    rpe_1s_m: float | None
    rpe_1s_deg: float | None
    rpe_1m_m: float | None
    rpe_1m_deg: float | None
    drift_percent: float | None
    end_error_m: float
    stamps_ns: np.ndarray = field(repr=False, compare=False)
    reference_m: np.ndarray = field(repr=False, compare=False)
    aligned_m: np.ndarray = field(repr=False, compare=False)

    @property
    def errors_m(self) -> np.ndarray:
        """(N,) distance of each aligned position from the true one."""
        return np.linalg.norm(self.aligned_m - self.reference_m, axis=1)

    def figures(self) -> dict[str, float | int | str | None]:
        """Return the single figures by name, for a table or JSON."""
        return {
            name: value for name, value in vars(self).items() if not isinstance(value, np.ndarray)
        }


def evaluate_trajectory(
    estimate: Trajectory, reference: Trajectory, with_scale: bool = False
) -> TrajectoryErrors:
    """Compare an estimate with the truth at the estimate's stamps.

    Args:
        estimate: In any world frame; it is aligned.
        reference: Interpolated (linear, slerp) at the estimate's stamps; estimated poses outside
            of it, or in a gap of more than 0.25 s, do not count.
        with_scale: Align with Sim(3), for monocular estimates.

    Raises:
        EvaluationError: fewer than 3 poses match, or Sim(3) is asked for where nothing moves.

    """
    estimate, reference = at_stamps_of(estimate, reference)
    true, aligned = _as_evo(reference), _as_evo(estimate)
    alignment, scale = _align(aligned, true, with_scale)
    ate = metrics.APE(metrics.PoseRelation.translation_part)
    ate.process_data((true, aligned))
    period_s = float(np.median(np.diff(estimate.stamps_ns))) * 1e-9
    frames = min(max(1, round(_RPE_SECONDS / period_s)), len(estimate) - 1)
    per_second = (frames, metrics.Unit.frames)
    per_metre = (_RPE_METRES, metrics.Unit.meters)
    translation = metrics.PoseRelation.translation_part
    rotation = metrics.PoseRelation.rotation_angle_deg
    return TrajectoryErrors(
        matched_poses=len(estimate),
        path_length_m=float(true.path_length),
        alignment=alignment,
        scale=scale,
        ate_rmse_m=float(ate.get_statistic(metrics.StatisticsType.rmse)),
        ate_median_m=float(ate.get_statistic(metrics.StatisticsType.median)),
        ate_max_m=float(ate.get_statistic(metrics.StatisticsType.max)),
        rpe_1s_m=_relative_error(true, aligned, translation, per_second),
        rpe_1s_deg=_relative_error(true, aligned, rotation, per_second),
        rpe_1m_m=_relative_error(true, aligned, translation, per_metre),
        rpe_1m_deg=_relative_error(true, aligned, rotation, per_metre),
        drift_percent=_drift_percent(reference, estimate, scale),
        end_error_m=_end_error_m(reference, estimate, scale),
        stamps_ns=estimate.stamps_ns,
        reference_m=reference.positions_m,
        aligned_m=np.array(aligned.positions_xyz),
    )


def at_stamps_of(estimate: Trajectory, reference: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Return both at the estimate's stamps that the reference covers.

    Raises:
        EvaluationError: those are fewer than 3.

    """
    stamps, known = estimate.stamps_ns, reference.stamps_ns
    if len(known) >= 2:
        after = np.clip(np.searchsorted(known, stamps), 1, len(known) - 1)
        gap = known[after] - known[after - 1]
        exact = np.isin(stamps, known)
        inside = (stamps >= known[0]) & (stamps <= known[-1])
        use = exact | inside & (gap <= MAX_REFERENCE_GAP_NS)
    else:
        use = np.zeros(len(stamps), bool)
    if use.sum() < MIN_POSES:
        raise EvaluationError(
            f"got {use.sum()} estimated poses that the reference covers, expected {MIN_POSES} or "
            f"more; estimate: {_span(estimate)}, reference: {_span(reference)}"
        )
    # Seconds from a common start keep nanoseconds apart in a float.
    at_s = (stamps[use] - known[0]) * 1e-9
    known_s = (known - known[0]) * 1e-9
    positions = np.column_stack([np.interp(at_s, known_s, x) for x in reference.positions_m.T])
    rotations = Slerp(known_s, Rotation.from_quat(reference.quaternions_xyzw))(at_s)
    stated = None if estimate.covariances is None else estimate.covariances[use]
    return (
        Trajectory(stamps[use], estimate.positions_m[use], estimate.quaternions_xyzw[use], stated),
        Trajectory(stamps[use], positions, rotations.as_quat()),
    )


def _span(trajectory: Trajectory) -> str:
    if not len(trajectory):
        return "no poses"
    first, last = trajectory.stamps_ns[[0, -1]] * 1e-9
    return f"{len(trajectory)} poses from {first:.3f} to {last:.3f} s"


def _as_evo(trajectory: Trajectory) -> PoseTrajectory3D:
    return PoseTrajectory3D(
        positions_xyz=trajectory.positions_m.copy(),
        orientations_quat_wxyz=np.roll(trajectory.quaternions_xyzw, 1, axis=1),
        timestamps=trajectory.stamps_ns * 1e-9,
    )


def _align(
    aligned: PoseTrajectory3D, true: PoseTrajectory3D, with_scale: bool
) -> tuple[str, float]:
    """Move ``aligned`` onto ``true`` in place; return the kind of alignment and the scale."""
    try:
        _, _, scale = aligned.align(true, correct_scale=with_scale)
    except GeometryException as error:
        if with_scale:
            raise EvaluationError(
                "Sim(3) alignment needs a path that is not a point or straight line"
            ) from error
        aligned.align_origin(true)
        return "first pose", 1.0
    return ("Sim(3)", float(scale)) if with_scale else ("SE(3)", 1.0)


def _relative_error(
    true: PoseTrajectory3D,
    aligned: PoseTrajectory3D,
    relation: metrics.PoseRelation,
    delta: tuple[float, metrics.Unit],
) -> float | None:
    rpe = metrics.RPE(relation, delta[0], delta[1], all_pairs=True, pairs_from_reference=True)
    try:
        rpe.process_data((true, aligned))
    except FilterException:  # no pair is that far apart
        return None
    return float(rpe.get_statistic(metrics.StatisticsType.rmse))


def _drift_percent(reference: Trajectory, estimate: Trajectory, scale: float) -> float | None:
    steps_m = np.linalg.norm(np.diff(reference.positions_m, axis=0), axis=1)
    travelled_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    if travelled_m[-1] < _MIN_DRIFT_PATH_M:
        return None
    errors = []
    for length_m in travelled_m[-1] * np.array(_DRIFT_FRACTIONS):
        ends = np.searchsorted(travelled_m, travelled_m + length_m)
        starts = np.flatnonzero(ends < len(reference))
        ends = ends[starts]
        true = _relative_positions(reference, starts, ends, 1.0)
        got = _relative_positions(estimate, starts, ends, scale)
        errors.append(
            np.linalg.norm(got - true, axis=1) / (travelled_m[ends] - travelled_m[starts])
        )
    return float(100 * np.concatenate(errors).mean())


def _relative_positions(
    trajectory: Trajectory, starts: np.ndarray, ends: np.ndarray, scale: float
) -> np.ndarray:
    """Return where the body at ``ends`` is, in its own frame at ``starts``: (n, 3)."""
    moved = trajectory.positions_m[ends] - trajectory.positions_m[starts]
    return Rotation.from_quat(trajectory.quaternions_xyzw[starts]).inv().apply(moved) * scale


def _end_error_m(reference: Trajectory, estimate: Trajectory, scale: float) -> float:
    first, last = np.array([0]), np.array([len(reference) - 1])
    true = _relative_positions(reference, first, last, 1.0)
    return float(np.linalg.norm(_relative_positions(estimate, first, last, scale) - true))
