"""Writes a model as ONNX, and makes sure that it says the same there."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import CONFIG, ONNX, WEIGHTS
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model
from embodied_perception.inference.onnx import INPUT, OUTPUT, OnnxEngine, require_writer
from embodied_perception.inference.preprocessor_file import FILE as PREPROCESSOR
from embodied_perception.inference.preprocessor_file import read_preprocessing, write_fixed
from embodied_perception.inference.pytorch import first_line
from embodied_perception.inference.runtime import Runtime
from embodied_perception.inference.sources import folder_of

#: Of scores, as a share of their range, and of the pixels or images whose best class is the same.
MOST_DIFFERENCE, LEAST_SAME = 1e-3, 0.999
_OPSET = 17  # of 2022: what robots' onnxruntime and TensorRT know
_COPIED = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "README*")
#: Heights and widths of what both are tried on, and how many at a time.
_TRIALS = ((2, 480, 640), (1, 97, 131), (3, 200, 120))


def export(model: Model, folder: Path, image_wh: tuple[int, int] | None = None) -> float:
    """Write model.onnx, and beside it what :meth:`Model.load` and its users need.

    It takes any number of images. Their size in it is fixed where the model's preprocessing makes
    all of them as large; else it is open.

    Args:
        model: that runs in PyTorch, in fp32.
        folder: to write; made, if there is none.
        image_wh: width and height of the images that are coming, where their size in the network
            depends on it: fixes that size. Images of another shape are then warped to it.

    Returns:
        The largest difference between both, as a share of the range of the scores.

    Raises:
        InferenceError: the model runs elsewhere, has no ONNX, or says something else there; or the
            folder is not free, or cannot be written.

    """
    engine = _engine_of(model)
    require_writer()
    _require_free(folder)
    size_hw = model.preprocessing.fixed_hw
    if image_wh is not None:
        if size_hw is not None:
            raise InferenceError(
                f"{model.source}: its own {PREPROCESSOR} makes all images {size_hw[1]}x"
                f"{size_hw[0]}; leave --size out"
            )
        size_hw = model.preprocessing.placement(image_wh).input_hw
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        _copy_texts(folder_of(model.source), made)
        if image_wh is not None and size_hw is not None:
            write_fixed(made, model.preprocessing, size_hw)
        _write_network(engine, made / ONNX, size_hw, model.source)
        difference = _require_same(model, made, image_wh)
        try:
            shutil.copytree(made, folder, dirs_exist_ok=True)
        except OSError as error:
            raise InferenceError(f"{folder} cannot be written: {error}") from error
    return difference


def _engine_of(model: Model) -> Engine:
    engine = model.backend
    if not isinstance(engine, Engine):
        raise InferenceError(f"{model.source} is ONNX already; give a checkpoint with {WEIGHTS}")
    if engine.place.dtype != torch.float32:
        raise InferenceError(
            f"{model.source} runs in {engine.place.dtype}; load it in fp32 to export it"
        )
    return engine


def _require_free(folder: Path) -> None:
    """An earlier export may be written over, weights may not: they would be run instead."""
    taken = sorted(folder.glob("*.safetensors"))
    if taken:
        raise InferenceError(f"{taken[0]} is there already; give another folder")


def _copy_texts(source: Path, folder: Path) -> None:
    for pattern in (CONFIG, PREPROCESSOR, *_COPIED):
        for path in source.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


def _write_network(
    engine: Engine, path: Path, size_hw: tuple[int, int] | None, source: str
) -> None:
    example = torch.zeros(2, 3, *(size_hw or (96, 128)), device=engine.place.device)
    open_sizes = {0: "batch"} if size_hw else {0: "batch", 2: "height", 3: "width"}
    with torch.no_grad(), warnings.catch_warnings():
        # Of what a trace takes for fixed: whether that matters is tried afterwards.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                engine.network,
                (example,),
                str(path),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: open_sizes, OUTPUT: {0: "batch"}},
                opset_version=_OPSET,
                # The newer exporter takes ten times as long for the same figures.
                dynamo=False,
            )
        except Exception as error:  # of many kinds, from release to release
            raise InferenceError(
                f"{source} cannot be written as ONNX{_for_any_size(size_hw)}: {first_line(error)}"
            ) from error


def _for_any_size(size_hw: tuple[int, int] | None) -> str:
    if size_hw is not None:
        return ""
    return " for images of any size (give that of your camera: --size 640x480)"


def _require_same(model: Model, folder: Path, image_wh: tuple[int, int] | None) -> float:
    """Run both; the largest difference, as a share of the range."""
    preprocessing = read_preprocessing(folder)
    backend = OnnxEngine(folder / ONNX, Runtime("cpu"), model.source)
    exported = replace(model, preprocessing=preprocessing, backend=backend)
    where = _for_any_size(preprocessing.fixed_hw)
    largest = 0.0
    for images in _images(image_wh):
        expected = model.run(images)[0].cpu()
        try:
            got = exported.run(images)[0]
        except InferenceError as error:
            raise InferenceError(f"{model.source} does not run in ONNX{where}: {error}") from error
        difference, same = _compared(expected, got)
        if not (difference <= MOST_DIFFERENCE and same >= LEAST_SAME):
            raise InferenceError(
                f"{model.source} says something else in ONNX{where}: scores differ by up to "
                f"{difference:.2g} of their range (at most {MOST_DIFFERENCE:g} is usual), "
                f"{100 * (1 - same):.3g} % of the best classes are others; nothing was written"
            )
        largest = max(largest, difference)
    return largest


def _images(image_wh: tuple[int, int] | None) -> Iterator[list[np.ndarray]]:
    """Images (H, W, 3) uint8 with smooth random colours, those of one size together."""
    random = np.random.default_rng(0)
    for count, height, width in _TRIALS:
        if image_wh is not None:
            width, height = image_wh
        yield [
            cv2.resize(
                random.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8),
                (width, height),
                interpolation=cv2.INTER_CUBIC,
            )
            for _ in range(count)
        ]


def _compared(expected: Tensor, got: Tensor) -> tuple[float, float]:
    """How far scores (B, C, ...) are apart, as a share of their range; how many bests are alike."""
    if expected.shape != got.shape:
        return float("inf"), 0.0
    span = (expected.max() - expected.min()).clamp_min(torch.finfo(torch.float32).tiny)
    same = (expected.argmax(1) == got.argmax(1)).float().mean()
    return float((expected - got).abs().max() / span), float(same)
