"""Runs a network: on its device, in its precision, and with an answer to what goes wrong there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from embodied_perception.errors import InferenceError
from embodied_perception.inference.folding import fold_normalisation
from embodied_perception.inference.pytorch import first_line
from embodied_perception.inference.runtime import Place

_MOST_GRAPHS = 4  # each holds the memory of one shape's values
_ROUNDS_BEFORE_CAPTURE = 3
_SMALLEST_PX = 32


class Backend(Protocol):
    """What runs a model: PyTorch here, or another."""

    place: Place

    def __call__(self, batch: Tensor) -> Tensor:
        """Images (B, 3, h, w) to what the model gives for them, (B, ...)."""


class Engine:
    """A network of PyTorch, ready to be run.

    Weights and images have their channels last in memory, which is what convolutions are fastest
    with. On CUDA, the kernels of a shape are recorded once and replayed (a CUDA graph): a small
    network's time would else go into starting them.

    Args:
        network: takes images (B, 3, h, w), gives one tensor (B, ...); changed in place.
        place: where it shall run.
        name: of the model, for messages.
        any_size: whether it takes images of any size.

    """

    def __init__(self, network: nn.Module, place: Place, name: str, any_size: bool = True) -> None:
        self.place, self.name = place, name
        fold_normalisation(network.eval())
        self.network = self._moved(network)
        self._any_size = any_size
        self._graphs: OrderedDict[tuple[int, ...], _Recorded] = OrderedDict()
        self._can_record = True

    def __call__(self, batch: Tensor) -> Tensor:
        """Run it; where memory is short, once more on less.

        Args:
            batch: images (B, 3, h, w).

        Returns:
            What the network gives, on its device; of half the size where memory was short for one
            image.

        Raises:
            InferenceError: memory is short even so, the device failed, or the network does not take
                such images.

        """
        batch = batch.to(self.place.device, self.place.dtype, memory_format=torch.channels_last)
        try:
            return self._run(batch)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise self._failure(error, batch) from error
        self._free()
        try:
            return self._run_less(batch)
        except RuntimeError as error:
            raise self._failure(error, batch) from error

    def _moved(self, network: nn.Module) -> nn.Module:
        try:
            return network.to(
                self.place.device, self.place.dtype, memory_format=torch.channels_last
            )
        except RuntimeError as error:
            raise InferenceError(
                f"{self.name} does not go onto {self.place.device}: {first_line(error)}; close "
                "what else runs there, take a smaller model, or device: cpu"
            ) from error

    def _run(self, batch: Tensor) -> Tensor:
        with torch.inference_mode():
            recorded = self._recorded(batch) if batch.is_cuda else None
            return self.network(batch) if recorded is None else recorded.replay(batch)

    def _recorded(self, batch: Tensor) -> _Recorded | None:
        """The kernels for such a batch; None where the network cannot be recorded."""
        shape = tuple(batch.shape)
        if shape not in self._graphs and self._can_record:
            try:
                self._graphs[shape] = _Recorded(self.network, batch)
            except RuntimeError as error:
                if _is_out_of_memory(error):
                    raise
                self._can_record = False  # it asks the device for numbers on its way
            if len(self._graphs) > _MOST_GRAPHS:
                self._graphs.popitem(last=False)
        if shape in self._graphs:
            self._graphs.move_to_end(shape)
        return self._graphs.get(shape)

    def _run_less(self, batch: Tensor) -> Tensor:
        """One image after the other, or an image of half the size."""
        if len(batch) > 1:
            return torch.cat([self._run(each) for each in batch.split(1)])
        half = [side // 2 for side in batch.shape[-2:]]
        if not self._any_size or min(half) < _SMALLEST_PX:
            raise torch.OutOfMemoryError("out of memory")
        return self._run(interpolate(batch, half, mode="bilinear", antialias=True))

    def _free(self) -> None:
        self._graphs.clear()
        if self.place.device.type == "cuda":
            torch.cuda.empty_cache()

    def _failure(self, error: RuntimeError, batch: Tensor) -> InferenceError:
        count, _, height, width = batch.shape
        what = f"{self.name}: {count} image(s) of {width}x{height} on {self.place.device}"
        if _is_out_of_memory(error):
            self._free()
            return InferenceError(
                f"{what}: memory is short even for less; close what else runs there, take a "
                "smaller model, or device: cpu"
            )
        return InferenceError(
            f"{what}: {first_line(error)}; where the device has gone, deactivate and activate the "
            "node, or set device: cpu"
        )


class _Recorded:
    """The kernels of one shape, recorded with the places of their values in memory."""

    def __init__(self, network: nn.Module, batch: Tensor) -> None:
        self._given = batch.clone(memory_format=torch.channels_last)
        # Libraries choose and load kernels in the first rounds, which cannot be recorded.
        stream = torch.cuda.Stream(batch.device)
        stream.wait_stream(torch.cuda.current_stream(batch.device))
        with torch.cuda.stream(stream):
            for _ in range(_ROUNDS_BEFORE_CAPTURE):
                network(self._given)
        torch.cuda.current_stream(batch.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile: the nodes of a container do.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = network(self._given)

    def replay(self, batch: Tensor) -> Tensor:
        """What the network gives for another batch of that shape."""
        self._given.copy_(batch)
        self._graph.replay()
        return self._result.clone()


def _is_out_of_memory(error: Any) -> bool:
    # The CPU's allocator has no error of its own.
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
