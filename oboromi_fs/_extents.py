"""The engine of the partition archives: a flat, immutable table of name -> (offset, size) over one storage.

PFS0 and HFS0 are this engine with two layouts. Source: Switchbrew wiki, "NCA" (PFS0) and "Gamecard Format" (HFS0).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats.partition import HFS0_ENTRY, HFS0_MAGIC, PARTITION_HEADER, PFS0_ENTRY, PFS0_MAGIC
from oboromi_fs._decode import decode, error, rows
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import CorruptError, EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError, NotThisFormatError
from oboromi_fs.file import File
from oboromi_fs.paths import decode_name
from oboromi_fs.protocols import DirEntry, Extent, Metadata, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_formats.layout import Table

__all__ = ["HFS0", "PFS0", "Member", "PartitionArchive", "PartitionFormat", "opened"]

MAX_ENTRIES = 1_000_000
MAX_STRINGS = 64 << 20
"""Largest string table that is read, in bytes."""
MAX_NAME = 0x300
"""Longest entry name the official file system interface takes, in bytes."""
MAX_PROBLEMS = 100
"""Entries that cannot be which are told one by one; of more, how many."""

_ROOT = Metadata("directory", 0)


@dataclass(frozen=True, slots=True)
class PartitionFormat:
    """What tells one partition format from the other."""

    name: str
    magic: bytes
    table: Table


PFS0 = PartitionFormat("PFS0", PFS0_MAGIC, PFS0_ENTRY)
HFS0 = PartitionFormat("HFS0", HFS0_MAGIC, HFS0_ENTRY)


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a partition archive.

    ``offset`` counts from the archive's start, in bytes; ``hashed_size`` bytes from the start of the member have the SHA-256 ``digest``
    (0 bytes and an empty digest where the format or the writer has none).
    """

    name: str
    offset: int
    size: int
    hashed_size: int = 0
    digest: bytes = b""


def opened(source: Storage | str | os.PathLike[str]) -> tuple[Storage, list[File]]:
    """Return the storage behind ``source`` and the files that were opened for it (none, or the one)."""
    if isinstance(source, str | os.PathLike):
        file = File.open(source)
        return file, [file]
    return source, []


class PartitionArchive(FileSystemBase):
    """A PFS0 or HFS0 as a flat file system. Opening reads the header; the table is read at the first look at a name.

    Members keep the archive's order. Of two members with one name the first counts, as for the official reader. Entries that cannot be
    (a name outside the string table, a negative size) are left out and told in :attr:`problems`. A member that runs over the end of the
    archive is listed, and an error to read: partly downloaded archives stay usable.

    Args:
        source: A storage, or the path of a host file.
        layout: PFS0 or HFS0.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header names more than there is.
    """

    def __init__(self, source: Storage | str | os.PathLike[str], layout: PartitionFormat) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        self.layout = layout
        self.kind = layout.name
        what = self._what = f"{layout.name} header"
        magic = storage[:4].tobytes()
        if magic != layout.magic:
            raise error(NotThisFormatError, f"magic is {magic!r}, not {layout.magic!r}", what=what, storage=storage, offset=0)
        try:
            self.header = header = decode(PARTITION_HEADER, storage)
        except CorruptError as wrong:  # The layout of both formats does not know which of them it is.
            raise error(CorruptError, wrong.problem, what=what, storage=storage, offset=0, field=wrong.field) from wrong
        count, strings = header.entry_count, header.string_table_size
        need = PARTITION_HEADER.size + count * layout.table.row_size
        if not 0 <= count <= MAX_ENTRIES or need > storage.size:
            raise error(
                CorruptError,
                f"{count & 0xFFFFFFFF} entries need {max(need, 0):#x} bytes of {storage.size:#x}; at most {MAX_ENTRIES} are read",
                what=what,
                storage=storage,
                offset=4,
                field="entry_count",
            )
        self.header_size = need + strings
        if self.header_size > storage.size or strings > min((count + 1) * 0x1000 + 0x100000, MAX_STRINGS):
            raise error(
                CorruptError,
                f"a string table of {strings:#x} bytes for {count} names ends at {self.header_size:#x}, the archive at {storage.size:#x}",
                what=what,
                storage=storage,
                offset=8,
                field="string_table_size",
            )
        self.problems: list[str] = []
        self._members: dict[str, Member] | None = None

    @property
    def members(self) -> dict[str, Member]:
        """Every member by name, in the archive's order."""
        if self._members is None:
            self._members = self._read_table()
        return self._members

    def _read_table(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        problems: list[str] = []
        more = 0

        def tell(index: int, problem: str) -> None:
            nonlocal more
            if len(problems) < MAX_PROBLEMS:
                at = self.raw.place(PARTITION_HEADER.size + index * self.layout.table.row_size).offset
                problems.append(f"entry {index}{problem} (entry at {at:#x})")
            else:
                more += 1

        entries_end = PARTITION_HEADER.size + self.header.entry_count * self.layout.table.row_size
        strings = self.raw[entries_end : self.header_size].tobytes()
        table = rows(self.layout.table, self.raw, PARTITION_HEADER.size, self.header.entry_count)
        for index, (offset, size, name_offset, *rest) in enumerate(table):
            end = strings.find(b"\0", name_offset, name_offset + MAX_NAME + 1) if 0 <= name_offset < len(strings) else -1
            if end < 0:
                tell(index, f": its name at {name_offset:#x} does not end inside the string table; left out")
                continue
            name = decode_name(strings[name_offset:end])
            if offset < 0 or size < 0:
                tell(index, f" ({name!r}): negative offset or size; left out")
                continue
            if name in members:
                tell(index, f": a second {name!r}; the first one counts")
                continue
            if self.layout is HFS0:
                hashed_size, hashed_offset, digest = rest
                if hashed_offset or hashed_size > size:
                    tell(index, f" ({name!r}): the hashed part lies outside the member; left out")
                    continue
                members[name] = Member(name, self.header_size + offset, size, hashed_size, bytes(digest) if hashed_size else b"")
            else:
                members[name] = Member(name, self.header_size + offset, size)
        if more:
            problems.append(f"and {more} more entries that cannot be")
        self.problems = problems
        return members

    def member(self, name: str) -> Member:
        """Return one member by its exact name.

        Raises:
            EntryNotFoundError: No such member.
            NotADirectoryEntryError: The path goes on below a member.
        """
        found = self.members.get(name)
        if found is None:
            if name.partition("/")[0] in self.members:
                raise NotADirectoryEntryError(name)
            raise EntryNotFoundError(name)
        return found

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            self.member(path)
            raise NotADirectoryEntryError(path)
        return [DirEntry(member.name, "file", member.size) for member in self.members.values()]

    def _metadata(self, path: str) -> Metadata:
        return Metadata("file", self.member(path).size) if path else _ROOT

    def _check(self, member: Member) -> None:
        if member.offset + member.size > self.raw.size:
            problem = f"{member.name!r} ends at {member.offset + member.size:#x}, the archive at {self.raw.size:#x}: it is truncated"
            raise error(
                CorruptError, problem, what=f"{self.kind} entry", storage=self.raw, offset=min(member.offset, self.raw.size), field="size"
            )

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        member = self.member(path)
        self._check(member)
        return self.raw.window(member.offset, member.offset + member.size)

    def extents(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes] = "", /) -> Iterator[Extent]:
        """Yield every member as a run of the archive's storage."""
        self.read_dir(path)
        for member in self.members.values():
            self._check(member)
            yield Extent(member.name, self.raw, member.offset, member.size)

    def hash_matches(self, name: str) -> bool | None:
        """Whether the hashed part of a member has the digest of its entry; None where there is nothing to compare.

        The rest of the member need not be there.

        Raises:
            EntryNotFoundError: No such member.
            CorruptError: The archive ends inside the hashed part.
        """
        member = self.member(name)
        if not member.hashed_size:
            return None
        if member.offset + member.hashed_size > self.raw.size:
            self._check(member)
        digest = hashlib.sha256()
        window = self.raw.window(member.offset, member.offset + member.hashed_size)
        for start in range(0, window.size, 1 << 22):
            digest.update(window[start : start + (1 << 22)])
        return digest.digest() == member.digest
