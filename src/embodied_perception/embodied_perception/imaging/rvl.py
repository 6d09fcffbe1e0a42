"""RVL, the lossless run-length code for depth images that compressedDepth can use.

A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017. Zeros and non-zeros alternate in
runs; a non-zero value is stored as the difference to the one before. All numbers are cut into
groups of three bits with a fourth that says whether more follow, eight groups to a 32-bit word.
"""

from __future__ import annotations

import numpy as np

from embodied_perception.errors import FrameError
from embodied_perception.imaging.limits import require_pixels

_SIZE = np.dtype("<u4")
_MOST_GROUPS = 10  # of a count of pixels that fits into 30 bits
_SHIFTS = np.arange(28, -4, -4, dtype=np.uint32)  # the first group is the highest


def size_of(data: np.ndarray) -> tuple[int, int]:
    """Width and height of coded bytes (N,) uint8."""
    if len(data) < 8:
        raise FrameError("TRUNCATED", f"RVL: got {len(data)} bytes, expected 8 of size at least")
    width, height = np.frombuffer(data[:8].tobytes(), _SIZE).tolist()
    return width, height


def decode(data: np.ndarray) -> np.ndarray:
    """Return the image (H, W) uint16 of bytes (N,) uint8: width, height, then the code.

    Raises:
        FrameError: the code ends early, goes beyond the image, or the image is too large.

    """
    width, height = size_of(data)
    require_pixels(width, height, "RVL")
    numbers = _numbers(data[8:])
    image = np.zeros(width * height, np.uint16)
    where = _count_places(numbers, image.size)
    is_value = np.ones(len(numbers), bool)
    is_value[where] = is_value[where + 1] = False
    counts = numbers[np.column_stack([where, where + 1])].ravel()
    is_nonzero = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    folded = numbers[is_value][: np.count_nonzero(is_nonzero)]
    steps = (folded >> 1) ^ -(folded & 1)
    # Unsigned 16-bit sums wrap around, as differences between such values may.
    image[is_nonzero] = np.cumsum(steps.astype(np.uint16), dtype=np.uint16)
    return image.reshape(height, width)


def encode(image: np.ndarray) -> np.ndarray:
    """Return the code (N,) uint8 of an image (H, W) uint16; the inverse of :func:`decode`."""
    flat = image.ravel()
    # Runs begin where zero changes to non-zero or back; the first one is of zeros, maybe none.
    edges = np.flatnonzero(np.diff(flat != 0)) + 1
    first = [0] if flat.size and flat[0] else []
    bounds = np.concatenate([first, edges, [flat.size]]).astype(np.int64)
    counts = np.diff(bounds, prepend=0)
    counts = np.append(counts, 0) if counts.size % 2 else counts
    zeros, nonzeros = counts.reshape(-1, 2).T
    values = flat[flat != 0].astype(np.int64)
    steps = np.diff(values, prepend=0)
    folded = (steps << 1) ^ (steps >> 63)
    # A pair of counts goes before the values of each run.
    before = np.repeat(np.cumsum(nonzeros) - nonzeros, 2)
    numbers = np.insert(folded, before, np.stack([zeros, nonzeros], axis=1).ravel())
    size = np.array([image.shape[1], image.shape[0]], _SIZE)
    return np.concatenate([size.view(np.uint8), _code(numbers)])


def _numbers(data: np.ndarray) -> np.ndarray:
    """All numbers (M,) int32 of a code; the padding behind the last one is zeros."""
    # The first group is the highest four bits of a little-endian word: its last byte.
    in_order = data[: len(data) // 4 * 4].reshape(-1, 4)[:, ::-1]
    groups = np.stack([in_order >> 4, in_order & 15], axis=-1).ravel()
    ends = np.flatnonzero(groups < 8)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    more = ends - starts
    if more.size and more.max() >= _MOST_GROUPS:
        raise FrameError("UNDECODABLE", "RVL: a number is longer than any image needs")
    groups &= 7
    numbers = groups[starts].astype(np.int32)
    longer = np.arange(len(starts))
    for place in range(1, _MOST_GROUPS):
        longer = longer[more[longer] >= place]
        numbers[longer] |= groups[starts[longer] + place].astype(np.int32) << (3 * place)
    return numbers


def _count_places(numbers: np.ndarray, pixels: int) -> np.ndarray:
    """Where in the code (M,) the pairs of counts stand, of zeros and of the non-zeros behind."""
    listed = numbers.tolist()
    found = []
    at, done = 0, 0
    while done < pixels:
        if at + 1 >= len(listed):
            raise FrameError("TRUNCATED", f"RVL: ends after {done} of {pixels} pixels")
        zeros, nonzeros = listed[at], listed[at + 1]
        done += zeros + nonzeros
        if done > pixels or not (zeros or nonzeros):
            raise FrameError("UNDECODABLE", f"RVL: a run is empty, or beyond the {pixels} pixels")
        found.append(at)
        at += 2 + nonzeros
    if at > len(listed):
        raise FrameError("TRUNCATED", f"RVL: ends within the last of {len(found)} runs")
    return np.array(found)


def _code(numbers: np.ndarray) -> np.ndarray:
    """Cut numbers (M,) into groups of bits, padded with zeros to whole words; (N,) uint8."""
    lengths = np.ones(len(numbers), np.int64)
    for group in range(1, _MOST_GROUPS):
        lengths += numbers >= 1 << (3 * group)
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    groups = (np.repeat(numbers, lengths) >> (3 * place)) & 7
    groups |= np.where(place < np.repeat(lengths, lengths) - 1, 8, 0)
    words = np.zeros(-(-len(groups) // 8) * 8, np.uint32)
    words[: len(groups)] = groups
    return (
        (words.reshape(-1, 8) << _SHIFTS).sum(axis=1, dtype=np.uint32).astype(_SIZE).view(np.uint8)
    )
