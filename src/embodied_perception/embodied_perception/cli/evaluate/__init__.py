"""`perception evaluate`: results against ground truth, one subcommand for each kind of result."""

from __future__ import annotations

import argparse

from embodied_perception.cli.evaluate import classification, detection, odometry, segmentation
from embodied_perception.cli.subcommands import add_subcommands

SUMMARY = "compare results with ground truth"

_KINDS = {
    "odometry": odometry,
    "detection": detection,
    "segmentation": segmentation,
    "classification": classification,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, _KINDS, title="what to evaluate", metavar="KIND")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate what the subcommand says."""
    return arguments.subcommand(arguments)
