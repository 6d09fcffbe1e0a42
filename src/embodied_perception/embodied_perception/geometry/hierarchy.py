"""Which frame hangs on which: the edges of a transform tree, and the trees that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class TransformEdge:
    """What a tree knows of a frame in one parent.

    Attributes:
        parent: the frame that it hangs on.
        child: the frame itself.
        static: whether it holds at any time; then both stamps are 0.
        samples: how many transforms are kept.
        earliest_ns: stamp of the first of them.
        latest_ns: stamp of the last of them.

    """

    parent: str
    child: str
    static: bool
    samples: int
    earliest_ns: int
    latest_ns: int

    @property
    def rate_hz(self) -> float | None:
        """Transforms a second; None of a static edge, and of one with a single stamp."""
        span_ns = self.latest_ns - self.earliest_ns
        return (self.samples - 1) / (span_ns * 1e-9) if span_ns else None


@dataclass(frozen=True)
class FrameNode:
    """A frame with all that hangs on it.

    Attributes:
        frame: its name.
        edge: to its parent, None at a root.
        children: the frames that hang on it, sorted by name.

    """

    frame: str
    edge: TransformEdge | None
    children: tuple[FrameNode, ...]

    def walk(self, depth: int = 0) -> Iterator[tuple[int, FrameNode]]:
        """Each frame with its depth below this one: parents first, then as in ``children``."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def hierarchy(edges: Iterable[TransformEdge]) -> list[FrameNode]:
    """The trees that edges make, sorted by the name of their roots.

    A frame that had several parents hangs on the one of its latest stamp.
    """
    edges = list(edges)
    present: dict[str, TransformEdge] = {}
    for edge in edges:
        known = present.get(edge.child)
        if known is None or edge.latest_ns > known.latest_ns:
            present[edge.child] = edge
    hanging: dict[str, list[TransformEdge]] = {}
    for edge in present.values():
        hanging.setdefault(edge.parent, []).append(edge)

    def node(frame: str) -> FrameNode:
        below = sorted(hanging.get(frame, []), key=lambda edge: edge.child)
        return FrameNode(frame, present.get(frame), tuple(node(edge.child) for edge in below))

    return [node(root) for root in sorted({edge.parent for edge in edges} - present.keys())]
