"""On what, and how exactly, a network runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embodied_perception.errors import InferenceError
from embodied_perception.inference.pytorch import library

AUTO = "auto"
#: Names of precisions and what PyTorch calls them.
PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Place:
    """Where a network runs.

    Attributes:
        device: a torch.device.
        dtype: of weights and values, a torch.dtype.
        note: what is not as it was asked for, and why; empty where all is.

    """

    device: Any
    dtype: Any
    note: str = ""


@dataclass(frozen=True)
class Runtime:
    """What is asked for.

    Attributes:
        device: as PyTorch names them, such as ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; ``auto``
            takes a GPU where there is one.
        precision: of :data:`PRECISIONS`; ``auto`` is fp16 on CUDA and fp32 elsewhere.

    """

    device: str = AUTO
    precision: str = AUTO

    def place(self) -> Place:
        """Choose a device that is there, the CPU in the end, and a precision that it can do.

        Raises:
            InferenceError: PyTorch is missing, or knows no such device or precision.

        """
        torch = library("torch")
        if self.precision not in (AUTO, *PRECISIONS):
            raise InferenceError(
                f"precision: got {self.precision!r}, expected auto, {', '.join(PRECISIONS)}"
            )
        device, notes = self._device(torch)
        precision = self.precision
        if precision == AUTO:
            precision = "fp16" if device.type == "cuda" else "fp32"
        if precision == "fp16" and device.type == "cpu":
            # Half of PyTorch's kernels are missing or slower there.
            notes.append("fp16 is for GPUs: the CPU runs in fp32")
            precision = "fp32"
        return Place(device, getattr(torch, PRECISIONS[precision]), "; ".join(notes))

    def _device(self, torch: Any) -> tuple[Any, list[str]]:
        if self.device == AUTO:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu"), []
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise InferenceError(
                f"device: got {self.device!r}, expected auto, cpu, cuda, cuda:1 or another of "
                "PyTorch's"
            ) from error
        if device.type == "cpu" or _is_there(torch, device):
            return device, []
        return torch.device("cpu"), [f"PyTorch finds no {self.device} here: runs on the CPU"]


#: The best that there is.
BEST = Runtime()


def _is_there(torch: Any, device: Any) -> bool:
    backend = getattr(torch, device.type, None)
    if backend is None or not hasattr(backend, "is_available") or not backend.is_available():
        return False
    return (device.index or 0) < backend.device_count()
