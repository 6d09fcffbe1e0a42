"""`perception replay`: run stages over a bag, every frame, as fast as it goes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from embodied_perception.bags.replay import Replay, ReplaySummary
from embodied_perception.cli.parameters import remappings, stage_config
from embodied_perception.stages import DEFAULT_STAGES, STAGES, stage_type

SUMMARY = "run stages over a bag at full speed; the same bytes every time"

_EPILOG = """\
No frame is left out, and a second run writes the same bytes. The output holds the bag's own
messages and those of the stages, with /diagnostics saying what could not be used and why.

Examples:
  perception replay desk.mcap -o out.mcap
  perception replay robot_bag/ -o out.mcap --remap camera/color/image_raw:=/rgb/image \\
      --remap camera/color/camera_info:=/rgb/camera_info --param base_frame:=chassis
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("bag", type=Path, metavar="BAG", help="an .mcap, a .db3, or a bag's folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.mcap", help="what to write"
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=list(STAGES),
        default=list(DEFAULT_STAGES),
        help=f"default: {' '.join(DEFAULT_STAGES)}",
    )
    parser.add_argument(
        "--params", type=Path, metavar="YAML", help="a ROS parameter file, as the nodes take it"
    )
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME:=VALUE", help="one parameter"
    )
    parser.add_argument(
        "--remap", action="append", default=[], metavar="TOPIC:=/TOPIC", help="a topic of the bag"
    )
    parser.add_argument(
        "--raw", action="store_true", help="write the stages' images raw, not as JPEG and PNG"
    )
    parser.add_argument(
        "--results-only", action="store_true", help="leave out the bag's own messages"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay and say what came out."""
    console = Console(stderr=True)
    stages = [
        (stage, stage_config(stage, arguments.params, arguments.param))
        for stage in map(stage_type, arguments.stages)
    ]
    replay = Replay(arguments.bag, stages, remappings(arguments.remap))
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    start = time.perf_counter()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(arguments.bag.name, total=replay.message_count)
        summary = replay.run(
            arguments.output,
            copy=not arguments.results_only,
            raw=arguments.raw,
            progress=lambda done: progress.update(task, completed=done),
        )
    _show(summary, time.perf_counter() - start, arguments.output)
    return 0


def _show(summary: ReplaySummary, seconds: float, output: Path) -> None:
    table = Table("stage", "frames", "frames/s", "not used, by reason")
    for stage in summary.stages:
        dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(stage.dropped.items()))
        rate = f"{stage.processed / seconds:.1f}"
        table.add_row(stage.name, str(stage.processed), rate, dropped or "none")
    console = Console()
    console.print(table)
    for stage in summary.stages:
        if stage.note:
            console.print(f"[yellow]{stage.name}:[/] {stage.note}", soft_wrap=True)
        if stage.last_problem:
            console.print(f"last problem of {stage.name}: {stage.last_problem}", soft_wrap=True)
    for topic, reason in summary.skipped.items():
        console.print(f"[yellow]{topic}[/]: {reason}", soft_wrap=True)
    if summary.damage:
        console.print(f"[yellow]the bag is damaged:[/] {summary.damage}", soft_wrap=True)
    size = output.stat().st_size / 1e6
    console.print(f"{output}: {summary.written} messages, {size:.1f} MB in {seconds:.1f} s")
