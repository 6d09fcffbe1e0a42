"""Train the compact two-tower model, `builtin:demo-clip`, on rendered rooms with captions.

    ./run shell -c 'pip install --group render && python tools/demo_room --captions 100'
    ./run shell -c 'python training/clip.py --data out/rooms/captions'

Some pixels of each image are compared with texts, true ones and others: what shows a red mug is "a
photo of a red mug.", "mug" and "something red", and no "blue mug". Some pairs of colour and kind
are in no training image and in no text; how often they are found is told apart. The run is seeded,
and goes on where it was interrupted. Its folder holds the best weights by the validation split's
trained pairs (model.safetensors), the last state, and the curves as a picture; --model writes the
best weights as a folder to load, with a card.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from box_confidence import fit_box_scores
from captioned_pictures import CaptionedPictures
from captions import Language
from epochs import go_through
from found_pairs import HELD_OUT, judge, table, words_to_points
from masked_pictures import varied
from model_folder import write_files, write_page
from options import add_options, checked
from pixels_and_texts import Batch, balanced_loss, draw_batch
from rich.console import Console
from rich.progress import Progress
from run_state import Run, resume
from safetensors.torch import load_file
from steps import Steps, set_rate
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from word_tokenizer import make_tokenizer

from embodied_perception.open_vocabulary.compact_clip import CompactClip
from embodied_perception.open_vocabulary.loading import load_detector

_LIGHT = 0.4  # of what images vary in light elsewhere: else gray is white, and brown is orange


def train_epoch(
    network: CompactClip,
    see: Callable[[Tensor], Tensor],
    tokenizer: PreTrainedTokenizerFast,
    language: Language,
    optimiser: torch.optim.Optimizer,
    pictures: CaptionedPictures,
    arguments: argparse.Namespace,
    run: Run,
    progress: Progress,
) -> float:
    """Go through all images once; what is seen and said depends on seed and epoch alone.

    ``see`` is the image tower, as it is or compiled.
    """
    network.train()
    chance = random.Random(f"{arguments.seed} {run.epoch}")  # noqa: S311 - not for secrets
    rng = np.random.default_rng([arguments.seed, run.epoch])
    order = chance.sample(range(len(pictures.images)), len(pictures.images))
    device = network.bias.device

    def vary(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return varied(
            image, mask, arguments.crop, chance, arguments.scales, arguments.focus, _LIGHT
        )

    batches = len(order) // arguments.batch
    task = progress.add_task(f"epoch {run.epoch + 1}", total=batches)
    steps = Steps(network, optimiser)
    for number in range(batches):
        set_rate(optimiser, arguments.rate, (run.epoch + number / batches) / arguments.epochs)
        chosen = order[number * arguments.batch :][: arguments.batch]
        batch = draw_batch(pictures, chosen, language, vary, network.stride, chance, rng, device)

        def loss_of_batch(batch: Batch = batch) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=arguments.compile):
                points = see(batch.images).float().flatten(2)
            at = batch.places[:, None].expand(-1, points.shape[1], -1)
            looked_at = points.gather(2, at).transpose(1, 2).flatten(0, 1)
            said = words_to_points(network, tokenizer, batch.texts)
            return balanced_loss(network.logits(looked_at, said), batch.truth)

        loss = steps.take(loss_of_batch)
        progress.update(task, advance=1, description=f"epoch {run.epoch + 1}  loss {loss:.3f}")
    progress.remove_task(task)
    return steps.mean(run.epoch + 1)


def export(
    arguments: argparse.Namespace,
    network: CompactClip,
    tokenizer: PreTrainedTokenizerFast,
    given: Iterable[str],
) -> None:
    """Write the best weights as a model's folder, judged on each split that there is."""
    folder = arguments.model
    network.load_state_dict(load_file(arguments.output / "model.safetensors"))
    config = {
        "model_type": "compact_clip",
        "architectures": ["CompactClip"],
        "words": len(tokenizer),
    }
    preprocessor = {
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }
    write_files(folder, network, config, preprocessor)
    tokenizer.save_pretrained(folder)
    splits = {
        split: CaptionedPictures.read(arguments.data, split, arguments.limit)
        for split in ("val", "test")
        if (arguments.data / f"{split}things").is_dir()
    }
    box_scores = fit_box_scores(load_detector(str(folder)), splits["val"])
    write_files(folder, network, config | {"box_scores": asdict(box_scores)}, preprocessor)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    found = {split: judge(network, tokenizer, pictures) for split, pictures in splits.items()}
    write_page(
        folder,
        folder.name,
        "A compact two-tower model: it finds in an RGB image what words say, pixel by pixel.",
        arguments.about.read_text(encoding="utf-8"),
        shlex.join(["python", "training/clip.py", *given]),
        table(found),
    )


def parse(given: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train the compact two-tower model on rooms of tools/demo_room --captions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(output=Path("out/training/demo-clip"), epochs=50, crop=(240, 320))
    parser.set_defaults(scales=(0.8, 2.5), focus=0.7)
    return checked(parser, given)


def make_optimiser(network: CompactClip, rate: float) -> torch.optim.Optimizer:
    """Make one that lets scale and bias, which have far to go, go faster than weights."""
    far = [network.scale, network.bias]
    near = [each for each in network.parameters() if all(each is not other for other in far)]
    groups = [{"params": near}, {"params": far, "times": 10.0, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, rate, weight_decay=1e-4)


def main(given: list[str]) -> int:
    """Train."""
    arguments, console = parse(given), Console()
    arguments.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, val = (
        CaptionedPictures.read(arguments.data, split, arguments.limit) for split in ("train", "val")
    )
    language = Language.about(train.different)
    tokenizer = make_tokenizer(language.words(), CompactClip.context)
    torch.manual_seed(arguments.seed)
    network = CompactClip(len(tokenizer)).to(device)
    if arguments.begin_with:
        network.load_state_dict(load_file(arguments.begin_with / "model.safetensors"))
    optimiser = make_optimiser(network, arguments.rate)
    run = resume(arguments.output, network, optimiser)
    see = torch.compile(network.image) if arguments.compile else network.image
    console.print(
        f"{len(train.images)} images, {len(tokenizer)} words, on {device}, from epoch "
        f"{run.epoch + 1}"
    )

    def learn(progress: Progress) -> float:
        return train_epoch(
            network, see, tokenizer, language, optimiser, train, arguments, run, progress
        )

    def judge_val() -> dict[str, float]:
        trained, held_out = judge(network, tokenizer, val)
        return {"trained pairs found on val": trained.share, HELD_OUT: held_out.share}

    go_through(arguments, network, optimiser, run, learn, judge_val, console)
    if arguments.model and run.epoch == arguments.epochs:
        export(arguments, network, tokenizer, given)
    print(json.dumps({"epoch": run.epoch, "best": run.best, "seconds": run.seconds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
