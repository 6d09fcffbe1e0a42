"""Train the compact U-Net on CamVid, or on any folder that is laid out like it.

    ./run shell -c 'python training/segmentation.py --data ../shared/data/camvid'

Images lie in SPLIT/, masks of the same names in SPLITannot/: class numbers, those without a name
are unlabelled. The names are a list in labels.json, CamVid's where there is none. The run is
seeded, and goes on where it was interrupted. Its folder holds the best weights by the validation
split (model.safetensors), the last state, and the curves as a picture; --model writes the last
weights, the classes' biases adjusted on the training images, as a folder to load, with a card.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from class_biases import adjust_classes
from epochs import go_through
from losses import missed_overlap
from masked_pictures import UNLABELLED, Pictures, plain, read_labels, varied
from model_folder import write_card, write_model
from options import add_options, checked
from rich.console import Console
from rich.progress import Progress
from run_state import Run, resume
from safetensors.torch import load_file
from steps import Steps, as_batch, scores, set_rate
from torch import Tensor
from torch.nn.functional import cross_entropy

from embodied_perception.evaluation.segmentation import Confusion
from embodied_perception.segmentation.compact_unet import CompactUNet

_PLAIN = 0.02  # of the views


def train_epoch(
    network: CompactUNet,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    optimiser: torch.optim.Optimizer,
    pictures: Pictures,
    arguments: argparse.Namespace,
    run: Run,
    progress: Progress,
) -> float:
    """Go through all images once; the order and variations depend on seed and epoch alone.

    ``loss_of`` images and masks goes through the network, as it is or compiled.
    """
    network.train()
    chance = random.Random(f"{arguments.seed} {run.epoch}")  # noqa: S311 - not for secrets
    torch.manual_seed(arguments.seed + run.epoch)
    order = list(range(len(pictures.images)))
    chance.shuffle(order)
    device = next(network.parameters()).device
    batches = len(order) // arguments.batch
    task = progress.add_task(f"epoch {run.epoch + 1}", total=batches)
    steps = Steps(network, optimiser)
    for number in range(batches):
        set_rate(optimiser, arguments.rate, (run.epoch + number / batches) / arguments.epochs)
        chosen = order[number * arguments.batch :][: arguments.batch]
        views = [
            view(pictures.images[place], pictures.masks[place], arguments, chance)
            for place in chosen
        ]
        images = as_batch([image for image, _ in views], device)
        masks = torch.from_numpy(np.stack([mask for _, mask in views])).long().to(device)

        loss = steps.take(partial(loss_of, images, masks))
        progress.update(task, advance=1, description=f"epoch {run.epoch + 1}  loss {loss:.3f}")
    progress.remove_task(task)
    return steps.mean(run.epoch + 1)


def view(
    image: np.ndarray, mask: np.ndarray, arguments: argparse.Namespace, chance: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Another view of an image, as the arguments say; one in fifty plain, where some shall be."""
    if arguments.plain is not None and chance.random() < _PLAIN:
        return plain(arguments.crop, arguments.plain, chance)
    return varied(image, mask, arguments.crop, chance, arguments.scales, arguments.focus)


@torch.inference_mode()
def evaluate(
    network: CompactUNet, pictures: Pictures, classes: int, size_hw: tuple[int, int]
) -> Confusion:
    """Count at the images' own size what is seen at another."""
    network.eval()
    confusion = Confusion.none(classes)
    for image, mask in zip(pictures.images, pictures.masks, strict=True):
        said = scores(network, image, size_hw).argmax(0).cpu().numpy()
        confusion += Confusion.of(mask, said, classes)
    return confusion


def export(
    arguments: argparse.Namespace,
    network: CompactUNet,
    labels: tuple[str, ...],
    given: Iterable[str],
    train: Pictures,
) -> None:
    """Write a trained network as a model's folder, judged on each split that there is."""
    network.eval()
    adjust_classes(network, train, len(labels), arguments.size)
    splits = {
        split: Pictures.read(arguments.data, split, len(labels), arguments.limit)
        for split in ("val", "test")
        if (arguments.data / f"{split}annot").is_dir()
    }
    write_model(arguments.model, network, labels, arguments.size)
    network.load_state_dict(load_file(arguments.model / "model.safetensors"))
    confusions = {
        split: evaluate(network, pictures, len(labels), arguments.size)
        for split, pictures in splits.items()
    }
    about = arguments.about.read_text(encoding="utf-8")
    command = shlex.join(["python", "training/segmentation.py", *given])
    write_card(arguments.model, arguments.model.name, about, command, labels, confusions)


def parse(given: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train the compact U-Net on CamVid, or on any folder laid out like it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(output=Path("out/training/camvid"), epochs=200, crop=(360, 480))
    parser.set_defaults(scales=(0.75, 1.75), focus=0.0)
    parser.add_argument(
        "--balance", type=float, default=1.1, help="the nearer to 1, the more rare classes count"
    )
    parser.add_argument(
        "--overlap",
        action="store_true",
        help="learn the overlap of classes besides, in which small things count as large ones",
    )
    parser.add_argument(
        "--size", type=int, nargs=2, help="height and width to run at; the validation images' own"
    )
    parser.add_argument(
        "--plain", metavar="LABEL", help="what a view of one colour shows: one in fifty is such"
    )
    arguments = checked(parser, given)
    if arguments.size and min(arguments.size) < 1:
        parser.error("--size: give height and width in pixels")
    if arguments.balance <= 1:
        parser.error("--balance: give a number above 1")
    return arguments


def main(given: list[str]) -> int:
    """Train."""
    arguments, console = parse(given), Console()
    labels = read_labels(arguments.data)
    classes = len(labels)
    if arguments.plain and arguments.plain not in labels:
        raise SystemExit(f"--plain: {arguments.plain} is none of {', '.join(labels)}")
    arguments.plain = labels.index(arguments.plain) if arguments.plain else None
    arguments.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, val = (
        Pictures.read(arguments.data, split, classes, arguments.limit) for split in ("train", "val")
    )
    arguments.size = tuple(arguments.size or val.masks[0].shape)
    torch.manual_seed(arguments.seed)
    network = CompactUNet(classes).to(device)
    if arguments.begin_with:
        network.load_state_dict(load_file(arguments.begin_with / "model.safetensors"))
    optimiser = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=1e-4)
    run = resume(arguments.output, network, optimiser)
    weights = train.weights(classes, arguments.balance).to(device)

    def loss_of_logits(logits: Tensor, masks: Tensor) -> Tensor:
        logits = logits.float()
        loss = cross_entropy(logits, masks, weights, ignore_index=UNLABELLED)
        return loss + missed_overlap(logits, masks, UNLABELLED) if arguments.overlap else loss

    # Compiled together with its loss, the network takes twice as long.
    compiled = torch.compile if arguments.compile else lambda function: function
    see, compare = compiled(network), compiled(loss_of_logits)

    def loss_of(images: Tensor, masks: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=arguments.compile):
            logits = see(images)
        return compare(logits, masks)

    console.print(f"{len(train.images)} images, on {device}, from epoch {run.epoch + 1}")

    def learn(progress: Progress) -> float:
        return train_epoch(network, loss_of, optimiser, train, arguments, run, progress)

    def judge() -> dict[str, float]:
        return {"mIoU on val": evaluate(network, val, classes, arguments.size).miou}

    go_through(arguments, network, optimiser, run, learn, judge, console)
    if arguments.model and run.epoch == arguments.epochs:
        export(arguments, network, labels, given, train)
    print(json.dumps({"epoch": run.epoch, "best_miou": run.best, "seconds": run.seconds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
