"""`perception models`: which there are, what they cost here, and in which form they run."""

from __future__ import annotations

import argparse

from embodied_perception.cli.models import check, export, pull
from embodied_perception.cli.models import list as list_
from embodied_perception.cli.subcommands import add_subcommands

SUMMARY = "list, download, measure and export models"

_ACTIONS = {"list": list_, "pull": pull, "check": check, "export": export}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, _ACTIONS, title="what to do", metavar="ACTION")


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return arguments.subcommand(arguments)
