"""Runs a network that was exported to ONNX: onnxruntime, with what it has for the device."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import ONNX
from embodied_perception.inference.pytorch import first_line
from embodied_perception.inference.runtime import AUTO, Place, Runtime

#: What the file's one input, images (B, 3, h, w), and its one output, scores (B, C, ...), are
#: called.
INPUT, OUTPUT = "images", "scores"
_FLOATS = "tensor(float)"
_TENSORRT, _CUDA, _CPU = (f"{name}ExecutionProvider" for name in ("Tensorrt", "CUDA", "CPU"))
_FATAL = 4  # of onnxruntime's levels: it prints the others, and we raise them


def onnxruntime() -> ModuleType:
    """The module onnxruntime.

    Raises:
        InferenceError: it is not installed.

    """
    try:
        import onnxruntime as module
    except ImportError as error:
        raise _missing(error) from error
    return module


def require_writer() -> None:
    """Make sure that PyTorch can write ONNX, and that it can be run.

    Raises:
        InferenceError: onnx or onnxruntime is not installed.

    """
    onnxruntime()
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise _missing(error) from error


def _missing(error: ImportError) -> InferenceError:
    return InferenceError(
        f"{ONNX} needs onnxruntime, and onnx to write it ({error}): pip install onnxruntime onnx "
        "(onnxruntime-gpu for CUDA and TensorRT), or ./run shell -c 'pip install --group onnx'"
    )


class OnnxEngine:
    """A network of onnxruntime, ready to be run.

    Args:
        path: of the file.
        runtime: on what it shall run. TensorRT goes before CUDA, CUDA before the CPU.
        name: of the model, for messages.

    Raises:
        InferenceError: onnxruntime is missing, or the file is missing, cut off, or another
            network's.

    """

    def __init__(self, path: Path, runtime: Runtime, name: str) -> None:
        self.path, self.name = path, name
        wanted = runtime.place()
        self._session = _session(path, wanted)
        self.place = _place(self._session, wanted, runtime)
        self._sizes = _sizes(self._session, path)
        self._scores_shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        """Run it.

        Args:
            batch: images (B, 3, h, w).

        Returns:
            What the network gives, float32, on its device.

        Raises:
            InferenceError: the file is for images of another size, or the device failed.

        """
        self._require_size(tuple(batch.shape))
        batch = batch.to(self.place.device, torch.float32).contiguous()
        try:
            return self._run(batch)
        except Exception as error:  # of many kinds, from release to release
            count, _, height, width = batch.shape
            raise InferenceError(
                f"{self.path}: {count} image(s) of {width}x{height} on {self.place.device}: "
                f"{first_line(error)}; export it again for such images with --size, close what "
                "else runs there, or set device: cpu"
            ) from error

    def _run(self, batch: Tensor) -> Tensor:
        """Images and scores stay where they are: nothing is copied between devices."""
        shape, device = tuple(batch.shape), (batch.device.type, batch.device.index or 0)
        binding = self._session.io_binding()
        binding.bind_input(INPUT, *device, np.float32, shape, batch.data_ptr())
        if batch.is_cuda:  # onnxruntime has a stream of its own
            torch.cuda.current_stream(batch.device).synchronize()
        if shape not in self._scores_shapes:
            binding.bind_output(OUTPUT, *device)
            self._session.run_with_iobinding(binding)
            self._scores_shapes[shape] = tuple(binding.get_outputs()[0].shape())
        scores = torch.empty(self._scores_shapes[shape], device=batch.device)
        binding.bind_output(OUTPUT, *device, np.float32, tuple(scores.shape), scores.data_ptr())
        self._session.run_with_iobinding(binding)
        return scores

    def _require_size(self, shape: tuple[int, ...]) -> None:
        for got, expected in zip(shape, self._sizes, strict=True):
            if isinstance(expected, int) and got != expected:
                raise InferenceError(
                    f"{self.path}: got images {_words(shape)}, expected {_words(self._sizes)}; "
                    "give the preprocessor_config.json that belongs to it, or export it again"
                )


def _session(path: Path, place: Place) -> Any:
    library = onnxruntime()
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = _FATAL
    providers: list[tuple[str, dict[str, Any]]] = [(_CPU, {})]
    if place.device.type == "cuda":
        index = {"device_id": place.device.index or 0}
        half = {"trt_fp16_enable": place.dtype == torch.float16}
        providers = [(_TENSORRT, index | half), (_CUDA, index), *providers]
    there = library.get_available_providers()
    try:
        return library.InferenceSession(
            str(path), options, [each for each in providers if each[0] in there]
        )
    except Exception as error:  # of many kinds, from release to release
        raise InferenceError(
            f"{path} cannot be read: {first_line(error)}; copy it again, or export it again: "
            "perception models export"
        ) from error


def _place(session: Any, wanted: Place, runtime: Runtime) -> Place:
    """Where it really runs, and what of that is not as it was asked for."""
    got = session.get_providers()[0]
    notes = [wanted.note] if wanted.note else []
    device = wanted.device
    if device.type != "cpu" and got == _CPU:
        device = torch.device("cpu")
        notes.append(
            f"onnxruntime has nothing for {wanted.device} here: runs on the CPU; pip install "
            "onnxruntime-gpu"
        )
    elif device.type != "cpu" and got == _CUDA:
        notes.append("onnxruntime has no TensorRT here: runs with CUDA")
    if got != _TENSORRT and runtime.precision != AUTO and wanted.dtype != torch.float32:
        notes.append(f"{runtime.precision} is not in {ONNX}: runs in fp32")
    return Place(device, torch.float32, "; ".join(notes))


def _sizes(session: Any, path: Path) -> list[int | str]:
    """Sizes of the input, (B, 3, h, w); words for those that may be any."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    got = [[(each.name, each.type) for each in ends] for ends in (inputs, outputs)]
    if got != [[(INPUT, _FLOATS)], [(OUTPUT, _FLOATS)]] or len(inputs[0].shape) != 4:
        names = " to ".join(
            ", ".join(f"{each.name} {_words(each.shape)}" for each in ends)
            for ends in (inputs, outputs)
        )
        raise InferenceError(
            f"{path}: got {names}, expected {INPUT} (B, 3, h, w) to {OUTPUT} (B, C, ...), in "
            "float32; export it with: perception models export"
        )
    return inputs[0].shape


def _words(shape: Any) -> str:
    return f"({', '.join(str(side) for side in shape)})"
