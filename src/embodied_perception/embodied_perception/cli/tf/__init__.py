"""`perception tf`: look at frames, in a bag or on the graph, one subcommand for each question."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from embodied_perception.cli.subcommands import add_subcommands
from embodied_perception.cli.tf import convert, lookup, tree

SUMMARY = "show frames: their tree, one in another, a rotation in every convention"

_QUESTIONS = {"tree": tree, "lookup": lookup, "convert": convert}


class _Parser(argparse.ArgumentParser):
    """Takes every number for a value; argparse takes one such as -1e-3 for an option."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        # What begins with a blank is never an option.
        words = (
            None if args is None else [f" {each}" if _is_number(each) else each for each in args]
        )
        return super().parse_known_args(words, namespace)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(
        parser, _QUESTIONS, title="what to ask", metavar="QUESTION", parser_class=_Parser
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer what the subcommand asks."""
    return arguments.subcommand(arguments)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
