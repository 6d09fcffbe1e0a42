"""Rotations by the key of a convention, and as text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import tf_transformations
from rich.table import Table
from rich.text import Text
from scipy.spatial.transform import Rotation

from embodied_perception.errors import ConfigError
from embodied_perception.geometry import ROTATIONS, RotationConvention
from embodied_perception.geometry.rotations import require_plausible_angles

_LETTERS = "xyz"
#: As tf_transformations writes them: about static or rotating axes, in this order.
EULER_AXES = tuple(
    kind + "".join(axes)
    for kind in "sr"
    for axes in itertools.product(_LETTERS, repeat=3)
    if axes[0] != axes[1] != axes[2]
)
EULER_KEY = "euler_AXES_deg or euler_AXES_rad"


def convention_of(key: str) -> RotationConvention:
    """The convention of a key of ``ROTATIONS``, or of Euler angles such as ``euler_rzyx_deg``.

    Raises:
        ConfigError: there is none.
    """
    if key in ROTATIONS:
        return ROTATIONS[key]
    word, _, rest = key.partition("_")
    axes, _, unit = rest.partition("_")
    if word != "euler" or axes not in EULER_AXES or unit not in ("deg", "rad"):
        raise ConfigError(
            f"got the convention {key!r}, expected one of {', '.join(ROTATIONS)}, or {EULER_KEY} "
            f"with AXES one of {', '.join(EULER_AXES)}"
        )
    to_rad = np.radians(1.0) if unit == "deg" else 1.0
    order = ", then ".join(axes[1:])
    kind, unit = ("fixed", "turned")[axes[0] == "r"], {"deg": "degrees", "rad": "radians"}[unit]
    return RotationConvention(
        3,
        f"three angles in {unit} about the {kind} axes {order} (tf_transformations: {axes!r})",
        lambda angles: _from_euler(angles * to_rad, axes),
        lambda rotation: _to_euler(rotation, axes) / to_rad,
    )


def _from_euler(angles: np.ndarray, axes: str) -> np.ndarray:
    require_plausible_angles(angles)
    return tf_transformations.euler_matrix(*angles, axes)[:3, :3]


def _to_euler(rotation: np.ndarray, axes: str) -> np.ndarray:
    """One of the outer angles is 0 where only their sum or difference is defined."""
    first, middle, last = tf_transformations.euler_from_matrix(rotation, axes)
    # Close to such a place the package takes rounding for angles, and is off by degrees. So what
    # the middle angle leaves is also given to one outer angle, and the better answer is taken.
    rest = _from_euler(np.array([0, middle, 0]), axes).T @ rotation
    is_static = axes[0] == "s"
    outer = Rotation.from_matrix(rest).as_rotvec()[_LETTERS.index(axes[1 if is_static else 3])]
    answers = [
        np.array([first, middle, last]),
        np.array([outer, middle, 0] if is_static else [0, middle, outer]),
    ]
    return min(answers, key=lambda angles: np.abs(_from_euler(angles, axes) - rotation).max())


def rotation_table(rotation: np.ndarray, conventions: Mapping[str, RotationConvention]) -> Table:
    """A rotation (3, 3) in each convention."""
    table = Table("convention", "numbers", show_lines=True)
    for key, convention in conventions.items():
        numbers = convention.write(rotation)
        text = numbers_text(numbers)
        if numbers.size == 9:
            text = "\n".join(numbers_text(row, width=9) for row in numbers.reshape(3, 3))
        table.add_row(key, Text.assemble(text, ("\n" + convention.meaning, "dim")))
    return table


def numbers_text(numbers: np.ndarray, separator: str = "  ", width: int = 0) -> str:
    """Numbers with six decimals, and without -0."""
    return separator.join(f"{number:{width}.6f}" for number in np.round(numbers, 6) + 0.0)
