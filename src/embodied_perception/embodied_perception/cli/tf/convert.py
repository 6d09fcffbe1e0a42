"""`perception tf convert`: a rotation from one convention to the others."""

from __future__ import annotations

import argparse
import textwrap

import numpy as np
from rich.console import Console

from embodied_perception.cli.tf.rotations import (
    EULER_AXES,
    EULER_KEY,
    convention_of,
    rotation_table,
)
from embodied_perception.geometry import ROTATIONS

SUMMARY = "print a rotation in every convention"

_KEYS = "\n".join(f"  {key:16} {convention.meaning}" for key, convention in ROTATIONS.items())
_AXES = textwrap.fill(" ".join(EULER_AXES), 80, initial_indent="  ", subsequent_indent="  ")
EPILOG = f"""\
KEY is one of
{_KEYS}
or {EULER_KEY}: three angles about AXES as the package
tf_transformations names them, s for fixed and r for turned axes (rpy is sxyz):
{_AXES}

Examples:
  perception tf convert rpy_deg -90 0 -90
  perception tf convert quaternion_wxyz 0.707107 0 0 0.707107 --to euler_rzyx_deg
  perception tf convert matrix 0 -1 0 1 0 0 0 0 1
"""

_DECIMALS = 12  # what follows is rounding


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("key", metavar="KEY", help="the convention of the numbers")
    parser.add_argument("numbers", nargs="+", metavar="NUMBER", help="the rotation")
    parser.add_argument(
        "--to", metavar="KEY", help="print only the numbers of this convention, for scripts"
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert and print."""
    convention = convention_of(arguments.key)
    wanted = None if arguments.to is None else convention_of(arguments.to)
    rotation = convention.read([word.strip() for word in arguments.numbers], arguments.key)
    if wanted is None:
        conventions = {**ROTATIONS, arguments.key: convention}
        Console(highlight=False).print(rotation_table(rotation, conventions))
    else:
        numbers = np.round(wanted.write(rotation), _DECIMALS) + 0.0  # no -0
        print(*numbers.tolist())
    return 0
