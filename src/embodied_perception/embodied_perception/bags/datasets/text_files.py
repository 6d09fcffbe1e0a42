"""Numbers from the text files of datasets; errors name file, line and field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from embodied_perception.errors import BagError


def read_rows(path: Path, columns: int, fields: str) -> np.ndarray:
    """Read rows of ``columns`` numbers, split by blanks or commas, ``#`` starts a comment.

    Returns:
        (rows, columns) float64; further columns of the file are left out.

    Raises:
        BagError: no such file, or a line is short or not of numbers.

    """
    rows = []
    for number, words in split_lines(path):
        if len(words) < columns:
            raise BagError(
                f"{path}: line {number}: got {len(words)} fields, expected {columns} ({fields})"
            )
        rows.append([_number(path, number, word) for word in words[:columns]])
    return np.array(rows, float).reshape(-1, columns)


def split_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return (line number, words) of the lines that are neither empty nor comments."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f"{path}: cannot read: {error}") from error
    split = (
        (number, line.split("#")[0].replace(",", " ").split())
        for number, line in enumerate(lines, start=1)
    )
    return [(number, words) for number, words in split if words]


def nanoseconds(path: Path, line: int, word: str) -> int:
    """Read a whole number of nanoseconds, which a float could not hold."""
    try:
        return int(word)
    except ValueError:
        raise BagError(f"{path}: line {line}: got {word!r}, expected nanoseconds") from None


def seconds_as_ns(path: Path, line: int, word: str) -> int:
    """Read decimal seconds such as 1305031102.175304 without rounding to a float's precision."""
    whole, _, fraction = word.partition(".")
    if not (whole + fraction).isdigit():
        raise BagError(f"{path}: line {line}: got {word!r}, expected a time in seconds")
    return int(whole or 0) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def read_opencv_yaml(path: Path) -> dict:
    """Read a YAML file that may start with OpenCV's ``%YAML:1.0``, which YAML does not allow."""
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("%YAML"):
            text = text.partition("\n")[2]
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BagError(f"{path}: cannot read: {error}") from error
    if not isinstance(values, dict):
        raise BagError(f"{path}: got {type(values).__name__}, expected names and values")
    return values


def _number(path: Path, line: int, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise BagError(f"{path}: line {line}: got {word!r}, expected a number") from None
