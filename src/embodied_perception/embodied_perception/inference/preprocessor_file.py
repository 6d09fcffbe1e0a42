"""preprocessor_config.json, as checkpoints of transformers have it.

What the file leaves out is as in transformers' own processor of that name.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeGuard

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import read_json
from embodied_perception.inference.preprocessing import Preprocessing

FILE = "preprocessor_config.json"
_LARGEST_PX = 8192
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_USUAL: dict[str, Any] = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "resample": 2,
    "do_center_crop": False,
    "do_flip_channel_order": False,
    "size_divisor": 0,
    "pad_size": None,
}
#: What differs from the usual in transformers' processors, which write a size of one number for
#: ``whole`` sides or for the ``shortest_edge``.
_PROCESSORS: dict[str, dict[str, Any]] = {
    "Segformer": _IMAGENET | {"size": {"height": 512, "width": 512}, "one": "whole"},
    "Mask2Former": _IMAGENET
    | {"size": {"shortest_edge": 800, "longest_edge": 1333}, "one": "shortest", "size_divisor": 32},
    "MobileNetV2": _HALVES
    | {
        "size": {"shortest_edge": 256},
        "one": "shortest",
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
    },
    "MobileViT": {
        "size": {"shortest_edge": 224},
        "one": "shortest",
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 256, "width": 256},
        "do_normalize": False,
        "do_flip_channel_order": True,
    },
    "ConvNext": _HALVES | {"size": {"shortest_edge": 384}, "one": "shortest", "resample": 3},
    "CLIP": _CLIP
    | {
        "size": {"shortest_edge": 224},
        "one": "shortest",
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
    },
    "Siglip": _HALVES | {"size": {"height": 224, "width": 224}, "one": "whole", "resample": 3},
    "OwlViT": _CLIP | {"size": {"height": 768, "width": 768}, "one": "whole", "resample": 3},
    "Owlv2": _CLIP | {"size": {"height": 960, "width": 960}, "one": "whole", "do_pad": True},
    "GroundingDino": _IMAGENET
    | {"size": {"shortest_edge": 800, "longest_edge": 1333}, "one": "shortest"},
    "ViT": _HALVES | {"size": {"height": 224, "width": 224}, "one": "whole"},
    "Sam2": _IMAGENET | {"size": {"height": 1024, "width": 1024}, "one": "whole"},
}
_ANONYMOUS = _IMAGENET | {"size": {"height": 512, "width": 512}, "one": "whole"}
_CONVNEXT_WARPS_FROM = 384


def read_preprocessing(folder: Path) -> Preprocessing:
    """How a checkpoint wants its images.

    Raises:
        InferenceError: there is no preprocessor_config.json, or a value in it makes no sense; the
            message names it.

    """
    path = folder / FILE
    if not path.exists():
        raise InferenceError(f"{folder} has no {FILE}; copy it from where the weights are from")
    return _Reader(path, read_json(path)).preprocessing()


def write_fixed(folder: Path, preprocessing: Preprocessing, size_hw: tuple[int, int]) -> None:
    """Write a preprocessor_config.json like another, but with one size for all images.

    Args:
        folder: where to.
        preprocessing: the other; it does not crop or pad.
        size_hw: height and width that images are resized to.

    """
    values = {
        "do_resize": True,
        "size": {"height": size_hw[0], "width": size_hw[1]},
        "resample": preprocessing.resample,
        "do_rescale": True,
        "rescale_factor": preprocessing.factor,
        "do_normalize": True,
        "image_mean": preprocessing.mean,
        "image_std": preprocessing.deviation,
        "do_flip_channel_order": preprocessing.reversed_channels,
    }
    (folder / FILE).write_text(json.dumps(values, indent=2), encoding="utf-8")


class _Reader:
    """Checks the values of a preprocessor_config.json one by one."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self._path = path
        kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
        for ending in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
            kind = kind.removesuffix(ending)
        if kind and kind not in _PROCESSORS:
            raise InferenceError(
                f"{path}: image_processor_type: got {kind}, expected {', '.join(_PROCESSORS)}"
            )
        self._kind = kind
        self._values = _USUAL | _PROCESSORS.get(kind, _ANONYMOUS) | values

    def preprocessing(self) -> Preprocessing:
        """Everything together."""
        edges = self._resizing() if self._flag("do_resize") else {}
        crop = self._sides("crop_size") if self._flag("do_center_crop") else None
        if self._kind == "ConvNext" and self._flag("do_resize"):
            edges, crop = self._convnext()
        # MobileViT's own processor never does, whatever the file says.
        normalises = self._flag("do_normalize") and self._kind != "MobileViT"
        if self._kind == "Owlv2":
            edges["square"] = self._flag("do_pad")
        pads = self._flag("do_pad") if "do_pad" in self._values else False
        pad = self._sides("pad_size") if pads and self._values["pad_size"] else None
        return Preprocessing(
            **edges,
            crop_hw=crop,
            pad_hw=pad,
            resample=self._whole_number("resample", 0, 5),
            factor=self._factor() if self._flag("do_rescale") else 1.0,
            mean=self._three("image_mean", -math.inf) if normalises else (0.0,) * 3,
            deviation=self._three("image_std", 0.0) if normalises else (1.0,) * 3,
            reversed_channels=self._flag("do_flip_channel_order"),
        )

    def _resizing(self) -> dict[str, Any]:
        size = self._values["size"]
        divisor = self._whole_number("size_divisor", 0, 1024)
        if _is_side(size):
            size = (
                {"height": size, "width": size}
                if self._values["one"] == "whole"
                else {"shortest_edge": size, "longest_edge": self._values.get("max_size")}
            )
        if isinstance(size, dict) and "shortest_edge" in size:
            shortest, longest = size["shortest_edge"], size.get("longest_edge")
            if not (_is_side(shortest) and (longest is None or _is_side(longest))):
                raise self._refusal("size", "shortest_edge, and longest_edge if any", _LARGEST_PX)
            return {"shortest_edge": shortest, "longest_edge": longest, "divisor": divisor}
        return {"whole_hw": self._sides("size", size), "divisor": divisor}

    def _convnext(self) -> tuple[dict[str, Any], tuple[int, int] | None]:
        """Small sizes are cut out of an image that is a little larger, large ones are warped."""
        size = self._values["size"]
        side = size.get("shortest_edge") if isinstance(size, dict) else size
        if not _is_side(side):
            raise self._refusal("size", "shortest_edge", _LARGEST_PX)
        if side >= _CONVNEXT_WARPS_FROM:
            return {"whole_hw": (side, side)}, None
        share = self._values.get("crop_pct", 224 / 256)
        if type(share) not in (int, float) or not 0.1 <= share <= 1:
            raise InferenceError(f"{self._path}: crop_pct: got {share!r}, expected 0.1 to 1")
        return {"shortest_edge": int(side / share)}, (side, side)

    def _sides(self, key: str, value: object = None) -> tuple[int, int]:
        value = self._values.get(key) if value is None else value
        if _is_side(value):
            return value, value
        height, width = (
            (value.get("height"), value.get("width")) if isinstance(value, dict) else (None, None)
        )
        if not (_is_side(height) and _is_side(width)):
            raise self._refusal(key, "height and width", _LARGEST_PX)
        return height, width

    def _factor(self) -> float:
        factor = self._values["rescale_factor"]
        if type(factor) not in (int, float) or not 0 < factor < math.inf:
            raise InferenceError(
                f"{self._path}: rescale_factor: got {factor!r}, expected more than 0"
            )
        return float(factor)

    def _three(self, key: str, above: float) -> tuple[float, ...]:
        values = self._values.get(key, _IMAGENET[key])
        if not (
            isinstance(values, list)
            and len(values) == 3
            and all(type(each) in (int, float) and above < each < math.inf for each in values)
        ):
            raise InferenceError(f"{self._path}: {key}: got {values!r}, expected three numbers")
        return tuple(map(float, values))

    def _flag(self, key: str) -> bool:
        value = self._values[key]
        if value is None:
            return False
        if type(value) is not bool:
            raise InferenceError(f"{self._path}: {key}: got {value!r}, expected true or false")
        return value

    def _whole_number(self, key: str, least: int, most: int) -> int:
        value = self._values[key]
        if type(value) is not int or not least <= value <= most:
            raise InferenceError(f"{self._path}: {key}: got {value!r}, expected {least} to {most}")
        return value

    def _refusal(self, key: str, expected: str, most: int) -> InferenceError:
        return InferenceError(
            f"{self._path}: {key}: got {self._values.get(key)!r}, expected {expected} of 1 to "
            f"{most} pixels"
        )


def _is_side(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= _LARGEST_PX
