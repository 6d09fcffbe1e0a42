"""What tells one camera alone how large things are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import cv2
import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.odometry.two_view import TwoView

if TYPE_CHECKING:
    from embodied_perception.odometry.images import OdometryImage

#: The ground is looked for this far below the horizon, or more: nearer to it, rays say little.
_LEAST_SLOPE = np.sin(np.radians(5.0))
#: In tiles of so many samples, each so many pixels from the next.
_TILE, _STEP_PX = 8, 2
#: At levels from so near to so far below the camera, in units of how far the scene is.
_LEVELS = np.geomspace(0.02, 2.0, 100)
#: Correlation at which a tile is the same in both images, and its least contrast in grey values.
_SAME, _LEAST_CONTRAST = 0.8, 3.0
_UNEVEN = 0.05  # share of its depth that the ground may be uneven
_TILT_SIGMA = np.radians(2.0)  # of the robot's pitch and roll, in motion
_LEAST_GROUND = 10  # tiles
_LEAST_EXTENT = 1.5  # far end over near end
_MOST_BENEATH = 0.1  # share of the tiles that may seem to lie beneath it
_LEAST_BASELINE_M = 0.02


class Ruler(Protocol):
    """Something of known length at one image; ``sigma`` is the share by which it may be off."""

    @property
    def sigma(self) -> float:
        """As a share of the length."""

    def unit_m(
        self, first: OdometryImage, second: OdometryImage, view: TwoView, camera: Camera
    ) -> float | str:
        """How far the camera moved between two images of which ``view`` says that it is 1.

        Returns:
            Metres, or words for why that is not known.

        """


@dataclass(frozen=True, eq=False)
class CameraHeight:
    """A camera that is fixed to a robot, above flat ground.

    The ground is found by sweeping a level plane: at the right depth below the camera, what one
    image shows of it is what the other one shows.

    Source: R. Collins, A Space-Sweep Approach to True Multi-Image Matching, 1996.

    Attributes:
        height_m: of the camera above the ground.
        down: (3,) towards the ground in the camera's axes, of length 1.

    """

    height_m: float
    down: np.ndarray
    sigma: ClassVar[float] = 0.05

    def unit_m(
        self, first: OdometryImage, second: OdometryImage, view: TwoView, camera: Camera
    ) -> float | str:
        """See :class:`Ruler`."""
        scene = float(np.median(view.points[view.good, 2]))
        points = _sweep(self._tiles(camera), self.down, scene, first, second, view, camera)
        ground = _ground(points, self.down)
        if len(ground) < _LEAST_GROUND:
            return (
                f"flat ground is seen in {len(ground)} places, {_LEAST_GROUND} are needed to tell "
                "the scale from the camera's height"
            )
        return self.height_m / _height_above(ground, self.down)

    def _tiles(self, camera: Camera) -> np.ndarray:
        """Pixels (T, n, 2) of tiles that look below the horizon."""
        side = np.arange(_TILE) * _STEP_PX
        inside = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        across, down = (
            np.arange(0, size - _TILE * _STEP_PX, _TILE * _STEP_PX) for size in camera.resolution_wh
        )
        corners = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 1, 2)
        tiles = (corners + inside).astype(np.float64)
        rays = camera.unproject(tiles)
        slopes = rays @ self.down / np.linalg.norm(rays, axis=-1)
        return tiles[(slopes > _LEAST_SLOPE).all(axis=1)]


def _sweep(
    tiles: np.ndarray,
    down: np.ndarray,
    scene: float,
    first: OdometryImage,
    second: OdometryImage,
    view: TwoView,
    camera: Camera,
) -> np.ndarray:
    """Where tiles (T, n, 2) would lie on level ground: (M, 3) in the first camera's axes.

    Only of those that look the same in both images at some level, and that have something to see.
    """
    shown = _sample(first.gray, tiles)
    clear = shown.std(axis=1) > _LEAST_CONTRAST
    tiles, shown = tiles[clear], shown[clear]
    rays = camera.unproject(tiles)
    on_level_1 = rays / (rays @ down)[..., None]
    levels = scene * _LEVELS
    likeness = np.stack(
        [
            _correlation(
                shown,
                _sample(
                    second.gray,
                    camera.project(view.second_from_first.apply(on_level_1 * level)),
                ),
            )
            for level in levels
        ],
        axis=1,
    )
    best = likeness.argmax(axis=1)
    same = likeness.max(axis=1) > _SAME
    return on_level_1[same].mean(axis=1) * levels[best[same], None]


def _ground(points: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Those of the points (N, 3) that lie on the level with the most; none, if it is no ground.

    Beneath the ground is nothing. And it goes away from the camera, which a wall does not: of that,
    too, some tiles look as if they lay on one level.
    """
    depths, away = points @ down, np.linalg.norm(points, axis=1)
    best = np.zeros(0, np.int64)
    for level in np.unique(depths):
        alike = np.flatnonzero(np.abs(depths / level - 1.0) < 2 * _UNEVEN)
        beneath = np.mean(depths > (1.0 + 4 * _UNEVEN) * level)
        near, far = np.quantile(away[alike], (0.1, 0.9))
        if len(alike) > len(best) and beneath < _MOST_BENEATH and far > _LEAST_EXTENT * near:
            best = alike
    return points[best]


def _height_above(points: np.ndarray, down: np.ndarray) -> float:
    """How far (from the camera) the plane through most of the points (N, 3) is.

    It is level but for a little: a robot pitches, and of ground six times as far away as the
    camera is high, one degree is a tenth of the height.
    """
    axes = np.column_stack((down, np.linalg.svd(down[None])[2][1:].T))
    seen = points @ axes  # down, and two level directions
    level = float(np.median(seen[:, 0]))
    # plane @ seen = 1, where its tilt is plane[1:] over plane[0], which is about 1 / level.
    prior = np.eye(3)[1:] * level / _TILT_SIGMA
    plane = np.array((1.0 / level, 0.0, 0.0))
    for _ in range(5):
        off = (seen @ plane - 1.0) / _UNEVEN
        weights = 1.0 / (1.0 + off**2) / _UNEVEN
        rows = np.concatenate((seen * weights[:, None], prior))
        plane = np.linalg.lstsq(rows, np.concatenate((weights, (0.0, 0.0))), rcond=None)[0]
    return 1.0 / float(np.linalg.norm(plane))


def _sample(gray: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Grey values (T, n) at pixels (T, n, 2); 0 outside."""
    if not len(pixels):  # which OpenCV refuses
        return np.zeros(pixels.shape[:2], np.float32)
    at = np.nan_to_num(pixels, nan=-1.0).astype(np.float32)
    return cv2.remap(gray, at[..., 0], at[..., 1], cv2.INTER_LINEAR).astype(np.float32)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike rows (T, n) are: from -1 to 1."""
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.einsum("tn,tn->t", one, other) / np.maximum(size, 1e-6)


@dataclass(frozen=True, eq=False)
class KnownPlace:
    """A camera whose motion something else measures, such as the robot's wheels.

    Attributes:
        position_m: (3,) of the camera in a frame that stands still.

    """

    position_m: np.ndarray
    sigma: ClassVar[float] = 0.05

    def unit_m(
        self, first: OdometryImage, second: OdometryImage, view: TwoView, camera: Camera
    ) -> float | str:
        """See :class:`Ruler`."""
        del second, view, camera  # it is the second's ruler, and looks at nothing
        assert isinstance(first.ruler, KnownPlace)
        baseline_m = float(np.linalg.norm(self.position_m - first.ruler.position_m))
        if baseline_m < _LEAST_BASELINE_M:
            return f"it moved by {baseline_m:.3f} m, too little to tell the scale from"
        return baseline_m
