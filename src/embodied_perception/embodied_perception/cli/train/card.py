"""What a trained classifier is made of and how good it is: a table, and a model card."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

_CARD = """\
# {title}

Tells apart {labels}.

By visual words: dense RootSIFT, {words} words counted in the whole image and in its quarters, and a
linear SVM. It sees texture and shape, no colour, and wants the thing to fill most of the image.

Made by

    {command}

| class | photos learned from | kept aside | of these, right |
| --- | ---: | ---: | ---: |
{rows}

{figure}

Probabilities are a softmax of the SVM's scores, with a temperature found by cross-validation on the
photos learned from. The rights to the photos are not known to the program: add their licence here.
"""


def confusion_table(labels: tuple[str, ...], confusion: np.ndarray) -> Table:
    """A row a class: what its photos were told to be, and how many of them rightly.

    Args:
        labels: C names.
        confusion: (C, C) photos by their true class (row) and by what was said (column).

    """
    table = Table(title="photos kept aside: a row a true class, a column what was said")
    table.add_column("")
    for number in range(len(labels)):  # names would not fit into 80 columns
        table.add_column(str(number), justify="right")
    table.add_column("right", justify="right")
    for number, (label, row) in enumerate(zip(labels, confusion.tolist(), strict=True)):
        cells = [str(count) if count else "" for count in row]
        cells[number] = f"[bold green]{row[number]}[/]"
        table.add_row(escape(f"{number} {label}"), *cells, _share(row[number], sum(row)))
    return table


def write_card(
    path: Path,
    labels: tuple[str, ...],
    learned: np.ndarray,
    confusion: np.ndarray,
    arguments: argparse.Namespace,
) -> None:
    """Write the model card.

    Args:
        path: of the card.
        labels: C names.
        learned: (C,) photos learned from.
        confusion: of the photos kept aside, see :func:`confusion_table`.
        arguments: of the command.

    """
    aside, right = confusion.sum(axis=1), np.diag(confusion)
    rows = [
        f"| {label} | {count} | {kept} | {_share(good, kept)} |"
        for label, count, kept, good in zip(labels, learned, aside, right, strict=True)
    ]
    total = int(aside.sum())
    figure = (
        f"Accuracy on the {total} photos kept aside: {_share(right.sum(), total)}."
        if total
        else "No photos were kept aside, so nobody knows how good it is."
    )
    text = _CARD.format(
        title=path.parent.resolve().name,
        labels=", ".join(labels),
        words=arguments.words,
        command=_command(arguments),
        rows="\n".join(rows),
        figure=figure,
    )
    path.write_text(text, encoding="utf-8")


def _command(arguments: argparse.Namespace) -> str:
    return shlex.join(
        [
            *("perception", "train", "words", str(arguments.photos), "-o", str(arguments.output)),
            *("--words", str(arguments.words), "--held-out", str(arguments.held_out)),
            *("--seed", str(arguments.seed)),
        ]
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
