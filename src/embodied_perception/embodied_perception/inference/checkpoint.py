"""Checkpoints that hold numbers only: a folder with config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embodied_perception.errors import InferenceError
from embodied_perception.inference.pytorch import library

CONFIG, WEIGHTS, ONNX = "config.json", "model.safetensors", "model.onnx"
_SHARDS = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class Checkpoint:
    """A folder whose config.json has been read and makes sense.

    Attributes:
        folder: where it is.
        config: what config.json holds.

    """

    folder: Path
    config: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Read config.json; the weights are not opened yet.

        Raises:
            InferenceError: there is no such folder or file, or it asks for code of its own.

        """
        if not folder.is_dir():
            raise InferenceError(f"{folder} is no folder; give one with {CONFIG} and {WEIGHTS}")
        if not (folder / CONFIG).is_file():
            raise InferenceError(f"{folder} has no {CONFIG}; give a folder with a checkpoint in it")
        config = read_json(folder / CONFIG)
        if _asks_for_code(config):
            raise InferenceError(
                f"{folder / CONFIG} asks for code of its own, which is never run; use a checkpoint "
                "of transformers' own architectures"
            )
        return cls(folder, config)

    @property
    def model_type(self) -> str:
        """The architecture, as config.json calls it."""
        return str(self.config.get("model_type"))

    def require_type(self, *expected: str) -> str:
        """The architecture, which must be one of these.

        Raises:
            InferenceError: it is another.

        """
        got = self.config.get("model_type")
        if got not in expected:
            named = ", ".join(map(repr, expected))
            raise InferenceError(
                f"{self.folder / CONFIG}: model_type: got {got!r}, expected {named}; give the "
                f"folder of {'such a model' if len(expected) > 1 else 'a ' + expected[0]}"
            )
        return str(got)

    def is_of(self, class_name: str) -> bool:
        """Whether the weights are those of a class of networks, as far as config.json says."""
        named = self.config.get("architectures")
        return named is None or (isinstance(named, list) and class_name in named)

    def require_class(self, class_name: str) -> None:
        """Refuse weights of another class of networks: one ``model_type`` has several.

        Raises:
            InferenceError: ``architectures`` of config.json names others only.

        """
        if not self.is_of(class_name):
            raise InferenceError(
                f"{self.folder / CONFIG}: architectures: got {self.config['architectures']!r}, "
                f"expected {class_name}; give a checkpoint that was trained for this task"
            )

    @property
    def is_exported(self) -> bool:
        """Whether the network is there in ONNX, and in no other form."""
        return (self.folder / ONNX).is_file() and not self._has_weights

    @property
    def _has_weights(self) -> bool:
        return (self.folder / WEIGHTS).is_file() or (self.folder / _SHARDS).is_file()

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model calls its classes, in their order.

        Raises:
            InferenceError: id2label of config.json does not name every class from 0 on.

        """
        named = self.config.get("id2label")
        path = f"{self.folder / CONFIG}: id2label"
        if not isinstance(named, dict) or not named:
            raise InferenceError(
                f'{path}: got {named!r}, expected {{"0": "name of the first class", ...}}; add it'
            )
        found = [named.get(str(index)) for index in range(len(named))]
        labels = tuple(label.strip() if isinstance(label, str) else "" for label in found)
        if not all(labels):
            raise InferenceError(
                f'{path}: of {len(named)} classes, "{labels.index("")}" has no name; number them '
                "from 0 on"
            )
        return labels

    def tensors(self) -> dict[str, Any]:
        """All tensors of model.safetensors by name, on the CPU, in float32.

        Raises:
            InferenceError: the file is missing, cut off, or no safetensors, or a number in it is
                not finite.

        """
        torch = library("torch")
        from safetensors.torch import load_file

        self._require_weights()
        path = self.folder / WEIGHTS
        try:
            tensors = load_file(path)
        except Exception as error:  # of many kinds, from release to release
            raise InferenceError(f"{path} cannot be read; copy it again: {error}") from error
        for name, values in tensors.items():
            if values.is_floating_point():
                tensors[name] = values.float()
                if not torch.isfinite(values).all():
                    raise _not_finite(path, name)
        return tensors

    def fill(self, network: Any) -> Any:
        """Load the weights into a network of ours, and make it ready to be run.

        Raises:
            InferenceError: tensors are missing, too many, or of other shapes.

        """
        path, tensors = self.folder / WEIGHTS, self.tensors()
        wanted = network.state_dict()
        for name, values in wanted.items():
            if name not in tensors:
                raise InferenceError(
                    f"{path} has no {name}; give the weights that belong to {CONFIG}"
                )
            if tensors[name].shape != values.shape:
                raise _misfit(path, name, tensors[name].shape, values.shape)
        unknown = sorted(tensors.keys() - wanted.keys())
        if unknown:
            raise InferenceError(
                f"{path} has {unknown[0]}, which a {self.model_type} has not; give the weights "
                f"that belong to {CONFIG}"
            )
        network.load_state_dict(tensors)
        return network.eval()

    def pretrained(self, class_name: str) -> Any:
        """Load a network of transformers, whole, in float32, ready to be run.

        Args:
            class_name: of transformers.

        Raises:
            InferenceError: the weights are missing, not all there, no safetensors, or do not fit.

        """
        torch, transformers = library("torch"), library("transformers")
        self._require_weights()
        with _quiet(transformers):
            try:
                network, report = getattr(transformers, class_name).from_pretrained(
                    self.folder,
                    local_files_only=True,
                    use_safetensors=True,
                    dtype=torch.float32,
                    ignore_mismatched_sizes=True,  # else its error does not tell which they are
                    output_loading_info=True,
                )
            except Exception as error:  # of many kinds, from release to release
                raise InferenceError(
                    f"{self.folder}: {CONFIG} and {WEIGHTS} give no {self.model_type}; copy the "
                    f"checkpoint again: {error}"
                ) from error
        # transformers would fill the gaps with random numbers.
        missing = sorted(report["missing_keys"])
        if missing:
            raise InferenceError(
                f"{self.folder / WEIGHTS} lacks {len(missing)} tensors of {self.model_type}, such "
                f"as {missing[0]}; copy the checkpoint again, or give the folder that belongs to it"
            )
        for name, got, expected in sorted(report["mismatched_keys"]):
            raise _misfit(self.folder / WEIGHTS, name, got, expected)
        for name, weights in network.named_parameters():
            if not torch.isfinite(weights).all():
                raise _not_finite(self.folder / WEIGHTS, name)
        return network.eval()

    def _require_weights(self) -> None:
        if self._has_weights:
            return
        pickles = sorted(path for pattern in _PICKLES for path in self.folder.glob(pattern))
        if pickles:
            raise InferenceError(
                f"{pickles[0]} is a pickle, which can run code, and is not opened; put "
                f"{WEIGHTS} into the folder (save_pretrained of transformers writes it)"
            )
        raise InferenceError(f"{self.folder} has no {WEIGHTS}; copy the checkpoint again")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        InferenceError: it cannot be read, or holds something else.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InferenceError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InferenceError(f"{path}: got {type(content).__name__}, expected an object")
    return content


def _asks_for_code(part: object) -> bool:
    if isinstance(part, dict):
        asks = "auto_map" in part or bool(part.get("trust_remote_code"))
        return asks or any(map(_asks_for_code, part.values()))
    return isinstance(part, list) and any(map(_asks_for_code, part))


def _misfit(path: Path, name: str, got: Sequence[int], expected: Sequence[int]) -> InferenceError:
    return InferenceError(
        f"{path}: {name}: got shape {tuple(got)}, expected {tuple(expected)}; model_type and "
        f"id2label of {CONFIG} must be those of the weights"
    )


def _not_finite(path: Path, name: str) -> InferenceError:
    return InferenceError(f"{path}: {name} is not finite; use another checkpoint")


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
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
