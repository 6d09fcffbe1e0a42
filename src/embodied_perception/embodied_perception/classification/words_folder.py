"""A classifier by visual words as a folder: config.json and model.safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np

from embodied_perception.classification.dense_sift import DESCRIPTOR_SIZE
from embodied_perception.classification.word_pyramid import CELLS, PYRAMID
from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import CONFIG, WEIGHTS, Checkpoint
from embodied_perception.inference.pytorch import missing

MODEL_TYPE = "visual_words"
#: What words are of, and how they are counted; with another value a file's numbers mean nothing.
_FIXED = {"model_type": MODEL_TYPE, "features": "dense_root_sift", "pyramid": list(PYRAMID)}


def write_folder(folder: Path, labels: tuple[str, ...], tensors: dict[str, np.ndarray]) -> None:
    """Write both files; the folder is made.

    Raises:
        InferenceError: they cannot be written, or safetensors is missing.

    """
    library = _safetensors()
    id2label = {str(number): label for number, label in enumerate(labels)}
    config = {**_FIXED, "words": len(tensors["centres"]), "id2label": id2label}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")
        contiguous = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
        (folder / WEIGHTS).write_bytes(library.save(contiguous))
    except OSError as error:
        raise InferenceError(f"{folder}: cannot write: {error.strerror}") from error


def read_folder(folder: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Read and check both files.

    Returns:
        labels, and tensors as :class:`WordsClassifier` takes them.

    Raises:
        InferenceError: the folder holds no such classifier, or not all of one; or safetensors is
            missing.

    """
    checkpoint = Checkpoint.open(folder)
    _require_fixed(checkpoint)
    words, labels = _words(checkpoint), _labels(checkpoint)
    tensors = _tensors(folder / WEIGHTS)
    shapes = {
        "centres": (words, DESCRIPTOR_SIZE),
        "coefficients": (len(labels), CELLS * words),
        "intercepts": (len(labels),),
        "temperature": (1,),
    }
    for name, shape in shapes.items():
        _require_tensor(folder / WEIGHTS, name, tensors.get(name), shape)
    if tensors["temperature"][0] <= 0:
        raise InferenceError(
            f"{folder / WEIGHTS}: temperature: got {tensors['temperature'][0]}, expected more "
            "than 0; train it again"
        )
    # Copied to where NumPy would put them: elsewhere in memory, sums are rounded in another order.
    return labels, {name: tensors[name].copy() for name in shapes}


def _require_fixed(checkpoint: Checkpoint) -> None:
    for key, expected in _FIXED.items():
        if checkpoint.config.get(key) != expected:
            raise InferenceError(
                f"{checkpoint.folder / CONFIG}: {key}: got {checkpoint.config.get(key)!r}, "
                f"expected {expected!r}; give a folder that this version's `perception train "
                "words` made"
            )


def _words(checkpoint: Checkpoint) -> int:
    words = checkpoint.config.get("words")
    if type(words) is not int or words < 1:
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: words: got {words!r}, expected a number of words"
        )
    return words


def _labels(checkpoint: Checkpoint) -> tuple[str, ...]:
    labels = checkpoint.labels
    if len(set(labels)) < len(labels) or len(labels) < 2:
        raise InferenceError(
            f"{checkpoint.folder / CONFIG}: id2label: got {', '.join(labels)[:80]}, expected two "
            "or more different names"
        )
    return labels


def _tensors(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InferenceError(
            f"{path} is missing; copy the folder again (weights are read from safetensors only, "
            "never from pickles)"
        )
    library = _safetensors()
    try:
        return library.load(path.read_bytes())
    except Exception as error:  # of safetensors' own kind, and of NumPy where a type is unknown
        raise InferenceError(
            f"{path} is no whole safetensors file; copy it again: {error}"
        ) from error


def _require_tensor(
    path: Path, name: str, tensor: np.ndarray | None, shape: tuple[int, ...]
) -> None:
    if tensor is None:
        raise InferenceError(f"{path} lacks the tensor {name}; copy the folder again")
    if tensor.shape != shape or tensor.dtype != np.float32:
        raise InferenceError(
            f"{path}: {name}: got {tensor.dtype} of shape {tensor.shape}, by {CONFIG} it is "
            f"float32 of shape {shape}; both files must come from one training"
        )
    if not np.isfinite(tensor).all():
        raise InferenceError(f"{path}: {name} is not finite; train it again")


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise missing(error) from error
    return safetensors.numpy
