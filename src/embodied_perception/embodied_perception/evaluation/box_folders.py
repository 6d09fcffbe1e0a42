"""Folders of images with true boxes, laid out as COCO: a JSON file, and images beside it.

Source: T.-Y. Lin et al., Microsoft COCO, 2014, and its data format for the detection of objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embodied_perception.errors import EvaluationError, FrameError, SourceError
from embodied_perception.evaluation.class_names import require_distinct
from embodied_perception.imaging.sources.photos import read_photo

LAYOUT = """\
  images       [{"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}, ...]
  annotations  [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [left, top, width, height]}, ...]
  categories   [{"id": 3, "name": "red mug"}, ...]"""

_FARTHEST = 1e9  # pixels; NaN and infinity are no less


@dataclass(frozen=True, eq=False)
class BoxedImage:
    """An image file with its true boxes.

    Attributes:
        name: of the file, as the data set has it.
        path: of the file.
        resolution_wh: width and height in pixels.
        boxes: (N, 4) float64 left, top, right, bottom in pixels.
        labels: (N,) int64 their numbers.

    """

    name: str
    path: Path
    resolution_wh: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright by its EXIF.

        Raises:
            EvaluationError: it is not there, damaged, or of another size than the data set says.

        """
        try:
            image = read_photo(self.path)[0].colors_8_bit("RGB")
        except SourceError as error:
            raise EvaluationError(str(error)) from error
        except FrameError as error:
            raise EvaluationError(f"{self.path}: cannot be read: {error}") from error
        got = image.shape[1], image.shape[0]
        if got != self.resolution_wh:
            raise EvaluationError(
                f"{self.path}: got an image of {_size(got)}, its boxes are for "
                f"{_size(self.resolution_wh)}: scale them together"
            )
        return image


@dataclass(frozen=True, eq=False)
class BoxFolder:
    """A data set.

    Attributes:
        file: the JSON.
        labels: names of the categories, in the order of the file, which numbers them from 0.
        images: in the order of the file, also those without boxes; at least one.
        crowds: how many annotations were left out, as one box of theirs holds many things.

    """

    file: Path
    labels: tuple[str, ...]
    images: tuple[BoxedImage, ...]
    crowds: int


def open_box_folder(path: Path) -> BoxFolder:
    """Read what a data set says of its images; they are read later.

    Args:
        path: the folder, or its JSON file.

    Raises:
        EvaluationError: there is no such file, or several; it is not whole, or laid out in another
            way; an image is not there, or a box not in its image. The message names the entry.

    """
    file = _json_file(path)
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(
            f"{file}: cannot be read as JSON: {error}: is the file whole?"
        ) from error
    try:
        return _opened(file, stored)
    except EvaluationError as error:
        raise EvaluationError(f"{file}: {error}") from error


def _json_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise EvaluationError(f"{path}: no such folder")
    files = sorted(each for each in path.glob("*.json") if not each.name.startswith("."))
    if len(files) == 1:
        return files[0]
    if files:
        listed = ", ".join(each.name for each in files)
        raise EvaluationError(f"{path}: got {listed}: name one of these files")
    raise EvaluationError(
        f"{path}: no *.json in it; expected COCO's layout: a file with images, annotations and "
        "categories, and the images beside it"
    )


def _opened(file: Path, stored: object) -> BoxFolder:
    lists = {key: _entries(stored, key) for key in ("images", "annotations", "categories")}
    names = {
        _value(entry, "id", int, where): _value(entry, "name", str, where)
        for where, entry in lists["categories"]
    }
    images = {_value(entry, "id", int, where): (where, entry) for where, entry in lists["images"]}
    for key, kept in (("categories", names), ("images", images)):
        if not kept or len(kept) < len(lists[key]):
            raise EvaluationError(
                f"{key}: got {len(lists[key])} with {len(kept)} ids, expected one or more, each "
                "with an id of its own"
            )
    require_distinct(list(names.values()), "categories")
    sizes = {image: _resolution(entry, where) for image, (where, entry) in images.items()}
    numbers = {category: number for number, category in enumerate(names)}
    rows: dict[int, list[tuple[float, ...]]] = {image: [] for image in images}
    crowds = 0
    for where, entry in lists["annotations"]:
        image = _known(entry, "image_id", sizes, where, "images")
        label = numbers[_known(entry, "category_id", names, where, "categories")]
        if entry.get("iscrowd"):
            crowds += 1
            continue
        rows[image].append((*_box(entry, where, sizes[image]), label))
    boxed = []
    for image, (where, entry) in images.items():
        table = np.array(rows[image], np.float64).reshape(-1, 5)
        name = _value(entry, "file_name", str, where)
        photo = file.parent / name
        if not photo.is_file():
            raise EvaluationError(f"{where}: {name} is not there; expected {photo}")
        labels = table[:, 4].astype(np.int64)
        boxed.append(BoxedImage(name, photo, sizes[image], table[:, :4], labels))
    return BoxFolder(file, tuple(names.values()), tuple(boxed), crowds)


def _entries(stored: object, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """A list of the file, each entry with what messages call it."""
    entries = stored.get(key) if isinstance(stored, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise EvaluationError(f"{key} is no list of entries; expected COCO's layout:\n{LAYOUT}")
    return [(f"{key}[{place}]", entry) for place, entry in enumerate(entries)]


def _value(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = entry.get(key)
    # In Python True is a number.
    if not isinstance(value, kind) or isinstance(value, bool) or value == "":
        expected = {int: "a whole number", str: "a text"}[kind]
        raise EvaluationError(f"{where}: {key}: got {value!r}, expected {expected}")
    return value


def _known(
    entry: Mapping[str, Any], key: str, known: Mapping[int, Any], where: str, list_of: str
) -> int:
    value = _value(entry, key, int, where)
    if value not in known:
        raise EvaluationError(f"{where}: {key}: got {value}, which none of the {list_of} has")
    return value


def _resolution(entry: Mapping[str, Any], where: str) -> tuple[int, int]:
    width, height = (_value(entry, key, int, where) for key in ("width", "height"))
    if width < 1 or height < 1:
        raise EvaluationError(f"{where}: got a size of {width}x{height}, expected 1x1 or more")
    return width, height


def _box(
    entry: Mapping[str, Any], where: str, resolution_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom; part of a box may be beyond its image."""
    stored: Any = entry.get("bbox")
    is_box = isinstance(stored, list) and len(stored) == 4
    if not is_box or not all(
        isinstance(each, int | float) and abs(each) < _FARTHEST for each in stored
    ):
        raise EvaluationError(f"{where}: bbox: got {stored!r}, expected [left, top, width, height]")
    left, top, width, height = map(float, stored)
    if width <= 0 or height <= 0:
        raise EvaluationError(
            f"{where}: bbox: got a size of {width:g} x {height:g}, expected more than 0 pixels"
        )
    right, bottom = left + width, top + height
    if right <= 0 or bottom <= 0 or left >= resolution_wh[0] or top >= resolution_wh[1]:
        raise EvaluationError(
            f"{where}: bbox: got {left:g}, {top:g} to {right:g}, {bottom:g}, outside of its image "
            f"of {_size(resolution_wh)}"
        )
    return left, top, right, bottom


def _size(resolution_wh: tuple[int, int]) -> str:
    return "x".join(map(str, resolution_wh))
