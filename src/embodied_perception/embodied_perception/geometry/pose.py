"""A camera's pose from points in space and where they are seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from embodied_perception.geometry.transform import Transform

#: A residual of this many standard deviations is an outlier: chi-square, 3 degrees, 99.7 %.
OUTLIER_SIGMAS = 3.7
#: Cauchy's loss with 95 % of least squares' efficiency where the noise is Gaussian.
CAUCHY_SIGMAS = 2.385
#: What :func:`_covariance_scale` is where the noise is Gaussian and as large as it is said to be.
#: Smaller residuals prove nothing: the points may have been fitted to them.
_LEAST_SCALE = 0.6
_NEAREST_M = 1e-3
_BEHIND_COSTS = 100.0


@dataclass(frozen=True)
class Noise:
    """How exactly a feature is seen: the standard deviations that weigh the residuals."""

    pixel_px: float
    #: Of inverse depth, in 1/m: structured light and stereo measure disparity, so that their error
    #: in depth grows with depth squared while this figure stays the same.
    inverse_depth: float


@dataclass(frozen=True)
class Observations:
    """Features of one image: ``pixels`` (N, 2) undistorted, ``depth_m`` (N,), NaN where unknown."""

    pixels: np.ndarray
    depth_m: np.ndarray

    def only(self, kept: np.ndarray) -> Observations:
        """Those that a (N,) bool mask or rows keep."""
        return Observations(self.pixels[kept], self.depth_m[kept])

    def __add__(self, others: Observations) -> Observations:
        return Observations(
            np.concatenate((self.pixels, others.pixels)),
            np.concatenate((self.depth_m, others.depth_m)),
        )

    def measurements(self) -> np.ndarray:
        """(N, 3): x and y in pixels, and inverse depth in 1/m (NaN where unknown)."""
        return np.column_stack((self.pixels, 1.0 / self.depth_m)).astype(np.float64)


@dataclass(frozen=True)
class PoseSolution:
    """Where the camera is, and what says so.

    ``covariance`` (6, 6) is of the twist (translation, rotation) that perturbs
    ``camera_from_world`` from the left, in the camera's axes, in metres and radians.
    """

    camera_from_world: Transform
    inliers: np.ndarray
    covariance: np.ndarray
    rms_px: float


def pose_jacobian(points_camera: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predict measurements of points, and their derivatives by the camera's motion.

    Source: F. Chaumette and S. Hutchinson, Visual Servo Control I, 2006, equation 11, with the
    sign of a world that moves, and a third row for inverse depth.

    Args:
        points_camera: (N, 3) in the camera's axes, in front of it.
        K: (3, 3).

    Returns:
        (N, 3) pixels and inverse depth, and (N, 3, 6) derivatives by the twist (translation,
        rotation) that moves the points in the camera's axes.
    """
    inverse_z = 1.0 / points_camera[:, 2]
    x = points_camera[:, 0] * inverse_z
    y = points_camera[:, 1] * inverse_z
    fx, fy = K[0, 0], K[1, 1]
    predicted = np.column_stack((fx * x + K[0, 2], fy * y + K[1, 2], inverse_z))
    jacobian = np.zeros((len(points_camera), 3, 6))
    jacobian[:, 0, 0] = fx * inverse_z
    jacobian[:, 0, 2] = -fx * x * inverse_z
    jacobian[:, 0, 3] = -fx * x * y
    jacobian[:, 0, 4] = fx * (1.0 + x * x)
    jacobian[:, 0, 5] = -fx * y
    jacobian[:, 1, 1] = fy * inverse_z
    jacobian[:, 1, 2] = -fy * y * inverse_z
    jacobian[:, 1, 3] = -fy * (1.0 + y * y)
    jacobian[:, 1, 4] = fy * x * y
    jacobian[:, 1, 5] = fy * x
    jacobian[:, 2, 2] = -inverse_z * inverse_z
    jacobian[:, 2, 3] = -inverse_z * y
    jacobian[:, 2, 4] = inverse_z * x
    return predicted, jacobian


def twist_transform(twist: np.ndarray) -> Transform:
    """The small motion of a (6,) twist (translation in m, rotation in rad)."""
    rotation, _ = cv2.Rodrigues(np.asarray(twist[3:], np.float64))
    return Transform(rotation, np.array(twist[:3], np.float64))


def linearise(
    observed: np.ndarray, points_camera: np.ndarray, K: np.ndarray, noise: Noise
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How measurements differ from what is predicted, in standard deviations.

    Args:
        observed: (N, 3) measurements; an unknown inverse depth is NaN and weighs nothing.
        points_camera: (N, 3) in the camera's axes.
        K: (3, 3).
        noise: standard deviations of the measurements.

    Returns:
        Residuals (N, 3), their derivatives (N, 3, 6) as of :func:`pose_jacobian`, and Cauchy's
        robust weights (N,), 0 behind the camera.
    """
    sigma = np.array((noise.pixel_px, noise.pixel_px, noise.inverse_depth))
    in_front = points_camera[:, 2] > _NEAREST_M
    safe = np.where(in_front[:, None], points_camera, (0.0, 0.0, 1.0))
    predicted, jacobian = pose_jacobian(safe, K)
    residuals = (observed - predicted) / sigma
    jacobian /= sigma[:, None]
    unknown = np.isnan(residuals[:, 2])
    residuals[unknown, 2] = 0.0
    jacobian[unknown, 2] = 0.0
    squared = np.einsum("ni,ni->n", residuals, residuals)
    weights = np.where(in_front, 1.0 / (1.0 + squared / CAUCHY_SIGMAS**2), 0.0)
    return residuals, jacobian, weights


def robust_cost(
    observed: np.ndarray, points_camera: np.ndarray, K: np.ndarray, noise: Noise
) -> float:
    """What :func:`linearise` weighs, in one figure: half the sum of Cauchy's loss.

    A point behind the camera costs as one that is seen very wrongly.
    """
    residuals, _, weights = linearise(observed, points_camera, K, noise)
    squared = np.einsum("ni,ni->n", residuals, residuals)
    losses = CAUCHY_SIGMAS**2 * np.log1p(squared / CAUCHY_SIGMAS**2)
    return 0.5 * float(np.where(weights > 0, losses, _BEHIND_COSTS).sum())


def solve_pose(
    points_world: np.ndarray,
    seen: Observations,
    K: np.ndarray,
    noise: Noise,
    guess: Transform,
    iterations: int = 10,
) -> PoseSolution:
    """Minimise the robust reprojection and depth error by Gauss-Newton from ``guess``.

    Args:
        points_world: (N, 3), N >= 3.
        seen: where they are seen.
        K: (3, 3) of the undistorted image.
        noise: standard deviations of the measurements.
        guess: camera_from_world to start from.
        iterations: the most steps; it stops when a step is below a hundredth of a millimetre.
    """
    observed = seen.measurements()
    camera_from_world = guess
    for _ in range(iterations):
        points_camera = camera_from_world.apply(points_world)
        residuals, jacobian, weights = linearise(observed, points_camera, K, noise)
        hessian, gradient = normal_equations(residuals, jacobian, weights)
        step = np.linalg.solve(hessian, gradient)
        camera_from_world = twist_transform(step) @ camera_from_world
        if np.abs(step).max() < 1e-5:
            break
    points_camera = camera_from_world.apply(points_world)
    residuals, jacobian, weights = linearise(observed, points_camera, K, noise)
    hessian, _ = normal_equations(residuals, jacobian, weights)
    squared = np.einsum("ni,ni->n", residuals, residuals)
    inliers = (weights > 0) & (squared < OUTLIER_SIGMAS**2)
    pixel_errors = residuals[inliers, :2] * noise.pixel_px
    rms_px = float(np.sqrt(np.mean(np.sum(pixel_errors**2, axis=1)))) if inliers.any() else np.inf
    scale = max(_LEAST_SCALE, _covariance_scale(residuals, weights))
    return PoseSolution(camera_from_world, inliers, np.linalg.inv(hessian) * scale, rms_px)


def _covariance_scale(residuals: np.ndarray, weights: np.ndarray) -> float:
    """By how much the covariance of a robust estimate is larger than its inverse Hessian.

    The weights make the Hessian too small, as it leaves out how they change; and residuals may be
    larger than the noise that weighs them.

    Source: P. Huber, Robust Statistics, 1981, section 7.6.
    """
    known = np.count_nonzero(residuals, axis=1)  # an unknown depth is 0
    influence = np.sum(weights**2 * np.einsum("ni,ni->n", residuals, residuals))
    total = np.sum(weights * known)
    slope = total - 2.0 * influence / CAUCHY_SIGMAS**2
    freedom = max(1, known.sum() - 6)
    return float(total * influence / max(slope, 1e-9) ** 2 * known.sum() / freedom)


def normal_equations(
    residuals: np.ndarray, jacobian: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What least squares solves for a twist.

    Args:
        residuals: (N, n) in standard deviations.
        jacobian: (N, n, 6) as of :func:`linearise`.
        weights: (N,).

    Returns:
        Hessian (6, 6), with a trace of damping so that it has an inverse, and gradient (6,).

    """
    flat = jacobian.reshape(-1, 6)
    weighted = (jacobian * weights[:, None, None]).reshape(-1, 6)
    return weighted.T @ flat + 1e-9 * np.eye(6), weighted.T @ residuals.ravel()


def guess_pose(
    points_world: np.ndarray, pixels: np.ndarray, K: np.ndarray, tolerance_px: float = 3.0
) -> Transform | None:
    """Find a pose from nothing by P3P within RANSAC, or ``None``.

    Source: M. Fischler and R. Bolles, Random Sample Consensus, 1981.
    """
    if len(points_world) < 6:
        return None
    cv2.setRNGSeed(0)  # the same answer every time
    found, rotation_vector, translation, _ = cv2.solvePnPRansac(
        points_world.astype(np.float64), pixels.astype(np.float64), K, None,
        iterationsCount=200, reprojectionError=tolerance_px, flags=cv2.SOLVEPNP_P3P,
    )  # fmt: skip
    if not found:
        return None
    rotation, _ = cv2.Rodrigues(rotation_vector)
    return Transform(rotation, translation.ravel())
