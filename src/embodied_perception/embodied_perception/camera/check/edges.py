"""Whether a depth camera still looks where a colour camera does: edges of depth are edges of light.

Where a near surface ends, colours mostly change too. So the pixels at such ends, carried over into
the colour image, should lie on strong gradients (after J. Levinson, S. Thrun, Automatic Online
Calibration of Cameras and Lasers, RSS 2013). If the depth camera has turned by small angles w about
x, y and z of the colour camera, or the colour camera's focal length f has grown by the part s, what
is carried to (x, y), in parts of f, lies beside its edge by

    f [ -x y wx + (1 + x^2) wy - y wz + x s,   -(1 + y^2) wx + x y wy + x wz + y s ]

of which only the part across the edge, n, can be seen. Each edge is sampled along n; that motion is
searched under which the most of all edges meet gradients. Depth cameras make things a little larger
or smaller than they are, which moves all edges along their n: a fifth unknown.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import minimize

from embodied_perception.camera.check.deviation import (
    LEAST_LOOKS,
    LOOKS,
    Deviation,
    Limits,
    deviations,
)
from embodied_perception.camera.model import Camera
from embodied_perception.errors import FrameError
from embodied_perception.geometry import Transform

_LEAST_EDGES, _MOST_EDGES = 50, 600  # of one look
_JUMP = 1.08  # what is behind is so many times farther
_GAP = 1 / 64  # of the image's width: so far from a near surface to what is behind
_BORDER = 12  # pixels along the image's border that depth cameras do not see well
_REACH = math.radians(3.0)  # how far to search, to both sides
_SAMPLES = 28  # to each side
_HALF_STRONG = 4.0  # gray levels a pixel: a gradient that counts half
_BLURS = (8.0, 4.0, 2.0, 1.0)  # of the samples: from coarse to fine
_TURN_SMOOTH_PX = 2.5


@dataclass(frozen=True, eq=False)
class EdgeLook:
    """The edges of depth of one time.

    Attributes:
        pixels: (N, 2) where the colour image should have them.
        across: (N, 2) unit normals there, from near to far.
        by_unknowns: (N, 5) how the five unknowns move them along their normals, in samples.
        gradients: (N, 2 * samples + 1) strength of the colour image's gradient along the normals.

    """

    pixels: np.ndarray
    across: np.ndarray
    by_unknowns: np.ndarray
    gradients: np.ndarray


class EdgeCheck:
    """Gathers looks at both images.

    Args:
        color: the colour camera.
        depth: the depth camera.
        color_from_depth: its pose in the colour camera's frame.
        limits: what is tolerated.

    """

    def __init__(
        self, color: Camera, depth: Camera, color_from_depth: Transform, limits: Limits
    ) -> None:
        self._color, self._depth = color, depth
        self.color_from_depth = color_from_depth
        self._limits = limits
        self._step_px = color.fx * _REACH / _SAMPLES
        self._looks: deque[EdgeLook] = deque(maxlen=LOOKS)
        self._random = np.random.default_rng(0)
        self._solution: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def looks(self) -> int:
        """How many count."""
        return len(self._looks)

    @property
    def latest(self) -> EdgeLook:
        """The last look."""
        return self._looks[-1]

    def look(self, gray: np.ndarray, depth_m: np.ndarray) -> None:
        """Take a colour image (H, W) uint8 and a depth image (Hd, Wd), NaN unknown, of one time.

        Raises:
            FrameError: depth has hardly any edges.

        """
        pixels, across, near_m = depth_edges(depth_m)
        if len(pixels) > _MOST_EDGES:
            chosen = self._random.choice(len(pixels), _MOST_EDGES, replace=False)
            pixels, across, near_m = pixels[chosen], across[chosen], near_m[chosen]
        look = self._carried(gray, pixels, across, near_m) if len(pixels) else None
        if look is None or len(look.pixels) < _LEAST_EDGES:
            count = 0 if look is None else len(look.pixels)
            raise FrameError(
                "FEW_EDGES",
                f"{count} edges of depth lie in the colour image, expected "
                f"{_LEAST_EDGES}: look at things that stand before others",
            )
        self._looks.append(look)
        self._solution = None

    def deviations(self) -> list[Deviation]:
        """How the depth camera has turned against the colour camera, whose focal length grew."""
        unknowns, covariance = self.solve()
        return deviations(
            unknowns[:4], covariance[:4, :4], "focal length, colour to depth", self._limits
        )

    def corrected(self) -> np.ndarray | None:
        """Where the latest look's edges (N, 2) are if all is as fits best; None if not known."""
        unknowns, covariance = self.solve()
        if not np.isfinite(covariance).all():
            return None
        look = self.latest
        moved_px = look.by_unknowns @ unknowns * self._step_px
        return look.pixels + look.across * moved_px[:, None]

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """The five unknowns (radians, parts, pixels) under which edges fit best; covariance (5, 5).

        Without enough looks they are 0, and the covariance is infinite.
        """
        if self._solution is None:
            self._solution = _best(list(self._looks))
        return self._solution

    def _carried(
        self, gray: np.ndarray, pixels: np.ndarray, across: np.ndarray, near_m: np.ndarray
    ) -> EdgeLook:
        color = self._color
        points, ahead = (
            self.color_from_depth.apply(self._depth.unproject(each) * near_m[:, None])
            for each in (pixels, pixels + across)
        )
        there = color.project(points)
        normals = color.project(ahead) - there
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        steps = np.arange(-_SAMPLES, _SAMPLES + 1) * self._step_px
        places = there[:, None] + steps[:, None] * normals[:, None]
        inside = ((places > 1) & (places < np.array(color.resolution_wh) - 2)).all(axis=(1, 2))
        x, y = (points[inside, :2] / points[inside, 2:]).T
        n_x, n_y = normals[inside].T
        # Derivatives by wx, wy, wz and s as above; the last unknown moves along the normal.
        moved = np.stack(
            [
                n_x * -x * y + n_y * -(1 + y**2),
                n_x * (1 + x**2) + n_y * x * y,
                n_x * -y + n_y * x,
                n_x * x + n_y * y,
                np.full(len(x), 1 / color.fx),
            ],
            axis=1,
        )
        return EdgeLook(
            there[inside],
            normals[inside],
            moved * color.fx / self._step_px,
            _gradients(gray, places[inside], normals[inside]),
        )


def depth_edges(depth_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where near surfaces end: pixels (N, 2), normals (N, 2) from near to far, and depth (N,).

    Args:
        depth_m: (H, W) metres, NaN unknown. Between both surfaces there may be a gap.

    """
    depth = np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0)
    gap = max(2, round(depth.shape[1] * _GAP))
    across = np.zeros((2, *depth.shape), np.float32)
    for axis, sign in ((1, 1), (1, -1), (0, 1), (0, -1)):
        behind = np.zeros_like(depth)
        for steps in range(gap, 0, -1):  # the nearest pixel with depth counts
            beside = np.roll(depth, -sign * steps, axis)
            np.copyto(behind, beside, where=beside > 0)
        here = (depth > 0) & (behind > depth * _JUMP)
        beside = np.roll(depth, -sign, axis)
        here &= (beside == 0) | (beside > depth * _JUMP)
        across[1 - axis] += sign * here
    ends = np.asarray(across.any(axis=0))
    ends[:_BORDER] = ends[-_BORDER:] = False
    ends[:, :_BORDER] = ends[:, -_BORDER:] = False
    smooth = [cv2.GaussianBlur(each, (0, 0), _TURN_SMOOTH_PX) for each in across]
    length = np.hypot(*smooth)
    rows, columns = np.nonzero(ends & (length > 0.1))
    normals = np.stack([each[rows, columns] for each in smooth], axis=1)
    normals /= length[rows, columns][:, None]
    pixels = np.stack([columns, rows], axis=1) + normals / 2
    return pixels, normals.astype(np.float64), depth[rows, columns].astype(np.float64)


def _gradients(gray: np.ndarray, places: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Strength 0..1 (N, S) of the gradient along normals (N, 2), at places (N, S, 2)."""
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.0)
    along = np.zeros(places.shape[:2], np.float32)
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    for axis, orders in enumerate(((1, 0), (0, 1))):
        gradient = cv2.Sobel(smooth, cv2.CV_32F, *orders, scale=1 / 8)
        sampled = cv2.remap(gradient, x, y, cv2.INTER_LINEAR)
        along += sampled * normals[:, axis : axis + 1].astype(np.float32)
    strength = np.abs(along)
    return strength / (strength + _HALF_STRONG)


def _best(looks: list[EdgeLook]) -> tuple[np.ndarray, np.ndarray]:
    nothing = np.zeros(5), np.full((5, 5), np.inf)
    if len(looks) < LEAST_LOOKS:
        return nothing
    by_unknowns = np.concatenate([look.by_unknowns for look in looks])
    gradients = np.concatenate([look.gradients for look in looks])
    # Where all is busy, nothing is said.
    gradients = gradients - gradients.mean(axis=1, keepdims=True)
    # Every unknown in such units that a step of 1 moves edges by about a sample.
    units = 1 / np.abs(by_unknowns).mean(axis=0)
    scaled = by_unknowns * units
    found = np.zeros(5)
    for blur in _BLURS:
        profiles = gaussian_filter1d(gradients, blur, axis=1)
        start = found + np.vstack([np.zeros(5), blur * np.eye(5)])
        found = minimize(
            _misfit, found, (scaled, profiles), "Nelder-Mead",
            options={"initial_simplex": start, "xatol": 1e-2, "fatol": 1e-7},
        ).x  # fmt: skip
    covariance = _covariance(found, scaled, profiles, [len(look.pixels) for look in looks])
    if covariance is None:
        return nothing
    return found * units, covariance * np.outer(units, units)


def _sampled(profiles: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Each profile (N, S) at its place (N,), in samples from its middle."""
    places = np.clip(moved + _SAMPLES, 0, 2 * _SAMPLES - 1e-6)
    low = places.astype(int)
    rows = np.arange(len(profiles))
    rest = places - low
    return profiles[rows, low] * (1 - rest) + profiles[rows, low + 1] * rest


def _misfit(unknowns: np.ndarray, by_unknowns: np.ndarray, profiles: np.ndarray) -> float:
    return -float(_sampled(profiles, by_unknowns @ unknowns).mean())


def _covariance(
    found: np.ndarray, by_unknowns: np.ndarray, profiles: np.ndarray, sizes: list[int]
) -> np.ndarray | None:
    """Covariance (5, 5) with each look as one cluster of errors; None if there is no maximum."""
    moved, step = by_unknowns @ found, 0.5
    before, here, after = (_sampled(profiles, moved + shift) for shift in (-step, 0, step))
    slope, bend = (after - before) / (2 * step), (after - 2 * here + before) / step**2
    hessian = by_unknowns.T @ (by_unknowns * -bend[:, None])
    if np.linalg.eigvalsh(hessian)[0] <= 0:
        return None
    ends = np.cumsum(sizes)[:-1]
    pulls = np.stack(
        [
            part.T @ each
            for part, each in zip(np.split(by_unknowns, ends), np.split(slope, ends), strict=True)
        ]
    )
    moves = np.linalg.solve(hessian, pulls.T)
    return moves @ moves.T * len(sizes) / (len(sizes) - 1)
