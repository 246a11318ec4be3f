"""A patch as a value: runs of bytes, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["MAX_RECORD", "MAX_RECORDS", "MAX_REMARKS", "MAX_TOTAL", "Patch", "PatchFormat", "Record", "Remark", "Remarks"]

PatchFormat: TypeAlias = Literal["IPS", "IPS32", "pchtxt"]

MAX_RECORD = 0xFFFF
"""Bytes of one record: its size has 16 bits."""
MAX_RECORDS = 1 << 22
"""Records of one patch; real ones have some thousands at most."""
MAX_TOTAL = 512 << 20
"""Bytes that one patch may write: no executable is larger."""


MAX_REMARKS = 100
"""Remarks about one patch that are kept; of more only the number is told."""


class Record(NamedTuple):
    """Bytes to write at an offset. A run holds its one byte, and ``run`` tells how often it is written; else ``run`` is 0."""

    offset: int
    data: bytes
    run: int = 0

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return self.run or len(self.data)

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.size

    def part(self, start: int, stop: int) -> bytes:
        """Return the bytes that go to offsets ``start..stop``, which lie in the record."""
        return self.data * (stop - start) if self.run else self.data[start - self.offset : stop - self.offset]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"offset": self.offset, "size": self.size, "data": self.data.hex(), "run": bool(self.run)}


class Remark(NamedTuple):
    """Something about a patch that its author should know. ``line`` counts from 1; 0 where there are no lines."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class Remarks:
    """Remarks as they come up; of very many the first, and how many more there are."""

    __slots__ = ("_kept", "_more")

    def __init__(self) -> None:
        self._kept: list[Remark] = []
        self._more = 0

    def add(self, line: int, text: str) -> None:
        """Add one."""
        if len(self._kept) < MAX_REMARKS:
            self._kept.append(Remark(line, text))
        else:
            self._more += 1

    def all(self) -> tuple[Remark, ...]:
        """Return them in the order in which they came up."""
        more = (Remark(0, f"{self._more} more remarks of this kind"),) if self._more else ()
        return (*self._kept, *more)


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of one module.

    Attributes:
        format: What it was read from.
        records: In the order they are applied: of two that write one byte, the later wins.
        build_id: The build it is for, as the patch itself says; ``""`` where it does not (IPS: its file name says).
        titles: Titles of the parts of a pchtxt that are switched on.
        remarks: What was passed over, and what other tools would read otherwise.
    """

    format: PatchFormat
    records: tuple[Record, ...]
    build_id: str = ""
    titles: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
