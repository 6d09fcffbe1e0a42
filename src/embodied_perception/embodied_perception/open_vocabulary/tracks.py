"""Detections followed over time: the same thing keeps its id, by where it is and how it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from embodied_perception.config import Config, parameter
from embodied_perception.open_vocabulary.detections import Detections, areas, overlaps

#: Where a track is expected, it takes a box that overlaps at least so much.
_LEAST_OVERLAP = 0.1
#: Cosines between points: so alike, two labels may be words for one thing; and so alike, it is the
#: same thing wherever it is found.
_ALIKE, _SAME = 0.8, 0.9
#: Of things that look unlike, what is left of their overlap; more than 0, as light changes looks.
_LEAST_LOOKS = 0.05
#: A new speed is believed after about this long; what is not seen for this long has slowed down.
_SPEED_SETTLES_S, _SPEED_LASTS_S = 0.1, 1.0
#: A size is taken to change no faster than to this share of itself while nobody looks.
_LEAST_SHRUNK = 0.5
#: How much of a new look goes into the mean.
_NEW_LOOK = 0.2


@dataclass(frozen=True)
class TrackerConfig(Config):
    """How long things are remembered."""

    keep_s: float = parameter(
        1.0, "a thing not seen for longer is forgotten", unit="s", minimum=0.05, maximum=3600.0
    )
    most: int = parameter(
        256,
        "things remembered at a time; those not seen for longest go first",
        minimum=1,
        maximum=2000,
    )


@dataclass(frozen=True, eq=False)
class _Tracks:
    """K things that were seen.

    ``places`` (K, 4) are their centres, widths and heights in pixels, ``speeds`` (K, 4) what these
    change by in a second, ``points`` (K, D) the means of their looks, of length 1; each was there
    at ``seen_ns`` (K,).
    """

    ids: np.ndarray
    places: np.ndarray
    speeds: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    seen_ns: np.ndarray

    @classmethod
    def begin(cls, ids: np.ndarray, found: Detections, stamp_ns: int) -> _Tracks:
        """Tracks of what is seen for the first time."""
        places = _places(found.boxes)
        return cls(
            ids, places, np.zeros_like(places), found.labels, found.points,
            np.full(len(ids), stamp_ns, np.int64),
        )  # fmt: skip

    def take(self, chosen: np.ndarray) -> _Tracks:
        """Some of them."""
        return _Tracks(*(each[chosen] for each in vars(self).values()))

    def joined(self, others: _Tracks) -> _Tracks:
        """These, then the others."""
        both = zip(vars(self).values(), vars(others).values(), strict=True)
        return _Tracks(*(np.concatenate(pair) for pair in both))

    def boxes(self, stamp_ns: int) -> np.ndarray:
        """Where they are expected (K, 4) float32: they go on as they did, but come to rest."""
        unseen_s = (stamp_ns - self.seen_ns)[:, None] * 1e-9
        moved_s = _SPEED_LASTS_S * -np.expm1(-unseen_s / _SPEED_LASTS_S)
        places = self.places + self.speeds * moved_s
        centre, size = places[:, :2], np.maximum(places[:, 2:], _LEAST_SHRUNK * self.places[:, 2:])
        return np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32)

    def seen(self, found: Detections, stamp_ns: int) -> _Tracks:
        """The tracks after each of them was found again."""
        unseen_s = (stamp_ns - self.seen_ns)[:, None] * 1e-9
        places = _places(found.boxes)
        trust = -np.expm1(-unseen_s / _SPEED_SETTLES_S)
        speeds = self.speeds + trust * ((places - self.places) / unseen_s - self.speeds)
        points = self.points + _NEW_LOOK * (found.points - self.points)
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
        stamps = np.full_like(self.seen_ns, stamp_ns)
        return _Tracks(self.ids, places, speeds, found.labels, points, stamps)


class Tracker:
    """Gives what is found in image after image its ids.

    A thing is where it is expected, with the same label or, as one thing may be a cup in one image
    and a mug in the next, alike enough; the assignment with the greatest overlaps wins, each
    weighed by how alike the two look. What is left over is known again by its looks alone, unless
    a thing that is still in its place looks the same.

    Sources: intersection over union with the predicted box and the Hungarian method, A. Bewley et
    al., Simple Online and Realtime Tracking, ICIP 2016; looks beside them, N. Wojke et al., Simple
    Online and Realtime Tracking with a Deep Association Metric, ICIP 2017.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self.restart()

    def restart(self) -> None:
        """Forget all things and the time; ids begin at 1 again."""
        self._tracks: _Tracks | None = None
        self._stamp_ns: int | None = None
        self._next_id = 1

    def update(self, found: Detections, stamp_ns: int) -> np.ndarray:
        """Take what is found in the next image.

        Args:
            found: N detections in any order: the ids do not depend on it.
            stamp_ns: of the image.

        Returns:
            (N,) int64 ids from 1, none twice, and none that another thing had since the start or
            :meth:`restart`. New things are numbered from the surest on.

        Raises:
            ValueError: the stamp is not later than the last one, or the points are of another
                space than those before; nothing changes then.

        """
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            raise ValueError(
                f"got stamp {stamp_ns} ns after {self._stamp_ns} ns: call restart() first"
            )
        ids = np.zeros(len(found), np.int64)
        if not len(found):
            self._stamp_ns = stamp_ns
            return ids
        order = _surest_first(found)
        found = found.take(order)
        tracks = self._remembered(found, stamp_ns)
        known, again = _associate(tracks, found, stamp_ns)
        ids[again] = tracks.ids[known]
        new = np.flatnonzero(ids == 0)
        ids[new] = self._next_id + np.arange(len(new))
        unseen = np.setdiff1d(np.arange(len(tracks.ids)), known)
        tracks = (
            tracks.take(known)
            .seen(found.take(again), stamp_ns)
            .joined(_Tracks.begin(ids[new], found.take(new), stamp_ns))
            .joined(tracks.take(unseen))
        )
        stalest_last = np.lexsort((tracks.ids, -tracks.seen_ns))
        self._tracks = tracks.take(stalest_last[: self.config.most])
        self._stamp_ns, self._next_id = stamp_ns, self._next_id + len(new)
        result = np.empty_like(ids)
        result[order] = ids
        return result

    def _remembered(self, found: Detections, stamp_ns: int) -> _Tracks:
        """Tracks that were seen not too long ago, and in the same space."""
        oldest_ns = stamp_ns - round(self.config.keep_s * 1e9)
        tracks = self._tracks
        if tracks is None or not (tracks.seen_ns >= oldest_ns).any():
            return _Tracks.begin(np.zeros(0, np.int64), found.take(np.arange(0)), stamp_ns)
        if found.points.shape[1] != tracks.points.shape[1]:
            raise ValueError(
                f"got points of {found.points.shape[1]} dimensions after "
                f"{tracks.points.shape[1]}: after a change of the model call restart() first"
            )
        return tracks.take(tracks.seen_ns >= oldest_ns)


def _associate(tracks: _Tracks, found: Detections, stamp_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (M,) of tracks, and those (M,) of the detections that show the same things."""
    boxes = tracks.boxes(stamp_ns)
    may_be = tracks.labels[:, None] == found.labels
    overlap = overlaps(boxes, found.boxes)
    if not tracks.points.shape[1]:
        return _pairs(np.where(may_be & (overlap >= _LEAST_OVERLAP), overlap, 0))
    looks = tracks.points @ found.points.T
    may_be |= looks >= _ALIKE
    # Looks weigh the overlap and are not added to it: in a row of like things, every pair with
    # little overlap would gain, and all would take their neighbours' places when one end goes.
    gain = overlap * np.maximum(looks, _LEAST_LOOKS)
    known, again = _pairs(np.where(may_be & (overlap >= _LEAST_OVERLAP), gain, 0))
    lost = np.setdiff1d(np.arange(len(boxes)), known)
    left = np.setdiff1d(np.arange(len(found)), again)
    # What looks like a thing that is still in its place may be another of its kind.
    left = left[looks[np.ix_(known, left)].max(0, initial=-1) < _SAME]
    rows, columns = _by_looks(boxes[lost], found.boxes[left], looks[np.ix_(lost, left)])
    return np.r_[known, lost[rows]], np.r_[again, left[columns]]


def _by_looks(
    expected: np.ndarray, boxes: np.ndarray, looks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of things that look the same; of several alike, the assignment with the shortest ways.

    Squares of the ways count, all in the same measure: like things that move together then keep
    their order.
    """
    ways = _places(expected)[:, None, :2] - _places(boxes)[None, :, :2]
    same = (looks >= _SAME) & np.isfinite(ways).all(2)
    if not same.any():
        return _pairs(np.zeros(same.shape))
    size = np.median(areas(expected[same.any(1)]))
    cost = (ways**2).sum(2) / max(size, 1.0) + (1 - looks) / (1 - _SAME)
    return _pairs(np.where(same, 1 + cost[same].max() - cost, 0))


def _pairs(gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the assignment with the greatest sum; those that gain nothing are out."""
    rows, columns = linear_sum_assignment(gain, maximize=True)
    gains = gain[rows, columns] > 0
    return rows[gains], columns[gains]


def _surest_first(found: Detections) -> np.ndarray:
    """An order that does not depend on the order they are in."""
    return np.lexsort((found.labels, *found.boxes.T, -found.scores))


def _places(boxes: np.ndarray) -> np.ndarray:
    """Centre, width and height (N, 4) float64 of boxes (N, 4)."""
    left_top, right_bottom = boxes[:, :2].astype(float), boxes[:, 2:].astype(float)
    return np.concatenate([(left_top + right_bottom) / 2, right_bottom - left_top], 1)
