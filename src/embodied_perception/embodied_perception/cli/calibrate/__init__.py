"""`perception calibrate`: cameras, one subcommand for each thing to find."""

from __future__ import annotations

import argparse

from embodied_perception.cli.calibrate import board, camera, check, hand_eye, stereo

SUMMARY = "find a camera's intrinsics, a pair's geometry, a camera's place on a robot; check them"

_KINDS = {
    "camera": camera,
    "stereo": stereo,
    "hand-eye": hand_eye,
    "board": board,
    "check": check,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(title="what to do", metavar="KIND", required=True)
    for name, kind in _KINDS.items():
        subparser = kinds.add_parser(
            name,
            help=kind.SUMMARY,
            description=f"{kind.SUMMARY[:1].upper()}{kind.SUMMARY[1:]}.",
            epilog=kind.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        kind.configure(subparser)
        subparser.set_defaults(calibrate=kind.run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the subcommand says."""
    return arguments.calibrate(arguments)
