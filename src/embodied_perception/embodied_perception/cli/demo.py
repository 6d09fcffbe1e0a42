"""`perception demo`: a recorded camera through real nodes, shown live, then a report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_path
from rich.console import Console
from rich.live import Live

from embodied_perception.bags.trajectories import read_trajectory
from embodied_perception.cli.evaluate.odometry import error_table, write_errors
from embodied_perception.demo.report import write_report
from embodied_perception.demo.run import run_demo
from embodied_perception.demo.watch import Watch
from embodied_perception.errors import BagError, ConfigError
from embodied_perception.evaluation import evaluate_trajectory

SUMMARY = "play a recorded camera through the nodes, show it live, and write a report"

_EPILOG = """\
A player and the odometry node run as processes of their own on a ROS graph (localhost only unless
ROS_AUTOMATIC_DISCOVERY_RANGE says otherwise), so RViz can look at it meanwhile.

Examples:
  perception demo
  perception demo --rate 2 -o /tmp/demo
"""

_BAG = Path("demo") / "demo_room.mcap"
_TICK_S = 0.25
_LINE_EVERY_S = 4.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/demo"),
        metavar="DIR",
        help="default: out/demo",
    )
    parser.add_argument(
        "--rate", type=float, default=1.0, metavar="R", help="times real time; default: 1"
    )
    parser.add_argument(
        "--bag", type=Path, metavar="BAG", help="another recording, with ground truth"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and write its report."""
    if not 0 < arguments.rate < float("inf"):
        raise ConfigError(f"--rate: got {arguments.rate:g}, expected more than 0")
    console = Console()
    bag_path = (arguments.bag or _demo_bag()).resolve()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.mcap"
    watch = Watch()
    console.print(f"Playing [bold]{bag_path.name}[/] through the node `odometry` on ROS topics.")
    with Live(watch.table(), console=console, refresh_per_second=4) as live:
        run_demo(bag_path, output, arguments.rate, watch, _ticker(live, watch, console))
        live.update(watch.table())
    console.print()

    estimate = read_trajectory(output, "/odom")
    errors = evaluate_trajectory(estimate, read_trajectory(output, "/ground_truth/odom"))
    write_errors(errors, folder, "demo")
    page = write_report(output, errors, dict(watch.states), folder)
    console.print(error_table(errors, len(estimate)))
    console.print(f"Report: {page}\nPictures: {folder}/*.png, *.jpg\nRecording: {output}")
    return 0


def _ticker(live: Live, watch: Watch, console: Console) -> Callable[[], None]:
    last_line = time.monotonic()

    def tick() -> None:
        nonlocal last_line
        time.sleep(_TICK_S)
        if console.is_terminal:
            live.update(watch.table())
        elif time.monotonic() - last_line > _LINE_EVERY_S:
            last_line = time.monotonic()
            console.print(watch.line())

    return tick


def _demo_bag() -> Path:
    try:
        path = get_package_share_path("embodied_perception_bringup") / _BAG
    except (PackageNotFoundError, OSError) as error:
        raise BagError(
            "the demo's recording is not installed: build the workspace with ./run setup, or name "
            "a recording with --bag"
        ) from error
    if not path.is_file():
        raise BagError(f"{path}: the demo's recording is missing: ./run setup, or --bag")
    return path
