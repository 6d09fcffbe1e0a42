"""`perception models check`: whether a model runs here, what it costs, and what it says."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embodied_perception.classification.overlay import draw_evidence
from embodied_perception.cli.models import loading
from embodied_perception.errors import ConfigError
from embodied_perception.imaging.sources.photos import read_photo
from embodied_perception.inference.runtime import AUTO, PRECISIONS, Runtime
from embodied_perception.segmentation.overlay import draw_overlay
from embodied_perception.segmentation.palettes import colors_of

if TYPE_CHECKING:  # they import PyTorch, which takes seconds
    from embodied_perception.classification.classifier import Classifier
    from embodied_perception.inference.cost import Cost, Latency
    from embodied_perception.open_vocabulary.detector import Detector
    from embodied_perception.open_vocabulary.encoder import Encoder
    from embodied_perception.open_vocabulary.masks import Masker
    from embodied_perception.segmentation.segmenter import Segmenter

SUMMARY = "run a model here: parameters, FLOPs, measured time and memory, and what it says"

EPILOG = f"""\
{loading.SOURCES}

  FLOPs           additions and multiplications for one image
  whole way       from the image to the mask or the probabilities, one image at a time
  network alone   of that, without preparing the image and reading the scores
  memory          what the first image takes beside the weights, at its peak

Examples:
  perception models check builtin:camvid --size 960x720
  perception models check hf:microsoft/resnet-18 --image mug.jpg --device cpu
  perception models check camvid_onnx/ --image street.png -o seen.png
"""

_USUAL_WH = (640, 480)
_WORDS = 5
_LOOKED_FOR = ("mug", "chair", "door")  # the time hardly depends on what, or on how much


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="see below")
    parser.add_argument(
        "--device", default=AUTO, help="cpu, cuda, cuda:1, or another; default: the best"
    )
    parser.add_argument(
        "--precision",
        default=AUTO,
        choices=[AUTO, *PRECISIONS],
        help="default: fp16 on CUDA, else fp32",
    )
    loading.configure_size(
        parser, "of the images to measure with; default: that of --image, or 640x480"
    )
    parser.add_argument("--image", type=Path, metavar="FILE", help="say what is on this one")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PICTURE", help="draw that into this file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, and say what the image shows."""
    if arguments.output is not None and arguments.image is None:
        raise ConfigError("-o: draws what the model says of an image; give one with --image FILE")
    image_rgb = _image(arguments.image, loading.size_of(arguments.size))
    from embodied_perception.inference.cost import cost_of

    console, progress = Console(highlight=False), Console(stderr=True)
    with progress.status("loading and measuring"):
        loaded = loading.load(arguments.source, Runtime(arguments.device, arguments.precision))
        cost = cost_of(loaded.model, _answer(loaded), image_rgb)
    console.print(_cost_table(loaded, image_rgb, cost))
    if loaded.model.note:
        console.print(Text.assemble(("note: ", "yellow"), loaded.model.note), soft_wrap=True)
    if arguments.image is not None:
        table, picture = _said(loaded, image_rgb)
        console.print(table)
        if arguments.output is not None:
            _write(arguments.output, picture)
            print(f"wrote {arguments.output}")
    return 0


def _answer(
    loaded: Segmenter | Classifier | Detector | Encoder | Masker,
) -> Callable[[Sequence[np.ndarray]], object]:
    """What a user calls with images."""
    from embodied_perception.classification.classifier import Classifier
    from embodied_perception.open_vocabulary.detections import Detections
    from embodied_perception.open_vocabulary.encoder import Encoder
    from embodied_perception.open_vocabulary.finding import THRESHOLD
    from embodied_perception.open_vocabulary.masks import Masker
    from embodied_perception.open_vocabulary.vocabulary import Vocabulary
    from embodied_perception.segmentation.segmenter import Segmenter

    if isinstance(loaded, Segmenter):
        return loaded.segment
    if isinstance(loaded, Classifier):
        return loaded.classify
    if isinstance(loaded, Encoder):
        return loaded.points
    vocabulary = Vocabulary.of(*_LOOKED_FOR)
    if isinstance(loaded, Masker):
        return lambda images: [
            loaded.masks(image, Detections.whole(image), vocabulary) for image in images
        ]
    words = loaded.words(vocabulary)
    return lambda images: loaded.detect(images, words, THRESHOLD)


def _image(path: Path | None, size_wh: tuple[int, int] | None) -> np.ndarray:
    if path is None:
        width, height = size_wh or _USUAL_WH
        coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image_rgb = read_photo(path)[0].colors_8_bit("RGB")
    if size_wh is not None:
        image_rgb = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    return image_rgb


def _cost_table(
    loaded: Segmenter | Classifier | Detector | Encoder | Masker, image_rgb: np.ndarray, cost: Cost
) -> Table:
    height, width = image_rgb.shape[:2]
    in_height, in_width = cost.input_hw
    rows = loaded.model.description | {
        "image": f"{width}x{height}, {in_width}x{in_height} in the network",
        "parameters": _millions(cost.parameters),
        "FLOPs": "not known" if cost.flops is None else f"{cost.flops / 1e9:.3g} G",
        "weights": _megabytes(cost.weights_bytes),
        "memory": _megabytes(cost.memory_bytes),
        "whole way": _milliseconds(cost.whole),
        "network alone": _milliseconds(cost.network),
    }
    table = Table("figure", "value", show_header=False)
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _said(
    loaded: Segmenter | Classifier | Detector | Encoder | Masker, image_rgb: np.ndarray
) -> tuple[Table, np.ndarray]:
    """What a model says of an image: in words, and drawn over it."""
    from embodied_perception.classification.classifier import Classifier
    from embodied_perception.inference.engine import Engine
    from embodied_perception.open_vocabulary.encoder import Encoder
    from embodied_perception.open_vocabulary.masks import Masker
    from embodied_perception.segmentation.segmenter import Segmenter

    if isinstance(loaded, Segmenter):
        mask = loaded.segment([image_rgb])[0].mask
        counts = np.bincount(mask.ravel(), minlength=len(loaded.labels))[: len(loaded.labels)]
        table = _shares_table("share of the image", loaded.labels, counts / mask.size)
        return table, draw_overlay(image_rgb, mask, loaded.labels, colors_of(loaded.labels))
    if isinstance(loaded, Masker):
        raise ConfigError(
            f"--image: {loaded.model.source} masks what a detector finds; have it found with: "
            f'perception detect IMAGE --masks {loaded.model.source} --for "red mug" -o found'
        )
    if not isinstance(loaded, Classifier):
        command = "classify" if isinstance(loaded, Encoder) else "detect"
        raise ConfigError(
            f"--image: {loaded.model.source} knows what words name; give them with: perception "
            f'{command} IMAGE --model {loaded.model.source} --for "red mug"'
        )
    probabilities = loaded.classify([image_rgb])[0]
    table = _shares_table("probability", loaded.labels, probabilities, _WORDS)
    best = int(probabilities.argmax())
    title = f"{loaded.labels[best]} {probabilities[best]:.0%}"
    heat = np.zeros(image_rgb.shape[:2], np.float32)
    if isinstance(loaded.model.backend, Engine):  # others keep their values to themselves
        heat = loaded.evidence(image_rgb, best)
    return table, draw_evidence(image_rgb, heat, title)


def _shares_table(
    what: str, labels: tuple[str, ...], shares: np.ndarray, most: int | None = None
) -> Table:
    table = Table("class")
    table.add_column(what, justify="right")
    for index in np.argsort(-shares, kind="stable")[:most]:
        if shares[index] > 0:
            table.add_row(Text(labels[index]), f"{shares[index]:.1%}")
    return table


def _write(path: Path, picture: np.ndarray) -> None:
    try:
        Image.fromarray(picture).save(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"-o: {path} cannot be written: {error}; give a .png or .jpg") from error


def _millions(count: int | None) -> str:
    return "not known" if count is None else f"{count / 1e6:.3f} M"


def _megabytes(size: int | None) -> str:
    return "not known" if size is None else f"{size / 1e6:.1f} MB"


def _milliseconds(latency: Latency) -> str:
    return (
        f"{latency.median_ms:.1f} ms, 95 % within {latency.p95_ms:.1f} ms ({latency.rounds} times)"
    )
