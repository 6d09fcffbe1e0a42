"""The surface that a depth image shows, and how another depth image lies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_perception.geometry import Transform


def unproject_depth(depth_m: np.ndarray, K: np.ndarray, stride: int) -> np.ndarray:
    """Every ``stride``-th pixel of a depth image (H, W) as points (h, w, 3), NaN where unknown."""
    z = depth_m[::stride, ::stride].astype(np.float64)
    y, x = np.indices(z.shape) * float(stride)
    return np.stack(((x - K[0, 2]) / K[0, 0] * z, (y - K[1, 2]) / K[1, 1] * z, z), axis=-1)


@dataclass(frozen=True)
class Surface:
    """Points (h, w, 3) and unit normals (h, w, 3) in the camera's axes; NaN where unknown."""

    points: np.ndarray
    normals: np.ndarray
    stride: int
    K: np.ndarray

    @classmethod
    def from_depth(cls, depth_m: np.ndarray, K: np.ndarray, stride: int = 4) -> Surface:
        points = unproject_depth(depth_m, K, stride)
        normals = np.full_like(points, np.nan)
        across = points[1:-1, 2:] - points[1:-1, :-2]
        down = points[2:, 1:-1] - points[:-2, 1:-1]
        normal = np.cross(across, down)
        length = np.linalg.norm(normal, axis=-1)
        z = points[1:-1, 1:-1, 2]
        jump = np.maximum(np.abs(across[..., 2]), np.abs(down[..., 2])) > 0.05 * z
        length[jump | ~np.isfinite(length)] = np.nan
        normals[1:-1, 1:-1] = normal / length[..., None]
        return cls(points, normals, stride, K)

    def residuals(self, points_camera, reference_from_camera: Transform, noise: float):
        """Point to plane."""
        moved = reference_from_camera.apply(points_camera)
        z = moved[:, 2]
        with np.errstate(all="ignore"):
            u = np.rint((self.K[0, 0] * moved[:, 0] / z + self.K[0, 2]) / self.stride)
            v = np.rint((self.K[1, 1] * moved[:, 1] / z + self.K[1, 2]) / self.stride)
        h, w = self.points.shape[:2]
        ok = (z > 0.1) & (u >= 0) & (u < w) & (v >= 0) & (v < h)
        u = np.where(ok, u, 0).astype(int); v = np.where(ok, v, 0).astype(int)
        q = self.points[v, u]; n = self.normals[v, u]
        sigma = noise * 1.5 * z**2
        gap = moved - q
        r = np.einsum("ni,ni->n", n, gap) / sigma
        ok &= np.isfinite(r) & (np.abs(gap[:, 2]) < 0.1 * z)
        m = (n @ reference_from_camera.rotation) / sigma[:, None]
        J = np.concatenate((-m, np.cross(m, points_camera)), axis=1)
        r = np.where(ok, r, 0.0); J = np.where(ok[:, None], J, 0.0)
        weights = np.where(ok, 1.0 / (1.0 + r**2 / 2.385**2), 0.0)
        return r, J, weights
