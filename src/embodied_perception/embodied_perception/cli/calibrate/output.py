"""What all calibrations have in common at their end: files, names, and what is worth a remark."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import yaml
from rich.console import Console
from rich.markup import escape

from embodied_perception.camera.calibration import LEAST_VIEWS
from embodied_perception.errors import CameraError, ConfigError
from embodied_perception.geometry import Transform

_EXTRINSICS_HEAD = """\
# Where {child} is, for the camera node:
# ros2 launch embodied_perception_bringup camera.launch.py params_file:=THIS_FILE
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare what is written, and from how many views."""
    parser.add_argument(
        "--views",
        type=_views,
        default=40,
        help="use so many that differ most; default: %(default)s",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("calibration"),
        metavar="DIR",
        help="where to write; default: %(default)s",
    )


def _views(text: str) -> int:
    count = int(text)
    if count < LEAST_VIEWS:
        raise argparse.ArgumentTypeError(f"got {count}, expected {LEAST_VIEWS} or more")
    return count


def make_folder(path: Path) -> None:
    """Make the folder to write to; raise :class:`CameraError` where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise CameraError(f"{path}: cannot be written to: {error.strerror}") from error


def require_name(name: str) -> None:
    """Raise :class:`ConfigError` for a name that would not do for a file or a topic."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise ConfigError(f"got the name {name!r}, expected letters, digits and _, as front_left")


def write_extrinsics(path: Path, parent: str, child: str, parent_from_child: Transform) -> None:
    """Write a transform as parameters of the camera node."""
    content = {
        "parent_frame": parent,
        "child_frame": child,
        "translation_m": np.round(parent_from_child.translation, 6).tolist(),
        "rotation_quaternion_xyzw": np.round(parent_from_child.quaternion_xyzw, 9).tolist(),
    }
    text = yaml.safe_dump(
        {"/**": {"ros__parameters": content}}, sort_keys=False, default_flow_style=None
    )
    path.write_text(_EXTRINSICS_HEAD.format(child=child) + text, encoding="utf-8")


def show_remarks(
    console: Console, rejected: Sequence[tuple[str, str]], remarks: Sequence[str]
) -> None:
    """Print which views were not used, and what makes the calibration weaker than it could be."""
    for name, why in rejected:
        told = escape(f"{name} {why}")
        console.print(f"[yellow]left out:[/] {told}", highlight=False, soft_wrap=True)
    for remark in remarks:
        console.print(f"[yellow]remark:[/] {escape(remark)}", highlight=False, soft_wrap=True)
