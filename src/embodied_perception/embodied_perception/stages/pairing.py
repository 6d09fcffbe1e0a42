"""Sets of messages that belong to one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Stamped(Protocol):
    """What was taken at a time."""

    @property
    def stamp_ns(self) -> int:
        """When."""


StampedT = TypeVar("StampedT", bound=Stamped)

#: A stamp that goes back by less is a straggler and is dropped; by more, time has started anew
#: (a bag that loops, a simulation that was reset).
RESTART_NS = 500_000_000

_MAY_COME, _TOO_FAR = -1, -2  # in place of a place in a queue


@dataclass(frozen=True)
class _Waiting(Generic[ItemT]):
    stamp_ns: int
    soonest_ns: int  # where the stream's next stamp is expected at the earliest
    item: ItemT


@dataclass
class _Stream(Generic[ItemT]):
    queue: deque[_Waiting[ItemT]] = field(default_factory=deque)
    last_ns: int | None = None
    period_ns: int | None = None  # the smallest gap between two stamps so far


class StampPairer(Generic[ItemT]):
    """Pairs streams by nearest stamp, whatever the order in which their messages arrive.

    The first stream leads: each of its items is given out once, together with the nearest item of
    every other stream, if that is within the tolerance. An item waits until no nearer partner can
    come any more: two stamps of a stream are taken to be half its smallest gap so far apart, or
    more. What is paired depends on the stamps alone, not on when the messages arrive.

    Args:
        names: of the streams, the leading one first.
        tolerance_ns: how far apart the stamps of a set may be.
        drop: told a reason code and a sentence for every item that cannot be used.
        capacity: items that wait in one stream at the most.
    """

    def __init__(
        self,
        names: Sequence[str],
        tolerance_ns: int,
        drop: Callable[[str, str], None],
        capacity: int = 30,
    ) -> None:
        self._streams: dict[str, _Stream[ItemT]] = {name: _Stream() for name in names}
        self._leader = names[0]
        self._tolerance_ns = tolerance_ns
        self._drop = drop
        self._capacity = capacity
        self._finished = False

    def push(self, name: str, stamp_ns: int, item: ItemT) -> list[tuple[int, dict[str, ItemT]]]:
        """Take an item; returns the sets that became complete, with the leader's stamp."""
        stream = self._streams[name]
        if not self._is_new(name, stream, stamp_ns):
            return []
        if stream.last_ns is not None and stamp_ns > stream.last_ns:
            gap_ns = stamp_ns - stream.last_ns
            stream.period_ns = min(gap_ns, stream.period_ns or gap_ns)
        stream.last_ns = stamp_ns
        soonest_ns = stamp_ns + max(1, (stream.period_ns or 0) // 2)
        stream.queue.append(_Waiting(stamp_ns, soonest_ns, item))
        complete = []
        while (found := self._next()) is not None:
            complete.append(found)
        self._bound(name, stream)
        return complete

    def finish(self) -> list[tuple[int, dict[str, ItemT]]]:
        """Say that nothing more comes; returns the sets that waited for something nearer."""
        self._finished = True
        return list(iter(self._next, None))

    def _is_new(self, name: str, stream: _Stream[ItemT], stamp_ns: int) -> bool:
        if stamp_ns <= 0:
            self._drop("NO_STAMP", f"{name}: the header's stamp is not set")
            return False
        if stream.last_ns is None or stamp_ns > stream.last_ns:
            return True
        if stamp_ns == stream.last_ns:
            self._drop("DUPLICATE", f"{name}: stamp {stamp_ns} ns came twice")
            return False
        if stream.last_ns - stamp_ns < RESTART_NS:
            back_ms = (stream.last_ns - stamp_ns) / 1e6
            self._drop("OUT_OF_ORDER", f"{name}: stamp is {back_ms:.1f} ms before the last one")
            return False
        # Time has started anew: what waits from before it can never be paired.
        for other_name, other in self._streams.items():
            # Another stream may have started anew already, and be a little ahead.
            limit_ns = stamp_ns if other is stream else stamp_ns + RESTART_NS
            while other.queue and other.queue[-1].stamp_ns > limit_ns:
                other.queue.pop()
                if other_name == self._leader:
                    self._drop("UNPAIRED", f"{other_name}: time went back before a partner came")
        return True

    def _next(self) -> tuple[int, dict[str, ItemT]] | None:
        leader = self._streams[self._leader].queue
        while leader:
            stamp_ns = leader[0].stamp_ns
            partners = {
                name: self._nearest(name, stamp_ns)
                for name in self._streams
                if name != self._leader
            }
            if _MAY_COME in partners.values():
                return None
            items = {self._leader: leader.popleft().item}
            missing = [name for name, place in partners.items() if place == _TOO_FAR]
            if missing:
                self._drop(
                    "UNPAIRED",
                    f"no {missing[0]} within {self._tolerance_ns / 1e6:g} ms of {self._leader}: "
                    "check that both cameras run, or raise sync_tolerance_s",
                )
                continue
            items |= {name: self._take(name, place) for name, place in partners.items()}
            return stamp_ns, items
        return None

    def _nearest(self, name: str, stamp_ns: int) -> int:
        """Place of the nearest item in a stream's queue, or why there is none."""
        best, gap_ns = _TOO_FAR, self._tolerance_ns + 1
        for place, waiting in enumerate(self._streams[name].queue):
            if abs(waiting.stamp_ns - stamp_ns) < gap_ns:
                best, gap_ns = place, abs(waiting.stamp_ns - stamp_ns)
            if waiting.soonest_ns - stamp_ns >= gap_ns:
                return best  # whatever comes next is farther away
        return best if self._finished else _MAY_COME

    def _take(self, name: str, place: int) -> ItemT:
        queue = self._streams[name].queue
        for _ in range(place):
            queue.popleft()
        return queue.popleft().item

    def _bound(self, name: str, stream: _Stream[ItemT]) -> None:
        while len(stream.queue) > self._capacity:
            stream.queue.popleft()
            others = [other for other in self._streams if not self._streams[other].queue]
            self._drop("UNPAIRED", f"{name} comes, but {' and '.join(others) or 'no partner'} not")


def sets_of(
    items: Iterable[tuple[str, StampedT]],
    names: Sequence[str],
    tolerance_ns: int,
    drop: Callable[[str, str], None],
) -> Iterator[tuple[StampedT, ...]]:
    """Yield what belongs to one moment, in the order of ``names``; arguments as `StampPairer`'s."""
    pairer: StampPairer[StampedT] = StampPairer(names, tolerance_ns, drop)
    for name, item in items:
        for _, found in pairer.push(name, item.stamp_ns, item):
            yield tuple(found[each] for each in names)
    for _, found in pairer.finish():
        yield tuple(found[each] for each in names)
