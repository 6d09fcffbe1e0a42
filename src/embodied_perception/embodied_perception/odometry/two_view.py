"""How a camera moved between two images, from nothing but where features are in both.

A general scene determines the essential matrix. A flat one (a wall, a road) or a camera that only
turned leaves it undetermined, but determines a homography. The simplest that explains what is seen
is taken. It leaves a few motions possible, and each is fitted to the features.

Source: P. Torr, An Assessment of Information Criteria for Motion Model Selection, 1997, for the
choice (GRIC); D. Nister, An Efficient Solution to the Five-Point Relative Pose Problem, 2004;
E. Malis and M. Vargas, Deeper Understanding of the Homography Decomposition, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import least_squares

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import CAUCHY_SIGMAS, OUTLIER_SIGMAS
from embodied_perception.odometry.triangulation import rays, triangulate

_CONFIDENCE = 0.999
#: 95 % of a distance to a line, and between two points, in standard deviations.
_LINE_SIGMAS, _POINT_SIGMAS = 1.96, 2.45
_ALIKE = 0.01  # radians
#: Least share of the features that must lie in front of both cameras where both see them.
_LEAST_SHARE = 0.7
#: By how much likelier (log) the best motion must be than another one.
_DECIDED = 10.0
#: Of a homography, in units of the distance to its plane: with less the camera only turned.
_LEAST_TRANSLATION = 1e-6


@dataclass(frozen=True, eq=False)
class TwoView:
    """A motion without its length.

    Attributes:
        second_from_first: the translation has the length 1.
        points: (N, 3) in the first camera's axes, NaN where they do not fit.
        angles: (N,) in radians, between both rays of a point.
        loss: negative log-likelihood of all features, robust.

    """

    second_from_first: Transform
    points: np.ndarray
    angles: np.ndarray
    loss: float

    @property
    def good(self) -> np.ndarray:
        """(N,) bool: which points fit."""
        return np.isfinite(self.points[:, 0])


def possible_motions(
    first: np.ndarray, second: np.ndarray, K: np.ndarray, sigma_px: float
) -> list[TwoView]:
    """Find the motion between two views, or all that are about as likely.

    There is none where too little of what is seen agrees. A flat scene may leave two.

    Args:
        first: (N, 2) undistorted pixels in the first view, N >= 8.
        second: (N, 2) the same features in the second one.
        K: (3, 3) of both.
        sigma_px: standard deviation of where a feature of the first is found in the second.

    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    views = [
        _reconstruct(*_fit(motion, first, second, K, sigma_px), first, second, K, sigma_px)
        for motion in _motions(first, second, K, sigma_px)
    ]
    views = [view for view in views if view.good.mean() > _LEAST_SHARE]
    views.sort(key=lambda view: view.loss)
    likely: list[TwoView] = []
    for view in views:
        if view.loss < views[0].loss + _DECIDED and not any(_same(view, each) for each in likely):
            likely.append(view)
    return likely


def _same(one: TwoView, other: TwoView) -> bool:
    """Whether two motions were fitted to become one."""
    difference = one.second_from_first.matrix - other.second_from_first.matrix
    return bool(np.abs(difference).max() < _ALIKE)


def _motions(
    first: np.ndarray, second: np.ndarray, K: np.ndarray, sigma_px: float
) -> list[Transform]:
    """All that the better model of both leaves possible."""
    cv2.setRNGSeed(0)  # the same answer every time
    E, _ = cv2.findEssentialMat(
        first, second, K, cv2.RANSAC, _CONFIDENCE, _LINE_SIGMAS * sigma_px, maxIters=1000
    )
    H, _ = cv2.findHomography(first, second, cv2.RANSAC, _POINT_SIGMAS * sigma_px, maxIters=1000)
    general = flat = np.inf
    if E is not None and E.shape == (3, 3):
        general = _gric(_off_lines(E, first, second, K) / sigma_px, dimensions=3, parameters=5)
    if H is not None:
        flat = _gric(_off_points(H, first, second) / sigma_px, dimensions=2, parameters=8)
    if flat < general:
        _, rotations, translations, _ = cv2.decomposeHomographyMat(H, K)
        return [
            Transform(R, translation.ravel() / length)
            for R, translation in zip(rotations, translations, strict=True)
            if (length := np.linalg.norm(translation)) > _LEAST_TRANSLATION
        ]
    if general == np.inf:
        return []
    one, other, translation = cv2.decomposeEssentialMat(E)
    return [Transform(R, sign * translation.ravel()) for R in (one, other) for sign in (1, -1)]


def _gric(errors: np.ndarray, dimensions: int, parameters: int) -> float:
    """Torr's criterion of a model with errors (N,) in standard deviations: less is better.

    Matches are points of a space of 4 dimensions, and the model a surface in it.
    """
    count = len(errors)
    robust = np.minimum(errors**2, 2.0 * (4 - dimensions)).sum()
    return float(robust + np.log(4) * dimensions * count + np.log(4 * count) * parameters)


def _off_lines(E: np.ndarray, first: np.ndarray, second: np.ndarray, K: np.ndarray) -> np.ndarray:
    """How far (N,) features are from where they must lie in the second view, in pixels, signed."""
    inverse = np.linalg.inv(K)
    lines = _homogeneous(first) @ (inverse.T @ E @ inverse).T
    off = np.sum(lines * _homogeneous(second), axis=1)
    return off / np.linalg.norm(lines[:, :2], axis=1)


def _off_points(H: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far (N,) features are from where the plane takes them, in pixels."""
    taken = _homogeneous(first) @ H.T
    return np.linalg.norm(taken[:, :2] / taken[:, 2:] - second, axis=1)


def _fit(
    motion: Transform, first: np.ndarray, second: np.ndarray, K: np.ndarray, sigma_px: float
) -> tuple[Transform, float]:
    """Fit a motion, of length 1, to all features; RANSAC's comes from a few. Also its loss."""
    sideways = np.linalg.svd(motion.translation[None])[2][1:]

    def moved(step: np.ndarray) -> Transform:
        turned = Transform.from_rotation_vector(step[:3], np.zeros(3)).rotation @ motion.rotation
        direction = motion.translation + step[3:] @ sideways
        return Transform(turned, direction / np.linalg.norm(direction))

    def residuals(step: np.ndarray) -> np.ndarray:
        there = moved(step)
        E = _cross_matrix(there.translation) @ there.rotation
        return _off_lines(E, first, second, K) / sigma_px

    found = least_squares(residuals, np.zeros(5), loss="cauchy", f_scale=CAUCHY_SIGMAS)
    return moved(found.x), float(found.cost)


def _reconstruct(
    second_from_first: Transform,
    loss: float,
    first: np.ndarray,
    second: np.ndarray,
    K: np.ndarray,
    sigma_px: float,
) -> TwoView:
    """Triangulate with a motion, and keep what both see there."""
    first_from_second = second_from_first.inverse()
    points, angles = triangulate(
        np.zeros(3),
        rays(first, K),
        first_from_second.translation,
        rays(second, K) @ first_from_second.rotation.T,
    )
    with np.errstate(invalid="ignore"):
        fits = np.ones(len(points), bool)
        for seen, there in ((first, points), (second, second_from_first.apply(points))):
            projected = (there / there[:, 2:]) @ K.T
            fits &= np.linalg.norm(projected[:, :2] - seen, axis=1) < OUTLIER_SIGMAS * sigma_px
            fits &= there[:, 2] > 0
    return TwoView(second_from_first, np.where(fits[:, None], points, np.nan), angles, loss)


def _cross_matrix(vector: np.ndarray) -> np.ndarray:
    x, y, z = vector
    return np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))


def _homogeneous(pixels: np.ndarray) -> np.ndarray:
    return np.column_stack((pixels, np.ones(len(pixels))))
