"""Kinds of fields: how a number, a text, a set of flags is written in a file, as a value, and as plain text.

A kind turns the raw content of a layout's field (an int, bytes, a tuple) into a typed value and back, and that value into what TOML and
JSON can say and back. Both ways lose nothing: what has no name is kept as a number, what is not UTF-8 as ``hex:`` and its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.metadata.keypath import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import IntEnum, IntFlag

    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = ["Array", "Choice", "Flags", "Hex", "Kind", "Nested", "Number", "Switch", "Text", "camel", "integer_of"]

EXACT = 1 << 53
"""Numbers below this survive readers of JSON that know only floating point; larger ones are written as text."""
_MOST_NAMED = 16
"""How many names a message lists."""
_HEX_DIGITS = set("0123456789abcdefABCDEF")


def camel(name: str) -> str:
    """Return the name of an enumeration's member as texts spell it.

    Example:
        >>> camel("ADD_ON_CONTENT")
        'AddOnContent'
    """
    return "".join(map(str.capitalize, name.split("_")))


class Kind:
    """A field whose value is its raw content, and plain as it is."""

    def from_raw(self, raw: Any) -> Any:
        """Return the value of a layout's field."""
        return raw

    def to_raw(self, value: Any) -> Any:
        """Return what a layout's field takes."""
        return value

    def plain(self, value: Any) -> Plain:
        """Return a value as TOML and JSON have it."""
        result: Plain = value
        return result

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the value of a plain one.

        Raises:
            FormatError: It is of the wrong type, or does not fit.
        """
        raise NotImplementedError


def integer_of(plain: Any) -> int | None:
    """Return the integer that a plain value is or spells, None if it is or spells none."""
    if isinstance(plain, str):
        try:
            return int(plain, 0)
        except ValueError:
            return None
    return plain if isinstance(plain, int) and not isinstance(plain, bool) else None


def one_of(plain: Any, names: Iterable[str]) -> str:
    """Return what a message says may stand in the place of a plain value: the names, or some of very many, and the one that is meant."""
    known = list(names)
    named = known if len(known) <= _MOST_NAMED else known[:3]
    more = f" and {len(known) - len(named)} more" if len(known) > len(named) else ""
    close = []
    if isinstance(plain, str):
        from difflib import get_close_matches

        close = get_close_matches(plain, known, 1)
    return f"one of {', '.join(named)}{more}, or a number{f': did you mean {close[0]}?' if close else ''}"


class Number(Kind):
    """An integer.

    Args:
        bits: Width of its field.
        signed: Whether it may be negative.
        digits: Write it as ``0x`` and so many digits; 0 writes it in decimal.
    """

    def __init__(self, bits: int, *, signed: bool = False, digits: int = 0) -> None:
        self.low = -(1 << bits - 1) if signed else 0
        self.high = (1 << bits - signed) - 1
        self.digits = digits

    def plain(self, value: Any) -> Plain:
        """Return a number, or hexadecimal text where that is usual or the number is large."""
        number = int(value)
        if self.digits:
            return f"{number:#0{self.digits + 2}x}"
        return number if abs(number) < EXACT else f"{number:#x}"

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the number: given as one, or as text such as ``0x1000`` or ``42``."""
        number = integer_of(plain)
        if number is None:
            digits = isinstance(plain, str) and plain and set(plain) <= _HEX_DIGITS
            path.refuse(plain, "a number: hexadecimal ones begin with 0x" if digits else "a number")
        if not self.low <= number <= self.high:
            low, high = (f"{self.low:#x}", f"{self.high:#x}") if self.digits else (self.low, self.high)
            raise path.error(f"{shown(plain)} is not between {low} and {high}")
        return number


class Switch(Number):
    """A byte that is 0 or 1: false or true; other numbers stay numbers."""

    def __init__(self, bits: int = 8) -> None:
        super().__init__(bits)

    def from_raw(self, raw: Any) -> Any:
        """Return a bool, or the number if it is neither 0 nor 1."""
        return bool(raw) if raw in (0, 1) else raw

    def to_raw(self, value: Any) -> Any:
        """Return the number."""
        return int(value)

    def plain(self, value: Any) -> Plain:
        """Return a bool, or the number if it is neither 0 nor 1."""
        return bool(value) if value in (0, 1) else int(value)

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return a bool, or the number if it is neither 0 nor 1."""
        if isinstance(plain, bool):
            return plain
        if integer_of(plain) is None:
            raise path.error(f"{shown(plain)} is neither true nor false")
        return self.from_raw(super().parse(plain, path))


class Choice(Number):
    """A number with names: a member of an enumeration, or the number where it has none.

    Args:
        enumeration: The names.
        bits: Width of the field.
        names: Spellings of members whose name is not :func:`camel` of it.
    """

    def __init__(self, enumeration: type[IntEnum], bits: int = 8, names: Mapping[int, str] | None = None) -> None:
        super().__init__(bits)
        self.members: dict[int, IntEnum] = {int(member): member for member in enumeration}
        self.names = {number: (names or {}).get(number, camel(member.name)) for number, member in self.members.items()}
        self.numbers = {name: self.members[number] for number, name in self.names.items()}

    def from_raw(self, raw: Any) -> Any:
        """Return the member, or the number."""
        return self.members.get(raw, raw)

    def to_raw(self, value: Any) -> Any:
        """Return the number."""
        return int(value)

    def plain(self, value: Any) -> Plain:
        """Return the name, or the number."""
        return self.names.get(value) or super().plain(value)

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the member of a name or number, or the number."""
        found = self.numbers.get(plain) if isinstance(plain, str) else None
        if found is None and integer_of(plain) is None:
            path.refuse(plain, one_of(plain, self.numbers))
        return self.from_raw(super().parse(plain, path)) if found is None else found


class Flags(Number):
    """Bits with names: an IntFlag, plainly a list of the names; bits without one are a hexadecimal number in that list.

    Args:
        enumeration: The names.
        bits: Width of the field.
        others: Bits of the field that are another field's.
    """

    def __init__(self, enumeration: type[IntFlag], bits: int, others: int = 0) -> None:
        super().__init__(bits, digits=1)
        self.enumeration = enumeration
        self.others = others
        self.bits = {camel(member.name or ""): int(member) for member in enumeration}

    def from_raw(self, raw: Any) -> Any:
        """Return the flags; bits without a name are kept."""
        return self.enumeration(raw & ~self.others)

    def to_raw(self, value: Any) -> Any:
        """Return the number; refused as too large if it has bits that are another field's."""
        return int(value) if not int(value) & self.others else -1

    def plain(self, value: Any) -> Plain:
        """Return the names of the bits that are set."""
        rest = int(value)
        names: list[Plain] = []
        for name, bit in self.bits.items():
            if rest & bit:
                names.append(name)
                rest &= ~bit
        return [*names, f"{rest:#x}"] if rest else names

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the flags of a list of names and numbers, or of one number."""
        result = 0
        for at, item in path.items(plain if isinstance(plain, list | tuple) else [plain]):
            bit = self.bits.get(item) if isinstance(item, str) else None
            if bit is None and integer_of(item) is None:
                at.refuse(item, one_of(item, self.bits))
            result |= super().parse(item, at) if bit is None else bit
        if result & self.others:
            raise path.error(f"the bits {result & self.others:#x} are not flags")
        return self.from_raw(result)


class Hex(Kind):
    """Bytes; plainly their hexadecimal digits.

    Args:
        size: How many there must be; None allows any number.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def plain(self, value: Any) -> Plain:
        """Return the digits."""
        digits: str = value.hex()
        return digits

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the bytes of the digits; white space between bytes is allowed."""
        try:
            data = bytes.fromhex(plain)
        except (TypeError, ValueError):
            path.refuse(plain, "a text of hexadecimal digits")
        if self.size is not None and len(data) != self.size:
            raise path.error(f"{len(data)} bytes, {self.size} are needed")
        return data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Text(Kind):
    """UTF-8 in a field of fixed size, filled up with NULs.

    Only the NULs at the end are cut, so that nothing is lost of a field with more behind its first NUL. Bytes that are not UTF-8 are
    surrogate escapes in the value, and make the plain form ``hex:`` and the digits of the field's bytes.

    Args:
        size: Bytes of the field.
        padded: Whether it is filled up; if not, the text is as long as it is and may have ``size`` bytes at most.
    """

    def __init__(self, size: int, *, padded: bool = True) -> None:
        self.size = size
        self.padded = padded

    def from_raw(self, raw: Any) -> Any:
        """Return the text of a field."""
        data: bytes = raw.rstrip(b"\0") if self.padded else raw
        return data.decode("utf-8", "surrogateescape")

    def to_raw(self, value: Any) -> Any:
        """Return the field's bytes; too many of them if the text is too long."""
        data: bytes = value.encode("utf-8", "surrogateescape")
        return data.ljust(self.size, b"\0") if self.padded else data

    def plain(self, value: Any) -> Plain:
        """Return the text, or ``hex:`` and digits if it cannot be said otherwise."""
        text: str = value
        data = text.encode("utf-8", "surrogateescape")
        return f"hex:{data.hex()}" if text.startswith("hex:") or not _is_utf8(data) else text

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the text."""
        if not isinstance(plain, str):
            path.refuse(plain, "a text")
        if plain.startswith("hex:"):
            data = Hex().parse(plain.removeprefix("hex:"), path)
        else:
            try:
                data = plain.encode()
            except UnicodeEncodeError:
                raise path.error("holds half of a surrogate pair") from None
        if len(data) > self.size:
            raise path.error(f"{shown(plain)} has {len(data)} bytes, {self.size} are the most")
        return self.from_raw(data)


class Array(Kind):
    """A fixed number of items; plainly a list that ends with the last one that is not empty.

    Args:
        item: What they are.
        count: How many.
        empty: Value of an item that is not there.
    """

    def __init__(self, item: Kind, count: int, empty: Any = 0) -> None:
        self.item = item
        self.count = count
        self.empty = empty

    def from_raw(self, raw: Any) -> Any:
        """Return a tuple of values."""
        return tuple(map(self.item.from_raw, raw))

    def to_raw(self, value: Any) -> Any:
        """Return a tuple of raw items."""
        return tuple(map(self.item.to_raw, value))

    def plain(self, value: Any) -> Plain:
        """Return the items up to the last that is not empty."""
        items = list(value)
        while items and items[-1] == self.empty:
            items.pop()
        return [self.item.plain(item) for item in items]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return all items."""
        values = tuple(self.item.parse(item, at) for at, item in path.items(plain))
        if len(values) > self.count:
            raise path.error(f"{len(values)} items, at most {self.count} fit")
        return values + (self.empty,) * (self.count - len(values))


class Nested(Kind):
    """A record of a layout; plainly a table. Its reserved fields are not its own business.

    Args:
        record: The layout's dataclass for it; all fields have defaults.
        fields: Kinds of its fields.
    """

    def __init__(self, record: type[Any], **fields: Kind) -> None:
        self.record = record
        self.fields = fields

    def from_raw(self, raw: Any) -> Any:
        """Return the record without what it has in reserved fields."""
        return self.record(**{name: kind.from_raw(getattr(raw, name)) for name, kind in self.fields.items()})

    def to_raw(self, value: Any) -> Any:
        """Return the record of raw fields."""
        return self.record(**{name: kind.to_raw(getattr(value, name)) for name, kind in self.fields.items()})

    def plain(self, value: Any) -> Plain:
        """Return a table of all fields."""
        return {name: kind.plain(getattr(value, name)) for name, kind in self.fields.items()}

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the record; fields that are not named have their defaults."""
        table = path.table(plain)
        found = {name: kind.parse(table.pop(name), path / name) for name, kind in self.fields.items() if name in table}
        path.finish(table, self.fields)
        return self.record(**found)
