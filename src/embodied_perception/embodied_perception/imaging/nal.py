"""As much of H.264's and H.265's syntax as tells a good picture from one that misses another.

FFmpeg's H.264 decoder fills in for a picture that never came and does not say so. The stream
numbers its reference pictures, so what is missing can be told from the numbers.

Source: ITU-T H.264 (2021), 7.3 and 7.4.3 (``frame_num``), annex B; ITU-T H.265 (2021), table 7-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START = b"\0\0\1"
_HEAD_BYTES = 400  # more than a parameter set or the part of a slice's header that is read here

_SLICE, _IDR_SLICE, _SPS, _PPS = 1, 5, 7, 8
_INTRA_SLICES = (2, 7)  # slice_type I, and I in all slices of the picture
# Profiles whose parameter sets say more of chroma.
_HIGH_PROFILES = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))

_H265_RANDOM_ACCESS = range(16, 24)  # BLA, IDR and CRA pictures
_H265_PICTURES = range(32)


class _Bits:
    """Reads a unit bit by bit, without the bytes that only keep start codes away."""

    def __init__(self, unit: bytes) -> None:
        payload = unit[:_HEAD_BYTES].replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def read(self, count: int) -> int:
        """Return an unsigned number; EOFError beyond the end."""
        if count > self._left:
            raise EOFError
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """Exp-Golomb code, se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True)
class _Sps:
    id: int
    has_separate_planes: bool
    frame_num_bits: int
    may_have_gaps: bool


@dataclass(frozen=True)
class Picture:
    """What one packet holds.

    Attributes:
        is_key: decoding can start here.
        misses_reference: a picture that it builds upon never came.

    """

    is_key: bool
    misses_reference: bool = False


def units(data: bytes) -> Iterator[bytes]:
    """Yield the units of a packet in Annex B's form (each behind a start code)."""
    start = data.find(_START)
    while start >= 0:
        end = data.find(_START, start + 3)
        yield data[start + 3 : end if end >= 0 else None]
        start = end


class H264Stream:
    """Follows the numbers of an H.264 stream's pictures."""

    def __init__(self) -> None:
        self._parameter_sets: dict[int, _Sps] = {}
        self._set_of_picture: dict[int, int] = {}
        self._reference_number: int | None = None

    def look(self, data: bytes) -> Picture | None:
        """Return what a packet holds; None where there is no picture in it."""
        has_set = False
        for unit in units(data):
            if not unit:
                continue
            kind = unit[0] & 31
            try:
                if kind == _SPS:
                    sps = _read_sps(_Bits(unit[1:]))
                    self._parameter_sets[sps.id] = sps
                    has_set = True
                elif kind == _PPS:
                    bits = _Bits(unit[1:])
                    self._set_of_picture[bits.unsigned()] = bits.unsigned()
                elif kind in (_SLICE, _IDR_SLICE):
                    return self._picture(unit, has_set)
            except EOFError:
                continue
        return None

    def _picture(self, unit: bytes, has_set: bool) -> Picture:
        is_idr, is_reference = unit[0] & 31 == _IDR_SLICE, bool(unit[0] & 0x60)
        bits = _Bits(unit[1:])
        bits.unsigned()  # first_mb_in_slice
        slice_type = bits.unsigned()
        sps = self._parameter_sets.get(self._set_of_picture.get(bits.unsigned(), -1))
        is_key = is_idr or (has_set and slice_type in _INTRA_SLICES)
        if sps is None:
            return Picture(is_key)
        if sps.has_separate_planes:
            bits.read(2)
        number = bits.read(sps.frame_num_bits)
        before = self._reference_number
        if is_reference:
            self._reference_number = number
        if is_key or before is None or sps.may_have_gaps:
            return Picture(is_key)
        # The second field of a picture has the number of the first.
        expected = (before, (before + 1) % (1 << sps.frame_num_bits))
        return Picture(is_key, misses_reference=number not in expected)


class H265Stream:
    """Tells where decoding can start; the decoder itself leaves out what misses a reference."""

    def look(self, data: bytes) -> Picture | None:
        """Return what a packet holds; None where there is no picture in it."""
        for unit in units(data):
            kind = (unit[0] >> 1) & 63 if unit else -1
            if kind in _H265_PICTURES:
                return Picture(kind in _H265_RANDOM_ACCESS)
        return None


def _read_sps(bits: _Bits) -> _Sps:
    profile = bits.read(8)
    bits.read(16)  # constraints and level
    set_id = bits.unsigned()
    separate_planes = False
    if profile in _HIGH_PROFILES:
        separate_planes = _skip_high_profile(bits)
    frame_num_bits = bits.unsigned() + 4
    _skip_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    return _Sps(set_id, separate_planes, frame_num_bits, bool(bits.read(1)))


def _skip_high_profile(bits: _Bits) -> bool:
    """Return separate_colour_plane_flag."""
    chroma = bits.unsigned()
    separate_planes = chroma == 3 and bool(bits.read(1))
    bits.unsigned()  # bit depths
    bits.unsigned()
    bits.read(1)
    if bits.read(1):  # scaling lists
        for index in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return separate_planes


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = next_scale = 8
    for _ in range(size):
        if next_scale:
            next_scale = (last + bits.signed() + 256) % 256
        last = next_scale or last


def _skip_order_count(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
