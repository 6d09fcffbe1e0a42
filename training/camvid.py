"""Train the compact U-Net on CamVid, or on any folder that is laid out like it.

    ./run shell -c 'python training/camvid.py --data ../shared/data/camvid'

Images lie in SPLIT/, masks of the same names in SPLITannot/: class numbers, 11 and above are
unlabelled. The run is seeded, and goes on where it was interrupted. Its folder holds the best
weights by the validation split (model.safetensors), the last state, and the curves as a picture.

Source of the schedule: L.-C. Chen et al., DeepLab, 2017 (poly); of the class weights: A. Paszke et
al., ENet, 2016.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from embodied_perception.evaluation.segmentation import Confusion
from embodied_perception.segmentation.compact_unet import CompactUNet

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
UNLABELLED = 255


@dataclass(frozen=True)
class Pictures:
    """Images (H, W, 3) uint8 RGB and masks (H, W) uint8 of one split, in memory."""

    images: list[np.ndarray]
    masks: list[np.ndarray]

    @classmethod
    def read(cls, data: Path, split: str) -> Pictures:
        """Read a split, in the order of names."""
        masks = sorted((data / f"{split}annot").glob("*.png"))
        if not masks:
            raise SystemExit(f"{data / (split + 'annot')}: no PNG masks; give another --data")
        found = Pictures([], [])
        for path in masks:
            image = next(iter((data / split).glob(f"{path.stem}.*")), None)
            pixels = None if image is None else cv2.imread(str(image), cv2.IMREAD_COLOR)
            mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if pixels is None or mask is None or mask.shape != pixels.shape[:2]:
                raise SystemExit(f"{path}: no image of that name and size in {data / split}")
            found.images.append(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            found.masks.append(np.where(mask < len(CLASSES), mask, UNLABELLED).astype(np.uint8))
        return found

    def weights(self) -> Tensor:
        """What (C,) a pixel of each class counts: rare ones more."""
        counts = np.bincount(np.concatenate([mask.ravel() for mask in self.masks]), minlength=256)
        shares = counts[: len(CLASSES)] / counts[: len(CLASSES)].sum()
        return torch.tensor(1.0 / np.log(1.1 + shares), dtype=torch.float32)


@dataclass
class Run:
    """Where a training is."""

    epoch: int = 0
    best_miou: float = 0.0
    losses: list[float] = field(default_factory=list)
    mious: list[float] = field(default_factory=list)
    seconds: float = 0.0


def varied(
    image: np.ndarray, mask: np.ndarray, size_hw: tuple[int, int], chance: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Another view of an image: scaled, mirrored, cut out, in another light."""
    scale = chance.uniform(0.75, 1.75)
    width, height = (round(scale * side) for side in image.shape[1::-1])
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    below, right = (max(0, wanted - side) for wanted, side in zip(size_hw, mask.shape, strict=True))
    image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    mask = cv2.copyMakeBorder(mask, 0, below, 0, right, cv2.BORDER_CONSTANT, value=UNLABELLED)
    top = chance.randint(0, mask.shape[0] - size_hw[0])
    left = chance.randint(0, mask.shape[1] - size_hw[1])
    cut = slice(top, top + size_hw[0]), slice(left, left + size_hw[1])
    image, mask = image[cut], mask[cut]
    if chance.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    light = np.array([chance.uniform(0.9, 1.1) for _ in range(3)]) * chance.uniform(0.7, 1.3)
    lit = 255.0 * np.clip(image / 255.0 * light, 0, 1) ** chance.uniform(0.8, 1.25)
    return lit.astype(np.uint8), np.ascontiguousarray(mask)


def as_batch(images: list[np.ndarray], device: torch.device) -> Tensor:
    """(B, 3, H, W) from 0 to 1."""
    stacked = torch.from_numpy(np.stack(images)).to(device)
    return stacked.permute(0, 3, 1, 2).float().div(255.0)


def train_epoch(
    network: CompactUNet,
    optimiser: torch.optim.Optimizer,
    pictures: Pictures,
    weights: Tensor,
    arguments: argparse.Namespace,
    run: Run,
    progress: Progress,
) -> float:
    """Go through all images once; the order and variations depend on seed and epoch alone."""
    network.train()
    chance = random.Random(f"{arguments.seed} {run.epoch}")  # noqa: S311 - not for secrets
    torch.manual_seed(arguments.seed + run.epoch)
    order = list(range(len(pictures.images)))
    chance.shuffle(order)
    device = next(network.parameters()).device
    batches = len(order) // arguments.batch
    task = progress.add_task(f"epoch {run.epoch + 1}", total=batches)
    total = 0.0
    for number in range(batches):
        done = (run.epoch + number / batches) / arguments.epochs
        for group in optimiser.param_groups:
            group["lr"] = arguments.rate * (1.0 - done) ** 0.9
        chosen = order[number * arguments.batch :][: arguments.batch]
        views = [
            varied(pictures.images[place], pictures.masks[place], arguments.crop, chance)
            for place in chosen
        ]
        images = as_batch([image for image, _ in views], device)
        masks = torch.from_numpy(np.stack([mask for _, mask in views])).long().to(device)
        loss = cross_entropy(network(images), masks, weights, ignore_index=UNLABELLED)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach())
        progress.update(task, advance=1, description=f"epoch {run.epoch + 1}  loss {loss:.3f}")
    progress.remove_task(task)
    return total / max(1, batches)


@torch.inference_mode()
def evaluate(network: CompactUNet, pictures: Pictures) -> Confusion:
    """Count at the images' own size."""
    network.eval()
    device = next(network.parameters()).device
    confusion = Confusion.none(len(CLASSES))
    for image, mask in zip(pictures.images, pictures.masks, strict=True):
        said = network(as_batch([image], device))[0].argmax(0).cpu().numpy()
        confusion += Confusion.of(mask, said, len(CLASSES))
    return confusion


def save(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, run: Run) -> None:
    """Write the last state; safetensors and JSON alone."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for slot, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{slot}.{name}": value for name, value in state.items()}
    part = folder / "last.safetensors.part"
    save_file({name: value.contiguous() for name, value in tensors.items()}, part)
    part.replace(folder / "last.safetensors")
    (folder / "run.json").write_text(json.dumps(asdict(run)), encoding="utf-8")


def resume(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> Run:
    """Go on from the last state, if there is one."""
    if not (folder / "run.json").exists():
        return Run()
    tensors = load_file(folder / "last.safetensors")
    mine = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
    network.load_state_dict(mine)
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, slot, *rest = name.split(".")
        if kind == "optimiser":
            states.setdefault(int(slot), {})[".".join(rest)] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": states})
    return Run(**json.loads((folder / "run.json").read_text(encoding="utf-8")))


def plot(run: Run, path: Path) -> None:
    """Loss and mIoU by epoch."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, values, label in zip(
        figure.subplots(1, 2), (run.losses, run.mious), ("loss", "mIoU on val"), strict=True
    ):
        axes.plot(range(1, len(values) + 1), values, color="#4878a8")
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def parse(given: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train the compact U-Net on CamVid, or on any folder laid out like it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/, trainannot/")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/training/camvid"))
    parser.add_argument("--epochs", type=int, default=200, help="through all training images")
    parser.add_argument("--stop-after", type=int, help="epochs of this call; the rest is for later")
    parser.add_argument("--batch", type=int, default=8, help="images at a time")
    parser.add_argument("--crop", type=int, nargs=2, default=(360, 480), help="height and width")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="images of each split; all by default")
    arguments = parser.parse_args(given)
    arguments.crop = tuple(arguments.crop)
    return arguments


def main(given: list[str]) -> int:
    """Train."""
    arguments, console = parse(given), Console()
    arguments.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    splits = {split: Pictures.read(arguments.data, split) for split in ("train", "val")}
    if arguments.limit:
        splits = {
            name: Pictures(each.images[: arguments.limit], each.masks[: arguments.limit])
            for name, each in splits.items()
        }
    torch.manual_seed(arguments.seed)
    network = CompactUNet(len(CLASSES)).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=1e-4)
    run = resume(arguments.output, network, optimiser)
    weights = splits["train"].weights().to(device)
    console.print(f"{len(splits['train'].images)} images, on {device}, from epoch {run.epoch + 1}")
    end = min(arguments.epochs, run.epoch + (arguments.stop_after or arguments.epochs))
    with Progress(console=console, transient=True) as progress:
        while run.epoch < end:
            start = time.monotonic()
            loss = train_epoch(
                network, optimiser, splits["train"], weights, arguments, run, progress
            )
            confusion = evaluate(network, splits["val"])
            run.epoch += 1
            run.losses.append(loss)
            run.mious.append(confusion.miou)
            run.seconds += time.monotonic() - start
            if confusion.miou > run.best_miou:
                run.best_miou = confusion.miou
                save_file(network.state_dict(), arguments.output / "model.safetensors")
            save(arguments.output, network, optimiser, run)
            plot(run, arguments.output / "curves.png")
            console.print(
                f"epoch {run.epoch}: loss {loss:.3f}, mIoU {confusion.miou:.3f}, "
                f"best {run.best_miou:.3f}, {run.seconds / run.epoch:.0f} s an epoch"
            )
    print(json.dumps({"epoch": run.epoch, "best_miou": run.best_miou, "seconds": run.seconds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
