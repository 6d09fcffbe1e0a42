"""Detection and classification by words: what they cost beside the network alone.

Three ways from the same random image of 640x480 and the same ten words are timed in turns: ours,
from the message to what is found; the bare network (PyTorch, as transformers has it), on a tensor
that is ready and with words that are encoded; and transformers' own pipeline, which for detection
runs the network once a word. Networks are of the size that they were published with and have
random weights; the threshold is such that twenty boxes are above it. Ratios are medians of those
within a round, so that whatever else the machine does meanwhile slows all three ways.

On the CPU, and in fp16 on a GPU where there is one (ours_cuda, peers_cuda).

    ./run benchmark open_vocabulary
    ./run benchmark open_vocabulary --models clip-b32 --rounds 200
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sensor_msgs.msg import Image as ImageMessage
from torch.nn.functional import normalize
from transformers.convert_slow_tokenizer import bytes_to_unicode

from embodied_perception.geometry import TransformTree
from embodied_perception.inference.runtime import Runtime
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND
from embodied_perception.stages.image_messages import frame_from_image, image_message
from embodied_perception.stages.open_vocabulary import OpenVocabularyConfig, OpenVocabularyStage
from embodied_perception.stages.zero_shot import ZeroShotConfig, ZeroShotStage

RESOLUTION_WH = 640, 480
WORDS = (
    "person",
    "door",
    "chair",
    "table",
    "red mug",
    "green bottle",
    "cardboard box",
    "fire extinguisher",
    "laptop",
    "potted plant",
)
#: The pipeline of detection has no templates, and no pipeline has texts for the background.
TEMPLATE = "{}"
BOXES = 20
HEADS = ("box_head.", "class_head.logit_")

Way = Callable[[], Any]


@dataclass(frozen=True)
class Published:
    """A model as it was published, but for its weights.

    Attributes:
        kind: what the names of its classes in transformers begin with.
        network: how that of its network goes on.
        text: figures of its text half, where what is left out is as in transformers' own
            configuration.
        vision: the same of its other half.
        rounds: that are timed, fewer of what is slow.

    """

    kind: str
    network: str
    text: Mapping[str, int]
    vision: Mapping[str, int]
    rounds: int

    def save(self, folder: Path) -> None:
        """Write config, random weights, tokenizer and preprocessor_config.json."""
        torch.manual_seed(0)
        config = getattr(transformers, f"{self.kind}Config")(
            text_config=dict(self.text),
            vision_config=dict(self.vision),
            projection_dim=self.text["hidden_size"],
        )
        network = getattr(transformers, self.kind + self.network)(config)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.startswith(HEADS):  # else all scores and sides are 0 or 1
                    parameter.mul_(0.01)
        network.save_pretrained(folder)
        make_tokenizer(self.text).save_pretrained(folder)
        side = self.vision["image_size"]
        square = {"height": side, "width": side}
        size = (
            {"size": {"shortest_edge": side}, "crop_size": square}
            if self.kind == "CLIP"
            else {"size": square}
        )
        name = f"{self.kind}ImageProcessor"
        processor = getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)
        processor(**size).save_pretrained(folder)


_TEXT = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}
_VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
MODELS = {
    # google/owlv2-base-patch16
    "owlv2-base": Published(
        "Owlv2",
        "ForObjectDetection",
        _TEXT | {"max_position_embeddings": 16},
        _VISION | {"image_size": 960, "patch_size": 16},
        rounds=3,
    ),
    # google/owlvit-base-patch32
    "owlvit-b32": Published(
        "OwlViT",
        "ForObjectDetection",
        _TEXT | {"max_position_embeddings": 16},
        _VISION | {"image_size": 768, "patch_size": 32},
        rounds=10,
    ),
    # openai/clip-vit-base-patch32
    "clip-b32": Published(
        "CLIP",
        "Model",
        _TEXT | {"max_position_embeddings": 77},
        _VISION | {"image_size": 224, "patch_size": 32},
        rounds=50,
    ),
}


def make_tokenizer(text: Mapping[str, int]) -> Any:
    """CLIP's tokenizer, with as many tokens as published; those of our words are whole words."""
    letters = list(bytes_to_unicode().values())
    every = [*letters, *(f"{letter}</w>" for letter in letters)]
    ends = ["<|startoftext|>", "<|endoftext|>"]
    plain = transformers.CLIPTokenizer(vocab=_numbered([*every, *ends]), merges=[])
    learnt = plain.train_new_from_iterator(
        [[*WORDS, *BACKGROUND]], text["vocab_size"], show_progress=False
    )
    merges = json.loads(learnt.backend_tokenizer.to_str())["model"]["merges"]
    every += dict.fromkeys("".join(pair) for pair in merges)
    unused = [f"<unused {number}>" for number in range(text["eos_token_id"] - 1 - len(every))]
    return transformers.CLIPTokenizer(
        vocab=_numbered([*every, *unused, *ends]),
        merges=[tuple(pair) for pair in merges],
        model_max_length=text["max_position_embeddings"],
    )


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}


def detection_stage(
    source: str, runtime: Runtime, threshold: float
) -> Callable[[ImageMessage], Any]:
    """The stage of detection, from message to messages."""
    config = OpenVocabularyConfig(
        model=source,
        device=runtime.device,
        precision=runtime.precision,
        vocabulary=WORDS,
        templates=(TEMPLATE,),
        background=False,
        threshold=threshold,
    )
    stage = OpenVocabularyStage(config, TransformTree())
    stage.load()
    stage.wanted = lambda _name: False  # nobody looks at the overlay
    return lambda message: stage.process(image=frame_from_image(message))


def classification_stage(source: str, runtime: Runtime) -> Callable[[ImageMessage], Any]:
    """The stage of classification, from message to messages."""
    config = ZeroShotConfig(
        model=source,
        device=runtime.device,
        precision=runtime.precision,
        vocabulary=WORDS,
        templates=(TEMPLATE,),
        background=False,
        top=len(WORDS),
    )
    stage = ZeroShotStage(config, TransformTree())
    stage.load()
    stage.wanted = lambda _name: False
    return lambda message: stage.process(image=frame_from_image(message))


def detector_ways(source: str, runtime: Runtime, image: np.ndarray) -> dict[str, Way]:
    """The three ways to boxes."""
    peer, inputs = peer_and_inputs("zero-shot-object-detection", source, runtime, image)
    network, pixels = peer.model, inputs["pixel_values"]
    with torch.inference_mode():
        found = network(**inputs)
    scores = found.logits.sigmoid().amax(-1).flatten()
    threshold = float(scores.topk(BOXES + 1).values[-2:].mean())

    def bare() -> Any:
        features, _ = network.image_embedder(pixels)
        patches = features.flatten(1, 2)
        logits, _ = network.class_predictor(patches, found.text_embeds)
        return network.box_predictor(patches, features), logits

    picture = Image.fromarray(image)
    return {
        "ours": from_camera(image, detection_stage(source, runtime, threshold)),
        "bare": finished(bare, runtime),
        "pipeline": lambda: peer(picture, candidate_labels=list(WORDS), threshold=threshold),
    }


def classifier_ways(source: str, runtime: Runtime, image: np.ndarray) -> dict[str, Way]:
    """The three ways to probabilities."""
    peer, inputs = peer_and_inputs("zero-shot-image-classification", source, runtime, image)
    network, pixels = peer.model, inputs["pixel_values"]
    with torch.inference_mode():
        texts = network(**inputs).text_embeds.T * network.logit_scale.exp()

    def bare() -> Any:
        return normalize(network.get_image_features(pixels).pooler_output, dim=-1) @ texts

    picture = Image.fromarray(image)
    return {
        "ours": from_camera(image, classification_stage(source, runtime)),
        "bare": finished(bare, runtime),
        "pipeline": lambda: peer(
            picture, candidate_labels=list(WORDS), hypothesis_template=TEMPLATE
        ),
    }


def peer_and_inputs(
    task: str, source: str, runtime: Runtime, image: np.ndarray
) -> tuple[Any, dict[str, torch.Tensor]]:
    """Transformers' own pipeline, and what its network takes for the image and the words."""
    place = runtime.place()
    peer = transformers.pipeline(task, source, device=place.device, dtype=place.dtype)
    inputs = dict(peer.tokenizer(list(WORDS), padding=True, return_tensors="pt"))
    pixels = peer.image_processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
    inputs["pixel_values"] = pixels.to(place.dtype)
    return peer, {name: values.to(place.device) for name, values in inputs.items()}


def from_camera(image: np.ndarray, run: Callable[[ImageMessage], Any]) -> Way:
    """As if a camera sent the same image over and over, a second apart."""
    message = image_message(image, "rgb8", 0, "camera")

    def once() -> Any:
        message.header.stamp.sec += 1
        return run(message)

    return once


def finished(run: Way, runtime: Runtime) -> Way:
    """Without gradients; and when it ends, the device is done too."""
    is_cuda = runtime.place().device.type == "cuda"

    def whole() -> Any:
        with torch.inference_mode():
            result = run()
        if is_cuda:
            torch.cuda.synchronize()
        return result

    return whole


def in_turns(ways: Mapping[str, Way], rounds: Iterable[int]) -> dict[str, np.ndarray]:
    """Seconds of each way in each round, timed one after the other."""
    for run in ways.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in rounds:
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def time_models(
    names: Sequence[str], rounds: int | None, devices: Sequence[str], console: Console
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Seconds of each way in each round, by device and model."""
    image = np.random.default_rng(0).integers(0, 256, (*RESOLUTION_WH[::-1], 3), np.uint8)
    seconds: dict[str, dict[str, dict[str, np.ndarray]]] = {device: {} for device in devices}
    for name in names:
        model = MODELS[name]
        ways_of = classifier_ways if model.kind == "CLIP" else detector_ways
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder  # nobody asks for these texts again
            with console.status(f"{name}: random weights"):
                model.save(Path(folder))
            for device in devices:
                with console.status(f"{name}: loading on {device}"):
                    ways = ways_of(folder, Runtime(device), image)
                turns = range(rounds or model.rounds)
                title = f"{name}, {device}"
                shown = track(turns, title, console=console, transient=True)
                seconds[device][name] = in_turns(ways, shown)
    return seconds


def figures(
    device: str, seconds: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and the peers' on one device."""

    def ratios(way: str) -> dict[str, float]:
        return {
            name: round(float(np.median(each[way] / each["ours"])), 3)
            for name, each in seconds.items()
        }

    def speed(way: str) -> dict[str, float]:
        return {name: float(f"{1 / np.median(each[way]):.3g}") for name, each in seconds.items()}

    ours = {
        "stage_over_bare": ratios("bare"),
        "speedup_over_pipeline": ratios("pipeline"),
        "frames_per_s": speed("ours"),
        "rounds": {name: len(each["ours"]) for name, each in seconds.items()},
        "precision": str(Runtime(device).place().dtype).removeprefix("torch."),
    }
    return ours, {f"{way}_frames_per_s": speed(way) for way in ("bare", "pipeline")}


def show(ours: Mapping[str, Any], peers: Mapping[str, Any], title: str, console: Console) -> None:
    """The figures as a table, a model a row."""
    columns = {
        "ours, frames/s": ours["frames_per_s"],
        "bare": peers["bare_frames_per_s"],
        "pipeline": peers["pipeline_frames_per_s"],
        "ours/bare": ours["stage_over_bare"],
        "ours/pipeline": ours["speedup_over_pipeline"],
    }
    table = Table("model", title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for name in ours["frames_per_s"]:
        table.add_row(name, *(f"{each[name]:.3g}" for each in columns.values()))
    console.print(table)


def main() -> int:
    """Measure, show a table, print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=[*MODELS], help="default: all of them"
    )
    usual = ", ".join(f"{model.rounds} of {name}" for name, model in MODELS.items())
    parser.add_argument("--rounds", type=int, help=f"default: {usual}")
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"--rounds: got {arguments.rounds}, expected 1 or more")
    console = Console(stderr=True)
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    result: dict[str, Any] = {}
    seconds = time_models(arguments.models, arguments.rounds, devices, console)
    for device in devices:
        ours, peers = figures(device, seconds[device])
        show(ours, peers, f"{len(WORDS)} words, {device}, {ours['precision']}", console)
        ending = "" if device == "cpu" else f"_{device}"
        result |= {f"ours{ending}": ours, f"peers{ending}": peers}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
