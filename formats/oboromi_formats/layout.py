"""What every format is declared with: :class:`Layout` for a header of fixed size, :class:`Table` for many equal rows.

A Layout pairs a ``construct`` Struct with a frozen dataclass of the same field names, so that whoever decodes one gets a value and never
sees construct. A Table is written in numpy's dtype notation and carries the equivalent format of the ``struct`` module; numpy itself is
not needed to declare one. Neither judges what it reads: unknown numbers and absent magics are the reader's business.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from construct import Array, ExprAdapter, Struct

__all__ = ["Layout", "Table", "array", "record"]

T = TypeVar("T")

_STRUCT_CODES = {
    "u1": "B",
    "i1": "b",
    "<u2": "H",
    "<i2": "h",
    "<u4": "I",
    "<i4": "i",
    "<u8": "Q",
    "<i8": "q",
}


def _check_names(value: type[Any], names: list[str]) -> None:
    fields = {each.name: each for each in dataclasses.fields(value)}
    unknown = [name for name in names if name not in fields]
    required = [
        name for name, each in fields.items() if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    absent = [name for name in required if name not in names]
    if unknown or absent:
        message = f"{value.__name__} and its Struct disagree: not in the dataclass {unknown}, not in the Struct {absent}"
        raise TypeError(message)


def _names(struct_: Struct) -> list[str]:
    return [each.name for each in struct_.subcons]


def record(value: type[T], *fields: Any) -> Any:
    """Return a nested structure that parses to ``value`` instead of a construct container, and builds from one.

    Args:
        value: A dataclass with the same field names.
        fields: The named construct fields, in order of their bytes.

    Raises:
        TypeError: The dataclass and the fields do not have the same names.
    """
    struct_ = Struct(*fields)
    names = _names(struct_)
    _check_names(value, names)
    return ExprAdapter(
        struct_,
        decoder=lambda obj, _: value(**{name: obj[name] for name in names}),
        encoder=lambda obj, _: {name: getattr(obj, name) for name in names},
    )


def array(count: int, item: Any) -> Any:
    """Return ``count`` times ``item``, one after the other, parsed to a tuple."""
    return ExprAdapter(Array(count, item), decoder=lambda obj, _: tuple(obj), encoder=lambda obj, _: list(obj))


@dataclass(frozen=True, eq=False)
class Layout(Generic[T]):
    """One structure of fixed size.

    Args:
        name: What error messages call it, such as ``"PFS0 header"``.
        struct: The fields, in order of their bytes.
        value: The frozen dataclass it decodes to. Fields it has beyond those of ``struct`` need defaults.
        doc: One line on what it is, and the public specification.

    Attributes:
        size: Bytes it takes.

    Raises:
        TypeError: ``struct`` and ``value`` do not have the same field names.
    """

    name: str
    struct: Struct = field(repr=False)
    value: type[T]
    doc: str = field(default="", repr=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        _check_names(self.value, _names(self.struct))
        object.__setattr__(self, "size", self.struct.sizeof())

    def parse(self, data: bytes | bytearray | memoryview) -> T:
        """Return the value in the first ``size`` bytes of ``data``.

        Raises:
            construct.ConstructError: There are fewer, or a field does not hold.
        """
        fields = self.struct.parse(data)
        return self.value(**{each.name: fields[each.name] for each in self.struct.subcons})

    def build(self, value: T) -> bytes:
        """Return the ``size`` bytes of a value.

        Raises:
            construct.ConstructError: A number does not fit its field, or bytes do not have its length.
        """
        data: bytes = self.struct.build({name: getattr(value, name) for name in _names(self.struct)})
        return data


@dataclass(frozen=True)
class Table:
    """Equal rows of fixed size, without gaps between fields or rows.

    Args:
        name: What error messages call it, such as ``"PFS0 entry table"``.
        fields: ``(name, type)`` in order of their bytes; the type in numpy's notation: ``"<u4"``, ``"<i8"``, ``"u1"``, or ``"V32"``
            for 32 opaque bytes.
        doc: One line on what it is, and the public specification.

    Attributes:
        row_format: The row in the notation of the ``struct`` module.
        row_size: Bytes one row takes.

    Raises:
        TypeError: A type is none of the above.

    Example:
        >>> table = Table("points", (("x", "<i4"), ("y", "<i4"), ("tag", "V3")))
        >>> table.row_format, table.row_size
        ('<ii3s', 11)
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    doc: str = field(default="", repr=False)
    row_format: str = field(init=False)
    row_size: int = field(init=False)

    def __post_init__(self) -> None:
        row_format = "<" + "".join(_struct_code(kind) for _, kind in self.fields)
        object.__setattr__(self, "row_format", row_format)
        object.__setattr__(self, "row_size", struct.calcsize(row_format))


def _struct_code(kind: str) -> str:
    if kind.startswith("V") and kind[1:].isdecimal():
        return f"{kind[1:]}s"
    code = _STRUCT_CODES.get(kind)
    if code is None:
        message = f"no field type {kind!r}: use one of {', '.join(_STRUCT_CODES)}, or V and a length"
        raise TypeError(message)
    return code
