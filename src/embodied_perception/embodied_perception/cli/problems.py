"""What a command left out, said at its end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

_SHOWN = 10


def show_problems(console: Console, problems: Sequence[str]) -> None:
    """Print a line for each problem, and how many more there are than one would read."""
    for problem in problems[:_SHOWN]:
        console.print(f"[yellow]left out:[/] {escape(problem)}", soft_wrap=True, highlight=False)
    if len(problems) > _SHOWN:
        console.print(f"[yellow]left out:[/] {len(problems) - _SHOWN} more")
