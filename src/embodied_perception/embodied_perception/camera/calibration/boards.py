"""Calibration boards: their points in space, and where those are in an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from embodied_perception.errors import CameraError

_LEAST_POINTS = 6  # of a partly seen board, in no less than two rows: enough for a homography
_LEAST_CELLS = 3
_MOST_CELLS = 100
# How far around a corner to look, in parts of the distance to the next one, and in pixels.
_REACH, _REACH_PX = 0.35, (2, 8)
_REFINED = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
_MARGIN_SQUARES = 1.0  # white around a printed board, which the detectors want


@dataclass(frozen=True, eq=False)
class Detection:
    """A board in an image.

    Attributes:
        ids: (N,) which of the board's points are seen.
        pixels: (N, 2) where.

    """

    ids: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True)
class Board(ABC):
    """A flat board with known points.

    Attributes:
        columns: of the board's pattern, as its kind counts them.
        rows: likewise.
        square_m: from one point to the next, metres; 1 where it is not known, and then lengths
            are in squares.

    Raises:
        CameraError: sizes that no board has.

    """

    columns: int
    rows: int
    square_m: float = 1.0

    def __post_init__(self) -> None:
        sizes = (self.columns, self.rows)
        if min(sizes) < _LEAST_CELLS or max(sizes) > _MOST_CELLS:
            raise CameraError(
                f"board: got {self.columns}x{self.rows}, expected {_LEAST_CELLS} to "
                f"{_MOST_CELLS} columns and rows"
            )
        if not 0 < self.square_m < np.inf:
            raise CameraError(f"board: got squares of {self.square_m} m, expected more than 0")

    @property
    @abstractmethod
    def points(self) -> np.ndarray:
        """All points (P, 3), metres: x along a row, y to the next row, z = 0 away from the eye."""

    @abstractmethod
    def detect(self, gray: np.ndarray, thorough: bool = False) -> Detection | None:
        """Find the board in an image (H, W) uint8.

        Args:
            gray: the image.
            thorough: take the time to find a board that is hard to see.

        """

    @abstractmethod
    def picture(self, square_px: int) -> np.ndarray:
        """The board as it is printed, (H, W) uint8; the first point is at :meth:`origin_px`."""

    @property
    def symmetries(self) -> list[np.ndarray]:
        """Every order (P,) of the points in which the board looks the same; at least their own.

        A turned image of such a board gives its points in another order, and nothing tells which.
        """
        return [np.arange(len(self.points))]

    @property
    @abstractmethod
    def what(self) -> str:
        """The board in words, for errors: what is counted, and how many there are."""

    def origin_px(self, square_px: int) -> np.ndarray:
        """Where the point (0, 0, 0) is in :meth:`picture`, x and y, pixels."""
        return np.full(2, _MARGIN_SQUARES * square_px - 0.5)

    def outline(self) -> np.ndarray:
        """The corners (4, 3) around all points."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        return np.array([[low[0], low[1], 0], [high[0], low[1], 0], high, [low[0], high[1], 0]])

    def _all_seen(self, pixels: np.ndarray) -> Detection | None:
        """All points, if they lie as a board's that is seen from its front."""
        pixels = pixels.reshape(-1, 2).astype(np.float64)
        flat = np.column_stack([self.points[:, :2], np.ones(len(pixels))])
        affine, *_ = np.linalg.lstsq(flat, pixels, rcond=None)
        if np.linalg.det(affine[:2]) <= 0:
            return None
        return Detection(np.arange(len(pixels)), pixels)


class Chessboard(Board):
    """A chessboard of ``columns`` x ``rows`` inner corners, which is one less than squares."""

    @cached_property
    def points(self) -> np.ndarray:
        """The inner corners, row by row."""
        return _lattice(self.columns, self.rows, self.square_m)

    @property
    def what(self) -> str:
        """Inner corners."""
        return f"chessboard of {self.columns}x{self.rows} inner corners"

    def detect(self, gray: np.ndarray, thorough: bool = False) -> Detection | None:
        """Find all corners (A. Duda, U. Frese, BMVC 2018), and where exactly they are.

        The detector's own places are off by 0.1 to 0.3 px on rendered boards whose places are
        known; gradients around each corner (W. Foerstner, E. Guelch, 1987) say them to 0.04 px.
        """
        size = (self.columns, self.rows)
        found, corners = cv2.findChessboardCornersSB(gray, size)
        if not found and thorough:
            flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_NORMALIZE_IMAGE
            found, corners = cv2.findChessboardCornersSB(gray, size, flags=flags)
        if not found:
            return None
        grid = corners.reshape(self.rows, self.columns, 2)
        spacing_px = min(np.linalg.norm(np.diff(grid, axis=a), axis=2).min() for a in (0, 1))
        reach = int(np.clip(_REACH * spacing_px, *_REACH_PX))
        cv2.cornerSubPix(gray, corners, (reach, reach), (-1, -1), _REFINED)
        grid = corners.reshape(self.rows, self.columns, 2)
        if _begins_at_white(gray, grid):
            quarters = 1 if self.columns == self.rows and self.columns % 2 else 2
            grid = np.rot90(grid, quarters)
        return self._all_seen(np.ascontiguousarray(grid))

    @property
    def symmetries(self) -> list[np.ndarray]:
        """Half a turn, or a quarter, where the squares' colours come out the same."""
        is_square = self.columns == self.rows
        if is_square and self.columns % 2 == 0:
            return _turned(self.columns, self.rows, 1)
        return _turned(self.columns, self.rows, 2 if (self.columns + self.rows) % 2 == 0 else 4)

    def picture(self, square_px: int) -> np.ndarray:
        """Black squares, the first one in the upper left corner."""
        columns, rows = np.arange(self.columns + 1), np.arange(self.rows + 1)
        white = (columns[None] + rows[:, None]) % 2 == 1
        squares = white.astype(np.uint8) * 255
        return _framed(squares.repeat(square_px, axis=0).repeat(square_px, axis=1), square_px)

    def origin_px(self, square_px: int) -> np.ndarray:
        """The first inner corner is a square inside of the pattern."""
        return np.full(2, (_MARGIN_SQUARES + 1) * square_px - 0.5)


@dataclass(frozen=True)
class CircleGrid(Board):
    """A grid of black dots, ``columns`` x ``rows``; as OpenCV counts them where asymmetric.

    In an asymmetric grid each row has ``columns`` dots two squares apart, and every second row is
    moved by one square.
    """

    asymmetric: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.asymmetric and self.rows % 2 == 0:
            raise CameraError(
                f"board: got an asymmetric grid of {self.rows} rows, expected an odd number, as in "
                "4x11: nothing tells at which end an even one begins"
            )

    @cached_property
    def points(self) -> np.ndarray:
        """The dots' centres, row by row."""
        points = _lattice(self.columns, self.rows, self.square_m)
        if self.asymmetric:
            moved = np.repeat(np.arange(self.rows) % 2, self.columns)
            points[:, 0] = 2 * points[:, 0] + moved * self.square_m
        return points

    @property
    def symmetries(self) -> list[np.ndarray]:
        """A quarter or half a turn; an asymmetric grid has none."""
        if self.asymmetric:
            return super().symmetries
        return _turned(self.columns, self.rows, 1 if self.columns == self.rows else 2)

    @property
    def what(self) -> str:
        """Dots."""
        kind = "asymmetric" if self.asymmetric else "symmetric"
        return f"{kind} grid of {self.columns}x{self.rows} circles"

    def detect(self, gray: np.ndarray, thorough: bool = False) -> Detection | None:
        """Find the centres of all dots."""
        size = (self.columns, self.rows)
        dots = _dots_up_to(gray.size / (self.columns * self.rows))
        flags = cv2.CALIB_CB_ASYMMETRIC_GRID if self.asymmetric else cv2.CALIB_CB_SYMMETRIC_GRID
        found, centres = cv2.findCirclesGrid(gray, size, flags=flags, blobDetector=dots)
        if not found and thorough:
            flags |= cv2.CALIB_CB_CLUSTERING
            found, centres = cv2.findCirclesGrid(gray, size, flags=flags, blobDetector=dots)
        if not found:
            return None
        detection = self._all_seen(centres)
        if detection is None and not self.asymmetric:
            # OpenCV goes through the rows of a turned grid from either side.
            return self._all_seen(centres.reshape(self.rows, self.columns, 2)[:, ::-1])
        return detection

    def picture(self, square_px: int) -> np.ndarray:
        """Dots of half their distance in size."""
        span_squares = np.ptp(self.points[:, :2], axis=0) / self.square_m
        width, height = np.rint((span_squares + 2 * _MARGIN_SQUARES) * square_px).astype(int)
        centres = self.points[:, :2] / self.square_m * square_px + self.origin_px(square_px)
        picture = np.full((height, width), 255, np.uint8)
        radius = square_px * (0.5 if self.asymmetric else 0.25)
        shift = 8
        for x, y in np.rint(centres * 2**shift).astype(int).tolist():
            cv2.circle(picture, (x, y), round(radius * 2**shift), 0, cv2.FILLED, cv2.LINE_AA, shift)
        return picture


@dataclass(frozen=True)
class CharucoBoard(Board):
    """A chessboard of ``columns`` x ``rows`` squares with a marker in each white one.

    Its corners are known by the markers beside them, so that part of it is enough.

    Attributes:
        marker_m: side of a marker, metres.
        dictionary: of the markers, in OpenCV's words, such as ``5X5_100``.

    """

    marker_m: float = 0.75
    dictionary: str = "5X5_100"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.marker_m < self.square_m:
            raise CameraError(
                f"board: got markers of {self.marker_m} m in squares of {self.square_m} m, "
                "expected smaller ones"
            )
        corners, needed = (self.columns - 1) * (self.rows - 1), self.columns * self.rows // 2
        if corners < _LEAST_POINTS:
            raise CameraError(
                f"board: {self.columns}x{self.rows} squares have {corners} inner corners, expected "
                f"{_LEAST_POINTS} at least"
            )
        there = len(self._markers.bytesList)
        if there < needed:
            raise CameraError(
                f"board: {self.dictionary} has {there} markers, {self.columns}x{self.rows} squares "
                f"need {needed}: take a larger dictionary, such as 5X5_1000"
            )

    @property
    def points(self) -> np.ndarray:
        """The inner corners, row by row."""
        return _lattice(self.columns - 1, self.rows - 1, self.square_m)

    @property
    def what(self) -> str:
        """Squares, and the dictionary."""
        return f"ChArUco board of {self.columns}x{self.rows} squares ({self.dictionary})"

    @cached_property
    def _markers(self) -> cv2.aruco.Dictionary:
        if not hasattr(cv2.aruco, "CharucoDetector"):
            raise CameraError(f"ChArUco needs OpenCV 4.7 or later; this is {cv2.__version__}")
        name = f"DICT_{self.dictionary.upper()}"
        if not hasattr(cv2.aruco, name):
            known = sorted(n.removeprefix("DICT_") for n in dir(cv2.aruco) if n.startswith("DICT_"))
            raise CameraError(
                f"dictionary: got {self.dictionary!r}, expected one of {', '.join(known)}"
            )
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))

    @cached_property
    def _board(self) -> cv2.aruco.CharucoBoard:
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, self._markers)

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        return cv2.aruco.CharucoDetector(self._board)

    def detect(self, gray: np.ndarray, thorough: bool = False) -> Detection | None:  # noqa: ARG002
        """Find the corners whose markers are seen."""
        corners, ids, _, _ = self._detector.detectBoard(gray)
        if ids is None or len(ids) < _LEAST_POINTS:
            return None
        ids = ids.ravel()
        # Corners of one row alone do not say how the board lies.
        if min(len(set(ids // (self.columns - 1))), len(set(ids % (self.columns - 1)))) < 2:
            return None
        return Detection(ids.astype(int), corners.reshape(-1, 2).astype(np.float64))

    def picture(self, square_px: int) -> np.ndarray:
        """Squares and markers."""
        size = (self.columns * square_px, self.rows * square_px)
        return _framed(self._board.generateImage(size), square_px)

    def origin_px(self, square_px: int) -> np.ndarray:
        """The first inner corner is a square inside of the pattern."""
        return np.full(2, (_MARGIN_SQUARES + 1) * square_px - 0.5)


def _dots_up_to(area_px: float) -> cv2.SimpleBlobDetector:
    """Finds dark dots; OpenCV's own choice leaves out those of more than 5000 pixels."""
    parameters = cv2.SimpleBlobDetector.Params()
    parameters.maxArea = max(parameters.maxArea, area_px)
    return cv2.SimpleBlobDetector.create(parameters)


def _begins_at_white(gray: np.ndarray, corners: np.ndarray) -> bool:
    """Whether the square outside of the first corner (of rows x columns x 2) is a white one."""
    first, right, down = corners[0, 0], corners[0, 1] - corners[0, 0], corners[1, 0] - corners[0, 0]
    outside, beside = first - (right + down) / 2, first + (right - down) / 2
    height, width = gray.shape
    places = np.clip(np.rint([outside, beside]), 0, (width - 1, height - 1)).astype(int)
    (x0, y0), (x1, y1) = places
    return bool(gray[y0, x0] > gray[y1, x1])


def _lattice(columns: int, rows: int, square_m: float) -> np.ndarray:
    points = np.zeros((rows * columns, 3))
    points[:, :2] = np.mgrid[:columns, :rows].T.reshape(-1, 2) * square_m
    return points


def _turned(columns: int, rows: int, quarters: int) -> list[np.ndarray]:
    """The orders of a lattice's points after each so many quarter turns."""
    places = np.arange(rows * columns).reshape(rows, columns)
    return [np.rot90(places, turn).ravel() for turn in range(0, 4, quarters)]


def _framed(pattern: np.ndarray, square_px: int) -> np.ndarray:
    margin = round(_MARGIN_SQUARES * square_px)
    return np.pad(pattern, margin, constant_values=255)
