"""Where a training is: kept in a folder, so that it can go on, and drawn."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


@dataclass
class Run:
    """Where a training is."""

    epoch: int = 0
    best_miou: float = 0.0
    losses: list[float] = field(default_factory=list)
    mious: list[float] = field(default_factory=list)
    seconds: float = 0.0


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
