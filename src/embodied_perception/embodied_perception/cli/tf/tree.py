"""`perception tf tree`: which frame hangs on which, how it is kept up, and what is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from embodied_perception.cli.tf import source
from embodied_perception.evaluation import plot_frames
from embodied_perception.geometry import FrameNode, TransformEdge, hierarchy

SUMMARY = "print the tree of frames with rates and ages, and what is wrong with it"

EPILOG = """\
The picture of -o has the tree on the left, and on the right the frames in space.

Examples:
  perception tf tree robot_bag/
  perception tf tree out.mcap -o tree.png --at 2.5
  perception tf tree --wait 5
"""

_WIDE = 250
_ANOTHER_CLOCK_S = 1e6


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    source.configure(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PICTURE", help="write a picture (.png, .svg, .pdf)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the trees, the problems, and write the picture."""
    found = source.read(arguments)
    # A file may be as wide as it must.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    console.print(
        f"{found.name}: {len(found.history.tree.frames())} frames", soft_wrap=True, markup=False
    )
    for root in hierarchy(found.history.tree.edges()):
        console.print(_branch(root, found))
    for problem in [*found.history.problems(), *found.problems]:
        console.print(Text.assemble(("problem: ", "yellow"), problem), soft_wrap=True)
    if arguments.output is not None:
        title = f"{found.name}, {found.moment}"
        plot_frames(found.history.tree, arguments.output, title, found.stamp_ns)
        print(f"wrote {arguments.output}")
    return 0


def _branch(node: FrameNode, found: source.Source) -> Tree:
    branch = Tree(Text("  ").join([Text(node.frame, "bold"), *_remark(node, found)]))
    for child in node.children:
        branch.children.append(_branch(child, found))
    return branch


def _remark(node: FrameNode, found: source.Source) -> list[Text]:
    """How a frame is kept up: for ever, or how often, from when to when, and how long ago."""
    edge = node.edge
    if edge is None:
        return []
    if edge.static:
        return [Text("static", "green")]
    rate = "once" if edge.rate_hz is None else f"{edge.rate_hz:.1f} Hz"
    first_s, last_s = map(found.history.seconds, (edge.earliest_ns, edge.latest_ns))
    return [
        Text(
            f"dynamic, {rate}, {edge.samples} transforms, {first_s:.2f} to {last_s:.2f} s, "
            f"the last {_age(edge, found)}",
            "cyan",
        )
    ]


def _age(edge: TransformEdge, found: source.Source) -> str:
    age_s = (found.history.end_ns - edge.latest_ns) * 1e-9
    if abs(age_s) > _ANOTHER_CLOCK_S:
        return "stamped by another clock"
    late, early = ("ago", "from now") if found.is_live else ("before the end", "after the end")
    return f"{abs(age_s):.2f} s {early if age_s < 0 else late}"
