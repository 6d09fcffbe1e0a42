"""Clear the bytes of a serialised message that carry nothing.

The middleware leaves whatever was in memory between aligned fields and behind the last one (the
buffer is as long as the message could have become), so that serialising one message twice gives
different bytes. This walks the layout of the type and sets those gaps to 0.

Layout: OMG DDSI-RTPS 2.5 section 10, plain CDR: a primitive of n bytes starts at a multiple of n
counted from behind the 4-byte encapsulation header; strings and sequences start with a uint32
count; structures have no alignment of their own.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from embodied_perception.bags.message_types import message_class

_ENCAPSULATION_BYTES = 4
_LITTLE_ENDIAN = 1

_PRIMITIVE_BYTES = {
    **dict.fromkeys(("boolean", "octet", "char", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16"), 2),
    **dict.fromkeys(("int32", "uint32", "float"), 4),
    **dict.fromkeys(("int64", "uint64", "double"), 8),
}
_FIELD = re.compile(
    r"(?:sequence<)?(?P<element>[\w/]+)(?:<\d+>)?(?:, \d+>|>)?(?:\[(?P<count>\d+)\])?"
)


@dataclass(frozen=True)
class _Primitives:
    """One or more numbers of the same size behind each other."""

    size: int
    total: int


@dataclass(frozen=True)
class _String:
    """A count and that many bytes, the terminating zero included."""


@dataclass(frozen=True)
class _Repeated:
    """Elements: ``count`` of them, or as many as the data says."""

    element: tuple[_Part, ...]
    count: int | None


_Part = _Primitives | _String | _Repeated


def clear_padding(type_name: str, data: bytes) -> bytes:
    """Return ``data`` (little-endian CDR of ``type_name``) with every gap set to zero.

    Data that does not follow the expected layout is returned as it is.
    """
    cleared = bytearray(data)
    if cleared[1] != _LITTLE_ENDIAN:
        return data
    gaps: list[tuple[int, int]] = []
    try:
        end = _walk(_layout(type_name), memoryview(data)[_ENCAPSULATION_BYTES:], 0, gaps)
    except (IndexError, ValueError):
        return data
    end += _ENCAPSULATION_BYTES
    if end > len(data):
        return data
    for start, stop in gaps:
        cleared[start + _ENCAPSULATION_BYTES : stop + _ENCAPSULATION_BYTES] = bytes(stop - start)
    cleared[end:] = bytes(len(data) - end)
    return bytes(cleared)


def _walk(layout: tuple[_Part, ...], data: memoryview, at: int, gaps: list[tuple[int, int]]) -> int:
    """Collect the gaps from ``at`` on and return where the layout ends."""
    for part in layout:
        if isinstance(part, _Primitives):
            at = _align(at, part.size, gaps) + part.total
            continue
        count = part.count if isinstance(part, _Repeated) else None
        if count is None:
            at = _align(at, 4, gaps) + 4
            if at > len(data):
                raise IndexError(at)
            count = int.from_bytes(data[at - 4 : at], "little")
        if isinstance(part, _String):
            at += count
        elif len(part.element) == 1 and isinstance(numbers := part.element[0], _Primitives):
            if count:
                at = _align(at, numbers.size, gaps) + count * numbers.total
        else:
            for _ in range(count):
                at = _walk(part.element, data, at, gaps)
    return at


def _align(at: int, size: int, gaps: list[tuple[int, int]]) -> int:
    aligned = -(-at // size) * size
    if aligned != at:
        gaps.append((at, aligned))
    return aligned


@functools.cache
def _layout(type_name: str) -> tuple[_Part, ...]:
    fields = message_class(type_name).get_fields_and_field_types().values()
    # A message without fields is sent as one byte.
    parts = [part for field in fields for part in _field(field)] or [_Primitives(1, 1)]
    merged = parts[:1]
    for part in parts[1:]:
        last = merged[-1]
        if (
            isinstance(part, _Primitives)
            and isinstance(last, _Primitives)
            and part.size == last.size
        ):
            merged[-1] = _Primitives(part.size, last.total + part.total)
        else:
            merged.append(part)
    return tuple(merged)


def _field(field_type: str) -> tuple[_Part, ...]:
    match = _FIELD.fullmatch(field_type)
    if match is None or match["element"] == "wstring":
        raise ValueError(f"{field_type}: no known layout")
    element: tuple[_Part, ...]
    if match["element"] == "string":
        element = (_String(),)
    elif "/" in match["element"]:
        element = _layout(match["element"].replace("/", "/msg/"))
    else:
        size = _PRIMITIVE_BYTES[match["element"]]
        element = (_Primitives(size, size),)
    if match["count"]:
        return (_Repeated(element, int(match["count"])),)
    if field_type.startswith("sequence<"):
        return (_Repeated(element, None),)
    return element
