"""How large an image may be: a few bytes of a file can claim gigabytes of pixels."""

from __future__ import annotations

from embodied_perception.errors import FrameError

MOST_PIXELS = 2**26  # 67 million, more than robots' cameras send
# PNG's deflate packs 1032 bytes into one at best; a progressive JPEG of one colour does better.
MOST_PIXELS_A_BYTE = 8192


def require_pixels(width: int, height: int, what: str, file_bytes: int = MOST_PIXELS) -> None:
    """Raise :class:`FrameError` unless ``file_bytes`` can mean an image of that size."""
    most = min(MOST_PIXELS, MOST_PIXELS_A_BYTE * file_bytes)
    if not 0 < width * height <= most:
        raise FrameError(
            "WRONG_SIZE", f"{what}: got a size of {width}x{height}, expected 1 to {most} pixels"
        )
