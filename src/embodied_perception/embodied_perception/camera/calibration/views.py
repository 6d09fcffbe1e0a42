"""Views of a board: which of them to use, and how much of the image they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from embodied_perception.camera.calibration.boards import Board, Detection

GRID = (12, 9)  # columns and rows of the cells by which coverage is counted
# What moves faster, in parts of the image's diagonal a second, is blurred, or sheared by a rolling
# shutter: at VGA it is 24 px/s, which are 0.7 px in the 30 ms that such a shutter takes.
_STEADY = 0.03
#: Images farther apart say nothing of the motion in each of them.
NEIGHBOURS_NS = 500_000_000


@dataclass(frozen=True, eq=False)
class View:
    """One image with a board in it.

    Attributes:
        name: of the image, for messages to people.
        stamp_ns: when it was taken; 0 where that is not known.
        board: the board.
        detection: where its points are.
        resolution_wh: of the image.

    """

    name: str
    stamp_ns: int
    board: Board
    detection: Detection
    resolution_wh: tuple[int, int]

    @property
    def points(self) -> np.ndarray:
        """The points that are seen (N, 3), in the board's frame, metres."""
        return self.board.points[self.detection.ids]

    @property
    def pixels(self) -> np.ndarray:
        """Where they are (N, 2)."""
        return self.detection.pixels

    def variants(self) -> list[View]:
        """The view with its points in each order in which the board looks the same."""
        symmetries = self.board.symmetries
        if len(symmetries) == 1:
            return [self]
        return [
            replace(self, detection=Detection(self.detection.ids, self.pixels[order]))
            for order in symmetries
        ]

    @cached_property
    def outline(self) -> np.ndarray:
        """The corners around all of the board's points (4, 2) as seen, in parts of the width.

        Of a board that is seen in part, the corners are where a flat one without distortion would
        have them.
        """
        homography, _ = cv2.findHomography(self.points[:, :2], self.pixels)
        corners = self.board.outline()[:, :2].reshape(-1, 1, 2)
        return cv2.perspectiveTransform(corners, homography)[:, 0] / self.resolution_wh[0]

    @property
    def size(self) -> float:
        """Share of the image that the board fills."""
        width, height = self.resolution_wh
        area = cv2.contourArea(self.outline.astype(np.float32)) * width**2
        return float(area / (width * height))


def moves(before: View, after: View) -> bool:
    """Whether the board moved faster between two neighbouring images than a sharp one allows."""
    _, mine, other = np.intersect1d(before.detection.ids, after.detection.ids, return_indices=True)
    seconds = (after.stamp_ns - before.stamp_ns) * 1e-9
    if not mine.size or seconds <= 0:
        return True
    shifts = np.linalg.norm(before.pixels[mine] - after.pixels[other], axis=1)
    return bool(np.median(shifts) > _STEADY * np.hypot(*after.resolution_wh) * seconds)


def spread(views: Sequence[View], count: int) -> list[int]:
    """Return the places of views that differ most: in place, size and tilt, as outlines show.

    Farthest-point sampling (T. Gonzalez, 1985): each next one is the one farthest from its nearest
    among those chosen, beginning with the one that shows most points.
    """
    if len(views) <= count:
        return list(range(len(views)))
    outlines = np.stack([view.outline.ravel() for view in views])
    chosen = [int(np.argmax([len(view.pixels) for view in views]))]
    nearest = np.linalg.norm(outlines - outlines[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(outlines - outlines[chosen[-1]], axis=1))
    return sorted(chosen)


@dataclass(frozen=True, eq=False)
class Coverage:
    """How much of an image a set of views covers.

    Attributes:
        counts: (rows, columns) points in each cell of the image.
        sizes: smallest and largest share of the image that the board filled.

    """

    counts: np.ndarray
    sizes: tuple[float, float]

    @classmethod
    def of(cls, views: Sequence[View]) -> Coverage:
        """Count the points of views."""
        columns, rows = GRID
        if not views:
            return cls(np.zeros((rows, columns), int), (0.0, 0.0))
        width, height = views[0].resolution_wh
        pixels = np.concatenate([view.pixels for view in views])
        x, y = ((pixels + 0.5) / (width, height)).T
        counts, _, _ = np.histogram2d(y, x, bins=(rows, columns), range=((0, 1), (0, 1)))
        sizes = [view.size for view in views]
        return cls(counts.astype(int), (min(sizes), max(sizes)))

    @property
    def share(self) -> float:
        """Share of the cells with a point in it."""
        return float((self.counts > 0).mean())
