"""Least squares over a rig of cameras that saw one board in many places.

The unknowns that all views share (intrinsics, and how the cameras stand to each other) are few; of
each view there is only where the board was. So the normal equations are solved by eliminating the
views one by one (Schur complement): W. Triggs et al., Bundle Adjustment - A Modern Synthesis, 2000.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_perception.camera.distortion import distort_jacobian, distorts
from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

_FIRST_DAMPING, _MOST_DAMPING = 1e-3, 1e12
_CONVERGED = 1e-13  # relative decrease of the cost that counts as none
_MOST_LEVERAGE = 1 - 1e-9
# Coefficients above and below a rational lens's fraction can grow together without end; that much
# is usual, and says enough to stop it: a pixel squared in all for a coefficient of 3.
_USUAL_RATIONAL = 3.0
_INTRINSICS = ("fx", "fy", "cx", "cy")
_COEFFICIENTS = {
    "plumb_bob": ("k1", "k2", "p1", "p2", "k3"),
    "rational_polynomial": (
        "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4",
    ),
    "equidistant": ("k1", "k2", "k3", "k4"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Observation:
    """What one camera saw of the board in one view.

    Attributes:
        camera: its place in the rig.
        view: which view.
        points: (N, 3) in the board's frame, metres.
        pixels: (N, 2) where they are in the image.

    """

    camera: int
    view: int
    points: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class Rig:
    """The unknowns.

    Attributes:
        cameras: the intrinsics.
        camera_from_rig: where each camera is; the first one is the rig's frame.
        rig_from_board: where the board was in each view.

    """

    cameras: tuple[Camera, ...]
    camera_from_rig: tuple[Transform, ...]
    rig_from_board: tuple[Transform, ...]


@dataclass(frozen=True, eq=False)
class _Linearised:
    """One observation around the present rig: residuals (2N,), and by shared and view unknowns."""

    view: int
    residuals: np.ndarray
    by_shared: np.ndarray
    by_view: np.ndarray


@dataclass(frozen=True, eq=False)
class BundleResult:
    """The best rig.

    Attributes:
        rig: the unknowns.
        residuals: (N, 2) pixels of each observation, predicted minus seen.
        names: of the shared unknowns, ``CAMERA.fx`` and so on; a camera's pose is ``CAMERA.x`` to
            ``CAMERA.rz``, metres and radians: a small motion that comes after it.
        covariance: (S, S) of the shared unknowns.
        without: (V, S) how the shared unknowns would change without each view, about.

    """

    rig: Rig
    residuals: list[np.ndarray]
    names: list[str]
    covariance: np.ndarray
    without: np.ndarray

    @property
    def rms_px(self) -> float:
        """Root mean square distance between prediction and image, over all points."""
        squares = np.concatenate(self.residuals) ** 2
        return float(np.sqrt(squares.sum(axis=1).mean()))


def adjust(
    rig: Rig,
    observations: Sequence[Observation],
    *,
    fix_intrinsics: bool = False,
    most_steps: int = 100,
) -> BundleResult:
    """Minimise the squared distances between predicted and seen pixels (Levenberg-Marquardt).

    Args:
        rig: where to begin.
        observations: of all cameras; every view needs at least one.
        fix_intrinsics: leave the cameras as they are, and find only poses.
        most_steps: when to stop at the latest.

    Raises:
        CameraError: the beginning cannot be projected, or the unknowns are not determined.

    """
    blocks = _Blocks(rig, fix_intrinsics)
    residuals = [_residuals(rig, seen) for seen in observations]
    cost = blocks.cost(rig, residuals)
    if not np.isfinite(cost):
        raise CameraError("calibration: the board cannot be where the first guess puts it")
    damping = _FIRST_DAMPING
    for _ in range(most_steps):
        linearised = [blocks.linearise(rig, seen) for seen in observations]
        while damping < _MOST_DAMPING:
            stepped = blocks.step(rig, linearised, damping)
            new_cost = np.inf
            if stepped is not None:
                residuals = [_residuals(stepped, seen) for seen in observations]
                new_cost = blocks.cost(stepped, residuals)
            if new_cost <= cost:
                break
            damping *= 10
        else:
            break
        assert stepped is not None
        decrease = (cost - new_cost) / max(cost, 1e-300)
        rig, cost, damping = stepped, new_cost, max(damping / 10, 1e-12)
        if decrease < _CONVERGED:
            break
    residuals = [_residuals(rig, seen) for seen in observations]
    linearised = [blocks.linearise(rig, seen) for seen in observations]
    covariance, without = _uncertainty(linearised, len(rig.rig_from_board), blocks.prior)
    return BundleResult(rig, residuals, blocks.names, covariance, without)


def _uncertainty(
    linearised: Sequence[_Linearised], views: int, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance (S, S) of the shared unknowns, and their change without each view.

    Errors of one view's points have common causes, such as a bent board, or a lens that is not of
    the model; counting points as independent would promise too much. So what varies is taken to be
    each view's pull as a whole (sandwich estimator for clusters: K.-Y. Liang, S. Zeger, 1986). A
    view that draws the solution to itself shows too little of its error, the more so the fewer
    views there are, which is made good by its leverage (R. Bell, D. McCaffrey, Bias Reduction in
    Standard Errors for Linear Regression with Multi-Stage Samples, 2002). One Newton step from the
    optimum stands for the calibration without a view.
    """
    shared = len(prior)
    reduced = np.zeros((views, shared, shared))
    pulls = np.zeros((views, shared))
    for view in range(views):
        mine = [each for each in linearised if each.view == view]
        reduced[view], pulls[view] = _eliminate(mine, shared, 0.0)
    whole = reduced.sum(axis=0) + np.diag(prior)
    units = np.sqrt(np.diag(whole))  # of unknowns as different as pixels and coefficients
    try:
        root = np.linalg.inv(np.linalg.cholesky(whole / np.outer(units, units))) / units
        without = np.linalg.solve(whole - reduced, pulls[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        return np.full((shared, shared), np.inf), np.full((views, shared), np.inf)
    leverage, axes = np.linalg.eigh(root @ reduced @ root.T)
    grown = 1 / np.sqrt(1 - np.clip(leverage, 0, _MOST_LEVERAGE))
    along = (axes.transpose(0, 2, 1) @ (pulls @ root.T)[:, :, None])[:, :, 0]
    moves = (axes @ (grown * along)[:, :, None])[:, :, 0] @ root
    return moves.T @ moves, without


class _Blocks:
    """Which columns of the Jacobian belong to what."""

    def __init__(self, rig: Rig, fix_intrinsics: bool) -> None:
        self.names: list[str] = []
        self._intrinsics: list[slice | None] = []
        self._poses: list[slice | None] = []
        for place, camera in enumerate(rig.cameras):
            names = [] if fix_intrinsics else intrinsic_names(camera)
            self._intrinsics.append(self._take(f"{place}", names) if names else None)
            pose = ["x", "y", "z", "rx", "ry", "rz"]
            self._poses.append(self._take(f"{place}", pose) if place else None)
        self.shared_size = len(self.names)
        rational = {
            f"{place}.k{each}"
            for place, camera in enumerate(rig.cameras)
            for each in range(1, 7)
            if camera.distortion_model == "rational_polynomial"
        }
        self.prior = np.array([name in rational for name in self.names]) / _USUAL_RATIONAL**2

    def values(self, rig: Rig) -> np.ndarray:
        """The shared unknowns (S,); those of poses are 0, where every step begins."""
        values = np.zeros(self.shared_size)
        for camera, columns in zip(rig.cameras, self._intrinsics, strict=True):
            if columns is not None:
                K = (camera.fx, camera.fy, camera.cx, camera.cy)
                values[columns] = np.concatenate([K, camera.D])
        return values

    def cost(self, rig: Rig, residuals: Sequence[np.ndarray]) -> float:
        """What is minimised, in pixels squared; infinite where something is not seen."""
        cost = sum(float((each**2).sum()) for each in residuals)
        cost += float(self.prior @ self.values(rig) ** 2)
        return cost if np.isfinite(cost) else np.inf

    def _take(self, prefix: str, names: Sequence[str]) -> slice:
        start = len(self.names)
        self.names += [f"{prefix}.{name}" for name in names]
        return slice(start, len(self.names))

    def linearise(self, rig: Rig, seen: Observation) -> _Linearised:
        """Residuals of an observation, and their derivatives."""
        camera = rig.cameras[seen.camera]
        camera_from_rig = rig.camera_from_rig[seen.camera]
        in_rig = rig.rig_from_board[seen.view].apply(seen.points)
        in_camera = camera_from_rig.apply(in_rig)
        depth = in_camera[:, 2]
        x, y = in_camera[:, 0] / depth, in_camera[:, 1] / depth
        by_ideal, by_D = np.broadcast_to(np.eye(2), (len(x), 2, 2)), np.zeros((len(x), 2, 0))
        if distorts(camera.distortion_model, camera.D) or camera.D.size:
            by_ideal, by_D = distort_jacobian(camera.distortion_model, camera.D, x, y)
        focal = np.array([camera.fx, camera.fy])
        predicted = camera.project(in_camera)
        bent = (predicted - (camera.cx, camera.cy)) / focal

        zero = np.zeros_like(x)
        by_point = np.stack(
            [
                np.stack([1 / depth, zero, -x / depth], -1),
                np.stack([zero, 1 / depth, -y / depth], -1),
            ],
            axis=1,
        )
        by_camera_point = focal[:, None] * by_ideal @ by_point  # (N, 2, 3)
        by_rig_point = by_camera_point @ camera_from_rig.rotation

        count = 2 * len(x)
        by_shared = np.zeros((count, self.shared_size))
        columns = self._intrinsics[seen.camera]
        if columns is not None:
            by_focal = np.stack([np.diag(each) for each in bent])
            by_centre = np.broadcast_to(np.eye(2), (len(x), 2, 2))
            parts = [by_focal, by_centre, focal[:, None] * by_D]
            by_shared[:, columns] = np.concatenate(parts, axis=2).reshape(count, -1)
        pose_columns = self._poses[seen.camera]
        if pose_columns is not None:
            by_shared[:, pose_columns] = _by_pose(by_camera_point, in_camera)
        by_view = _by_pose(by_rig_point, in_rig)
        return _Linearised(seen.view, (predicted - seen.pixels).ravel(), by_shared, by_view)

    def step(self, rig: Rig, linearised: Sequence[_Linearised], damping: float) -> Rig | None:
        """Return the rig after one damped step, or None where there is none."""
        views = [
            [each for each in linearised if each.view == view]
            for view in range(len(rig.rig_from_board))
        ]
        matrix = np.diag(self.prior)
        vector = self.prior * self.values(rig)
        for mine in views:
            of_view = _eliminate(mine, self.shared_size, damping)
            matrix += of_view[0]
            vector += of_view[1]
        try:
            shared = -np.linalg.solve(matrix, vector) if self.shared_size else vector
            poses = [_back_substitute(mine, shared, damping) for mine in views]
            return self._moved(rig, shared, poses)
        except (np.linalg.LinAlgError, CameraError):
            return None  # so far off that it is no camera

    def _moved(self, rig: Rig, shared: np.ndarray, poses: Sequence[np.ndarray]) -> Rig:
        cameras, camera_from_rig = [], []
        for camera, pose, columns, pose_columns in zip(
            rig.cameras, rig.camera_from_rig, self._intrinsics, self._poses, strict=True
        ):
            cameras.append(camera if columns is None else _changed(camera, shared[columns]))
            moved = pose if pose_columns is None else _perturbed(pose, shared[pose_columns])
            camera_from_rig.append(moved)
        rig_from_board = [
            _perturbed(pose, step) for pose, step in zip(rig.rig_from_board, poses, strict=True)
        ]
        return Rig(tuple(cameras), tuple(camera_from_rig), tuple(rig_from_board))


def intrinsic_names(camera: Camera) -> list[str]:
    """Names of a camera's unknowns, in their order."""
    return [*_INTRINSICS, *_COEFFICIENTS[camera.distortion_model][: camera.D.size]]


def _residuals(rig: Rig, seen: Observation) -> np.ndarray:
    camera_from_board = rig.camera_from_rig[seen.camera] @ rig.rig_from_board[seen.view]
    return rig.cameras[seen.camera].project(camera_from_board.apply(seen.points)) - seen.pixels


def _by_pose(by_point: np.ndarray, points: np.ndarray) -> np.ndarray:
    """From derivatives by points (N, 2, 3) to those by a small motion of their frame (2N, 6).

    The motion, translation before rotation, comes after the present pose: p + t + r x p.
    """
    x, y, z = points.T
    by_turn = np.zeros((len(points), 3, 3))  # -[p]x
    by_turn[:, 0, 1], by_turn[:, 0, 2], by_turn[:, 1, 2] = z, -y, x
    by_turn[:, 1, 0], by_turn[:, 2, 0], by_turn[:, 2, 1] = -z, y, -x
    return np.concatenate([by_point, by_point @ by_turn], axis=2).reshape(-1, 6)


def _eliminate(
    mine: Sequence[_Linearised], shared: int, damping: float
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations of the shared unknowns, with one view's pose eliminated."""
    matrix, vector = np.zeros((shared, shared)), np.zeros(shared)
    if not mine:
        return matrix, vector
    A = np.concatenate([each.by_shared for each in mine])
    B = np.concatenate([each.by_view for each in mine])
    r = np.concatenate([each.residuals for each in mine])
    U, W, V = A.T @ A, A.T @ B, B.T @ B
    U[np.diag_indices(shared)] *= 1 + damping
    V[np.diag_indices(6)] *= 1 + damping
    through = np.linalg.solve(V, W.T).T
    return U - through @ W.T, A.T @ r - through @ (B.T @ r)


def _back_substitute(mine: Sequence[_Linearised], shared: np.ndarray, damping: float) -> np.ndarray:
    """Return the step (6,) of a view's pose that goes with the shared unknowns' step."""
    A = np.concatenate([each.by_shared for each in mine])
    B = np.concatenate([each.by_view for each in mine])
    r = np.concatenate([each.residuals for each in mine])
    V = B.T @ B
    V[np.diag_indices(6)] *= 1 + damping
    return -np.linalg.solve(V, B.T @ (r + A @ shared))


def _changed(camera: Camera, step: np.ndarray) -> Camera:
    fx, fy, cx, cy = np.array([camera.fx, camera.fy, camera.cx, camera.cy]) + step[:4]
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return dataclasses.replace(camera, K=K, D=camera.D + step[4:], P=np.zeros(0))


def _perturbed(pose: Transform, step: np.ndarray) -> Transform:
    """Move a pose by a small motion that comes after it."""
    return Transform.from_rotation_vector(step[3:], step[:3]) @ pose
