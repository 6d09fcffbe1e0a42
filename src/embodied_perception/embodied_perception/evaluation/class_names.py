"""Which of a model's labels is which class of a data set: by name.

A name may list several words for one thing, "building, edifice"; the first one is shown. Upper and
lower case, blanks, underscores and hyphens make no difference.

Words of different data sets are not taken for each other, however near they are: Cityscapes'
"vegetation" holds hedges that are no "tree" in CamVid, and its "rider" has no bicycle.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from embodied_perception.errors import EvaluationError

#: What transformers calls labels that nobody named.
_UNNAMED = re.compile(r"LABEL_(\d+)")
#: ImageNet's folders. Its published models number the classes in the order of these.
_WORDNET_ID = re.compile(r"n\d{8}")
_MOST_LISTED = 160  # in messages: all of ADE20K's classes, but not ImageNet's


def shown(name: str) -> str:
    """The first of the words that a name lists."""
    return name.split(",")[0].strip()


def alike(name: str) -> str:
    """What is the same for names that differ in what makes no difference."""
    return re.sub(r"[\s_-]", "", unicodedata.normalize("NFC", name)).casefold()


def match_labels(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Find the class that each label means.

    Numbers stand for names where a model has none (``LABEL_0``, ...), or a data set (ImageNet's
    folders ``n01440764``), and there are as many of both.

    Args:
        labels: the model's, by number.
        classes: the data set's, by number.

    Returns:
        (L,) int64, the class of each label; ``len(classes)`` where the data set has no such class.

    Raises:
        EvaluationError: the model has no label for a class, or several.

    """
    count = len(classes)
    if len(labels) == count and (_are_unnamed(labels) or all(map(_WORDNET_ID.fullmatch, classes))):
        return np.arange(count)
    found: dict[int, int] = {}  # class to label
    for key in (_whole, _first, _any):  # what is alike in few words may still differ as a whole
        _match_by(key, labels, classes, found)
    missing = [classes[place] for place in range(count) if place not in found]
    if missing:
        raise EvaluationError(
            f"the model has no label for {_listed(missing)}; the data has the classes "
            f"{_listed(classes)}; the model has the labels {_listed(labels)}: give a model of "
            "these classes, or name the classes as the model does"
        )
    meaning = np.full(len(labels), count)
    for place, label in found.items():
        meaning[label] = place
    return meaning


def require_distinct(names: Sequence[str], where: str) -> None:
    """Raise :class:`EvaluationError` where a name is empty, or there twice."""
    seen: set[str] = set()
    for name in map(alike, names):
        if not name or name in seen:
            problem = f"the class {name!r} is there twice" if name else "a class has no name"
            raise EvaluationError(f"{where}: {problem}: give each class a name of its own")
        seen.add(name)


def _match_by(
    key: Callable[[str], set[str]],
    labels: Sequence[str],
    classes: Sequence[str],
    found: dict[int, int],
) -> None:
    """Add what is alike by a key, among those that have no partner yet."""
    taken = set(found.values())
    by_word: dict[str, list[int]] = {}
    for label, name in enumerate(labels):
        if label not in taken:
            for word in key(name):
                by_word.setdefault(word, []).append(label)
    for place, name in enumerate(classes):
        if place in found:
            continue
        candidates = sorted({label for word in key(name) for label in by_word.get(word, [])})
        if len(candidates) > 1:
            raise EvaluationError(
                f"the class {name!r} may be any of the model's labels "
                f"{_listed([f'{labels[each]} ({each})' for each in candidates])}: name the "
                "classes as the model does"
            )
        if candidates and candidates[0] not in found.values():
            found[place] = candidates[0]


def _whole(name: str) -> set[str]:
    return {alike(name)}


def _first(name: str) -> set[str]:
    return {alike(shown(name))}


def _any(name: str) -> set[str]:
    return {word for word in map(alike, name.split(",")) if word}


def _are_unnamed(labels: Sequence[str]) -> bool:
    numbers = [_UNNAMED.fullmatch(label) for label in labels]
    return all(
        number is not None and int(number[1]) == place for place, number in enumerate(numbers)
    )


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST_LISTED} more"] if len(names) > _MOST_LISTED else []
    return ", ".join([*map(shown, names[:_MOST_LISTED]), *more])
