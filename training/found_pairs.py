"""How often a two-tower model finds things by their names: trained pairs and held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captioned_pictures import CaptionedPictures
from model_folder import percent
from pixels_and_texts import numbers_at_points
from steps import as_batch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from demo_room.palette import HELD_OUT_PAIRS
from embodied_perception.open_vocabulary.compact_clip import CompactClip

HELD_OUT = "held-out pairs"
_LEAST_POINTS = 20  # of a thing that is judged: 80 pixels


@dataclass(frozen=True)
class Found:
    """How many things were taken for what they are, of how many, and of how many by chance."""

    right: int = 0
    total: int = 0
    by_chance: float = 0.0

    def plus(self, is_right: bool, names: int) -> Found:
        """With one more thing, that was one of so many names."""
        return Found(self.right + is_right, self.total + 1, self.by_chance + 1 / names)

    @property
    def share(self) -> float:
        """Of things that were taken for what they are; NaN where there are none."""
        return self.right / self.total if self.total else float("nan")


def words_to_points(
    network: CompactClip, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> Tensor:
    """Points (N, D) of texts."""
    device = network.bias.device
    tokens = tokenizer(list(texts), padding=True, return_tensors="pt").to(device)
    return network.text(tokens["input_ids"], tokens["attention_mask"])


@torch.inference_mode()
def judge(
    network: CompactClip, tokenizer: PreTrainedTokenizerFast, pictures: CaptionedPictures
) -> tuple[Found, Found]:
    """Look for the names of all things in an image: a thing's own should fit best.

    What most of its pixels say counts. Things without a colour are not judged, but their names are
    among those that are looked for.

    Returns:
        Of trained pairs, and of held-out pairs.

    """
    network.eval()
    names = [thing.name for thing in pictures.different]
    words = words_to_points(network, tokenizer, [f"a photo of a {name}." for name in names])
    trained, held_out = Found(), Found()
    for image, mask, things in zip(pictures.images, pictures.numbers, pictures.things, strict=True):
        points = network.image(as_batch([image], words.device))[0]
        here = sorted({names.index(thing.name) for thing in things.values()})
        best = torch.einsum("nd,dhw->nhw", words[here], points).argmax(0).cpu().numpy()
        numbers = numbers_at_points(mask, network.stride)
        for number, thing in things.items():
            said = best[numbers == number]
            if thing.color is None or len(said) < _LEAST_POINTS:
                continue
            is_right = names[here[np.bincount(said).argmax()]] == thing.name
            if (thing.color, thing.kind) in HELD_OUT_PAIRS:
                held_out = held_out.plus(is_right, len(here))
            else:
                trained = trained.plus(is_right, len(here))
    return trained, held_out


def table(found: dict[str, tuple[Found, Found]]) -> list[str]:
    """Lines of Markdown: what was found in each split."""
    lines = [
        "Share of things for most of whose pixels, of the names of all things in a picture, their",
        "own fits best: of things with a colour that show 80 pixels or more, with the weights of",
        "this folder.\n",
        f"| | {' | '.join(found)} |",
        f"| --- |{' --- |' * len(found)}",
    ]
    for place, name in enumerate(("trained pairs", HELD_OUT)):
        each = [both[place] for both in found.values()]
        shares = [f"{percent(one.share)} of {one.total}" for one in each]
        chances = [percent(one.by_chance / max(1, one.total)) for one in each]
        lines.append(f"| {name} | {' | '.join(shares)} |")
        lines.append(f"| the same by chance | {' | '.join(chances)} |")
    return lines
