"""Where a training is: kept in its folder, so that it can go on, and drawn."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_RUN, _LAST = "run.json", "last.safetensors"


@dataclass
class Run:
    """Where a training is.

    Attributes:
        epoch: how many are done.
        best: the highest score so far.
        losses: of each epoch, on the training data.
        scores: of each epoch, on the validation data.
        seconds: that all of it took.
        also: other scores of each epoch, on the validation data, by what they are called.

    """

    epoch: int = 0
    best: float = 0.0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    also: dict[str, list[float]] = field(default_factory=dict)


def save(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, run: Run) -> None:
    """Write the state after an epoch; safetensors and JSON alone."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for slot, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{slot}.{name}": value for name, value in state.items()}
    part = folder / (_LAST + ".part")
    save_file({name: value.contiguous() for name, value in tensors.items()}, part)
    part.replace(folder / _LAST)
    (folder / _RUN).write_text(json.dumps(asdict(run)), encoding="utf-8")


def resume(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> Run:
    """Put network and optimiser back to the last state, if there is one."""
    if not (folder / _RUN).exists():
        return Run()
    weights: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in load_file(folder / _LAST).items():
        kind, rest = name.split(".", 1)
        if kind == "network":
            weights[rest] = value
        else:
            slot, moment = rest.split(".", 1)
            moments.setdefault(int(slot), {})[moment] = value
    network.load_state_dict(weights)
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    return Run(**json.loads((folder / _RUN).read_text(encoding="utf-8")))


def plot(run: Run, path: Path, score: str) -> None:
    """Write a picture: the loss by epoch, and the score, which is called ``score``."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for axes, values, label in ((losses, run.losses, "loss"), (scores, run.scores, score)):
        axes.plot(range(1, len(values) + 1), values, color="#4878a8", label=label)
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    for label, values in run.also.items():
        scores.plot(range(1, len(values) + 1), values, color="#c86432", label=label)
    if run.also:
        scores.legend(frameon=False)
    figure.savefig(path, dpi=110)
