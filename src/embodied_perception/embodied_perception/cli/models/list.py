"""`perception models list`: what is on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from embodied_perception.errors import InferenceError
from embodied_perception.inference.card import licence_of
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.sources import BUILTIN, builtin_folders, pulled

SUMMARY = "list the models that are on this machine: built in, and pulled from Hugging Face"

EPILOG = """\
Each is given to other commands and to nodes by the name in the first column. A folder with a
checkpoint in it is a model too; `perception models check FOLDER` tells about it.

Examples:
  perception models list
  perception models pull hf:nvidia/segformer-b0-finetuned-ade-512-512
"""

_WHOLE = ("model",)  # the name is to be given to other commands
_KEYS = ("task", "architecture", "classes", "input", "size", "licence")


def configure(_: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def run(_: argparse.Namespace) -> int:
    """Print a row for each model."""
    console = Console(highlight=False)
    rows = [(source, _told(folder)) for source, folder in _found()]
    if not rows:
        console.print("no models here yet; get one with: perception models pull hf:OWNER/REPO")
        return 0
    columns = (Column(key, no_wrap=key in _WHOLE, overflow="fold") for key in ("model", *_KEYS))
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for source, told in rows:
        table.add_row(Text(source), *(Text(told.get(key, "")) for key in _KEYS))
    console.print(table)
    for source, told in rows:
        if "problem" in told:
            line = Text.assemble(("problem: ", "yellow"), f"{source}: {told['problem']}")
            console.print(line, soft_wrap=True)
    return 0


def _found() -> Iterator[tuple[str, Path]]:
    for folder in builtin_folders():
        yield BUILTIN + folder.name, folder
    yield from pulled()


def _told(folder: Path) -> dict[str, str]:
    """What its files say, by :data:`_KEYS`; and of what is wrong with them, the first."""
    from embodied_perception.inference.preprocessor_file import read_preprocessing
    from embodied_perception.inference.tasks import tasks_of

    told = {"licence": licence_of(folder) or "not said", "size": _size(folder)}
    try:
        checkpoint = Checkpoint.open(folder)
        told["architecture"] = checkpoint.model_type
        tasks = tasks_of(checkpoint)
        told["task"] = ", ".join(task.name for task in tasks)
        told["classes"] = "any words" if tasks[0].takes_words else str(len(checkpoint.labels))
        told["input"] = read_preprocessing(folder).words
    except InferenceError as error:
        told["problem"] = str(error)
    return told


def _size(folder: Path) -> str:
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return f"{megabytes:.1f} MB"
