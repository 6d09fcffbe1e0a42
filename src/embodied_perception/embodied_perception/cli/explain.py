"""`perception explain`: what a classifier looks at, in pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from embodied_perception.classification.architectures import ARCHITECTURES
from embodied_perception.classification.classifier import Classifier
from embodied_perception.classification.inside import first_kernels, last_features, responses
from embodied_perception.classification.labels import in_words, label_number
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.color_images import ColorImage, some_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError, InferenceError
from embodied_perception.evaluation.embedding import LEAST, tsne
from embodied_perception.evaluation.explain_plots import (
    Evidence,
    draw_kernels,
    plot_evidence,
    plot_map,
    plot_responses,
)
from embodied_perception.evaluation.page import Illustration, write_page, write_picture

SUMMARY = "show what a classifier looks at: kernels, responses, evidence, what is alike to it"

_SHOWN = 12  # images with evidence: more are not looked at

_EPILOG = """\
The page has four pictures:

  kernels    what the first layer looks for. Edges of some direction, spots and colours are the
             sign of a network that has learnt; noise is that of one that has not.
  responses  what layers say to one image, from the first ones (edges, the image can still be
             made out) to the last ones (few places, each of which means something): the channels
             that vary most, dark for little and bright for much.
  evidence   where the image speaks for the class: Grad-CAM for networks of convolutions, attention
             rollout for vision transformers. Bright spots should lie on the thing itself. Where
             they lie on what is around it, the network has learnt the surroundings, and will fail
             in others.
  map        t-SNE of the last features: images that the network takes for alike lie together.
             One class in two heaps, or two classes in one, is what to look at. Distances between
             heaps mean nothing.

SOURCE is a folder of photos, a video, a bag, or /dev/videoN. A MODEL is builtin:NAME,
hf:OWNER/REPO (see: perception models pull), or a folder with config.json, model.safetensors and
preprocessor_config.json, of a ResNet or ViT of transformers, or an AlexNet or VGG with the weights
of torchvision.

Examples:
  perception explain crops/ --model builtin:objects -o report
  perception explain drive.mcap --topic /front/image_raw --model hf:microsoft/resnet-50 -o report
  perception explain photos/ --model hf:google/vit-base-patch16-224 --label "tabby cat" -o report
"""


@dataclass
class _Report:
    """Pictures of a page as they are made, and what could not be."""

    folder: Path
    illustrations: list[Illustration] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, file: str, caption: str) -> Path:
        """Where a picture goes that has this caption."""
        self.illustrations.append(Illustration(file, caption))
        return self.folder / file


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="see below")
    parser.add_argument("--topic", help="of the bag")
    parser.add_argument("--model", required=True, help="see below")
    parser.add_argument(
        "--label", metavar="WORD", help="evidence for this class; default: the one that wins"
    )
    parser.add_argument(
        "--images", type=int, default=60, help="so many, spread over all; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="of t-SNE; default: %(default)s")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="write the page here"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at some images, and write the page."""
    console = Console(stderr=True)
    if arguments.images < 1:
        raise ConfigError(f"--images: got {arguments.images}, expected 1 or more")
    if not 0 <= arguments.seed < 2**32:
        raise ConfigError(f"--seed: got {arguments.seed}, expected 0 to {2**32 - 1}")
    classifier = Classifier.load(arguments.model)
    chosen = None if arguments.label is None else label_number(classifier.labels, arguments.label)
    images, problems = some_images(arguments.source, arguments.topic, arguments.images)
    show_problems(console, problems)
    output.make_folder(arguments.output)
    report = _Report(arguments.output)
    probabilities = np.concatenate(
        [
            classifier.classify([each.rgb])
            for each in track(images, "classes", console=console, transient=True)
        ]
    )
    _kernels(report, classifier)
    _responses(report, classifier, images[0])
    _evidence(report, classifier, images, probabilities, chosen, console)
    _map(report, classifier, images, probabilities, arguments.seed)
    page = arguments.output / "index.html"
    write_page(
        page,
        f"What {arguments.model} looks at",
        f"{len(images)} images of {arguments.source.name}.",
        {},
        report.illustrations,
        remarks=report.remarks,
    )
    for remark in report.remarks:
        console.print(f"[yellow]remark:[/] {remark}", highlight=False, soft_wrap=True)
    print(f"wrote {page}")
    return 0


def _kernels(report: _Report, classifier: Classifier) -> None:
    try:
        kernels = first_kernels(classifier)
    except InferenceError as error:
        report.remarks.append(str(error))
        return
    count, _, height, width = kernels.shape
    path = report.add(
        "kernels.png", f"Kernels of the first layer: {count} of {width}x{height} pixels."
    )
    write_picture(path, draw_kernels(kernels))


def _responses(report: _Report, classifier: Classifier, image: ColorImage) -> None:
    layers = responses(classifier, image.rgb)
    if len(layers) < 2:
        report.remarks.append(
            f"The layers of a {classifier.model.model_type} work on a list of patches, not on "
            "maps: responses are of its first layer only."
        )
    path = report.add(
        "responses.png", f"What layers say to {image.name}: the channels that vary most."
    )
    plot_responses(image.rgb, [(each.layer, each.maps) for each in layers], path)


def _evidence(
    report: _Report,
    classifier: Classifier,
    images: Sequence[ColorImage],
    probabilities: np.ndarray,
    chosen: int | None,
    console: Console,
) -> None:
    step = max(1, len(images) // _SHOWN)
    shown = list(range(0, len(images), step))[:_SHOWN]
    found = []
    for index in track(shown, "evidence", console=console, transient=True):
        label = int(probabilities[index].argmax()) if chosen is None else chosen
        heat = classifier.evidence(images[index].rgb, label)
        words = in_words(classifier.labels, probabilities[index])
        found.append(Evidence(images[index].rgb, heat, words))
    kind = classifier.model.model_type
    if chosen is not None and ARCHITECTURES[kind].last_features is None:
        report.remarks.append(
            f"The evidence of a {kind} is what it attended to, the same for every class: --label "
            "changes nothing."
        )
    target = "the class that wins" if chosen is None else classifier.labels[chosen]
    path = report.add(
        "evidence.png",
        f"Evidence for {target}, beside each image; the three most probable classes below.",
    )
    plot_evidence(found, path)


def _map(
    report: _Report,
    classifier: Classifier,
    images: Sequence[ColorImage],
    probabilities: np.ndarray,
    seed: int,
) -> None:
    if len(images) < LEAST:
        report.remarks.append(
            f"A map of which images are alike needs {LEAST} images or more, got {len(images)}."
        )
        return
    places = tsne(last_features(classifier, [each.rgb for each in images]), seed)
    classes = [classifier.labels[number].partition(",")[0] for number in probabilities.argmax(1)]
    path = report.add(
        "map.png",
        "t-SNE of the last features: what the network takes for alike lies together. Frames have "
        "the colour of the class that wins.",
    )
    plot_map([each.rgb for each in images], places, classes, path)
