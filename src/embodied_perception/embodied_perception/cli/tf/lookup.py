"""`perception tf lookup`: where one frame is in another."""

from __future__ import annotations

import argparse
import json

import numpy as np
from rich.console import Console

from embodied_perception.cli.tf import source
from embodied_perception.cli.tf.rotations import numbers_text, rotation_table
from embodied_perception.errors import ConfigError, GeometryError
from embodied_perception.geometry import (
    LATEST,
    ROTATIONS,
    Transform,
    TransformExtrapolation,
    TransformUnknown,
)
from embodied_perception.stages.transforms import TransformHistory

SUMMARY = "print where one frame is in another, with the rotation in every convention"

EPILOG = """\
Examples:
  perception tf lookup base_link camera_color_optical_frame robot_bag/
  perception tf lookup odom base_link out.mcap --at 2.5 --json
  perception tf lookup map base_link
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="TARGET", help="the frame that is looked from")
    parser.add_argument("source", metavar="SOURCE", help="the frame that is looked for")
    source.configure(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(arguments: argparse.Namespace) -> int:
    """Look up and print."""
    target, child = arguments.target, arguments.source
    if target == child:
        raise ConfigError(
            f"got {target!r} twice, expected two frames; a frame in itself is where it is"
        )

    def is_enough(history: TransformHistory, stamp_ns: int) -> bool:
        try:
            history.tree.lookup(target, child, stamp_ns)
        except (TransformUnknown, TransformExtrapolation):
            return False
        return True

    found = source.read(arguments, is_enough)
    target_from_source, stamp_ns = _look_up(found, target, child)
    if arguments.json:
        print(json.dumps(_as_json(target, child, stamp_ns, target_from_source)))
    else:
        _show(found, target, child, stamp_ns, target_from_source)
    return 0


def _look_up(found: source.Source, target: str, child: str) -> tuple[Transform, int | None]:
    """target_from_source, and the stamp that it is of; None where it holds at any time."""
    tree = found.history.tree
    try:
        target_from_source = tree.lookup(target, child, found.stamp_ns)
    except TransformExtrapolation as error:
        raise GeometryError(f"{error}; {_known(found, target, child)}") from error
    if found.stamp_ns != LATEST:
        return target_from_source, found.stamp_ns
    span_ns = tree.known_span_ns(target, child)
    return target_from_source, None if span_ns is None else span_ns[1]


def _known(found: source.Source, target: str, child: str) -> str:
    """When a look-up would answer."""
    try:
        span_ns = found.history.tree.known_span_ns(target, child)
    except TransformUnknown as error:
        return str(error)
    if span_ns is None or span_ns[0] > span_ns[1]:
        return "there is no time at which all transforms between them are known"
    first, last = map(found.describe, span_ns)
    return f"{child} in {target} is known from {first} to {last}"


def _as_json(
    target: str, child: str, stamp_ns: int | None, target_from_source: Transform
) -> dict[str, object]:
    return {
        "target": target,
        "source": child,
        "stamp_ns": stamp_ns,
        "translation_m": _plain(target_from_source.translation),
        "rotation": {
            key: _plain(convention.write(target_from_source.rotation))
            for key, convention in ROTATIONS.items()
        },
        "matrix": _plain(target_from_source.matrix),
    }


def _plain(numbers: np.ndarray) -> list:
    return (numbers + 0.0).tolist()  # no -0


def _show(
    found: source.Source,
    target: str,
    child: str,
    stamp_ns: int | None,
    target_from_source: Transform,
) -> None:
    console = Console(highlight=False, markup=False)
    when = "at any time" if stamp_ns is None else f"at {found.describe(stamp_ns)}"
    origin = numbers_text(target_from_source.translation, ", ")
    console.print(f"{target}_from_{child} {when}", soft_wrap=True)
    console.print(f"\nt, the translation in metres: {origin}")
    console.print("\nR, the rotation:")
    console.print(rotation_table(target_from_source.rotation, ROTATIONS))
    console.print("R and t as a matrix:")
    for row in target_from_source.matrix:
        console.print("  " + numbers_text(row, width=10))
    console.print(
        f"\nA point p in {child} lies at R p + t in {target}; the origin of {child} is at "
        f"({origin}) m in {target}.",
        soft_wrap=True,
    )
