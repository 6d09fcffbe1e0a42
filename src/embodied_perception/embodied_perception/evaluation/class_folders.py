"""A folder of folders, each of which holds the images of the class that it is named after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.class_names import require_distinct
from embodied_perception.imaging.sources.photos import SUFFIXES


@dataclass(frozen=True)
class ClassFolder:
    """Images by class.

    Attributes:
        classes: names in the order of the alphabet, which numbers them.
        images: paths with the numbers of their classes; at least one of each.

    """

    classes: tuple[str, ...]
    images: tuple[tuple[Path, int], ...]

    def spread(self, count: int) -> list[tuple[Path, int]]:
        """Not more than so many of the images, evenly of all classes."""
        total = len(self.images)
        count = min(count, total)
        return [self.images[place * total // count] for place in range(count)]


def open_class_folder(folder: Path) -> ClassFolder:
    """List the images of a folder, class by class.

    Raises:
        EvaluationError: there is no such folder, it has no folders, or one of them has no images.

    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder")
    classes = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not classes:
        raise EvaluationError(
            f"{folder}: no folders in it; expected one for each class, with images: "
            f"{folder}/mug/1.jpg"
        )
    require_distinct([path.name for path in classes], str(folder))
    images = []
    for number, path in enumerate(classes):
        found = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
        if not found:
            raise EvaluationError(
                f"{path}: no images in it ({', '.join(SUFFIXES)}): remove it, or give the folder "
                "of one split"
            )
        images += [(file, number) for file in found]
    return ClassFolder(tuple(path.name for path in classes), tuple(images))
