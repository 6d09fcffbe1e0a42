"""Commands that have subcommands, each a module."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def add_subcommands(
    parser: argparse.ArgumentParser, modules: Mapping[str, ModuleType], **how: Any
) -> None:
    """Declare subcommands; the chosen one's ``run`` is then ``arguments.subcommand``.

    Args:
        parser: of the command.
        modules: by name, with SUMMARY, EPILOG, configure(parser) and run(arguments).
        how: ``title``, ``metavar`` and more for argparse.

    """
    subparsers = parser.add_subparsers(required=True, **how)
    for name, module in modules.items():
        subparser = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY[:1].upper()}{module.SUMMARY[1:]}.",
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(subparser)
        subparser.set_defaults(subcommand=module.run)
