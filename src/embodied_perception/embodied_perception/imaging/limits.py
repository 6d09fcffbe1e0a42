"""How large an image may be: a few bytes of a file can claim gigabytes of pixels."""

from __future__ import annotations

from embodied_perception.errors import FrameError

MOST_PIXELS = 2**27  # 134 million, more than any camera sends


def require_pixels(width: int, height: int, what: str) -> None:
    """Raise :class:`FrameError` unless an image of that size can be meant."""
    if not 0 < width * height <= MOST_PIXELS:
        raise FrameError(
            "WRONG_SIZE",
            f"{what}: got a size of {width}x{height}, expected 1 to {MOST_PIXELS} pixels",
        )
