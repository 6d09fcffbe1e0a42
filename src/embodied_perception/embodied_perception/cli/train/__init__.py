"""`perception train`: models made of one's own photos, one subcommand for each kind."""

from __future__ import annotations

import argparse

from embodied_perception.cli.subcommands import add_subcommands
from embodied_perception.cli.train import words

SUMMARY = "make a model of your own photos"

_KINDS = {"words": words}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, _KINDS, title="what to train", metavar="KIND")


def run(arguments: argparse.Namespace) -> int:
    """Train what the subcommand says."""
    return arguments.subcommand(arguments)
