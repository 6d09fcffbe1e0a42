"""What /tf and /tf_static say, taken into a tree of frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geometry_msgs.msg import TransformStamped

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import UNBOUNDED_NS, TransformEdge, TransformTree, hierarchy
from embodied_perception.stages.messages import stamp_ns, transform_from_message

#: Topic name to whether what it says holds at any time (and so is latched).
TRANSFORM_TOPICS = {"/tf": False, "/tf_static": True}


def learn_transform(tree: TransformTree, message: TransformStamped, static: bool) -> None:
    """Take one transform into a tree.

    Raises:
        GeometryError: it is no rotation, makes a loop, or lacks a name; says of which frames.
    """
    parent, child = message.header.frame_id, message.child_frame_id
    try:
        parent_from_child = transform_from_message(message)
        if static:
            tree.set_static(parent, child, parent_from_child)
        else:
            tree.set_dynamic(parent, child, stamp_ns(message.header), parent_from_child)
    except GeometryError as error:
        raise GeometryError(f"{parent} -> {child}: {error}") from error


@dataclass
class _Refusal:
    reason: str
    count: int = 0


class TransformHistory:
    """All that was said of frames, in a recording or while somebody listened, and its problems.

    Attributes:
        tree: of all frames; it forgets nothing.
        start_ns: what times are counted from, by the transforms' own clock.
        end_ns: what ages are counted from: the end of a recording, or now.
    """

    def __init__(self) -> None:
        self.tree = TransformTree(UNBOUNDED_NS)
        self.start_ns = 0
        self.end_ns = 0
        self._told: dict[str, set[tuple[str, bool]]] = {}  # child to (parent, whether static)
        self._refused: dict[tuple[str, str], _Refusal] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said, not even nonsense."""
        return not self.tree.frames() and not self._refused

    def take(self, messages: Iterable[TransformStamped], static: bool) -> None:
        """Take what a message of /tf or /tf_static says; what makes no sense is a problem."""
        for message in messages:
            # The tree strips a leading slash too, as tf2 does.
            parent = message.header.frame_id.removeprefix("/")
            child = message.child_frame_id.removeprefix("/")
            try:
                learn_transform(self.tree, message, static)
            except GeometryError as error:
                self._refused.setdefault((parent, child), _Refusal(str(error))).count += 1
            else:
                self._told.setdefault(child, set()).add((parent, static))

    def set_time(self, start_ns: int | None, end_ns: int) -> None:
        """Say when it began and ended; it begins with the first stamp where nothing else is known.

        Stamps that lie wholly elsewhere are of another clock, and decide: so it is where a
        simulation was recorded by the wall clock.
        """
        moving = [edge for edge in self.tree.edges() if not edge.static]
        first_ns = min((edge.earliest_ns for edge in moving), default=start_ns or end_ns)
        last_ns = max((edge.latest_ns for edge in moving), default=end_ns)
        if start_ns is None:
            start_ns = first_ns
        elif first_ns > end_ns or last_ns < start_ns:
            start_ns, end_ns = first_ns, last_ns
        self.start_ns, self.end_ns = start_ns, end_ns

    def seconds(self, stamp_ns: int) -> float:
        """A stamp in seconds after the start."""
        return (stamp_ns - self.start_ns) * 1e-9

    def problems(self) -> list[str]:
        """What is wrong with the frames, a sentence each."""
        edges = self.tree.edges()
        roots = [tree.frame for tree in hierarchy(edges)]
        found = []
        if len(roots) > 1:
            count = "two" if len(roots) == 2 else len(roots)
            found.append(
                f"{count} separate trees: publish a transform that connects them; their roots "
                f"are {', '.join(roots)}"
            )
        for child, told in sorted(self._told.items()):
            if len(told) > 1:
                known = " and ".join(self._span(edges, child, *each) for each in sorted(told))
                found.append(
                    f"{child} is said to be in {known}: the last word counts; unless it was handed "
                    "over, end one of the publishers"
                )
        found += [
            f"{edge.parent} -> {edge.child} comes without stamps: have its publisher set them"
            for edge in edges
            if not edge.static and edge.earliest_ns <= 0
        ]
        for refusal in self._refused.values():
            times = "once" if refusal.count == 1 else f"{refusal.count} times"
            found.append(f"BAD_TRANSFORM, {times}: {refusal.reason}")
        return found

    def _span(self, edges: list[TransformEdge], child: str, parent: str, static: bool) -> str:
        """A parent, and when it was one; a static word that was replaced leaves no time."""
        for edge in edges:
            if (edge.parent, edge.child, edge.static, static) == (parent, child, False, False):
                first, last = map(self.seconds, (edge.earliest_ns, edge.latest_ns))
                return f"{parent} ({first:.2f} to {last:.2f} s)"
        return f"{parent} ({'static' if static else 'moving'})"
