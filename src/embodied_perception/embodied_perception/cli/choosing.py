"""What commands that choose among words have in common: arguments, and what is made of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from embodied_perception.cli import looking
from embodied_perception.errors import ConfigError
from embodied_perception.open_vocabulary.calibration import Calibration
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path

if TYPE_CHECKING:  # it imports PyTorch, which takes seconds
    from embodied_perception.open_vocabulary.zero_shot import ZeroShotClassifier

MODEL_HELP = """\
A MODEL is hf:OWNER/REPO of CLIP, SigLIP, or SigLIP 2 of a fixed size (see: perception models pull),
a folder with such a checkpoint, or builtin:demo-clip, which knows single things of the demo's
rendered rooms alone: cut them out."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the words, and the model."""
    parser.add_argument(
        "--for", dest="words", nargs="+", default=[], metavar="WORDS", help="what it may be"
    )
    parser.add_argument("--model", required=True, help="see below")
    looking.configure_words(parser)


def classifier_of(
    arguments: argparse.Namespace, calibration: Calibration | None = None
) -> ZeroShotClassifier:
    """Load the model of --model for the words of the arguments.

    Raises:
        ConfigError: there are no words, or they are given twice.
        InferenceError: the model is not there, not whole, or of another kind.
        OpenVocabularyError: the words make no vocabulary.

    """
    if not (arguments.words or arguments.vocabulary):
        raise ConfigError("no words to choose from; give --for kitchen corridor, or --vocabulary")
    if arguments.words and arguments.vocabulary:
        raise ConfigError("--for and --vocabulary both say what it may be; give one of them")
    vocabulary = looking.vocabulary_of(arguments, arguments.words)
    # With them comes PyTorch, which is slow to load, and need not be there for other commands.
    from embodied_perception.open_vocabulary.encoder import Encoder
    from embodied_perception.open_vocabulary.zero_shot import ZeroShotClassifier

    cache = TextCache(usual_path())
    encoder = Encoder.load(arguments.model, looking.runtime_of(arguments), cache)
    return ZeroShotClassifier(encoder, encoder.words(vocabulary), calibration)
