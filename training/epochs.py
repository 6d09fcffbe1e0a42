"""Epoch after epoch: learn, judge, keep the best weights and the state, and draw the curves."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import torch
from rich.console import Console
from rich.progress import Progress
from run_state import Run, plot, save
from safetensors.torch import save_file
from torch import nn


def go_through(
    arguments: argparse.Namespace,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    run: Run,
    learn: Callable[[Progress], float],
    judge: Callable[[], Mapping[str, float]],
    console: Console,
) -> None:
    """Go on with a run until its end, or until it shall stop.

    Args:
        arguments: output, epochs and stop_after.
        network: that learns.
        optimiser: its.
        run: goes on.
        learn: one epoch; returns the loss.
        judge: on the validation data; scores by what they are called. The first one chooses the
            best weights.
        console: where to tell.

    """
    end = min(arguments.epochs, run.epoch + (arguments.stop_after or arguments.epochs))
    with Progress(console=console, transient=True) as progress:
        while run.epoch < end:
            start = time.monotonic()
            loss = learn(progress)
            (name, score), *others = judge().items()
            run.epoch += 1
            run.losses.append(loss)
            run.scores.append(score)
            for other, value in others:
                run.also.setdefault(other, []).append(value)
            run.seconds += time.monotonic() - start
            if score > run.best:
                run.best = score
                save_file(network.state_dict(), arguments.output / "model.safetensors")
            save(arguments.output, network, optimiser, run)
            plot(run, arguments.output / "curves.png", name)
            told = "".join(f", {other} {value:.3f}" for other, value in others)
            console.print(
                f"epoch {run.epoch}: loss {loss:.3f}, {name} {score:.3f}, best {run.best:.3f}"
                f"{told}, {run.seconds / run.epoch:.0f} s an epoch"
            )
