"""What the stages that run a model have in common: which one, and on what."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_perception.config import Config, parameter
from embodied_perception.inference.runtime import AUTO, PRECISIONS, Runtime


@dataclass(frozen=True)
class ModelConfig(Config):
    """Parameters of a stage that runs a model; each stage adds which model it is."""

    device: str = parameter(
        AUTO,
        "where the model runs, as PyTorch names it: cpu, cuda, cuda:1; auto takes a GPU where "
        "there is one. A device that is not there becomes the CPU, and /diagnostics says so",
        fixed=True,
    )
    precision: str = parameter(
        AUTO,
        "of its numbers; auto is fp16 on CUDA and fp32 elsewhere",
        choices=(AUTO, *PRECISIONS),
        fixed=True,
    )

    @property
    def runtime(self) -> Runtime:
        """What is asked for."""
        return Runtime(self.device, self.precision)
