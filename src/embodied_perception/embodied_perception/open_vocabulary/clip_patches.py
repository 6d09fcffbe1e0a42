"""Detection with CLIP alone: a point in the space of texts for each patch of an image.

In CLIP's last layer, attention gathers the whole image in each patch, where its own look gets lost.
What it would gather of the patch itself is already in the space that the image's point is in, and
is left there alone.

Sources: C. Zhou et al., Extract Free Dense Labels from CLIP, 2022, for the values in place of the
attention; M. Lan et al., ClearCLIP, 2024, for leaving out what the last layer adds them to, and its
feed-forward part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from embodied_perception.inference.architecture import Architecture
from embodied_perception.inference.engine import Engine
from embodied_perception.inference.model import Model, open_checkpoint
from embodied_perception.inference.preprocessing import Preprocessing
from embodied_perception.inference.preprocessor_file import read_preprocessing
from embodied_perception.inference.runtime import BEST, Runtime
from embodied_perception.open_vocabulary.dense import DenseDetector
from embodied_perception.open_vocabulary.text_cache import TextCache
from embodied_perception.open_vocabulary.text_encoder import TextEncoder
from embodied_perception.open_vocabulary.towers import load_towers

#: By ``model_type`` of config.json. Sides are multiples of a patch; half of one may be none.
ARCHITECTURES = {"clip": Architecture("CLIPModel", any_size=False)}

_LARGER = 2  # the shorter side, than in training: boxes are as coarse as patches
_LONGEST = 2  # the longer side, than the shorter one: each patch looks at all
_LEAST_POINTS = 2  # a patch alone is a speck


class ClipPatches(nn.Module):
    """Images (B, 3, h, w) to points (B, D, h / patch, w / patch) of length 1.

    Args:
        tower: of images, with ``vision_model`` and ``projection``; its last layer is taken apart.

    Attributes:
        patch: pixels along a side of one.
        trained: pixels along a side of the images in training.

    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        vision = tower.vision_model
        self.patch: int = vision.embeddings.patch_size
        self.trained: int = vision.embeddings.image_size
        self.embeddings, self.norm, self.encoder = (
            vision.embeddings,
            vision.pre_layrnorm,  # its name in transformers
            vision.encoder,
        )
        last = self.encoder.layers.pop(-1)
        self.values = nn.Sequential(
            last.layer_norm1,
            last.self_attn.v_proj,
            last.self_attn.out_proj,
            vision.post_layernorm,
            tower.projection,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Sides are multiples of a patch."""
        tokens = self.norm(self.embeddings(images, interpolate_pos_encoding=True))
        patches = self.encoder(inputs_embeds=tokens).last_hidden_state[:, 1:]
        grid = [side // self.patch for side in images.shape[-2:]]
        points = self.values(patches).transpose(1, 2).unflatten(2, grid)
        return normalize(points.float(), dim=1)


def load(source: str, runtime: Runtime = BEST, cache: TextCache | None = None) -> DenseDetector:
    """Load a detector, and try it on nothing.

    Args:
        source: ``hf:OWNER/REPO``, or a folder.
        runtime: on what it shall run.
        cache: of texts that were encoded before.

    Raises:
        InferenceError: it is not there, not whole, or of another kind.

    """
    checkpoint, place = open_checkpoint(source, ARCHITECTURES), runtime.place()
    towers = load_towers(checkpoint)
    texts = TextEncoder(
        towers.text, checkpoint, place, towers.context, padded=towers.padded, cache=cache
    )
    network = ClipPatches(towers.image)
    preprocessing = whole(read_preprocessing(checkpoint.folder), network.trained, network.patch)
    engine = Engine(network, place, source, ARCHITECTURES[checkpoint.model_type].any_size)
    model, _ = Model.tried(source, checkpoint, engine, preprocessing=preprocessing)
    return DenseDetector(
        model,
        texts,
        towers.scale,
        towers.bias,
        exclusive=towers.exclusive,
        least_points=_LEAST_POINTS,
    )


def whole(preprocessing: Preprocessing, trained: int, patch: int) -> Preprocessing:
    """The preprocessing of a classifier, for all of an image, and larger.

    Args:
        preprocessing: of the checkpoint, which takes the middle of an image.
        trained: pixels along a side of the images in training.
        patch: pixels along a side of one.

    """
    shortest = _LARGER * trained
    return replace(
        preprocessing,
        whole_hw=None,
        square=False,
        shortest_edge=shortest,
        longest_edge=_LONGEST * shortest,
        divisor=patch,
        crop_hw=None,
        pad_hw=None,
    )
