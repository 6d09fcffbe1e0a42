"""`perception calibrate`: cameras, and how sure words are; a subcommand for each thing to find."""

from __future__ import annotations

import argparse

from embodied_perception.cli.calibrate import board, camera, check, hand_eye, stereo, words
from embodied_perception.cli.subcommands import add_subcommands

SUMMARY = (
    "find a camera's intrinsics, a pair's geometry, a camera's place on a robot; check them; how "
    "sure words may be"
)

_KINDS = {
    "camera": camera,
    "stereo": stereo,
    "hand-eye": hand_eye,
    "board": board,
    "check": check,
    "words": words,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, _KINDS, title="what to do", metavar="KIND")


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return arguments.subcommand(arguments)
