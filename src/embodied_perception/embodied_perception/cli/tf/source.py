"""Where the transforms come from, and at what time: what `tree` and `lookup` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from embodied_perception.bags.transforms import read_transforms
from embodied_perception.errors import ConfigError
from embodied_perception.geometry import LATEST
from embodied_perception.ros.transforms import hear_transforms
from embodied_perception.stages.transforms import TransformHistory

#: Larger numbers of seconds are stamps: a bag of eleven days has not been seen, 1970 is over.
_LEAST_STAMP_S = 1_000_000
_MOST_S = 2**31  # what a stamp can hold


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the bag, the time, and the patience."""
    parser.add_argument(
        "bag",
        type=Path,
        nargs="?",
        metavar="BAG",
        help="an .mcap, a .db3, or a bag's folder; default: listen to the graph",
    )
    parser.add_argument(
        "--at",
        default="latest",
        metavar="T",
        help="seconds after the bag's start; a stamp in seconds, if above 1e6 or on the graph; or "
        "latest (the default)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=2.0,
        metavar="S",
        help="how long to listen to the graph, once something is heard; default: 2",
    )


@dataclass(frozen=True)
class Source:
    """What was read or heard.

    Attributes:
        name: of the bag, or of the graph.
        is_live: whether it is the graph.
        history: the transforms.
        problems: of the bag itself.
        stamp_ns: the time that is asked for.
    """

    name: str
    is_live: bool
    history: TransformHistory
    problems: list[str]
    stamp_ns: int

    @property
    def moment(self) -> str:
        """The time that is asked for, in few words."""
        if self.stamp_ns == LATEST:
            return "latest"
        if self.is_live:
            return f"at {self.stamp_ns * 1e-9:.3f} s"
        return f"{self.history.seconds(self.stamp_ns):.3f} s after its start"

    def describe(self, stamp_ns: int) -> str:
        """A stamp in words."""
        stamp = f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d} s"
        if self.is_live:
            return stamp
        return f"{stamp} ({self.history.seconds(stamp_ns):.3f} s after the bag's start)"


def read(
    arguments: argparse.Namespace,
    is_enough: Callable[[TransformHistory, int], bool] | None = None,
) -> Source:
    """Read the bag, or listen to the graph.

    Args:
        arguments: as :func:`configure` declares them.
        is_enough: asked while listening, with the time that is wanted; ends it.

    Raises:
        ConfigError: the time or the patience makes no sense.
        PerceptionError: there are no transforms.
    """
    at_s = _seconds(arguments.at)
    if not 0 < arguments.wait < float("inf"):
        raise ConfigError(f"--wait: got {arguments.wait:g}, expected seconds, more than 0")
    console = Console(stderr=True)
    # Where nobody looks, a bar would leave an empty line behind.
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        if arguments.bag is not None:
            task = progress.add_task(arguments.bag.name, total=None)
            history, problems = read_transforms(
                arguments.bag,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
            stamp_ns = _stamp_ns(at_s, history.start_ns)
            return Source(arguments.bag.name, False, history, problems, stamp_ns)
        task = progress.add_task("listening to /tf and /tf_static", total=1)
        stamp_ns = _stamp_ns(at_s, None)
        history = hear_transforms(
            arguments.wait,
            is_enough and (lambda heard: is_enough(heard, stamp_ns)),
            lambda part: progress.update(task, completed=part),
        )
        return Source("the graph", True, history, [], stamp_ns)


def _seconds(text: str) -> Decimal | None:
    """The seconds of --at, exactly, which a float could not hold; None for the latest."""
    if text == "latest":
        return None
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        seconds = Decimal("nan")
    if not seconds.is_finite() or not 0 <= seconds < _MOST_S:
        raise ConfigError(
            f"--at: got {text.strip()!r}, expected seconds after the bag's start, a stamp in "
            "seconds, or latest; as in --at 2.5"
        )
    return seconds


def _stamp_ns(seconds: Decimal | None, start_ns: int | None) -> int:
    if seconds is None:
        return LATEST
    stamp_ns = int(seconds.scaleb(9))
    is_stamp = start_ns is None or seconds > _LEAST_STAMP_S
    # 0 asks for the latest: the start of a bag at 0 is a nanosecond later.
    return max(stamp_ns if is_stamp else (start_ns or 0) + stamp_ns, 1)
