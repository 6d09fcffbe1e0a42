"""Segmentation: how right the masks are, and what the stage costs beside the network alone.

mIoU is over all pixels of a split of a folder laid out as CamVid: images in SPLIT/, class numbers
in SPLITannot/. For speed, three ways from the same image are timed in turns, and ratios are of
their medians: the stage, message in and messages out; the network alone on a tensor that is ready
(PyTorch, as it is loaded); and, for a SegFormer-B0 with random weights at 512x512, transformers'
own pipeline.

    ./run benchmark segmentation --data ../shared/data/camvid
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import transformers
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from embodied_perception.evaluation.segmentation import Confusion
from embodied_perception.geometry import TransformTree
from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import Runtime
from embodied_perception.inference.sources import folder_of
from embodied_perception.segmentation.networks import load_network
from embodied_perception.segmentation.segmenter import Segmenter
from embodied_perception.stages.image_messages import frame_from_image, image_message
from embodied_perception.stages.segmentation import SegmentationConfig, SegmentationStage

#: mIoU in percent on CamVid's 233 test images, as their papers give it; they saw train and val.
PUBLISHED = {
    "DABNet (0.76 M parameters)": 66.7,
    "ENet (0.36 M parameters)": 51.3,
    "SegNet (29.5 M parameters)": 55.6,
}
ROUNDS = 30


def pairs(data: Path, split: str) -> list[tuple[Path, Path]]:
    """Images and their masks, by name."""
    found = []
    for mask in sorted((data / f"{split}annot").glob("*.png")):
        image = next(iter((data / split).glob(f"{mask.stem}.*")), None)
        if image is None:
            raise SystemExit(f"{mask}: no image of that name in {data / split}")
        found.append((image, mask))
    if not found:
        raise SystemExit(
            f"{data / (split + 'annot')}: no PNG masks; give another --data or --split"
        )
    return found


def read_rgb(path: Path) -> np.ndarray:
    """An image (H, W, 3) uint8 RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path}: cannot be read")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def accuracy(segmenter: Segmenter, found: list[tuple[Path, Path]], console: Console) -> Confusion:
    """Compare all pixels of a split."""
    classes = len(segmenter.labels)
    confusion = Confusion.none(classes)
    for image, mask in track(found, "segmenting", console=console, transient=True):
        (said,) = segmenter.segment([read_rgb(image)])
        true = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        confusion += Confusion.of(true, said.mask, classes)
    return confusion


def in_turns(ways: dict[str, Callable[[], Any]], console: Console) -> dict[str, float]:
    """Median seconds of each way, timed one after the other in every round."""
    for run in ways.values():
        run()
        run()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in track(range(ROUNDS), "timing", console=console, transient=True):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def stage_and_bare(source: str, runtime: Runtime, image: np.ndarray) -> Iterator[tuple[str, Any]]:
    """The stage from message to messages, and the network alone on a tensor that is ready."""
    config = SegmentationConfig(model=source, device=runtime.device, precision=runtime.precision)
    stage = SegmentationStage(config, TransformTree())
    stage.load()
    stage.wanted = lambda _name: False  # nobody looks at the overlay
    message = image_message(image, "rgb8", 1, "camera")
    yield "stage", lambda: stage.process(camera=frame_from_image(message))

    segmenter = Segmenter.load(source, runtime)
    place = segmenter.model.backend.place
    batch, _ = segmenter.model.prepare([image])
    batch = batch.contiguous()
    network = load_network(Checkpoint.open(folder_of(source))).to(place.device, place.dtype)

    def bare() -> None:
        with torch.inference_mode():
            network(batch)
        if place.device.type == "cuda":
            torch.cuda.synchronize()

    yield "bare", bare


def random_segformer(folder: Path) -> str:
    """SegFormer-B0 with nineteen classes, as large as the published one; it has learnt nothing."""
    torch.manual_seed(0)
    config = transformers.SegformerConfig(num_labels=19)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    processor = getattr(transformers, "SegformerImageProcessorPil", None)
    (processor or transformers.SegformerImageProcessor)().save_pretrained(folder)
    return str(folder)


def pipeline(folder: str, runtime: Runtime, image: np.ndarray) -> Callable[[], Any]:
    """Transformers' own way from an image to masks."""
    place = runtime.place()
    run = transformers.pipeline(
        "image-segmentation", folder, device=place.device, dtype=place.dtype
    )
    picture = Image.fromarray(image)
    return lambda: run(picture)


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All figures."""
    runtime = Runtime(arguments.device, arguments.precision)
    found = pairs(arguments.data, arguments.split)
    segmenter = Segmenter.load(arguments.model, runtime)
    confusion = accuracy(segmenter, found, console)
    image = read_rgb(found[0][0])
    seconds = in_turns(dict(stage_and_bare(arguments.model, runtime, image)), console)
    weights = folder_of(arguments.model) / "model.safetensors"
    ours: dict[str, Any] = {
        "miou": round(100 * confusion.miou, 2),
        "pixel_accuracy": round(100 * confusion.pixel_accuracy, 2),
        "iou": {
            label: None if np.isnan(iou) else round(100 * float(iou), 1)
            for label, iou in zip(segmenter.labels, confusion.iou, strict=True)
        },
        "images": len(found),
        "parameters": sum(
            each.numel() for each in load_network(Checkpoint.open(weights.parent)).parameters()
        ),
        "megabytes": round(weights.stat().st_size / 1e6, 2),
        "stage_ms": round(1e3 * seconds["stage"], 1),
        "bare_ms": round(1e3 * seconds["bare"], 1),
        "stage_over_bare": round(seconds["bare"] / seconds["stage"], 3),
        **{key: segmenter.model.description[key] for key in ("model", "device", "precision")},
    }
    peers: dict[str, Any] = {"published miou, CamVid test": PUBLISHED}
    if not arguments.no_peers:
        with tempfile.TemporaryDirectory() as folder:
            source = random_segformer(Path(folder))
            ways = dict(stage_and_bare(source, runtime, image))
            ways["pipeline"] = pipeline(source, runtime, image)
            seconds = in_turns(ways, console)
        peers["SegFormer-B0, 512x512"] = {
            **{f"{name}_ms": round(1e3 * value, 1) for name, value in seconds.items()},
            "stage_over_bare": round(seconds["bare"] / seconds["stage"], 3),
            "stage_over_pipeline": round(seconds["pipeline"] / seconds["stage"], 3),
        }
    return {"ours": ours, "peers": peers}


def show(result: dict[str, Any], console: Console) -> None:
    """The figures as a table."""
    ours = result["ours"]
    table = Table("class", "IoU", title=f"{ours['model']}: mIoU {ours['miou']} %")
    for label, iou in ours["iou"].items():
        table.add_row(label, "not there" if iou is None else f"{iou:.1f} %")
    console.print(table)


def main() -> int:
    """Measure, show a table, print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with SPLIT/, SPLITannot/")
    parser.add_argument("--split", default="val", help="default: %(default)s")
    parser.add_argument("--model", default="builtin:camvid", help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="default: %(default)s")
    parser.add_argument("--precision", default="auto", help="default: %(default)s")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    result = measure(arguments, console)
    show(result, console)
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
