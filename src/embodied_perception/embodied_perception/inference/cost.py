"""What a model costs: parameters, arithmetic, and measured time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model

_WARM_UP, _LEAST_ROUNDS, _MOST_ROUNDS = 3, 10, 200
_MOST_S = 5.0  # that are measured for one figure, where it does not take the least rounds longer
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Latency:
    """How long something takes, of so many times.

    Attributes:
        median_ms: in the middle.
        p95_ms: 95 % take no longer.
        rounds: that were measured.

    """

    median_ms: float
    p95_ms: float
    rounds: int


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Attributes:
        input_hw: height and width of it in the network.
        parameters: of the network; None where it does not tell (ONNX).
        flops: additions and multiplications of convolutions, linear layers and attention, for one
            image; None where the network does not tell.
        weights_bytes: of parameters and buffers in memory; None where the network does not tell.
        whole: from the image to the answer.
        network: of that, the network alone.
        memory_bytes: the most that the first image took in addition to what was there: of the
            GPU's memory, where it runs there, else of the process's. None where the system does
            not tell.

    """

    input_hw: tuple[int, int]
    parameters: int | None
    flops: int | None
    weights_bytes: int | None
    whole: Latency
    network: Latency
    memory_bytes: int | None


def cost_of(
    model: Model, answer: Callable[[Sequence[np.ndarray]], object], image: np.ndarray
) -> Cost:
    """Measure a model, here and now; takes some seconds.

    Args:
        model: that is measured.
        answer: what a user calls with images, such as ``Segmenter.segment``.
        image: (H, W, 3) uint8 RGB, of the size that is coming.

    Raises:
        InferenceError: the model fails.

    """
    # The first, before anything is warm: a later one finds memory that was left to it.
    memory_bytes = _peak_growth(lambda: answer([image]), model.backend.place.device)
    batch, placement = model.prepare([image])
    backend, device = model.backend, model.backend.place.device
    network = backend.network if isinstance(backend, Engine) else None
    return Cost(
        input_hw=placement.input_hw,
        parameters=None if network is None else _parameters(network),
        flops=None if network is None else count_flops(network, batch),
        weights_bytes=None if network is None else _size_of(network),
        whole=_latency(lambda: answer([image]), device),
        network=_latency(lambda: backend(batch), device),
        memory_bytes=memory_bytes,
    )


def count_flops(network: torch.nn.Module, batch: Tensor) -> int:
    """Additions and multiplications of convolutions, linear layers and attention.

    Args:
        network: takes the batch.
        batch: images (B, 3, h, w).

    """
    counter = FlopCounterMode(display=False)
    # Fused attention is counted on some devices only.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        network(batch)
    return counter.get_total_flops()


def _parameters(network: torch.nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def _size_of(network: torch.nn.Module) -> int:
    tensors = [*network.parameters(), *network.buffers()]
    return sum(each.numel() * each.element_size() for each in tensors)


def _latency(run: Callable[[], object], device: torch.device) -> Latency:
    for _ in range(_WARM_UP):
        run()
    times_s: list[float] = []
    while len(times_s) < _LEAST_ROUNDS or (sum(times_s) < _MOST_S and len(times_s) < _MOST_ROUNDS):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        times_s.append(time.perf_counter() - start)
    median, p95 = np.percentile(times_s, [50, 95]) * 1e3
    return Latency(float(median), float(p95), len(times_s))


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_growth(run: Callable[[], object], device: torch.device) -> int | None:
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    try:
        # Linux forgets the peak so far (proc(5), clear_refs).
        _CLEAR.write_text("5", encoding="ascii")
        before = _status_bytes("VmRSS")
    except (OSError, LookupError):
        run()
        return None
    run()
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(key: str) -> int:
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    values = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    return int(values[key].split()[0]) * 1024
