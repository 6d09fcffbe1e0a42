"""`perception detect`: finds what words name, in images of any kind."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from embodied_perception.cli import looking
from embodied_perception.cli.calibrate import output
from embodied_perception.cli.color_images import some_images
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import ConfigError, EvaluationError
from embodied_perception.evaluation.page import write_picture
from embodied_perception.imaging.sources.photos import read_photo
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.finding import THRESHOLD
from embodied_perception.open_vocabulary.overlay import draw_detections
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path
from embodied_perception.open_vocabulary.vocabulary import Label
from embodied_perception.open_vocabulary.words import Words

if TYPE_CHECKING:  # they import PyTorch, which takes seconds
    from embodied_perception.open_vocabulary.detector import Detector
    from embodied_perception.open_vocabulary.masks import Masker

SUMMARY = "find what words name, in an image, a folder, a video or a bag"

_EPILOG = f"""\
SOURCE is a photo, a folder of photos, a video, a bag, or /dev/videoN.

{looking.MODEL_HELP}

Words are what one would say: "red mug", "fire extinguisher". Other texts, for walls, floors and
whatever is nothing else, compete with them, so that a thing that is not there is not found;
--no-background leaves them out. Where too much is found, raise --threshold; where small things are
missed, give --tiles 2, which looks at four parts of the image as well.

--like finds more of what a photo shows, where words fail: the photo's thing should fill it, or be
in the box that is given in pixels: left,top,right,bottom.

--masks fills what is in the boxes: CLIPSeg goes by the words (hf:CIDAS/clipseg-rd64-refined), SAM 2
by the boxes (hf:facebook/sam2.1-hiera-tiny), so it goes with --like too. Beside each picture,
NNNN_masks.png has the numbers of the boxes that pixels are of, in 16 bits: 0 none, 1 the surest.

Examples:
  perception detect kitchen.jpg --for "red mug" "fire extinguisher" -o found
  perception detect patrol.mcap --vocabulary config/vocabularies/safety.yaml
  perception detect kitchen.jpg --for "red mug" --masks hf:facebook/sam2.1-hiera-tiny -o found
  perception detect shelf.jpg --like my_cup.jpg --tiles 2 -o found
  perception detect desk.jpg --like office.jpg:310,120,402,240 -o found
"""

_DEFAULT_MODEL = "builtin:demo-clip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="see below")
    parser.add_argument(
        "--for", dest="words", nargs="+", default=[], metavar="WORDS", help="what to look for"
    )
    parser.add_argument(
        "--like", action="append", default=[], metavar="PHOTO[:BOX]", help="find more of this"
    )
    parser.add_argument("--model", default=_DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument("--masks", metavar="MODEL", help="fill the boxes' things; goes with -o")
    looking.configure(parser, THRESHOLD)
    parser.add_argument("--topic", help="of the bag")
    parser.add_argument(
        "--images", type=int, default=20, help="so many, spread over all; default: %(default)s"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="draw the boxes here")


def run(arguments: argparse.Namespace) -> int:
    """Find, print, and draw."""
    console = Console()
    _check(arguments)
    finder = looking.finder_of(arguments)
    detector = finder.detector
    masker = _masker(arguments)
    words = _words(arguments, detector)
    images, problems = some_images(arguments.source, arguments.topic, arguments.images)
    show_problems(Console(stderr=True), problems)
    if arguments.output is not None:
        output.make_folder(arguments.output)
    names = words.vocabulary.names
    table = Table("image", "what")
    for heading in ("score", "left", "top", "right", "bottom"):
        table.add_column(heading, justify="right")
    seen: Counter[str] = Counter()
    for number, image in enumerate(
        track(images, "looking", console=Console(stderr=True), transient=True)
    ):
        found = finder.find(image.rgb, words)
        _add(table, image.name, found, names)
        seen.update({names[label] for label in found.labels})
        if arguments.output is not None:
            path = arguments.output / f"{number:04d}.png"
            masks = None
            if masker is not None:
                masks = masker.numbered(image.rgb, found, words.vocabulary)
                _write_numbers(path.with_stem(f"{path.stem}_masks"), masks)
            write_picture(path, draw_detections(image.rgb, found, names, masks=masks))
    console.print(table)
    if detector.model.note:
        console.print(Text.assemble(("note: ", "yellow"), detector.model.note), soft_wrap=True)
    absent = [name for name in names if not seen[name]]
    if absent:
        console.print(Text("not here: " + ", ".join(absent)), soft_wrap=True)
    if arguments.output is not None:
        print(f"wrote {len(images)} picture{'s' if len(images) > 1 else ''} to {arguments.output}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    looking.require_sense(arguments)
    if arguments.images < 1:
        raise ConfigError(f"--images: got {arguments.images}, expected 1 or more")
    if not (arguments.words or arguments.vocabulary or arguments.like):
        raise ConfigError('nothing to look for; give --for "red mug", --vocabulary, or --like')
    if arguments.words and arguments.vocabulary:
        raise ConfigError("--for and --vocabulary both say what to look for; give one of them")
    if arguments.masks and arguments.output is None:
        raise ConfigError("--masks: masks are drawn and written; say where to with -o DIR")
    for option in ("template", "no_background"):
        if getattr(arguments, option) and not (arguments.words or arguments.vocabulary):
            name = f"--{option.replace('_', '-')}"
            raise ConfigError(f"{name} goes with --for or --vocabulary; --like has no words")


def _masker(arguments: argparse.Namespace) -> Masker | None:
    """That of --masks, if any."""
    if not arguments.masks:
        return None
    # With it comes PyTorch, as with the detector.
    from embodied_perception.open_vocabulary.loading import load_masker

    masker = load_masker(arguments.masks, looking.runtime_of(arguments), TextCache(usual_path()))
    if masker.by_words and arguments.like:
        raise ConfigError(
            f"--masks: {arguments.masks} goes by words, and --like has none; take SAM 2, such as "
            "hf:facebook/sam2.1-hiera-tiny"
        )
    return masker


def _words(arguments: argparse.Namespace, detector: Detector) -> Words:
    """What is looked for: words, or examples, or both."""
    words = None
    if arguments.vocabulary or arguments.words:
        words = detector.words(looking.vocabulary_of(arguments, arguments.words))
    for text in arguments.like:
        label, point = Label(f"like {Path(text).name}"), detector.point_of(*_example(text))
        words = (
            Words.of_example(label, point) if words is None else words.with_example(label, point)
        )
    assert words is not None, "_check() sees to it"
    return words


def _example(text: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A photo (H, W, 3) uint8 RGB, and the box in it that is meant."""
    if Path(text).is_file():
        return _photo(Path(text)), None
    path, _, numbers = text.rpartition(":")
    try:
        box = np.array([float(number) for number in numbers.split(",")])
    except ValueError:
        box = np.zeros(0)
    if not path or box.shape != (4,) or not (box[2:] > box[:2]).all():
        raise ConfigError(
            f"--like: got {text!r}, expected a photo, or PHOTO:left,top,right,bottom in pixels"
        )
    photo = _photo(Path(path))
    height, width = photo.shape[:2]
    if (box[:2] < 0).any() or (box[2:] > [width, height]).any():
        raise ConfigError(
            f"--like: got {text!r}, expected a box in the photo; the photo spans 0,0,{width},"
            f"{height}"
        )
    return photo, box


def _write_numbers(path: Path, numbers: np.ndarray) -> None:
    """Write (H, W) uint16 numbers of boxes.

    Raises:
        EvaluationError: they cannot be written.

    """
    try:
        Image.fromarray(numbers).save(path)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot write: {error}") from error


def _photo(path: Path) -> np.ndarray:
    return read_photo(path)[0].colors_8_bit("RGB")


def _add(table: Table, image: str, found: Detections, names: tuple[str, ...]) -> None:
    if not len(found):
        table.add_row(Text(image), "", *([""] * 5))
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        sides = (f"{side:.0f}" for side in box)
        table.add_row(Text(image), Text(names[label]), f"{score:.2f}", *sides)
