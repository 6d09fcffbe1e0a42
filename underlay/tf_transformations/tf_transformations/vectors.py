"""Lengths and directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

EPSILON = 4 * np.finfo(np.float64).eps


def vector_norm(data: ArrayLike, axis: int | None = None) -> np.ndarray | float:
    """Return the Euclidean length of the whole array, or along one axis."""
    data = np.asarray(data, np.float64)
    return np.sqrt(np.sum(data * data, axis=axis))


def unit_vector(data: ArrayLike, axis: int | None = None) -> np.ndarray:
    """Return the array scaled to length one, as a whole or along one axis."""
    data = np.asarray(data, np.float64)
    length = vector_norm(data, axis)
    return data / (length if axis is None else np.expand_dims(length, axis))
