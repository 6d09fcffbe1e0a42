"""What commands that look for words have in common: arguments, and what is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from embodied_perception.errors import ConfigError
from embodied_perception.inference.runtime import AUTO, PRECISIONS, Runtime
from embodied_perception.open_vocabulary.finding import MOST_OVERLAP, Finder
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path
from embodied_perception.open_vocabulary.vocabulary import Vocabulary

MODEL_HELP = """\
A MODEL is builtin:NAME, hf:OWNER/REPO (see: perception models pull), or a folder with a checkpoint
of OWL-ViT, OWLv2, Grounding DINO, which takes words without templates and no examples, or CLIP, for
devices where no detector fits: its boxes are as coarse as its patches, it chooses, so that one word
wants others or a background, and examples want examples beside them, and no words.
builtin:demo-clip knows the things and colours of the demo's rendered rooms alone, and three in
ten of its boxes are right at the usual threshold; for pictures of the world: perception models pull
hf:google/owlv2-base-patch16-ensemble"""


def configure(parser: argparse.ArgumentParser, threshold: float) -> None:
    """Declare what is looked for, and how boxes are found; the threshold is the default."""
    configure_words(parser)
    parser.add_argument(
        "--threshold", type=float, default=threshold, help="least score; default: %(default)s"
    )
    parser.add_argument(
        "--most-overlap",
        type=float,
        default=MOST_OVERLAP,
        help="of boxes that overlap more, the surest stays; default: %(default)s",
    )
    parser.add_argument(
        "--tiles", type=int, default=1, help="parts along each side, for small things; default: 1"
    )


def configure_words(parser: argparse.ArgumentParser) -> None:
    """Declare what is looked for, and on what the model runs."""
    parser.add_argument(
        "--vocabulary", type=Path, metavar="FILE", help="YAML with words, synonyms and thresholds"
    )
    parser.add_argument(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help="that words are put into, such as 'a photo of a {}.'; or a set of them: name, photo, "
        "clip7, robot; default: photo, or those of FILE",
    )
    parser.add_argument(
        "--no-background", action="store_true", help="let no other texts compete with the words"
    )
    parser.add_argument("--device", default=AUTO, help="cpu, cuda, cuda:1; default: the best")
    parser.add_argument(
        "--precision",
        default=AUTO,
        choices=[AUTO, *PRECISIONS],
        help="default: fp16 on CUDA, else fp32",
    )


def require_sense(arguments: argparse.Namespace) -> None:
    """Raise :class:`ConfigError` where a number is out of its range."""
    for option in ("threshold", "most_overlap"):
        value = getattr(arguments, option)
        if not 0 <= value <= 1:
            raise ConfigError(f"--{option.replace('_', '-')}: got {value}, expected 0 to 1")
    if not 1 <= arguments.tiles <= 8:
        raise ConfigError(f"--tiles: got {arguments.tiles}, expected 1 to 8")


def vocabulary_of(arguments: argparse.Namespace, words: Sequence[str]) -> Vocabulary:
    """That of --vocabulary, else of the words; with the templates and background of the arguments.

    Raises:
        OpenVocabularyError: the file cannot be read, or there is no vocabulary in it or the words.

    """
    if arguments.vocabulary is not None:
        vocabulary = Vocabulary.read(arguments.vocabulary)
    else:
        vocabulary = Vocabulary.of(*words)
    if arguments.template:
        vocabulary = replace(vocabulary, templates=tuple(arguments.template))
    return replace(vocabulary, background=()) if arguments.no_background else vocabulary


def runtime_of(arguments: argparse.Namespace) -> Runtime:
    """On what models shall run."""
    return Runtime(arguments.device, arguments.precision)


def finder_of(arguments: argparse.Namespace) -> Finder:
    """Load the detector of --model; it finds as the arguments say.

    Raises:
        InferenceError: it is not there, not whole, or none for detection by words.

    """
    # With it comes PyTorch, which is slow to load, and need not be there for other commands.
    from embodied_perception.open_vocabulary.loading import load_detector

    detector = load_detector(arguments.model, runtime_of(arguments), TextCache(usual_path()))
    return Finder(detector, arguments.threshold, arguments.most_overlap, arguments.tiles)
