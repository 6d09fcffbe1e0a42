"""Lens distortion of normalised image points: forward, and inverted where an inverse exists.

Points are on the plane z = 1 of the camera, x to the right and y down. Names and coefficient
order are those of ROS' CameraInfo:

- ``plumb_bob``: k1, k2, p1, p2, k3 (Brown 1966, as in OpenCV);
- ``rational_polynomial``: k1, k2, p1, p2, k3, k4, k5, k6, and optionally the thin prism
  s1, s2, s3, s4;
- ``equidistant``: k1, k2, k3, k4 (Kannala and Brandt 2006, OpenCV's ``fisheye``).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial import Polynomial

COEFFICIENT_COUNTS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (8, 12),
    "equidistant": (4,),
}
RESIDUAL = 1e-9  # normalised units: far below a millionth of a pixel
MAX_STEPS = 50
_FARTHEST = 1e3  # a ray so far from the axis is at right angles to it
_BISECTIONS = 60


def distort(
    model: str, D: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ideal coordinates to where the lens puts them, in the floating type they come in.

    Far from the axis the polynomials bend back into the image: points beyond that fold are NaN.
    """
    if not distorts(model, D):
        return x, y
    limit = _largest_radius(model, tuple(D.tolist()))
    with np.errstate(invalid="ignore", over="ignore"):
        s = x * x + y * y
        if math.isfinite(limit):
            s = np.where(s > limit * limit, np.nan, s)
        if model == "equidistant":
            scale = _equidistant_scale(D, np.sqrt(s))
            return scale * x, scale * y
        return _brown(D, x, y, s)


def distorts(model: str, D: np.ndarray) -> bool:
    """Tell whether :func:`distort` moves any point."""
    return model == "equidistant" or bool(D.any())


def distort_jacobian(
    model: str, D: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate :func:`distort` for points (N,), by the points and by the coefficients.

    Returns:
        (N, 2, 2), rows u and v, columns x and y; and (N, 2, n), columns as in ``D``.

    """
    if model == "equidistant":
        return _equidistant_jacobian(D, x, y), _equidistant_slopes(x, y)
    s = x * x + y * y
    ux, uy, vx, vy = _brown_jacobian(D, x, y, s)
    by_point = np.stack([np.stack([ux, uy], -1), np.stack([vx, vy], -1)], 1)
    return by_point, _brown_slopes(D, x, y, s)[..., : len(D)]


def undistort(model: str, D: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Invert :func:`distort` for points (..., 2) float64; NaN where nothing maps there."""
    if model == "equidistant":
        return _undistort_equidistant(D, xy)
    return _undistort_brown(model, D, xy) if distorts(model, D) else xy


@lru_cache(maxsize=64)
def _largest_radius(model: str, coefficients: tuple[float, ...]) -> float:
    """Return the radius of ideal points up to which distortion grows; may be infinite."""
    D = np.array(coefficients)
    if model == "equidistant":
        angle = _largest_angle(D)
        return math.tan(angle) if angle < math.pi / 2 else math.inf
    k1, k2, _, _, k3, k4, k5, k6 = _padded(D)[:8].tolist()
    above, below = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    s = Polynomial([0, 1])  # the squared radius
    # d(r a(s) / b(s)) / dr, times b squared
    growth = (above + 2 * s * above.deriv()) * below - 2 * s * above * below.deriv()
    return math.sqrt(min(_positive_root(growth), _positive_root(below)))


def _padded(D: np.ndarray) -> np.ndarray:
    return np.pad(D, (0, 12 - len(D)))


def _positive_root(polynomial: Polynomial) -> float:
    """Return the smallest positive real root, or infinity."""
    # A leading coefficient next to zero would put infinities into the companion matrix.
    roots = polynomial.trim(1e-12).roots()
    real = roots[np.abs(np.imag(roots)) < 1e-9 * np.maximum(1.0, np.abs(roots))].real
    return min(real[real > 0].tolist(), default=math.inf)


def _brown(
    D: np.ndarray, x: np.ndarray, y: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Radial (rational), tangential and thin prism terms; ``s`` is the squared radius."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(D).tolist()
    radial = 1 + s * (k1 + s * (k2 + s * k3))
    if k4 or k5 or k6:
        radial = radial / (1 + s * (k4 + s * (k5 + s * k6)))
    u, v = x * radial, y * radial
    if p1 or p2:
        shear = 2 * (p2 * x + p1 * y)
        u, v = u + x * shear + p2 * s, v + y * shear + p1 * s
    if s1 or s2 or s3 or s4:
        u, v = u + s * (s1 + s * s2), v + s * (s3 + s * s4)
    return u, v


def _brown_jacobian(
    D: np.ndarray, x: np.ndarray, y: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Differentiate :func:`_brown`: (du/dx, du/dy, dv/dx, dv/dy)."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(D).tolist()
    above = 1 + s * (k1 + s * (k2 + s * k3))
    below = 1 + s * (k4 + s * (k5 + s * k6))
    above_slope = k1 + s * (2 * k2 + s * 3 * k3)
    below_slope = k4 + s * (2 * k5 + s * 3 * k6)
    radial = above / below
    slope = 2 * (above_slope - radial * below_slope) / below  # d radial / ds, times ds/dx / x
    prism_u, prism_v = 2 * (s1 + 2 * s * s2), 2 * (s3 + 2 * s * s4)
    shear = slope * x * y + 2 * (p1 * x + p2 * y)
    return (
        radial + slope * x * x + 2 * p1 * y + 6 * p2 * x + prism_u * x,
        shear + prism_u * y,
        shear + prism_v * x,
        radial + slope * y * y + 6 * p1 * y + 2 * p2 * x + prism_v * y,
    )


def _brown_slopes(D: np.ndarray, x: np.ndarray, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Differentiate :func:`_brown` by its 12 coefficients: (N, 2, 12)."""
    k1, k2, _, _, k3, k4, k5, k6 = _padded(D)[:8].tolist()
    below = 1 + s * (k4 + s * (k5 + s * k6))
    radial = (1 + s * (k1 + s * (k2 + s * k3))) / below
    above_slopes = np.stack([s, s**2, s**3], -1) / below[:, None]
    scale_slopes = np.concatenate([above_slopes, -radial[:, None] * above_slopes], -1)
    slopes = np.zeros((len(x), 2, 12))
    slopes[:, :, [0, 1, 4, 5, 6, 7]] = np.stack([x, y], -1)[:, :, None] * scale_slopes[:, None]
    slopes[:, 0, 2], slopes[:, 0, 3] = 2 * x * y, s + 2 * x * x
    slopes[:, 1, 2], slopes[:, 1, 3] = s + 2 * y * y, 2 * x * y
    slopes[:, 0, 8], slopes[:, 0, 9] = s, s**2
    slopes[:, 1, 10], slopes[:, 1, 11] = s, s**2
    return slopes


def _undistort_brown(model: str, D: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Newton's method on the two coordinates, kept inside of the invertible disc.

    Where the lens bends much, it can miss from where the point is seen, and begins again from
    where the radial terms alone would have it.
    """
    wanted = xy.reshape(-1, 2)
    limit = _largest_radius(model, tuple(D.tolist()))
    found = _newton(D, wanted, wanted, limit)
    missed = np.flatnonzero(np.isnan(found[:, 0]) & np.isfinite(wanted).all(axis=1))
    if missed.size:
        start = _undistort_radial(D, wanted[missed], limit)
        found[missed] = _newton(D, wanted[missed], start, limit)
    return found.reshape(xy.shape)


def _undistort_radial(D: np.ndarray, wanted: np.ndarray, limit: float) -> np.ndarray:
    """Invert the radial terms alone, by bisection: they grow up to the limit."""
    radius = np.hypot(*wanted.T)
    low, high = np.zeros_like(radius), np.full_like(radius, min(limit, _FARTHEST))
    zero = np.zeros_like(radius)
    alone = np.concatenate((D[:2], (0, 0), D[4:8]))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_below = _brown(alone, middle, zero, middle * middle)[0] < radius
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return wanted * (low / np.maximum(radius, 1e-300))[:, None]


def _newton(D: np.ndarray, wanted: np.ndarray, start: np.ndarray, limit: float) -> np.ndarray:
    found = np.full_like(wanted, np.nan)
    rows = np.flatnonzero(np.isfinite(wanted).all(axis=1))
    x, y = start[rows].T
    for _ in range(MAX_STEPS):
        # A step that leaves the disc would converge to a point beyond the fold.
        radius = np.hypot(x, y)
        shrink = np.where(radius > limit, 0.99 * limit / np.maximum(radius, 1e-300), 1.0)
        x, y = x * shrink, y * shrink
        s = x * x + y * y
        u, v = _brown(D, x, y, s)
        ux, uy, vx, vy = _brown_jacobian(D, x, y, s)
        du, dv = wanted[rows, 0] - u, wanted[rows, 1] - v
        determinant = ux * vy - uy * vx
        done = (np.hypot(du, dv) < RESIDUAL) & (determinant > 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = x + (vy * du - uy * dv) / determinant
            y = y + (ux * dv - vx * du) / determinant
        found[rows[done], 0], found[rows[done], 1] = x[done], y[done]
        going = ~done & np.isfinite(x) & np.isfinite(y)
        rows, x, y = rows[going], x[going], y[going]
        if not rows.size:
            break
    return found


def _equidistant_polynomial(D: np.ndarray) -> Polynomial:
    """Return the distorted angle as a function of the angle to the optical axis."""
    k1, k2, k3, k4 = D.tolist()
    return Polynomial([0, 1, 0, k1, 0, k2, 0, k3, 0, k4])


def _largest_angle(D: np.ndarray) -> float:
    return min(_positive_root(_equidistant_polynomial(D).deriv()), math.pi / 2)


def _equidistant_scale(D: np.ndarray, radius: np.ndarray) -> np.ndarray:
    angle = np.arctan(radius)
    k1, k2, k3, k4 = D.tolist()
    s = angle * angle
    bent = angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4))))
    return np.divide(bent, radius, out=np.ones_like(radius), where=~(radius <= 1e-8))


def _equidistant_jacobian(D: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Differentiate u = x b(a) / r, with the angle a = atan r: (N, 2, 2)."""
    radius = np.hypot(x, y)
    scale = _equidistant_scale(D, radius)
    bend_slope = _equidistant_polynomial(D).deriv()(np.arctan(radius)) / (1 + radius * radius)
    # d scale / dr over r; at the axis the bend is straight, and the scale is 1.
    safe = np.where(radius > 1e-8, radius, 1.0)
    growth = np.where(radius > 1e-8, (bend_slope - scale) / safe**2, 0.0)
    xy = np.stack([x, y], -1)
    return scale[:, None, None] * np.eye(2) + growth[:, None, None] * (
        xy[:, :, None] * xy[:, None, :]
    )


def _equidistant_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Differentiate by the coefficients, in which the bend is linear: (N, 2, 4)."""
    radius = np.hypot(x, y)
    angle = np.arctan(radius)
    unit = np.stack([x, y], -1) / np.maximum(radius, 1e-8)[:, None]
    powers = angle[:, None] ** np.array([3, 5, 7, 9])
    return unit[:, :, None] * powers[:, None, :]


def _undistort_equidistant(D: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Newton's method on the angle."""
    bend = _equidistant_polynomial(D)
    slope = bend.deriv()
    limit = _largest_angle(D)
    wanted = np.hypot(xy[..., 0], xy[..., 1])
    angle = np.minimum(wanted, limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(MAX_STEPS):
            residual = wanted - bend(angle)
            if not (np.abs(residual) > RESIDUAL / 10).any():
                break
            step = residual / slope(angle)
            angle = np.clip(angle + step, 0, 0.5 * (angle + limit))
        inside = (np.abs(wanted - bend(angle)) < RESIDUAL) & (angle < math.pi / 2)
        scale = np.where(wanted > 1e-8, np.tan(angle) / wanted, 1.0)
    return xy * np.where(inside, scale, np.nan)[..., None]
