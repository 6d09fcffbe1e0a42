"""Finds the board in image after image, and shows how far one is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text

from embodied_perception.camera.calibration import (
    LEAST_VIEWS,
    NEIGHBOURS_NS,
    Board,
    Chessboard,
    Coverage,
    View,
    moves,
    spread,
)
from embodied_perception.cli.calibrate.images import GrayImage, ImageStream
from embodied_perception.errors import CameraError

#: What is enough for a live calibration to end by itself.
_ENOUGH_VIEWS, _ENOUGH_SHARE, _ENOUGH_RANGE = 25, 0.85, 2.0
_SHADES = " ░▒▓█"
_HINTED_IMAGES = 5
_MOST_KEPT = 400  # views of a camera that runs on and on


@dataclass
class Collection:
    """Views of a board, of one camera or of several at one time, and what came in between.

    Attributes:
        board: the board.
        views: one of each camera, where all found the board and it stood still.
        samples: of each camera, an image; the one in whose first the board is largest.
        frame_ids: of the cameras, where topics tell them.
        looked_at: images, or sets of them.
        moving: in which the board moved too fast to be sharp.
        in_one_only: sets in which not all cameras found the board.

    """

    board: Board
    views: list[tuple[View, ...]] = field(default_factory=list)
    samples: tuple[np.ndarray, ...] = ()
    frame_ids: tuple[str, ...] = ()
    looked_at: int = 0
    moving: int = 0
    in_one_only: int = 0
    _largest: float = 0.0
    _before: tuple[View, ...] | None = None
    _before_ns: int = -(2**62)
    _blank_grays: list[np.ndarray] = field(default_factory=list)

    def look(self, images: tuple[GrayImage, ...], is_sequence: bool) -> tuple[View, ...] | None:
        """Look for the board in the images of one time; return the views if they can be used."""
        self.looked_at += 1
        self.frame_ids = tuple(image.frame_id for image in images)
        stamp_ns = images[0].stamp_ns
        has_neighbour = is_sequence and stamp_ns - self._before_ns < NEIGHBOURS_NS
        before, self._before, self._before_ns = self._before, None, stamp_ns
        found = [view for image in images if (view := self._view(image, is_sequence)) is not None]
        if not found and len(self._blank_grays) < _HINTED_IMAGES:
            self._blank_grays.append(images[0].gray)
        if len(found) < len(images):
            self.in_one_only += bool(found)
            return None
        views = self._before = tuple(found)
        # A board that comes into view is moving.
        if has_neighbour and (before is None or any(map(moves, before, views))):
            self.moving += 1
            return None
        self.views.append(views)
        if len(self.views) > _MOST_KEPT:
            self.thin_out(_MOST_KEPT // 2)
        if views[0].size > self._largest:
            self._largest, self.samples = views[0].size, tuple(image.gray for image in images)
        return views

    def thin_out(self, count: int) -> None:
        """Keep those ``count`` views that differ most."""
        firsts = [views[0] for views in self.views]
        self.views = [self.views[place] for place in spread(firsts, count)]

    def of_camera(self, place: int) -> list[View]:
        """The views of one camera."""
        return [views[place] for views in self.views]

    def _view(self, image: GrayImage, is_sequence: bool) -> View | None:
        detection = self.board.detect(image.gray, thorough=not is_sequence)
        if detection is None:
            return None
        height, width = image.gray.shape
        return View(image.name, image.stamp_ns, self.board, detection, (width, height))

    @property
    def is_enough(self) -> bool:
        """Whether more views would hardly help."""
        if len(self.views) < _ENOUGH_VIEWS:
            return False
        coverage = Coverage.of(self.of_camera(0))
        low, high = coverage.sizes
        return coverage.share >= _ENOUGH_SHARE and high >= _ENOUGH_RANGE * low

    def require_views(self, stream: ImageStream) -> None:
        """Raise :class:`CameraError` where no image shows the board, or few and another one."""
        few = 0 < len(self.views) < LEAST_VIEWS
        if few and (other := self._other_size()):
            raise CameraError(
                f"{stream.name}: no {self.board.what} in most of {self.looked_at} images{other}"
            )
        if self.views:
            return
        if not self.looked_at:
            why = f": {stream.problems[0]}" if stream.problems else ""
            raise CameraError(f"{stream.name}: no image could be read{why}")
        if self.moving:
            raise CameraError(
                f"{stream.name}: the board was found in {self.moving} images, but never stood "
                "still: hold it for half a second in each place"
            )
        if self.in_one_only:
            raise CameraError(
                f"{stream.name}: the board was found in {self.in_one_only} images of one camera, "
                "never in both at a time: show it where both see it"
            )
        raise CameraError(
            f"{stream.name}: no {self.board.what} in {self.looked_at} images{self._hint()}"
        )

    def _hint(self) -> str:
        """What may be wrong."""
        if not isinstance(self.board, Chessboard):
            return "; is --size right, and the whole board in the image, with white around it?"
        unknown = "; --size counts inner corners, one less than squares; is it right?"
        return self._other_size() or unknown

    def _other_size(self) -> str:
        """Which chessboard there is instead: --size is often that of the squares, or turned."""
        if not isinstance(self.board, Chessboard):
            return ""
        columns, rows = self.board.columns, self.board.rows
        others = [(columns - 1, rows - 1), (rows, columns), (rows - 1, columns - 1)]
        others += [(columns + 1, rows + 1), (columns - 1, rows), (columns, rows - 1)]
        for other in others:
            if min(other) < 3:
                continue
            board = Chessboard(*other, self.board.square_m)
            if any(board.detect(gray) is not None for gray in self._blank_grays):
                found = f"{other[0]}x{other[1]}"
                return f"; but there is one of {found}: --size counts inner corners, not squares"
        return ""


def collect(stream: ImageStream, board: Board, most_views: int, console: Console) -> Collection:
    """Look through all images, or of a live camera until there are enough or Ctrl-C.

    Returns the collection with those ``most_views`` of its views that differ most.

    Raises:
        CameraError: no image shows the board.

    """
    collection = Collection(board)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console)
    task = bar.add_task(escape(stream.name), total=stream.count)
    with Live(bar, console=console, refresh_per_second=5, transient=True) as live:
        try:
            for images in stream.images:
                collection.look(images, stream.is_sequence)
                bar.advance(task)
                live.update(Group(bar, coverage_panel(collection)))
                if stream.is_live and collection.is_enough:
                    break
        except KeyboardInterrupt:
            if not stream.is_live:
                raise
    collection.require_views(stream)
    collection.thin_out(most_views)
    return collection


def coverage_panel(collection: Collection) -> RenderableType:
    """What was covered, as a small picture of the image, and in words."""
    coverage = Coverage.of(collection.of_camera(0))
    top = max(1, int(coverage.counts.max()))
    shades = np.ceil(coverage.counts / top * (len(_SHADES) - 1)).astype(int)
    rows = ["│" + "".join(_SHADES[shade] * 2 for shade in row) + "│" for row in shades]
    edge = "─" * (2 * coverage.counts.shape[1])
    return Text("\n".join([f"┌{edge}┐", *rows, f"└{edge}┘", summary(collection)]))


def summary(collection: Collection) -> str:
    """How many views, and how good they are together."""
    coverage = Coverage.of(collection.of_camera(0))
    low, high = coverage.sizes
    left_out = ""
    if collection.moving:
        left_out += f", {collection.moving} moving"
    if collection.in_one_only:
        left_out += f", {collection.in_one_only} seen by one camera only"
    return (
        f"{collection.looked_at} images, {len(collection.views)} views{left_out}; "
        f"{coverage.share:.0%} of the image covered, board size {low:.0%} to {high:.0%}"
    )
