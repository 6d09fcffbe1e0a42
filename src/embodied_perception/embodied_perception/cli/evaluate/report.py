"""What evaluations of models have in common: arguments, and the report of -o."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from embodied_perception.errors import ConfigError, EvaluationError
from embodied_perception.evaluation.page import Illustration, write_page

MODEL_HELP = """\
SOURCE is builtin:NAME, hf:REPO, or a folder with config.json and model.safetensors. Its labels are
matched with the classes of the data by name; upper and lower case, blanks, _ and - make no
difference."""

ItemT = TypeVar("ItemT")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare how much is evaluated, and what is written."""
    parser.add_argument("--limit", type=int, metavar="N", help="look at so many images only")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write metrics.json, pictures, and a page that shows them",
    )


def require_limit(limit: int | None) -> None:
    """Raise :class:`ConfigError` unless it is a number of images, or None."""
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit: got {limit}, expected 1 or more")


def shown(items: Iterable[ItemT], name: str, count: int) -> Iterable[ItemT]:
    """Give items out while a bar shows how far it is."""
    console = Console(stderr=True)
    # Where nobody looks, a bar would leave an empty line behind.
    hidden = not console.is_terminal
    return track(items, name, count, console=console, transient=True, disable=hidden)


def percent(share: float | None) -> str:
    """A share in words."""
    return "not known" if share is None else f"{100 * share:.2f} %"


def figures_table(title: str, figures: Mapping[str, str]) -> Table:
    """Figures, a line each."""
    table = Table("figure", title=title)
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, value)
    return table


def write_report(
    folder: Path,
    title: str,
    summary: str,
    metrics: Mapping[str, Any],
    figures: Mapping[str, str],
    illustrations: Sequence[Illustration],
) -> Path:
    """Write metrics.json and index.html beside pictures that are there; returns the page.

    Raises:
        EvaluationError: they cannot be written.

    """
    try:
        text = json.dumps(metrics, indent=2, allow_nan=False)
        (folder / "metrics.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{folder}: cannot write: {error}") from error
    page = folder / "index.html"
    write_page(page, title, summary, figures, illustrations)
    return page
