"""Networks from local folders that hold numbers only: config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from embodied_perception.errors import FeatureError

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_CLASSES = {
    "superpoint": "SuperPointForKeypointDetection",
    "lightglue": "LightGlueForKeypointMatching",
}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def load_network(folder: Path, model_type: str) -> Any:
    """Load a network, on the GPU where PyTorch has one, ready to be run.

    Args:
        folder: as ``save_pretrained`` of transformers writes it.
        model_type: ``superpoint`` or ``lightglue``.

    Raises:
        FeatureError: PyTorch or transformers are missing, or the folder holds no such network, not
            all of it, a pickle in place of safetensors, or asks for code of its own.

    """
    _check_config(folder, model_type)
    _check_weights(folder)
    torch, transformers = _libraries()
    network_class = getattr(transformers, _CLASSES[model_type])
    with _quiet(transformers):
        try:
            network, report = network_class.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # of many kinds, from release to release
            raise FeatureError(
                f"{folder}: {_CONFIG} and {_WEIGHTS} give no {model_type}; copy the checkpoint "
                f"again: {error}"
            ) from error
    # transformers would fill the gaps with random numbers.
    missing = sorted(report["missing_keys"])
    if missing:
        raise FeatureError(
            f"{folder / _WEIGHTS} lacks {len(missing)} tensors of {model_type}, such as "
            f"{missing[0]}; copy the checkpoint again, or give the folder that belongs to it"
        )
    for name, weights in network.named_parameters():
        if not torch.isfinite(weights).all():
            raise FeatureError(f"{folder / _WEIGHTS}: {name} is not finite; use another checkpoint")
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        FeatureError: it cannot be read, or holds something else.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise FeatureError(f"{path}: got {type(content).__name__}, expected an object")
    return content


def _check_config(folder: Path, model_type: str) -> None:
    if not folder.is_dir():
        raise FeatureError(f"{folder} is no folder; give one with {_CONFIG} and {_WEIGHTS}")
    if not (folder / _CONFIG).is_file():
        raise FeatureError(f"{folder} has no {_CONFIG}; give a folder with a {model_type} in it")
    config = read_json(folder / _CONFIG)
    if _asks_for_code(config):
        raise FeatureError(
            f"{folder / _CONFIG} asks for code of its own, which is never run; use a checkpoint "
            f"of transformers' own {_CLASSES[model_type]}"
        )
    _check_type(folder, "model_type", config.get("model_type"), model_type)
    if model_type == "lightglue":
        key = "keypoint_detector_config"
        detector = config.get(key)
        inner = detector.get("model_type") if isinstance(detector, dict) else detector
        _check_type(folder, f"{key}: model_type", inner, "superpoint")


def _check_type(folder: Path, key: str, got: object, expected: str) -> None:
    if got != expected:
        raise FeatureError(
            f"{folder / _CONFIG}: {key}: got {got!r}, expected {expected!r}; give the folder of "
            f"a {expected}"
        )


def _asks_for_code(part: object) -> bool:
    if isinstance(part, dict):
        asks = "auto_map" in part or bool(part.get("trust_remote_code"))
        return asks or any(map(_asks_for_code, part.values()))
    return isinstance(part, list) and any(map(_asks_for_code, part))


def _check_weights(folder: Path) -> None:
    if (folder / _WEIGHTS).is_file():
        return
    pickles = sorted(path for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise FeatureError(
            f"{pickles[0]} is a pickle, which can run code, and is not opened; put "
            f"{_WEIGHTS} into the folder (save_pretrained of transformers writes it)"
        )
    raise FeatureError(f"{folder} has no {_WEIGHTS}; copy the checkpoint again")


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise FeatureError(
            f"learned features need PyTorch and transformers ({error}): pip install 'torch>=2.6' "
            "'transformers>=5' safetensors, or ./run shell -c 'pip install --group learned'"
        ) from error
    return torch, transformers


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """No progress bars and no report: what is wrong gets raised."""
    logging = transformers.utils.logging
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
