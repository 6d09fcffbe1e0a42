"""A detector or a masker of any kind, by its source."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embodied_perception.inference.checkpoint import Checkpoint
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.inference.sources import folder_of
from embodied_perception.open_vocabulary import (
    clip_patches,
    clipseg,
    dense,
    grounding_dino,
    owl,
    sam2,
)
from embodied_perception.open_vocabulary.detections import Detections
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.masks import Masker
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.vocabulary import Vocabulary

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
MASKERS = clipseg.ARCHITECTURES | sam2.ARCHITECTURES
_MASKER_LOADERS: dict[str, Callable[[str, Runtime, TextCache | None], Masker]] = {
    **dict.fromkeys(clipseg.ARCHITECTURES, clipseg.ClipSegMasker.load),
    **dict.fromkeys(sam2.ARCHITECTURES, sam2.Sam2Masker.load),
}
_TRIAL_HW = (96, 128)


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


def load_masker(source: str, runtime: Runtime = BEST, cache: TextCache | None = None) -> Masker:
    """Load what masks the things in boxes, and try it.

    Args:
        source: ``hf:OWNER/REPO``, or a folder.
        runtime: on what it shall run.
        cache: of texts that were encoded before.

    Raises:
        InferenceError: it is not there, not whole, or masks no boxes.

    """
    checkpoint = Checkpoint.open(folder_of(source))
    masker = _MASKER_LOADERS[checkpoint.require_type(*_MASKER_LOADERS)](source, runtime, cache)
    nothing = np.zeros((*_TRIAL_HW, 3), np.uint8)
    masker.masks(nothing, Detections.whole(nothing), Vocabulary.of("thing"))
    return masker
