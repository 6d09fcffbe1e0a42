"""`perception models pull`: from Hugging Face onto this machine."""

from __future__ import annotations

import argparse

from rich.console import Console

from embodied_perception.inference.card import licence_of
from embodied_perception.inference.checkpoint import Checkpoint

SUMMARY = "download a model from Hugging Face"

EPILOG = """\
Only numbers and texts are downloaded (safetensors, ONNX, JSON), no pickles and no code. Nodes never
download by themselves: pull before the mission.

Where there is no way to Hugging Face, copy the folder by hand and give that in place of hf:...

Examples:
  perception models pull hf:nvidia/segformer-b0-finetuned-ade-512-512
  perception models pull hf:microsoft/resnet-18@main
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="hf:OWNER/REPO", help="or hf:OWNER/REPO@REVISION")


def run(arguments: argparse.Namespace) -> int:
    """Download, with the library's own bars, and say what it is."""
    from embodied_perception.inference.sources import pull
    from embodied_perception.inference.tasks import tasks_of

    folder = pull(arguments.source)
    checkpoint = Checkpoint.open(folder)
    tasks = tasks_of(checkpoint)
    classes = "any words" if tasks[0].takes_words else f"{len(checkpoint.labels)} classes"
    Console(highlight=False, markup=False).print(
        f"{arguments.source}: {', '.join(task.name for task in tasks)}, {checkpoint.model_type}, "
        f"{classes}, "
        f"licence: {licence_of(folder) or 'not said'}\n{folder}",
        soft_wrap=True,
    )
    return 0
