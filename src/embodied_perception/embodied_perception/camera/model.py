"""The calibrated camera: pixels to rays and back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike

from embodied_perception.camera.distortion import COEFFICIENT_COUNTS, distort, undistort
from embodied_perception.errors import CameraError


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one camera, with the fields and meaning of REP-104's CameraInfo.

    The camera looks along +z, x to the right, y down; pixel (0, 0) is the centre of the first
    pixel. All fields describe the full resolution; with binning or a region of interest the
    image that a driver sends belongs to :meth:`delivered`.

    Attributes:
        width: pixels, full resolution.
        height: pixels, full resolution.
        K: (3, 3), [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] of the raw image.
        distortion_model: ``plumb_bob``, ``rational_polynomial`` or ``equidistant``.
        D: (n,) coefficients in the order of :mod:`embodied_perception.camera.distortion`.
        R: (3, 3), rectified_from_camera.
        P: (3, 4), projection of the rectified image; [K | 0] when left out.
        binning_x: sensor columns that one pixel of the delivered image sums up.
        binning_y: sensor rows that one pixel of the delivered image sums up.
        roi: (x, y, width, height) of the delivered part, full-resolution pixels; None for all.

    Raises:
        CameraError: where a field has a wrong shape or a value that no camera has.

    """

    width: int
    height: int
    K: np.ndarray
    distortion_model: str = "plumb_bob"
    D: np.ndarray = field(default_factory=lambda: np.zeros(0))
    R: np.ndarray = field(default_factory=lambda: np.eye(3))
    P: np.ndarray = field(default_factory=lambda: np.zeros(0))
    binning_x: int = 1
    binning_y: int = 1
    roi: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("K", "D", "R", "P"):
            object.__setattr__(self, name, _floats(getattr(self, name), name))
        if not self.P.size:
            object.__setattr__(self, "P", np.column_stack([self.K, np.zeros(len(self.K))]))
        for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("P", (3, 4))):
            if getattr(self, name).shape != shape:
                raise CameraError(
                    f"{name}: got shape {getattr(self, name).shape}, expected {shape}"
                )
        self._check_sizes()
        for name in ("K", "P"):
            _check_projection(name, getattr(self, name))
        self._check_distortion()
        # Entries beyond 2 are no rotation's, and their products could overflow.
        is_rotation = (np.abs(self.R) < 2).all() and np.linalg.det(self.R) > 0
        if not is_rotation or np.abs(self.R @ self.R.T - np.eye(3)).max() >= 1e-3:
            raise CameraError(f"R: got {self.R.tolist()}, expected a rotation matrix")

    @classmethod
    def pinhole(cls, width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
        """Make a camera without distortion; everything in pixels."""
        return cls(width, height, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]))

    @property
    def fx(self) -> float:
        """Focal length in x, pixels."""
        return float(self.K[0, 0])

    @property
    def fy(self) -> float:
        """Focal length in y, pixels."""
        return float(self.K[1, 1])

    @property
    def cx(self) -> float:
        """Principal point in x, pixels."""
        return float(self.K[0, 2])

    @property
    def cy(self) -> float:
        """Principal point in y, pixels."""
        return float(self.K[1, 2])

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height

    def same_view(self, other: Camera) -> bool:
        """Whether a pixel of one is the same ray as that pixel of the other."""
        return (
            self.resolution_wh == other.resolution_wh
            and self.distortion_model == other.distortion_model
            and np.array_equal(self.K, other.K)
            and np.array_equal(self.D, other.D)
        )

    def project(self, points_xyz: ArrayLike) -> np.ndarray:
        """Points (..., 3) in the camera's frame to pixels (..., 2) of the raw image.

        Pixels may lie outside of the image. NaN at or behind the camera's plane, and where the
        distortion polynomial no longer grows with the angle.
        """
        points = _points(points_xyz, 3)
        depth = points[..., 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            ideal = np.where(depth > 0, points[..., :2] / depth, np.nan)
        seen = distort(self.distortion_model, self.D, ideal[..., 0], ideal[..., 1])
        return np.stack(seen, axis=-1) * self._focal + self._centre

    def unproject(self, pixels: ArrayLike) -> np.ndarray:
        """Pixels (..., 2) of the raw image to rays (..., 3) of depth z = 1.

        NaN where no point in front of the camera is seen, as in a fisheye's black corners.
        """
        seen = (_points(pixels, 2) - self._centre) / self._focal
        ideal = undistort(self.distortion_model, self.D, seen)
        return np.concatenate([ideal, np.ones_like(ideal[..., :1])], axis=-1)

    def undistort_pixels(self, pixels: ArrayLike) -> np.ndarray:
        """Pixels (..., 2) of the raw image to those of the ideal pinhole camera with the same K."""
        return self.unproject(pixels)[..., :2] * self._focal + self._centre

    def rectified(self) -> Camera:
        """Give the camera of the rectified image: intrinsics of P, no distortion, no rotation.

        P keeps its fourth column, which holds a stereo pair's baseline.
        """
        return dataclasses.replace(
            self, K=self.P[:, :3], distortion_model="plumb_bob", D=np.zeros(0), R=np.eye(3)
        )

    def rectification_maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the maps for ``cv2.remap`` from the raw to the rectified image; computed once."""
        return self._rectification_maps

    def delivered(self) -> Camera:
        """Give the camera of the image that is really sent: region cut out, pixels binned.

        As REP-104 and image_geometry have it: the region's corner is subtracted from the
        principal point, then binning divides sizes, focal lengths and principal point.
        """
        if self.roi is None and self.binning_x == self.binning_y == 1:
            return self
        x, y, width, height = self.roi or (0, 0, self.width, self.height)
        shift_and_bin = np.diag([1 / self.binning_x, 1 / self.binning_y, 1]) @ np.array(
            [[1, 0, -x], [0, 1, -y], [0, 0, 1]]
        )
        return dataclasses.replace(
            self,
            width=width // self.binning_x,
            height=height // self.binning_y,
            K=shift_and_bin @ self.K,
            P=shift_and_bin @ self.P,
            binning_x=1,
            binning_y=1,
            roi=None,
        )

    def resized(self, width: int, height: int) -> Camera:
        """Give the camera of the delivered image after it was scaled to another size.

        Raises:
            CameraError: the size is not positive.

        """
        camera = self.delivered()
        return dataclasses.replace(
            camera,
            width=width,
            height=height,
            K=scaled(camera.K, width / camera.width, height / camera.height),
            P=scaled(camera.P, width / camera.width, height / camera.height),
        )

    @cached_property
    def _focal(self) -> np.ndarray:
        return np.array([self.fx, self.fy])

    @cached_property
    def _centre(self) -> np.ndarray:
        return np.array([self.cx, self.cy])

    @cached_property
    def _rectification_maps(self) -> tuple[np.ndarray, np.ndarray]:
        fisheye = self.distortion_model == "equidistant"
        rectify = (cv2.fisheye if fisheye else cv2).initUndistortRectifyMap
        D = self.D if self.D.size else np.zeros(5)
        # Fixed-point maps: cv2.remap is about twice as fast with them as with floats.
        return rectify(self.K, D, self.R, self.P[:, :3], self.resolution_wh, cv2.CV_16SC2)

    def _check_sizes(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise CameraError(f"size: got {self.width} x {self.height}, expected positive pixels")
        if self.binning_x < 1 or self.binning_y < 1:
            raise CameraError(
                f"binning: got {self.binning_x} x {self.binning_y}, expected 1 or more"
            )
        if self.roi is None:
            return
        x, y, width, height = self.roi
        inside = min(x, y) >= 0 and x + width <= self.width and y + height <= self.height
        if not inside or width < self.binning_x or height < self.binning_y:
            raise CameraError(
                f"roi: got x={x} y={y} width={width} height={height}, expected a part of the "
                f"{self.width} x {self.height} image with at least one (binned) pixel"
            )

    def _check_distortion(self) -> None:
        counts = COEFFICIENT_COUNTS.get(self.distortion_model)
        if counts is None:
            raise CameraError(
                f"distortion_model: got {self.distortion_model!r}, "
                f"expected one of {', '.join(COEFFICIENT_COUNTS)}"
            )
        if self.D.ndim != 1 or self.D.size not in counts:
            raise CameraError(
                f"D: got shape {self.D.shape}, expected {' or '.join(map(str, counts))} "
                f"coefficients for {self.distortion_model}"
            )
        if not np.isfinite(self.D).all():
            raise CameraError(f"D: got {self.D.tolist()}, expected finite coefficients")


def scaled(projection: np.ndarray, scale_x: float, scale_y: float) -> np.ndarray:
    """Return K (3, 3) or P (3, 4) of an image with ``scale`` times as many pixels.

    Pixel (0, 0) is the centre of the first pixel: what stays in place is the image's corner.
    """
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.linalg.inv(corner) @ np.diag([scale_x, scale_y, 1]) @ corner @ projection


def _check_projection(name: str, matrix: np.ndarray) -> None:
    """K, and the left part of P, are [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]."""
    fixed = matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]]
    if not np.isfinite(matrix).all() or not np.allclose(fixed, (0, 0, 0, 0, 1)):
        raise CameraError(
            f"{name}: got {matrix.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
        )
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise CameraError(
            f"{name}: got fx={matrix[0, 0]:g} fy={matrix[1, 1]:g}, expected positive pixels; "
            "calibrate the camera"
        )


def _floats(values: ArrayLike, name: str) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CameraError(f"{name}: got {values!r}, expected numbers") from error


def _points(values: ArrayLike, size: int) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-1:] != (size,):
        raise CameraError(f"got points of shape {array.shape}, expected (..., {size})")
    return array
