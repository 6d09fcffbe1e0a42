"""What a JPEG or PNG file says of itself, read without decoding it."""

from __future__ import annotations

import struct

import numpy as np

from embodied_perception.errors import FrameError

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
JPEG_HEAD = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_IHDR = struct.Struct(">IIBB")  # width, height, bits a channel, colour type
_IHDR_AT = 16
_CHUNK = struct.Struct(">I4s")  # length of a PNG's chunk, and its kind
_FRAME = struct.Struct(">HBHH")  # length, bits, height, width of a JPEG's start of frame
# SOF0 to SOF15, without DHT, JPG and DAC, which stand between them (ITU-T T.81, table B.1).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def size_of(data: np.ndarray) -> tuple[int, int]:
    """Width and height of a file (N,) uint8.

    Raises:
        FrameError: it is no JPEG or PNG, or ends within its head.

    """
    head = data[:8].tobytes()
    if head == PNG_HEAD:
        width, height, *_ = _ihdr(data)
        return width, height
    if head[:2] == JPEG_HEAD:
        return _jpeg_size(data)
    raise FrameError("UNDECODABLE", f"{len(data)} bytes are no JPEG or PNG image")


def is_gray_16(data: np.ndarray) -> bool:
    """Whether a file is a PNG with one channel of 16 bits."""
    return data[:8].tobytes() == PNG_HEAD and _ihdr(data)[2:] == (16, 0)


def require_whole(data: np.ndarray) -> None:
    """Raise :class:`FrameError` where the end is missing: OpenCV would fill up with grey."""
    head = data[:8].tobytes()
    if head == PNG_HEAD:
        _require_png_chunks(data)
    elif head[:2] == JPEG_HEAD:
        # Zeros behind the end are harmless: cameras fill up their buffers with them.
        tail = data[-64:].tobytes()
        tail = tail if tail.strip(b"\0") else data.tobytes().rstrip(b"\0")[-64:]
        if _JPEG_END not in tail:
            raise FrameError("TRUNCATED", f"JPEG of {len(data)} bytes ends before its end marker")


def _require_png_chunks(data: np.ndarray) -> None:
    """Go from chunk to chunk: OpenCV would reserve what a damaged one's length says."""
    at = len(PNG_HEAD)
    while at + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack(data[at : at + _CHUNK.size].tobytes())
        at += _CHUNK.size + length + 4  # its checksum
        if kind == b"IEND" and at <= len(data):
            return
    raise FrameError("TRUNCATED", f"PNG of {len(data)} bytes ends before its end marker")


def _ihdr(data: np.ndarray) -> tuple[int, int, int, int]:
    if len(data) < _IHDR_AT + _IHDR.size:
        raise FrameError("TRUNCATED", f"PNG of {len(data)} bytes ends within its head")
    return _IHDR.unpack_from(data.tobytes()[: _IHDR_AT + _IHDR.size], _IHDR_AT)


def _jpeg_size(data: np.ndarray) -> tuple[int, int]:
    """Go from segment to segment up to the start of frame."""
    at = 2
    while at + 2 + _FRAME.size <= len(data):
        if data[at] != 0xFF:
            raise FrameError("UNDECODABLE", f"JPEG: no marker at byte {at}")
        marker = int(data[at + 1])
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length, _, height, width = _FRAME.unpack(data[at + 2 : at + 2 + _FRAME.size].tobytes())
        if marker in _FRAME_MARKERS:
            return width, height
        at += 2 + length
    raise FrameError("TRUNCATED", f"JPEG of {len(data)} bytes has no start of frame")
