"""What every format is declared with: :class:`Layout` for a header of fixed size, :class:`Table` for many equal rows.

A Layout pairs a ``construct`` Struct with a frozen dataclass of the same field names, so that whoever decodes one gets a value and never
sees construct. A Table is written in numpy's dtype notation and carries the equivalent format of the ``struct`` module; numpy itself is
not needed to declare one. Neither judges what it reads: unknown numbers and absent magics are the reader's business.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from construct import Array, Bytes, ExprAdapter, FormatField, Renamed, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    return _Record(value, struct_, names)


def array(count: int, item: Any) -> Any:
    """Return ``count`` times ``item``, one after the other, parsed to a tuple."""
    return _Several(count, item)


class _Record(ExprAdapter):  # type: ignore[misc]  # construct ships no types.
    """A nested structure."""

    def __init__(self, value: type[Any], struct_: Struct, names: list[str]) -> None:
        super().__init__(
            struct_,
            decoder=lambda obj, _: value(**{name: obj[name] for name in names}),
            encoder=lambda obj, _: {name: getattr(obj, name) for name in names},
        )
        self.value = value
        self.struct = struct_


class _Several(ExprAdapter):  # type: ignore[misc]  # construct ships no types.
    """A structure repeated."""

    def __init__(self, count: int, item: Any) -> None:
        super().__init__(Array(count, item), decoder=lambda obj, _: tuple(obj), encoder=lambda obj, _: list(obj))
        self.count = count
        self.item = item


class _Plan(NamedTuple):
    """How the ``struct`` module reads what construct would: its codes, how many values they give, and what is made of these.

    Opening a container decodes a dozen headers; field by field, through construct, that took longer than everything else together.
    """

    codes: str
    leaves: int
    make: Callable[[Sequence[Any]], Any]


def _plan(field_: Any) -> _Plan | None:
    """The plan of a field; None where the ``struct`` module has no equal of it."""
    while isinstance(field_, Renamed):
        field_ = field_.subcon
    if type(field_) is FormatField and (field_.fmtstr[0] in "<=" or len(field_.fmtstr) == 1 or field_.length == 1):
        return _Plan(field_.fmtstr[-1], 1, _only)
    if type(field_) is Bytes and isinstance(field_.length, int):
        return _Plan(f"{field_.length}s", 1, _only)
    if isinstance(field_, _Record):
        return _plan_of(field_.value, field_.struct)
    if isinstance(field_, _Several):
        plan = _plan(field_.item)
        return None if plan is None else _Plan(plan.codes * field_.count, plan.leaves * field_.count, _each(plan, field_.count))
    return None


def _plan_of(value: type[Any], struct_: Struct) -> _Plan | None:
    names = _names(struct_)
    found = [_plan(each) for each in struct_.subcons]
    plans = [plan for plan in found if plan is not None]
    if len(plans) != len(found) or None in names:
        return None
    codes, count = "".join(plan.codes for plan in plans), sum(plan.leaves for plan in plans)
    if all(plan.make is _only for plan in plans):
        if names == [each.name for each in dataclasses.fields(value) if not each.kw_only][: len(names)]:
            return _Plan(codes, count, lambda values: value(*values))
        return _Plan(codes, count, lambda values: value(**dict(zip(names, values, strict=True))))
    parts: list[tuple[str, int, int, Callable[[Sequence[Any]], Any]]] = []
    start = 0
    for name, plan in zip(names, plans, strict=True):
        parts.append((name, start, start + plan.leaves, plan.make))
        start += plan.leaves
    return _Plan(codes, count, lambda values: value(**{name: make(values[start:end]) for name, start, end, make in parts}))


def _only(values: Sequence[Any]) -> Any:
    return values[0]


def _each(plan: _Plan, count: int) -> Callable[[Sequence[Any]], Any]:
    if plan.make is _only:
        return tuple
    return lambda values: tuple(plan.make(values[at * plan.leaves : (at + 1) * plan.leaves]) for at in range(count))


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
    _unpack: Callable[[Any], T] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        _check_names(self.value, _names(self.struct))
        object.__setattr__(self, "size", self.struct.sizeof())
        plan = _plan_of(self.value, self.struct)
        if plan is not None:
            make, unpack_from = plan.make, struct.Struct("<" + plan.codes).unpack_from
            object.__setattr__(self, "_unpack", lambda data: make(unpack_from(data)))

    def parse(self, data: bytes | bytearray | memoryview) -> T:
        """Return the value in the first ``size`` bytes of ``data``.

        Raises:
            construct.ConstructError: There are fewer, or a field does not hold.
        """
        if self._unpack is not None and len(data) >= self.size:
            return self._unpack(data)
        return self.parse_slowly(data)

    def parse_slowly(self, data: bytes | bytearray | memoryview) -> T:
        """Return the same as :meth:`parse`, field by field: what says where too short data ends.

        Raises:
            construct.ConstructError: There are too few bytes, or a field does not hold.
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
