"""`perception models export`: ONNX of a model, checked against it."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from embodied_perception.cli.models import loading
from embodied_perception.errors import ConfigError
from embodied_perception.inference.runtime import Runtime

SUMMARY = "write a model as ONNX, for onnxruntime with TensorRT, CUDA or the CPU"

EPILOG = f"""\
The folder is a model like any other: give it to nodes and commands in place of SOURCE. It runs with
the first of TensorRT, CUDA and the CPU that onnxruntime has here. Before it is written, both say
what they see on a few images, and must agree.

{loading.SOURCES}

It takes any number of images at a time. Images are resized as the model's own
preprocessor_config.json says. Where that leaves their size open, so does the ONNX if it can;
--size fixes it.

Examples:
  perception models export builtin:camvid -o camvid_onnx
  perception models export hf:facebook/mask2former-swin-tiny-ade-semantic -o onnx --size 640x480
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="see below")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write"
    )
    loading.configure_size(parser, "of your camera's images, where the model leaves the size open")


def run(arguments: argparse.Namespace) -> int:
    """Load, write, compare."""
    size_wh = loading.size_of(arguments.size)
    from embodied_perception.classification.classifier import Classifier
    from embodied_perception.inference.export import export
    from embodied_perception.segmentation.segmenter import Segmenter

    console = Console(stderr=True)
    with console.status("loading, writing and comparing"):
        loaded = loading.load(arguments.source, Runtime("cpu", "fp32"))
        if not isinstance(loaded, Segmenter | Classifier):
            raise ConfigError(
                f"{arguments.source} takes words, which ONNX would leave out; export is for "
                "segmentation and classification"
            )
        difference = export(loaded.model, arguments.output, size_wh)
    print(
        f"wrote {arguments.output}: scores differ by at most {difference:.1g} of their range from "
        "those of PyTorch"
    )
    return 0
