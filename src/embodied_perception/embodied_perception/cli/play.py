"""`perception play`: publish a bag on the graph, with /clock."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn

from embodied_perception.errors import ConfigError
from embodied_perception.ros.player import BagPlayer

SUMMARY = "publish a bag on the graph in real time, with /clock"

_EPILOG = """\
Latched topics (such as /tf_static) are published first. Run the nodes that listen with
`use_sim_time:=true`, so that they take the time from /clock.

Examples:
  perception play desk.mcap
  perception play desk.mcap --rate 0.5 --wait-for /camera/color/image_raw/compressed
  perception play desk.mcap --loop
"""

_DISCOVERY_S = 1.0
_INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("bag", type=Path, metavar="BAG", help="an .mcap, a .db3, or a bag's folder")
    parser.add_argument(
        "--rate", type=float, default=1.0, metavar="R", help="times real time; default: 1"
    )
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    parser.add_argument(
        "--wait-for",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="do not start before each of these has a subscriber",
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="of --wait-for; default: 30"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play until the end, or until Ctrl-C with --loop."""
    if not 0 < arguments.rate < float("inf"):
        raise ConfigError(f"--rate: got {arguments.rate:g}, expected more than 0")
    console = Console(stderr=True)
    rclpy.init()
    try:
        player = BagPlayer(arguments.bag)
        for topic in player.unknown:
            console.print(f"[yellow]left out:[/] {topic}: its package is not installed")
        _wait(player, arguments.wait_for, arguments.timeout)
        _play(player, arguments, console)
    except (ExternalShutdownException, RuntimeError):  # rclpy's own errors are RuntimeErrors
        if rclpy.ok():
            raise
        return _INTERRUPTED
    finally:
        rclpy.try_shutdown()
    return 0


def _wait(player: BagPlayer, topics: list[str], timeout_s: float) -> None:
    if missing := sorted(set(topics) - player.topics):
        known = ", ".join(sorted(player.topics))
        raise ConfigError(f"--wait-for: no topic {missing[0]} in the bag; it holds {known}")
    deadline = time.monotonic() + timeout_s
    while unheard := player.unheard(topics):
        if time.monotonic() > deadline:
            raise ConfigError(f"nobody subscribed to {', '.join(unheard)} within {timeout_s:g} s")
        time.sleep(0.02)
    time.sleep(_DISCOVERY_S)


def _play(player: BagPlayer, arguments: argparse.Namespace, console: Console) -> None:
    while True:
        damage = _play_once(player, arguments, console)
        if damage:
            console.print(f"[yellow]the bag is damaged:[/] {damage}", soft_wrap=True)
        if not arguments.loop:
            # What was sent last must not be lost with its publishers.
            time.sleep(_DISCOVERY_S)
            return


def _play_once(player: BagPlayer, arguments: argparse.Namespace, console: Console) -> str | None:
    columns = ("{task.description}", BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(arguments.bag.name, total=player.message_count)
        return player.play(arguments.rate, lambda done: progress.update(task, completed=done))
