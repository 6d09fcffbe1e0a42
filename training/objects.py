"""Train the small classifier of objects, `builtin:objects`, on rendered rooms.

    ./run shell -c 'pip install --group render && python tools/demo_room --masks 48'
    ./run shell -c 'python training/objects.py'

It looks at crops around objects, with what lies around them. The run is seeded, and goes on where
it was interrupted. Its folder holds the best weights by the validation split, the last state, the
curves as a picture, and model/: the folder that the package loads, with a model card.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from object_crops import GROWTH, LEAST_PX, Object, crop, read_objects, scaled, varied
from rich.console import Console
from rich.progress import Progress
from run_state import Run, plot, resume, save
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import ResNetConfig, ResNetForImageClassification

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from demo_room.palette import OBJECT_CLASSES as LABELS
from embodied_perception.classification.classifier import Classifier

SIDE_PX = 80
_WARM_UP = 0.1  # of all steps
_SMOOTHING = 0.1
_CARD = """\
---
license: apache-2.0
---

# objects

A small ResNet that says which of {count} things a picture shows: {labels}. It was trained on crops
around one object, with what lies around it: the side of a crop is {least} to {most} times the
object's longer side. Its last features are 8 pixels apart, of {side}, so that its Grad-CAM is fine.

## Data

Pictures of rendered rooms, {train} objects in them; no photo was used. `val` is the demo's room,
`test` the held-out room: neither was trained on, and `val` chose the epoch. Everything was made by
this project and is under its licence, Apache-2.0.

## Training

```sh
python tools/demo_room --masks 48
{command}
```

## How well it does

Share of objects whose class is the first of its answers (top-1), with the weights of this folder,
one crop of each object that has {pixels} visible pixels
or more and that the picture's rim does not cut.

| | val | test |
| --- | --- | --- |
{rows}

On objects of the demo's recording, anywhere in crops of 2.5 times the object's side, the share of
Grad-CAM's mass that lies on the object is more than three times that of a uniform map:
tests/classification/test_grad_cam_share.py.

It knows no other things and no real ones: for a photo of your kitchen take a larger model.
"""


def make_network() -> ResNetForImageClassification:
    """Make a network whose last features are 8 pixels apart, so that evidence has a place."""
    config = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 96],
        depths=[2, 3],
        layer_type="basic",
        id2label=dict(enumerate(LABELS)),
        label2id={name: number for number, name in enumerate(LABELS)},
    )
    network = ResNetForImageClassification(config)
    return network.to(memory_format=torch.channels_last)


def as_batch(views: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """(B, 3, S, S), from -1 to 1."""
    stacked = torch.from_numpy(np.stack(views)).to(device)
    return stacked.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def train_epoch(
    network: ResNetForImageClassification,
    optimiser: torch.optim.Optimizer,
    objects: Sequence[Object],
    arguments: argparse.Namespace,
    run: Run,
    progress: Progress,
) -> float:
    """See each object once; order and views depend on seed and epoch alone."""
    network.train()
    chance = random.Random(f"{arguments.seed} {run.epoch}")  # noqa: S311 - not for secrets
    torch.manual_seed(arguments.seed + run.epoch)
    order = chance.sample(range(len(objects)), len(objects))
    device = next(network.parameters()).device
    batches = max(1, len(order) // arguments.batch)
    task = progress.add_task("", total=batches)
    total = 0.0
    for number in range(batches):
        rate = arguments.rate * schedule((run.epoch + number / batches) / arguments.epochs)
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = [objects[place] for place in order[number * arguments.batch :][: arguments.batch]]
        views = [varied(scaled(crop(each, chance), SIDE_PX), chance) for each in chosen]
        labels = torch.tensor([each.label for each in chosen], device=device)
        with torch.autocast(device.type, torch.bfloat16):
            scores = network(as_batch(views, device)).logits
        loss = cross_entropy(scores.float(), labels, label_smoothing=_SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach())
        progress.update(task, advance=1, description=f"epoch {run.epoch + 1}  loss {loss:.3f}")
    progress.remove_task(task)
    return total / batches


def schedule(done: float) -> float:
    """Share of the learning rate when a share of the training is done: up a line, down a cosine."""
    if done < _WARM_UP:
        return done / _WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (done - _WARM_UP) / (1.0 - _WARM_UP)))


def fixed_views(objects: Sequence[Object]) -> list[np.ndarray]:
    """One crop of each object (S, S, 3), the same ones at every call."""
    return [
        crop(each, random.Random(number))  # noqa: S311 - not for secrets
        for number, each in enumerate(objects)
    ]


@torch.inference_mode()
def accuracy(network: ResNetForImageClassification, objects: Sequence[Object]) -> float:
    """Share of the objects, one crop of each, whose class comes first."""
    network.eval()
    device = next(network.parameters()).device
    views = [scaled(view, SIDE_PX) for view in fixed_views(objects)]
    said = [
        network(as_batch(views[first : first + 64], device)).logits.argmax(1)
        for first in range(0, len(views), 64)
    ]
    labels = torch.tensor([each.label for each in objects], device=device)
    return float((torch.cat(said) == labels).float().mean())


def write_model(network: ResNetForImageClassification, folder: Path) -> None:
    """Write the folder that the package loads, with the weights in fp16."""
    network.half().to(memory_format=torch.contiguous_format).save_pretrained(folder)
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE_PX, "width": SIDE_PX},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    text = json.dumps(preprocessor, indent=2)
    (folder / "preprocessor_config.json").write_text(text + "\n", encoding="utf-8")


def judge(folder: Path, objects: Sequence[Object]) -> list[str]:
    """Accuracy of a model's folder: of all objects and of each class, as percentages."""
    probabilities = Classifier.load(str(folder)).classify(fixed_views(objects))
    labels = np.array([each.label for each in objects])
    right = probabilities.argmax(1) == labels
    shares = [right] + [right[labels == label] for label in range(len(LABELS))]
    return [f"{100 * each.mean():.0f} % of {len(each)}" if len(each) else "-" for each in shares]


def write_card(folder: Path, command: str, splits: dict[str, list[Object]]) -> None:
    """Write README.md: what the data is, how it was trained, and how well it does by class."""
    columns = [judge(folder, splits[split]) for split in ("val", "test")]
    rows = zip(("all", *LABELS), *columns, strict=True)
    text = _CARD.format(
        count=len(LABELS),
        labels=", ".join(LABELS),
        least=GROWTH[0],
        most=GROWTH[1],
        side=SIDE_PX,
        train=len(splits["train"]),
        command=command,
        pixels=LEAST_PX,
        rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train the small classifier of objects on rendered rooms.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, default=Path("out/rooms/masks"), help="of tools/demo_room --masks"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("out/training/objects"))
    parser.add_argument("--epochs", type=int, default=80, help="of one crop of each object")
    parser.add_argument("--stop-after", type=int, help="epochs of this call; the rest is for later")
    parser.add_argument("--batch", type=int, default=64, help="crops at a time")
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Train, and write the model once all epochs are done."""
    arguments, console = parse(given), Console()
    arguments.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    splits = {
        split: read_objects(arguments.data, split, LABELS) for split in ("train", "val", "test")
    }
    torch.manual_seed(arguments.seed)
    network = make_network().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=0.05)
    run = resume(arguments.output, network, optimiser)
    console.print(f"{len(splits['train'])} objects, on {device}, from epoch {run.epoch + 1}")
    end = min(arguments.epochs, run.epoch + (arguments.stop_after or arguments.epochs))
    with Progress(console=console, transient=True) as progress:
        while run.epoch < end:
            start = time.monotonic()
            loss = train_epoch(network, optimiser, splits["train"], arguments, run, progress)
            score = accuracy(network, splits["val"])
            run.epoch += 1
            run.losses.append(loss)
            run.scores.append(score)
            run.seconds += time.monotonic() - start
            if score > run.best:
                run.best = score
                best = {name: each.contiguous() for name, each in network.state_dict().items()}
                save_file(best, arguments.output / "model.safetensors")
            save(arguments.output, network, optimiser, run)
            console.print(
                f"epoch {run.epoch}: loss {loss:.3f}, top-1 {score:.3f}, best {run.best:.3f}, "
                f"{run.seconds / run.epoch:.0f} s an epoch"
            )
    plot(run, arguments.output / "curves.png", "top-1 on val")
    if run.epoch == arguments.epochs:
        network.load_state_dict(load_file(arguments.output / "model.safetensors"))
        write_model(network, arguments.output / "model")
        command = shlex.join(["python", "training/objects.py", *given])
        write_card(arguments.output / "model", command, splits)
        console.print(f"wrote {arguments.output / 'model'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
