"""Classes by their names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from embodied_perception.errors import InferenceError

_LISTED = 20


def label_number(labels: Sequence[str], word: str) -> int:
    """Number of the class that a word names; one of the names in ``tabby, tabby cat`` is enough.

    Raises:
        InferenceError: there is none; the message says what comes near.

    """
    numbers = {label.casefold(): number for number, label in reversed(list(enumerate(labels)))}
    for number, label in reversed(list(enumerate(labels))):
        for name in label.split(","):
            numbers.setdefault(name.strip().casefold(), number)
    found = numbers.get(word.strip().casefold())
    if found is None:
        near = get_close_matches(word.casefold(), numbers, _LISTED, 0.5) or labels[:_LISTED]
        more = ", ..." if len(near) < len(labels) else ""
        raise InferenceError(f"no class is called {word!r}; there are: {', '.join(near)}{more}")
    return found


def in_words(labels: Sequence[str], probabilities: np.ndarray, count: int = 3) -> list[str]:
    """The most probable classes of (C,) probabilities, such as ``mug 93 %``."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [
        f"{labels[index].partition(',')[0]} {100 * probabilities[index]:.0f} %"
        for index in order.tolist()
    ]
