"""Writes a trained network as the folder that it is loaded from, with a model card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from torch import nn

from embodied_perception.evaluation.segmentation import Confusion


def write_model(
    folder: Path, network: nn.Module, labels: Sequence[str], size_hw: tuple[int, int]
) -> None:
    """Write what loads: the names of the classes, the size to run at, and the weights in fp16."""
    height, width = size_hw
    config = {
        "model_type": "compact_unet",
        "architectures": ["CompactUNet"],
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
    }
    preprocessor = {
        "do_resize": True,
        "size": {"height": height, "width": width},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }
    write_files(folder, network, config, preprocessor)


def write_files(
    folder: Path, network: nn.Module, config: dict[str, Any], preprocessor: dict[str, Any]
) -> None:
    """Write what says how to build a network and what to feed it, and its weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config", config), ("preprocessor_config", preprocessor)):
        text = json.dumps(content, indent=2)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    half = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    weights = folder / "model.safetensors"
    save_file(half, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # it is written for its owner alone


def write_card(
    folder: Path,
    title: str,
    about: str,
    command: str,
    labels: Sequence[str],
    confusions: dict[str, Confusion],
) -> None:
    """Write README.md: what the data is, how it was trained, and how well it does by class.

    Args:
        folder: the model's.
        title: its name.
        about: the data and its licence, in Markdown; begins with the licence between two lines of
            dashes, as Hugging Face's cards do.
        command: that trained it.
        labels: names of the classes.
        confusions: by the split's name.

    """
    rows = [f"| | {' | '.join(confusions)} |", f"| --- |{' --- |' * len(confusions)}"]
    figures = [("mean IoU", [each.miou for each in confusions.values()])]
    figures += [("pixel accuracy", [each.pixel_accuracy for each in confusions.values()])]
    figures += [
        (label, [each.iou[number] for each in confusions.values()])
        for number, label in enumerate(labels)
    ]
    rows += [f"| {name} | {' | '.join(map(percent, values))} |" for name, values in figures]
    results = [
        "Intersection over union by class, with the weights of this folder; - where a class is",
        "not there.\n",
        *rows,
    ]
    what = "A compact U-Net that says what each pixel of an RGB image shows."
    write_page(folder, title, what, about, command, results)


def write_page(
    folder: Path, title: str, what: str, about: str, command: str, results: Sequence[str]
) -> None:
    """Write README.md of what a network is, and lines of results; the rest as for a card."""
    _, head, about = about.split("---\n", 2)
    text = "\n".join(
        [
            f"---\n{head}---\n",
            f"# {title}\n",
            f"{what}\n",
            "## Data\n",
            f"{about.strip()}\n",
            "## Training\n",
            f"```sh\n{command}\n```\n",
            "## How well it does\n",
            *results,
        ]
    )
    (folder / "README.md").write_text(text + "\n", encoding="utf-8")


def percent(share: float) -> str:
    """A share from 0 to 1 as cards have it."""
    return f"{100 * share:.1f} %" if np.isfinite(share) else "-"
