"""A model for whatever task it is for, and sizes of images in words."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from embodied_perception.errors import ConfigError
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import Runtime
from embodied_perception.inference.sources import folder_of

if TYPE_CHECKING:  # they import PyTorch, which takes seconds
    from embodied_perception.classification.classifier import Classifier
    from embodied_perception.open_vocabulary.detector import Detector
    from embodied_perception.open_vocabulary.encoder import Encoder
    from embodied_perception.open_vocabulary.masks import Masker
    from embodied_perception.segmentation.segmenter import Segmenter

SOURCES = """\
SOURCE is builtin:NAME, hf:OWNER/REPO, or a folder with config.json, preprocessor_config.json and
model.safetensors or model.onnx. What it is for is said by model_type and architectures of
config.json."""

_MOST_PX = 8192


def load(source: str, runtime: Runtime) -> Segmenter | Classifier | Detector | Encoder | Masker:
    """Load a model of any task.

    Raises:
        InferenceError: it is not there, not whole, or for none of our tasks.

    """
    from embodied_perception.inference.tasks import tasks_of

    return tasks_of(Checkpoint.open(folder_of(source)))[0].load(source, runtime)


def configure_size(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Declare --size."""
    parser.add_argument("--size", metavar="WxH", help=help_text)


def size_of(text: str | None) -> tuple[int, int] | None:
    """Width and height of --size.

    Raises:
        ConfigError: it is something else.

    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found or not all(0 < int(side) <= _MOST_PX for side in found.groups()):
        raise ConfigError(
            f"--size: got {text!r}, expected WIDTHxHEIGHT of 1 to {_MOST_PX} pixels, as in 640x480"
        )
    return int(found[1]), int(found[2])
