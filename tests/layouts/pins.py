"""Pinning a layout: every field at its literal offset, and nothing between the fields.

A pin is ``(offset, kind)``; the kind is a letter and a width in bytes: ``u`` unsigned, ``U`` the same
big-endian, ``s`` signed, ``b`` bytes.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from oboromi_fs._decode import decode_bytes, dtype, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import IntEnum, IntFlag

    from oboromi_formats.layout import Layout, Table


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested dataclasses and tuples, by dotted name."""
    if dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            yield from _flat(getattr(value, each.name), f"{name}.{each.name}" if name else each.name)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _flat(item, f"{name}.{index}")
    else:
        yield name, value


def _expected(kind: str, raw: bytes) -> int | bytes:
    if kind[0] == "b":
        return raw
    return int.from_bytes(raw, "big" if kind[0] == "U" else "little", signed=kind[0] == "s")


def _patterns(width: int) -> tuple[bytes, bytes]:
    """Bytes that show order, and bytes that show signs."""
    return bytes(index + 1 & 0xFF for index in range(width)), b"\xff" * width


def _check_tiles(size: int, pins: Mapping[str, tuple[int, str]]) -> None:
    end = 0
    for name, (offset, kind) in pins.items():
        assert offset == end, f"{name} is pinned at {offset:#x}, the field before it ends at {end:#x}"
        end += int(kind[1:])
    assert end == size


def check_layout(layout: Layout[Any], size: int, pins: Mapping[str, tuple[int, str]]) -> None:
    """Check size and fields: a byte at a field's offset changes that field and no other, and builds back to the same bytes."""
    assert layout.size == layout.struct.sizeof() == size
    _check_tiles(size, pins)
    zero = dict(_flat(decode_bytes(layout, bytes(size))))
    assert [name for name in zero if name in pins] == list(pins)
    for name, (offset, kind) in pins.items():
        for pattern in _patterns(int(kind[1:])):
            data = bytearray(size)
            data[offset : offset + len(pattern)] = pattern
            value = decode_bytes(layout, data)
            assert dict(_flat(value)) == {**zero, name: _expected(kind, pattern)}
            assert encode(layout, value) == data


def numbers(enumeration: type[IntEnum | IntFlag]) -> Iterator[tuple[str, int]]:
    """Names and numbers of an enumeration, in order."""
    for member in enumeration:
        yield member.name or "", member.value


def check_table(table: Table, size: int, pins: Mapping[str, tuple[int, str]]) -> None:
    """Check size and fields through the row format and through numpy."""
    assert table.row_size == struct.calcsize(table.row_format) == dtype(table).itemsize == size
    _check_tiles(size, pins)
    columns = dtype(table).fields
    assert columns is not None
    assert {name: offset for name, (_, offset, *_) in columns.items()} == {name: offset for name, (offset, _) in pins.items()}
    for name, (offset, kind) in pins.items():
        for pattern in _patterns(int(kind[1:])):
            data = bytearray(size)
            data[offset : offset + len(pattern)] = pattern
            row = dict(zip(pins, struct.unpack(table.row_format, data), strict=True))
            assert row[name] == _expected(kind, pattern)
            assert not any(any(value) if isinstance(value, bytes) else value for other, value in row.items() if other != name)
            cell = np.frombuffer(data, dtype(table))[name][0]
            assert (cell.tobytes() if kind[0] == "b" else int(cell)) == row[name]
