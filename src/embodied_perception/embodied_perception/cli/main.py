"""The program `perception`: finds the command, runs it, and says errors in one line."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from embodied_perception.errors import PerceptionError
from embodied_perception.inference.pytorch import OPTIONAL, missing

#: Each is a module with SUMMARY, configure(parser) and run(arguments) -> exit status. Only the one
#: that is called gets imported, because some of them take a second.
COMMANDS = {
    "demo": "embodied_perception.cli.demo",
    "replay": "embodied_perception.cli.replay",
    "play": "embodied_perception.cli.play",
    "convert": "embodied_perception.cli.convert",
    "record": "embodied_perception.cli.record",
    "evaluate": "embodied_perception.cli.evaluate",
    "calibrate": "embodied_perception.cli.calibrate",
    "tf": "embodied_perception.cli.tf",
    "features": "embodied_perception.cli.features",
    "detect": "embodied_perception.cli.detect",
    "classify": "embodied_perception.cli.classify",
    "train": "embodied_perception.cli.train",
    "models": "embodied_perception.cli.models",
    "explain": "embodied_perception.cli.explain",
}

_EPILOG = """\
Examples:
  perception convert rgbd_dataset_freiburg1_desk -o desk.mcap
  perception replay desk.mcap -o out.mcap
  perception evaluate odometry out.mcap --reference desk.mcap -o report
  perception calibrate camera photos/ --size 9x6 --square 0.025
  perception tf tree robot_bag/
  perception train words photos/ -o classifier
  perception models check builtin:camvid --image street.png
  perception explain photos/ --model builtin:objects -o report
  perception detect kitchen.jpg --for "red mug" "fire extinguisher" -o found
  perception classify patrol.mcap --for kitchen corridor office --model clip/
  perception COMMAND --help
"""

_FAILED, _INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, 2 after an error, 130 after Ctrl-C.

    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _run(words)
    except PerceptionError as error:
        if debug:
            traceback.print_exc()
        print("perception: error:", " ".join(str(error).split()), file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("perception: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _run(words: list[str]) -> int:
    """Find the command and run it; what it needs and is not installed becomes an error."""
    try:
        command = next((word for word in words if word in COMMANDS), None)
        module = None if command is None else _load(command)
        parsed = _parser(command, module).parse_args(words)
        return parsed.run(parsed)
    except ModuleNotFoundError as error:  # many commands import such libraries late
        if error.name in OPTIONAL:
            raise missing(error) from error
        raise


def _parser(chosen: str | None, module: ModuleType | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perception",
        description="A ROS 2 perception stack: images in; poses, labels and masks out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"perception {_version()}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        summary = _summary(name)
        subparser = commands.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:] + "."
        )
        if name == chosen and module is not None:
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _load(command: str) -> ModuleType:
    try:
        return importlib.import_module(COMMANDS[command])
    except ImportError as error:
        if error.name in OPTIONAL:
            raise
        raise PerceptionError(
            f"command {command!r} cannot start: {error}; "
            "is the environment set up? (./run setup, or source your ROS and workspace)"
        ) from error


def _summary(command: str) -> str:
    """Read SUMMARY out of the command's source, without importing it."""
    spec = importlib.util.find_spec(COMMANDS[command])
    if spec is None or spec.origin is None:
        return "not installed"
    for statement in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "SUMMARY":
            return str(ast.literal_eval(statement.value))
    return ""


def _version() -> str:
    manifest = Path(__file__).parents[2] / "package.xml"
    if manifest.is_file():  # run from the source tree, where no metadata is installed
        return ElementTree.parse(manifest).getroot().findtext("version", "")  # noqa: S314
    return importlib.metadata.version("embodied_perception")
