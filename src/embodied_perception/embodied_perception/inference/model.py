"""A model, whole: what prepares its images, runs them, and names what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from embodied_perception.errors import InferenceError
from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.checkpoint import CONFIG, ONNX, Checkpoint
from embodied_perception.inference.engine import Backend, Engine
from embodied_perception.inference.onnx import OnnxEngine
from embodied_perception.inference.placement import Placement
from embodied_perception.inference.preprocessing import Preprocessing
from embodied_perception.inference.preprocessor_file import read_preprocessing
from embodied_perception.inference.runtime import Runtime
from embodied_perception.inference.sources import folder_of

_TRIAL_HW = (96, 128)


@dataclass(frozen=True)
class Model:
    """A model that has been tried once.

    Attributes:
        source: what it was asked for by.
        model_type: its architecture, as its config.json calls it.
        labels: what it calls its classes; none where words are given at run time.
        preprocessing: how it wants its images.
        backend: runs it.

    """

    source: str
    model_type: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    backend: Backend

    @classmethod
    def load(
        cls,
        source: str,
        runtime: Runtime,
        architectures: Mapping[str, Architecture],
        load_network: Callable[[Checkpoint], nn.Module],
    ) -> Model:
        """Load a model, and try it on nothing.

        Args:
            source: ``builtin:NAME``, ``hf:OWNER/REPO``, or a folder.
            runtime: on what it shall run.
            architectures: by the names that ``model_type`` may have.
            load_network: makes images (B, 3, h, w) into scores (B, C, ...).

        Raises:
            InferenceError: it is not there, not whole, or of another architecture.

        """
        checkpoint = open_checkpoint(source, architectures)
        labels, kind = checkpoint.labels, checkpoint.model_type
        backend: Backend
        if checkpoint.is_exported:
            backend = OnnxEngine(checkpoint.folder / ONNX, runtime, source)
        else:
            network, any_size = load_network(checkpoint), architectures[kind].any_size
            backend = Engine(network, runtime.place(), source, any_size)
        model, scores = cls.tried(source, checkpoint, backend, labels)
        if scores.shape[1] != len(labels):
            raise InferenceError(
                f"{checkpoint.folder / CONFIG}: id2label has {len(labels)} names, the network has "
                f"{scores.shape[1]} classes; give the config.json that belongs to the weights"
            )
        return model

    @classmethod
    def tried(
        cls,
        source: str,
        checkpoint: Checkpoint,
        backend: Backend,
        labels: tuple[str, ...] = (),
        preprocessing: Preprocessing | None = None,
    ) -> tuple[Model, Tensor]:
        """A model around what runs it, and what it gives for an image of nothing.

        The device chooses and loads its kernels then, not when the first image comes.

        Args:
            source: what it was asked for by.
            checkpoint: of it.
            backend: runs it.
            labels: what it calls its classes.
            preprocessing: how it shall have its images; None: as the checkpoint says.

        Raises:
            InferenceError: its preprocessor_config.json makes no sense, or it does not run.

        """
        preprocessing = preprocessing or read_preprocessing(checkpoint.folder)
        model = cls(source, checkpoint.model_type, labels, preprocessing, backend)
        scores, _ = model.run([np.zeros((*_TRIAL_HW, 3), np.uint8)])
        return model, scores

    def run(self, images: Sequence[np.ndarray]) -> tuple[Tensor, Placement]:
        """Score images of one size.

        Args:
            images: (H, W, 3) uint8 RGB each.

        Returns:
            Scores (B, C, ...) on the device, and where the images lie in the model's input.

        Raises:
            InferenceError: an image is something else, or the model fails.

        """
        batch, placement = self.prepare(images)
        return self.backend(batch), placement

    def prepare(self, images: Sequence[np.ndarray]) -> tuple[Tensor, Placement]:
        """What :meth:`run` gives to the backend: images (B, 3, h, w), and where they lie in it.

        Raises:
            InferenceError: an image is something else than (H, W, 3) uint8, or sizes differ.

        """
        place = self.backend.place
        batch = self.preprocessing.prepare(images, place.device, place.dtype)
        height, width = images[0].shape[:2]
        return batch, self.preprocessing.placement((width, height))

    @property
    def note(self) -> str:
        """What is not as it was asked for, and why; empty where all is."""
        return self.backend.place.note

    @property
    def description(self) -> dict[str, str]:
        """What runs, and where, for people."""
        place = self.backend.place
        classes = {"classes": str(len(self.labels))} if self.labels else {}
        return {
            "model": self.source,
            "architecture": self.model_type,
            **classes,
            "device": str(place.device),
            "precision": str(place.dtype).removeprefix("torch."),
        }


def open_checkpoint(source: str, architectures: Mapping[str, Architecture]) -> Checkpoint:
    """The checkpoint of a source, which must be one of these architectures.

    Raises:
        InferenceError: it is not there, or another.

    """
    checkpoint = Checkpoint.open(folder_of(source))
    checkpoint.require_class(architectures[checkpoint.require_type(*architectures)].class_name)
    return checkpoint
