"""Versions of titles and of the system, as a number of 32 bits and as people write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from oboromi_fs.metadata.kinds import Number, integer_of

if TYPE_CHECKING:
    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = ["SystemVersion", "TitleVersion"]

_Spellings: TypeAlias = "tuple[tuple[re.Pattern[str], tuple[int, ...]], ...]"
"""How a version may be written, each with the first bits of its four parts."""

_PART = "([0-9]{1,9})"
_OF_SYSTEM = re.compile(rf"{_PART}\.{_PART}\.{_PART}-{_PART}")
_OF_SYSTEM_SHORT = re.compile(rf"{_PART}\.{_PART}\.{_PART}(?:-{_PART})?")
_OF_BYTES = re.compile(rf"{_PART}\.{_PART}\.{_PART}\.{_PART}")


class TitleVersion(Number):
    """A title's version: plainly a number; ``v65536``, ``0.1.0.0`` (a part for each byte) and ``1.2.3-4`` (of the system) are read too."""

    spellings: ClassVar[_Spellings] = ((_OF_SYSTEM, (26, 20, 16, 0)), (_OF_BYTES, (24, 16, 8, 0)))

    def __init__(self) -> None:
        super().__init__(32)

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the version of any of its spellings."""
        if isinstance(plain, str):
            for spelling, shifts in self.spellings:
                if parts := spelling.fullmatch(plain):
                    return self._join(parts.groups("0"), shifts, path)
            if integer_of(plain.removeprefix("v")) is None:
                path.refuse(plain, "a version")
            plain = plain.removeprefix("v")
        return super().parse(plain, path)

    def _join(self, parts: tuple[str, ...], shifts: tuple[int, ...], path: KeyPath) -> int:
        result, end = 0, 32
        for part, shift in zip(parts, shifts, strict=True):
            if int(part) >> end - shift:
                raise path.error(f"{part} is more than {(1 << end - shift) - 1}, the most that fits there")
            result |= int(part) << shift
            end = shift
        return result


class SystemVersion(TitleVersion):
    """A version of the system: plainly ``1.2.3-4``, which are 6, 6, 4 and 16 bits; ``1.2.3`` is read too."""

    spellings: ClassVar[_Spellings] = ((_OF_SYSTEM_SHORT, (26, 20, 16, 0)),)

    def plain(self, value: Any) -> Plain:
        """Return the text."""
        return f"{value >> 26}.{value >> 20 & 0x3F}.{value >> 16 & 0xF}-{value & 0xFFFF}"
