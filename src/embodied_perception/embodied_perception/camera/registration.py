"""Depth images as another camera sees them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from embodied_perception.camera.distortion import distort, distorts
from embodied_perception.camera.model import Camera, scaled
from embodied_perception.errors import CameraError
from embodied_perception.geometry.transform import Transform

# Two depths of one surface differ by less than this from a pixel to the next one.
SAME_SURFACE = 0.05
BLOCK_PIXELS = 16384  # as many as keep the distortion's intermediate results in the cache
CRACK = np.ones((3, 3), np.uint8)  # a crack is at most two pixels wide


class DepthRegistration:
    """Carries depth images over into the colour camera: each depth pixel is a small surface.

    A depth pixel is moved to the colour camera's frame and projected onto a grid there; where
    several meet, the nearest wins. The grid has the colour camera's pixels, or larger ones where
    the depth camera sees less detail, so that a surface leaves no gaps. What gaps perspective
    still opens are closed only where the depth camera does see that surface.

    Both cameras stand for the images they deliver (:meth:`Camera.delivered`). One object serves
    one thread: scratch memory is kept between frames.

    Args:
        depth_camera: the camera of the depth image; depth is along its z axis.
        color_camera: the camera to register to.
        color_from_depth: pose of the depth camera in the colour camera's frame.

    """

    def __init__(
        self, depth_camera: Camera, color_camera: Camera, color_from_depth: Transform
    ) -> None:
        color_from_depth.require_rigid()
        self._depth = depth_camera.delivered()
        color = color_camera.delivered()
        self._depth_from_color = color_from_depth.inverse()
        pitch = min(1.0, min(self._depth.fx, self._depth.fy) / max(color.fx, color.fy))
        self._grid = _at_pitch(color, pitch)
        self._cells = self._grid.width * self._grid.height
        self._color_shape = (color.height, color.width)
        self._cell_of_pixel = _cell_of_pixel(color, self._grid, pitch) if pitch < 1 else None
        self._cell_rays = self._grid.unproject(_pixel_centres(self._grid)).astype(np.float32)
        self._bent = distorts(self._grid.distortion_model, self._grid.D)

        # x, y, z of a point times z are its pixel, where no distortion comes in between. The
        # half moves a pixel's centre to its middle, so that cutting off decimals rounds.
        to_cells = np.eye(3) if self._bent else self._grid.K + _HALF
        rays = self._depth.unproject(_pixel_centres(self._depth)) @ color_from_depth.rotation.T
        self._slope = np.ascontiguousarray((rays @ to_cells.T).T, dtype=np.float32)
        self._offset = (to_cells @ color_from_depth.translation).tolist()

        pixels = self._depth.width * self._depth.height
        self._blocks = max(1, pixels // BLOCK_PIXELS)
        self._moved = np.empty((3, pixels), np.float32)
        self._valid = np.empty(pixels, np.bool_)
        self._test = np.empty(pixels, np.bool_)
        self._column = np.empty(pixels, np.int32)
        self._index = np.empty(pixels, np.intp)
        self._nearest = np.empty(self._cells + 1, np.float32)  # the last one takes what is invalid

    def register(self, depth_m: np.ndarray) -> np.ndarray:
        """Return the depth in the colour camera, (Hc, Wc) float32 metres, NaN where unknown.

        Args:
            depth_m: (Hd, Wd) floating-point metres; NaN, infinity and 0 or less are invalid.

        Raises:
            CameraError: the image is not the depth camera's size, or not floating-point.

        """
        expected = (self._depth.height, self._depth.width)
        if depth_m.shape != expected or depth_m.dtype.kind != "f":
            raise CameraError(
                f"depth_m: got {depth_m.dtype} of shape {depth_m.shape}, expected float32 metres "
                f"of shape {expected}, the depth camera's height and width"
            )
        depth = np.ascontiguousarray(depth_m, dtype=np.float32).ravel()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            self._move(depth)
            self._assign_cells(depth)
            self._nearest.fill(np.inf)
            np.minimum.at(self._nearest, self._index, self._moved[2])
            self._close_cracks()
        return self._to_color_pixels()

    def _move(self, depth: np.ndarray) -> None:
        """Fill ``moved`` with grid column, row (from the grid's corner) and depth in colour."""
        np.multiply(self._slope, depth, out=self._moved)
        for coordinate, offset in zip(self._moved, self._offset, strict=True):
            coordinate += offset
        self._moved[:2] /= self._moved[2]
        if self._bent:
            grid = self._grid
            for block in np.array_split(self._moved[:2], self._blocks, axis=1):
                x, y = distort(grid.distortion_model, grid.D, *block)
                block[0] = x * grid.fx + (grid.cx + 0.5)
                block[1] = y * grid.fy + (grid.cy + 0.5)

    def _assign_cells(self, depth: np.ndarray) -> None:
        """Fill ``index`` with the grid cell that each depth pixel falls on."""
        column, row, depth_in_color = self._moved
        valid, test, index = self._valid, self._test, self._index
        np.greater(depth, 0, out=valid)
        for values, compare, bound in (
            (depth_in_color, np.greater, 0),
            (column, np.greater_equal, 0),
            (column, np.less, self._grid.width),
            (row, np.greater_equal, 0),
            (row, np.less, self._grid.height),
        ):
            np.logical_and(valid, compare(values, bound, out=test), out=valid)
        np.copyto(self._column, column, casting="unsafe")
        np.copyto(index, row, casting="unsafe")
        index *= self._grid.width
        index += self._column
        np.copyto(index, self._cells, where=np.logical_not(valid, out=test))

    def _close_cracks(self) -> None:
        """Give cells in a crack of a near surface that surface's depth.

        Cracks show nothing, or what lies behind. Opening by a small window finds the cells that
        are farther than their neighbours on both sides. They are no crack but a hole or a gap,
        and stay, unless the depth camera measured that near surface just there.
        """
        nearest = self._nearest[:-1]
        image = nearest.reshape(self._grid.height, self._grid.width)
        opened = cv2.dilate(cv2.erode(image, CRACK), CRACK).ravel()
        cells = np.flatnonzero(opened < nearest * (1 - SAME_SURFACE))
        if not cells.size:
            return
        expected = opened[cells]
        seen = self._depth_from_color.apply(self._cell_rays[cells] * expected[:, None])
        pixels = np.rint(self._depth.project(seen))
        inside = ((pixels >= 0) & (pixels < self._depth.resolution_wh)).all(axis=1)
        cells, expected = cells[inside], expected[inside]
        column, row = pixels[inside].astype(np.intp).T
        source = row * self._depth.width + column
        measured = self._moved[2, source]
        same = np.abs(measured - expected) < SAME_SURFACE * expected
        nearest[cells[same]] = measured[same]

    def _to_color_pixels(self) -> np.ndarray:
        self._nearest[np.isinf(self._nearest)] = np.nan
        if self._cell_of_pixel is None:
            return self._nearest[:-1].reshape(self._color_shape).copy()
        return self._nearest.take(self._cell_of_pixel, mode="clip")


_HALF = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])


def _pixel_centres(camera: Camera) -> np.ndarray:
    """Return all pixels (H * W, 2), row by row."""
    rows, columns = np.indices((camera.height, camera.width), dtype=np.float64)
    return np.column_stack([columns.ravel(), rows.ravel()])


def _at_pitch(camera: Camera, pitch: float) -> Camera:
    """Give the same camera with pixels ``1 / pitch`` times as large; the image's corner stays."""
    width, height = math.ceil(camera.width * pitch), math.ceil(camera.height * pitch)
    K = scaled(camera.K, pitch, pitch)
    return Camera(width, height, K, camera.distortion_model, camera.D)


def _cell_of_pixel(color: Camera, grid: Camera, pitch: float) -> np.ndarray:
    """Return the grid cell (Hc, Wc) that holds the centre of each colour pixel."""
    column = ((np.arange(color.width) + 0.5) * pitch).astype(np.intp)
    row = ((np.arange(color.height) + 0.5) * pitch).astype(np.intp)
    return row[:, None] * grid.width + column
