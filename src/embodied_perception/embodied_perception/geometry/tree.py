"""A tree of frames in time that answers as ``tf2::BufferCore`` does."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from embodied_perception.errors import GeometryError
from embodied_perception.geometry.hierarchy import TransformEdge
from embodied_perception.geometry.transform import Transform

LATEST = 0  # the stamp that asks for the latest time which all edges of a chain know
UNBOUNDED_NS = 2**63  # the cache_ns that forgets nothing: more than two stamps can differ


class TransformUnknown(GeometryError):  # noqa: N818 - reads as the state of the tree
    """A frame is not there, or (not yet) connected to the other one."""


class TransformExtrapolation(GeometryError):  # noqa: N818
    """The frames are connected, but not at the time asked for.

    Attributes:
        earliest_ns: first stamp known of the edge that refused.
        latest_ns: last stamp known of that edge; waiting helps when it is before the time asked.

    """

    def __init__(self, message: str, earliest_ns: int, latest_ns: int) -> None:
        super().__init__(message)
        self.earliest_ns = earliest_ns
        self.latest_ns = latest_ns


@dataclass(frozen=True, eq=False)
class _Sample:
    parent: str
    parent_from_child: Transform


@dataclass(eq=False)
class _Edge:
    """What is known of one child frame: samples in the order of their stamps.

    As in tf2 each sample names its own parent, so a frame can move to another parent and the
    past still answers with the former one.
    """

    static: bool
    stamps: list[int] = field(default_factory=list)
    samples: list[_Sample] = field(default_factory=list)

    def insert(self, stamp_ns: int, sample: _Sample, cache_ns: int) -> bool:
        if self.stamps and stamp_ns + cache_ns < self.stamps[-1]:
            return False
        index = bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            self.samples[index] = sample
            return True
        self.stamps.insert(index, stamp_ns)
        self.samples.insert(index, sample)
        expired = bisect_left(self.stamps, self.stamps[-1] - cache_ns)
        del self.stamps[:expired], self.samples[:expired]
        return True

    def latest(self) -> _Sample:
        return self.samples[-1]

    def at(self, stamp_ns: int) -> _Sample | None:
        """Return the sample at a time, interpolated, or None outside of what is known."""
        if self.static or stamp_ns == LATEST:
            return self.samples[-1]
        if not self.stamps[0] <= stamp_ns <= self.stamps[-1]:
            return None
        index = bisect_right(self.stamps, stamp_ns) - 1
        before = self.samples[index]
        if self.stamps[index] == stamp_ns:
            return before
        after = self.samples[index + 1]
        if before.parent != after.parent:
            return before
        span = self.stamps[index + 1] - self.stamps[index]
        fraction = (stamp_ns - self.stamps[index]) / span
        moved = before.parent_from_child.interpolate(after.parent_from_child, fraction)
        return _Sample(before.parent, moved)


class TransformTree:
    """Transforms between named frames over time, with the rules of tf2.

    A dynamic edge keeps ``cache_ns`` of samples and interpolates between two; a static edge
    holds at any time. Writers and readers may be on different threads.
    """

    def __init__(self, cache_ns: int = 10_000_000_000) -> None:
        self._cache_ns = cache_ns
        self._edges: dict[str, _Edge] = {}
        self._frames: set[str] = set()
        self._lock = threading.Lock()

    def set_static(self, parent: str, child: str, parent_from_child: Transform) -> None:
        """State where ``child`` always is, in place of all that was known of it.

        Raises:
            GeometryError: for an empty name, a frame that is its own parent, a loop, or a
                transform that is not rigid.

        """
        self._set(parent, child, LATEST, parent_from_child, static=True)

    def set_dynamic(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: Transform
    ) -> bool:
        """Add one sample; return False where it is older than the cache, and so ignored.

        Raises:
            GeometryError: as :meth:`set_static`.

        """
        return self._set(parent, child, stamp_ns, parent_from_child, static=False)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform:
        """``target_from_source`` at a time; ``stamp_ns=0`` asks for the latest common time.

        Raises:
            TransformUnknown: a frame does not exist, or no chain connects the two.
            TransformExtrapolation: an edge of the chain does not know that time.
            GeometryError: a name is empty or starts with a slash.

        """
        with self._lock:
            for frame in (target, source):
                self._require_known(frame)
            if target == source:
                return Transform.identity()
            if stamp_ns == LATEST:
                span_ns = self._known_span(target, source)
                stamp_ns = LATEST if span_ns is None else span_ns[1]
            return self._lookup_at(target, source, stamp_ns)

    def known_span_ns(self, target: str, source: str) -> tuple[int, int] | None:
        """First and last stamp at which all edges between two frames are known.

        None where all of them are static; the first is above the last where they share no time.

        Raises:
            TransformUnknown: as :meth:`lookup`.
            GeometryError: as :meth:`lookup`.

        """
        with self._lock:
            for frame in (target, source):
                self._require_known(frame)
            return self._known_span(target, source)

    def frames(self) -> list[str]:
        """Names of all frames, sorted."""
        with self._lock:
            return sorted(self._frames)

    def edges(self) -> list[TransformEdge]:
        """What is known of each frame, sorted by parent and child.

        A frame that moved from one parent to another has an edge for each.
        """
        with self._lock:
            edges = []
            for child, edge in self._edges.items():
                stamps: dict[str, list[int]] = {}
                for stamp_ns, sample in zip(edge.stamps, edge.samples, strict=True):
                    stamps.setdefault(sample.parent, []).append(stamp_ns)
                edges += [
                    TransformEdge(parent, child, edge.static, len(known), known[0], known[-1])
                    for parent, known in stamps.items()
                ]
            return sorted(edges)

    def clear(self) -> None:
        """Forget everything, for instance when time jumped back."""
        with self._lock:
            self._edges.clear()
            self._frames.clear()

    def clear_dynamic(self) -> None:
        """Forget where moving frames were; static ones, which are told only once, stay."""
        with self._lock:
            self._edges = {child: edge for child, edge in self._edges.items() if edge.static}
            parents = (edge.latest().parent for edge in self._edges.values())
            self._frames = {*self._edges, *parents}

    def _set(self, parent: str, child: str, stamp_ns: int, moved: Transform, static: bool) -> bool:
        # tf2 strips one leading slash here, and refuses it in look-ups.
        parent, child = parent.removeprefix("/"), child.removeprefix("/")
        if not parent or not child:
            raise GeometryError(f"got frames {parent!r} -> {child!r}, expected two names")
        if parent == child:
            raise GeometryError(f"got frame {child!r} as its own parent, expected another frame")
        try:
            moved.require_rigid()
        except GeometryError as error:
            raise GeometryError(f"transform {parent!r} -> {child!r}: {error}") from error
        with self._lock:
            edge = self._edges.get(child)
            if edge is None or edge.latest().parent != parent:
                self._refuse_loop(parent, child)
            if edge is None or static or edge.static:
                edge = self._edges[child] = _Edge(static)
            self._frames.update((parent, child))
            return edge.insert(stamp_ns, _Sample(parent, moved), self._cache_ns)

    def _refuse_loop(self, parent: str, child: str) -> None:
        """Tf2 notices a loop only in a look-up, when no frame of it can be used any more."""
        chain = self._chain(parent, _Edge.latest)
        if child in chain:
            loop = " -> ".join([*reversed(list(chain)[: list(chain).index(child) + 1]), child])
            raise GeometryError(f"{parent!r} -> {child!r} would close a loop: {loop}")

    def _chain(
        self, frame: str, choose: Callable[[_Edge], _Sample | None]
    ) -> dict[str, _Sample | None]:
        """From a frame towards its root: each frame with its edge's sample, None where it ends."""
        chain: dict[str, _Sample | None] = {}
        while frame not in chain:
            edge = self._edges.get(frame)
            sample = chain[frame] = choose(edge) if edge else None
            if sample is None:
                break
            frame = sample.parent
        return chain

    def _known_span(self, target: str, source: str) -> tuple[int, int] | None:
        """Return the latest first and the earliest last stamp of the moving edges between."""
        chains = [self._chain(frame, _Edge.latest) for frame in (target, source)]
        ancestor = next((frame for frame in chains[0] if frame in chains[1]), None)
        if ancestor is None:
            raise TransformUnknown(_disconnected(*chains))
        moving = []
        for chain in chains:
            for frame in chain:
                if frame == ancestor:
                    break
                if not self._edges[frame].static:
                    moving.append(self._edges[frame].stamps)
        if not moving:
            return None
        return max(stamps[0] for stamps in moving), min(stamps[-1] for stamps in moving)

    def _lookup_at(self, target: str, source: str, stamp_ns: int) -> Transform:
        def at_stamp(edge: _Edge) -> _Sample | None:
            return edge.at(stamp_ns)

        from_source = self._chain(source, at_stamp)
        from_target = self._chain(target, at_stamp)
        # Edges above the common ancestor may be unknown at this time: nobody needs them.
        ancestor = next((frame for frame in from_target if frame in from_source), None)
        if ancestor is None:
            for chain in (from_source, from_target):
                top = next(reversed(chain))
                if top in self._edges:
                    raise self._extrapolation(target, source, stamp_ns, top)
            raise TransformUnknown(_disconnected(from_target, from_source))
        return _climb(from_target, ancestor).inverse() @ _climb(from_source, ancestor)

    def _require_known(self, frame: str) -> None:
        if not frame or frame.startswith("/"):
            raise GeometryError(
                f"got frame {frame!r}, expected a name without a leading slash, "
                f"as in {frame.lstrip('/') or 'base_link'!r}"
            )
        if frame not in self._frames:
            known = ", ".join(sorted(self._frames)) or "none"
            raise TransformUnknown(f"frame {frame!r} does not exist; known frames: {known}")

    def _extrapolation(
        self, target: str, source: str, stamp_ns: int, child: str
    ) -> TransformExtrapolation:
        edge = self._edges[child]
        earliest, latest = edge.stamps[0], edge.stamps[-1]
        direction = "future" if stamp_ns > latest else "past"
        return TransformExtrapolation(
            f"{target!r} from {source!r} at {_seconds(stamp_ns)} needs extrapolation into the "
            f"{direction}: {edge.latest().parent!r} -> {child!r} is known in "
            f"[{_seconds(earliest)}, {_seconds(latest)}]",
            earliest,
            latest,
        )


def _climb(chain: dict[str, _Sample | None], ancestor: str) -> Transform:
    """``ancestor_from_frame`` of the frame that a chain starts at."""
    moved = Transform.identity()
    for frame, sample in chain.items():
        if frame == ancestor or sample is None:
            break
        moved = sample.parent_from_child @ moved
    return moved


def _disconnected(*chains: dict[str, _Sample | None]) -> str:
    (target, root_of_target), (source, root_of_source) = (
        (next(iter(chain)), next(reversed(chain))) for chain in chains
    )
    return (
        f"{target!r} and {source!r} are in two separate trees: the first ends in "
        f"{root_of_target!r}, the second in {root_of_source!r}; publish a transform that connects "
        "them"
    )


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d} s"
