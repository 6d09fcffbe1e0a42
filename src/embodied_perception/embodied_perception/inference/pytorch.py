"""PyTorch and transformers, or how to get them: most of the package works without."""

from __future__ import annotations

import importlib
from types import ModuleType

from embodied_perception.errors import InferenceError

#: What is not installed with the package itself.
OPTIONAL = ("torch", "transformers", "safetensors", "huggingface_hub")


def library(name: str) -> ModuleType:
    """The module torch or transformers.

    Raises:
        InferenceError: it is not installed.

    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing(error) from error


def missing(error: ImportError) -> InferenceError:
    """The error that says how to install what was to be imported."""
    return InferenceError(
        f"networks need PyTorch and transformers ({error}): pip install 'torch>=2.6' "
        "'transformers>=5' safetensors, or ./run shell -c 'pip install --group learned'"
    )


def first_line(error: Exception) -> str:
    """What an error of a library says, without the lines that only its makers read."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
