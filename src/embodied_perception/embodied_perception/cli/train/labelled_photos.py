"""Photos that are sorted into folders, one a class, and a share of them kept aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied_perception.errors import FrameError, SourceError
from embodied_perception.imaging.sources.photos import SUFFIXES, read_photo


@dataclass(frozen=True, eq=False)
class LabelledPhotos:
    """Photos in memory.

    Attributes:
        images: N of them, RGB (H, W, 3) uint8.
        classes: (N,) int, which of the labels each one is.
        labels: names of the classes, in the order of the alphabet.

    """

    images: list[np.ndarray]
    classes: np.ndarray
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def counts(self) -> np.ndarray:
        """(C,) photos of each class."""
        return np.bincount(self.classes, minlength=len(self.labels))

    def split(self, held_out: float, seed: int) -> tuple[LabelledPhotos, LabelledPhotos]:
        """Photos to learn from, and a share of each class, drawn at random, that is kept aside."""
        random = np.random.default_rng(seed)
        aside = np.zeros(len(self), bool)
        for number, count in enumerate(self.counts.tolist()):
            order = random.permutation(np.flatnonzero(self.classes == number))
            aside[order[: round(held_out * count)]] = True
        return self._only(~aside), self._only(aside)

    def _only(self, chosen: np.ndarray) -> LabelledPhotos:
        images = [self.images[place] for place in np.flatnonzero(chosen).tolist()]
        return LabelledPhotos(images, self.classes[chosen], self.labels)


def photo_paths(folder: Path) -> dict[str, list[Path]]:
    """The photos of each class: of each folder in a folder.

    Raises:
        SourceError: there are no such folders, or one of them holds no photo.

    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; give one that holds a folder for each class")
    found = {
        each.name: sorted(path for path in each.iterdir() if path.suffix.lower() in SUFFIXES)
        for each in sorted(folder.iterdir())
        if each.is_dir() and not each.name.startswith(".")
    }
    if not found:
        raise SourceError(
            f"{folder}: no folders in it; sort the photos into one a class, as "
            f"{folder / 'cup' / '1.jpg'}"
        )
    for name, paths in found.items():
        if not paths:
            raise SourceError(
                f"{folder / name}: no photos in it ({', '.join(SUFFIXES)}); add some, or remove it"
            )
    return found


def read_photos(
    paths: dict[str, list[Path]],
    prepare: Callable[[np.ndarray], np.ndarray],
    problems: list[str],
    track: Callable[[Sequence[tuple[int, Path]]], Iterable[tuple[int, Path]]],
) -> LabelledPhotos:
    """Read photos upright; what cannot be read becomes a problem.

    Args:
        paths: see :func:`photo_paths`.
        prepare: what is kept of an RGB image (H, W, 3) uint8.
        problems: gets a line for each photo that is left out.
        track: goes through the photos, and may show how far it is.

    """
    numbered = [(number, path) for number, each in enumerate(paths.values()) for path in each]
    images, classes = [], []
    for number, path in track(numbered):
        try:
            image = read_photo(path)[0].colors_8_bit("RGB")
        except SourceError as error:
            problems.append(str(error))
            continue
        except FrameError as error:
            problems.append(f"{path}: {error}")
            continue
        images.append(prepare(image))
        classes.append(number)
    return LabelledPhotos(images, np.array(classes, int), tuple(paths))
