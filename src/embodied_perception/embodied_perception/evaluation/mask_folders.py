"""Folders of images with true masks, laid out as CamVid, Cityscapes or ADE20K.

Sources: V. Badrinarayanan et al., SegNet, 2017 (CamVid in 11 classes); M. Cordts et al., The
Cityscapes Dataset, CVPR 2016, and its table of labels; B. Zhou et al., Scene Parsing through
ADE20K Dataset, CVPR 2017.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied_perception.errors import EvaluationError, FrameError
from embodied_perception.evaluation.class_names import require_distinct
from embodied_perception.evaluation.labelled_image import LabelledImage
from embodied_perception.evaluation.mask_numbers import ClassNumbers, decode_mask
from embodied_perception.imaging.pixels import CompressedPixels

LAYOUTS = """\
CamVid      SPLIT/*.png with masks of the same names in SPLITannot/: 0 to 10 and 11 unlabelled; or
            any classes, named by a list in labels.json, and 255 unlabelled
Cityscapes  leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_gtFine_labelIds.png,
            or *_gtFine_labelTrainIds.png where they are
ADE20K      images/SPLIT/*.jpg with annotations/SPLIT/*.png: 1 to 150, and 0 unlabelled; names from
            objectInfo150.txt, else the model's own"""

CAMVID = (
    "sky", "building", "pole, column pole", "road", "pavement, sidewalk", "tree",
    "sign, sign symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
#: By trainId.
CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_ADE20K_COUNT = 150
_NAMES_FILE, _ADE20K_FILE = "labels.json", "objectInfo150.txt"
_ANNOTATED = "annot"
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_NAMED = 65000  # classes, in masks of 16 bits
#: Without --split, what models are chosen by, before what they were trained on.
_USUAL_SPLITS = ("val", "validation", "valid", "test")


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Two files, and what the numbers in the second one mean."""

    image: Path
    mask: Path
    numbers: ClassNumbers

    def read(self) -> LabelledImage:
        """Read both.

        Raises:
            EvaluationError: a file cannot be read, image and mask differ in size, or the mask holds
                a number that is no class; the message names the file.

        """
        image = _read(self.image, lambda data: CompressedPixels(data).colors_8_bit("RGB"))
        stored = _read(self.mask, decode_mask)
        if stored.shape != image.shape[:2]:
            raise EvaluationError(
                f"{self.mask}: got a mask of {_size(stored)}, its image {self.image.name} is "
                f"{_size(image)}: scale the mask without blending (nearest neighbour)"
            )
        try:
            return LabelledImage(self.image.name, image, self.numbers.classes_of(stored))
        except EvaluationError as error:
            raise EvaluationError(f"{self.mask}: {error}") from error


@dataclass(frozen=True, eq=False)
class MaskFolder:
    """A split of a data set.

    Attributes:
        layout: ``CamVid``, ``Cityscapes`` or ``ADE20K``.
        split: its name.
        classes: names in the order of their numbers; None where the data set tells none.
        class_count: how many there are.
        pairs: in the order of names; at least one.

    """

    layout: str
    split: str
    classes: tuple[str, ...] | None
    class_count: int
    pairs: tuple[MaskPair, ...]


def open_mask_folder(folder: Path, split: str | None = None) -> MaskFolder:
    """Recognise the layout of a folder, and pair its images with their masks.

    Args:
        folder: of the data set.
        split: None takes the validation split, or the only one.

    Raises:
        EvaluationError: it is laid out in no known way, there is no such split, an image has no
            mask or a mask no image, or the file with the classes' names makes no sense.

    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder")
    if (folder / "leftImg8bit").is_dir() and (folder / "gtFine").is_dir():
        return _cityscapes(folder, split)
    if (folder / "images").is_dir() and (folder / "annotations").is_dir():
        return _ade20k(folder, split)
    splits = [
        each.name.removesuffix(_ANNOTATED)
        for each in _folders(folder)
        if each.name.endswith(_ANNOTATED) and (folder / each.name[: -len(_ANNOTATED)]).is_dir()
    ]
    if any(splits):
        return _camvid(folder, _chosen(folder, split, [each for each in splits if each]))
    there = ", ".join(each.name + "/" for each in _folders(folder)) or "no folders"
    raise EvaluationError(
        f"{folder}: got {there}; expected SPLIT/ beside SPLITannot/ (CamVid), leftImg8bit/ beside "
        "gtFine/ (Cityscapes), or images/ beside annotations/ (ADE20K)"
    )


def _camvid(folder: Path, split: str) -> MaskFolder:
    names_path = folder / _NAMES_FILE
    classes = _listed_names(names_path) if names_path.exists() else CAMVID
    unlabelled = () if names_path.exists() else (len(CAMVID),)
    numbers = ClassNumbers({place: place for place in range(len(classes))}, unlabelled)
    pairs = _paired(folder / split, folder / f"{split}{_ANNOTATED}", numbers)
    return MaskFolder("CamVid", split, classes, len(classes), pairs)


def _cityscapes(folder: Path, wanted: str | None) -> MaskFolder:
    splits = [each.name for each in _folders(folder / "leftImg8bit")]
    split = _chosen(folder / "leftImg8bit", wanted, splits)
    void = set(range(34)) - set(_CITYSCAPES_IDS)
    by_kind = {
        "labelTrainIds": ClassNumbers({place: place for place in range(len(CITYSCAPES))}),
        "labelIds": ClassNumbers(
            {number: place for place, number in enumerate(_CITYSCAPES_IDS)}, void
        ),
    }
    pairs = []
    for image in sorted((folder / "leftImg8bit" / split).glob("*/*_leftImg8bit.png")):
        stem = image.name.removesuffix("leftImg8bit.png") + "gtFine_"
        city = folder / "gtFine" / split / image.parent.name
        masks = {kind: city / f"{stem}{kind}.png" for kind in by_kind}
        found = next((kind for kind, mask in masks.items() if mask.is_file()), None)
        if found is None:
            raise EvaluationError(
                f"{image}: has no mask; expected {masks['labelIds']}: unpack the data set's gtFine "
                "too"
            )
        pairs.append(MaskPair(image, masks[found], by_kind[found]))
    if not pairs:
        raise EvaluationError(f"{folder / 'leftImg8bit' / split}: no CITY/*_leftImg8bit.png in it")
    return MaskFolder("Cityscapes", split, CITYSCAPES, len(CITYSCAPES), tuple(pairs))


def _ade20k(folder: Path, wanted: str | None) -> MaskFolder:
    images, masks = folder / "images", folder / "annotations"
    split = _chosen(images, wanted, [each.name for each in _folders(images)])
    names_path = folder / _ADE20K_FILE
    classes = _ade20k_names(names_path) if names_path.exists() else None
    numbers = ClassNumbers({place + 1: place for place in range(_ADE20K_COUNT)}, (0,))
    pairs = _paired(images / split, masks / split, numbers)
    return MaskFolder("ADE20K", split, classes, _ADE20K_COUNT, pairs)


def _chosen(folder: Path, wanted: str | None, splits: list[str]) -> str:
    if wanted in splits:
        return wanted
    listed = ", ".join(splits) or "none"
    if wanted is not None:
        raise EvaluationError(f"{folder}: no split {wanted!r}; there are: {listed}")
    usual = [each for each in _USUAL_SPLITS if each in splits]
    if usual or len(splits) == 1:
        return (usual or splits)[0]
    if not splits:
        raise EvaluationError(f"{folder}: there are no splits in it, such as {folder / 'val'}")
    raise EvaluationError(f"{folder}: there are the splits {listed}: choose by --split")


def _paired(images: Path, masks: Path, numbers: ClassNumbers) -> tuple[MaskPair, ...]:
    """Pair images and masks of the same name; each has a partner."""
    if not masks.is_dir():
        raise EvaluationError(f"{masks}: no such folder; it holds the masks of {images}")
    by_stem: dict[str, Path] = {}
    for path in _files(images, _IMAGE_SUFFIXES):
        if path.stem in by_stem:
            raise EvaluationError(
                f"{path}: {by_stem[path.stem].name} is there too, and their mask is the same: "
                "leave one image for each mask"
            )
        by_stem[path.stem] = path
    masks_by_stem = {path.stem: path for path in _files(masks, (".png",))}
    for stem, path in by_stem.items():
        if stem not in masks_by_stem:
            raise EvaluationError(f"{path}: has no mask; expected {masks / stem}.png")
    for stem, path in masks_by_stem.items():
        if stem not in by_stem:
            raise EvaluationError(f"{path}: has no image; expected {images / stem}.jpg or .png")
    if not by_stem:
        raise EvaluationError(f"{images}: no images in it ({', '.join(_IMAGE_SUFFIXES)})")
    return tuple(MaskPair(path, masks_by_stem[stem], numbers) for stem, path in by_stem.items())


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    # What begins with a dot is what file systems note beside a file.
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _listed_names(path: Path) -> tuple[str, ...]:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read as JSON: {error}") from error
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not 0 < len(names) <= _MOST_NAMED:
        raise EvaluationError(
            f'{path}: expected a list of names in the order of their numbers, ["sky", "road", ...]'
        )
    require_distinct(names, str(path))
    return tuple(names)


def _ade20k_names(path: Path) -> tuple[str, ...]:
    """Columns, apart by tabs: the number from 1, three of shares, and the names."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read: {error}") from error
    rows = [line.split("\t") for line in lines if line.strip()]
    numbers = [row[0].strip() for row in rows]
    expected = [str(number) for number in range(1, _ADE20K_COUNT + 1)]
    if numbers != expected or any(len(row) < 5 for row in rows):
        raise EvaluationError(
            f"{path}: expected a heading and {_ADE20K_COUNT} rows of Idx, Ratio, Train, Val and "
            "Name, apart by tabs: take the data set's own file, or remove it"
        )
    names = [row[4].strip() for row in rows]
    require_distinct(names, str(path))
    return tuple(names)


def _read(path: Path, decode: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    try:
        return decode(np.fromfile(path, np.uint8))
    except (OSError, FrameError) as error:
        raise EvaluationError(f"{path}: cannot be read: {error}") from error


def _size(array: np.ndarray) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
