"""A detector of any kind, by its source."""

from __future__ import annotations

from collections.abc import Callable

from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.inference.sources import folder_of
from embodied_perception.open_vocabulary import clip_patches, dense, grounding_dino, owl
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.text_cache import TextCache

#: By ``model_type`` of config.json.
ARCHITECTURES = (
    dense.ARCHITECTURES
    | clip_patches.ARCHITECTURES
    | owl.ARCHITECTURES
    | grounding_dino.ARCHITECTURES
)
_LOADERS: dict[str, Callable[[str, Runtime, TextCache | None], Detector]] = {
    **dict.fromkeys(dense.ARCHITECTURES, dense.DenseDetector.load),
    **dict.fromkeys(clip_patches.ARCHITECTURES, clip_patches.load),
    **dict.fromkeys(owl.ARCHITECTURES, owl.OwlDetector.load),
    **dict.fromkeys(grounding_dino.ARCHITECTURES, grounding_dino.GroundingDinoDetector.load),
}


def load_detector(source: str, runtime: Runtime = BEST, cache: TextCache | None = None) -> Detector:
    """Load a detector, and try it.

    Args:
        source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
        runtime: on what it shall run.
        cache: of texts that were encoded before.

    Raises:
        InferenceError: it is not there, not whole, or none for detection by words.

    """
    checkpoint = Checkpoint.open(folder_of(source))
    return _LOADERS[checkpoint.require_type(*_LOADERS)](source, runtime, cache)
