"""XCI, the game card image: a card header and a root HFS0 whose members are HFS0 partitions.

Source: Switchbrew wiki, "XCI" and "Gamecard Format".
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING

from oboromi_formats.gamecard import CARD_HEADER, CARD_INFO, CardInfo
from oboromi_fs._decode import decode, decode_bytes, error
from oboromi_fs._extents import HFS0, PartitionArchive, opened
from oboromi_fs.base import FileSystemBase, extents_of
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    NotThisFormatError,
    OboromiFsError,
)
from oboromi_fs.paths import addressable, normalise
from oboromi_fs.protocols import DirEntry, Extent, Metadata, PathType, Storage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from oboromi_fs.keys import KeySet

__all__ = ["XciArchive"]

KEY_AREA = 0x1000
PAGE = 0x200
_MAX_ROOT_HEADER = 8 << 20
_ROOT = Metadata("directory", 0)


class XciArchive(FileSystemBase):
    """A game card image as a file system: a directory for each partition (``update normal secure logo``), and its members.

    Trimmed and full images, with and without the 0x1000-byte key area before the card header. A truncated image opens; members that are
    not there in full are an error to read.

    Args:
        source: A storage, or the path of a host file.
        keys: For the encrypted card information; nothing else in here needs a key.

    Attributes:
        header: The card header.
        header_offset: Where it lies: 0, or 0x1000 in a full dump.
        root: The root HFS0.

    Raises:
        NotThisFormatError: No card header at either place.
        CorruptError: The root lies outside the image.
    """

    kind = "XCI"

    def __init__(self, source: Storage | str | os.PathLike[str], keys: KeySet | None = None) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        self._keys = keys
        for prefix in (0, KEY_AREA):
            if storage[prefix + 0x100 : prefix + 0x104].tobytes() == b"HEAD":
                self.header_offset = prefix
                break
        else:
            raise error(
                NotThisFormatError, "magic HEAD is neither at 0x100 nor at 0x1100", what="XCI card header", storage=storage, offset=0
            )
        self.header = header = decode(CARD_HEADER, storage, self.header_offset)
        start = self.header_offset + header.root_address
        if start + max(header.root_header_size, 0x10) > storage.size or header.root_header_size > _MAX_ROOT_HEADER:
            problem = f"a root header of {header.root_header_size:#x} bytes at {start:#x} is not inside an image of {storage.size:#x}"
            raise error(
                CorruptError, problem, what="XCI card header", storage=storage, offset=self.header_offset + 0x130, field="root_address"
            )
        try:
            self.root = PartitionArchive(storage.window(start, storage.size), HFS0)
        except NotThisFormatError as wrong:
            raise error(
                CorruptError, f"no HFS0 where the root should be: {wrong.problem}", what="XCI root", storage=storage, offset=start
            ) from wrong
        self._partitions: dict[str, PartitionArchive] = {}
        self._lost: dict[str, str] = {}
        self._aliases: set[str] | None = None

    @property
    def has_key_area(self) -> bool:
        """Whether the card header is preceded by the key area of a full dump."""
        return self.header_offset != 0

    @property
    def trimmed_size(self) -> int:
        """Bytes up to the last valid page, key area included. A hint: the header may lie."""
        return self.header_offset + (self.header.valid_data_end_page + 1) * PAGE

    def info(self) -> CardInfo | None:
        """Return the decrypted card information; None without ``xci_header_key``."""
        key = self._keys.xci_header_key() if self._keys is not None else None
        if key is None:
            return None
        from Crypto.Cipher import AES

        plain = AES.new(key, AES.MODE_CBC, iv=self.header.iv[::-1]).decrypt(self.header.encrypted_info)
        return decode_bytes(CARD_INFO, plain)

    @property
    def holds_compressed(self) -> bool:
        """Whether a member is called like a compressed NCA: then this is an XCZ, which has the card header of the card it was made from."""
        for name in self.partitions:
            with suppress(OboromiFsError):
                if any(member.lower().endswith(".ncz") for member in self.partition(name).members):
                    return True
        return False

    def root_hash_matches(self) -> tuple[bool, int]:
        """Check the root header against the hash in the card header.

        Returns:
            Whether it matches, and the compatibility byte that was appended (0: none was).

        Raises:
            CorruptError: The header is truncated.
        """
        start = self.header_offset + self.header.root_address
        data = self.raw[start : start + self.header.root_header_size]
        info = self.info()
        suffixes = [info.compatibility_type] if info is not None and info.compatibility_type else []
        for suffix in dict.fromkeys([0, *suffixes, 1]):
            if hashlib.sha256(data.tobytes() + (bytes([suffix]) if suffix else b"")).digest() == self.header.root_header_hash:
                return True, suffix
        return False, 0

    def partition(self, name: str) -> PartitionArchive:
        """Return one partition as an archive of its own.

        Raises:
            EntryNotFoundError: No such partition.
            CorruptError: It is not an HFS0, or not there.
        """
        found = self._partitions.get(name)
        if found is None:
            member = self.root.members.get(name)
            if member is None:
                raise EntryNotFoundError(name)
            # A trimmed file may end with its last member's last byte, before the partition's padding: clip, members are checked singly.
            if member.offset >= self.root.raw.size:
                problem = f"partition {name!r} starts at {member.offset:#x}, the image ends at {self.root.raw.size:#x}: it is truncated"
                raise error(CorruptError, problem, what="XCI partition", storage=self.root.raw, offset=self.root.raw.size)
            if name in self._overlapping():
                problem = f"partition {name!r} shares bytes with another partition"
                raise error(CorruptError, problem, what="XCI partition", storage=self.root.raw, offset=member.offset)
            window = self.root.raw.window(member.offset, member.offset + member.size)
            try:
                found = PartitionArchive(window, HFS0)
            except NotThisFormatError as wrong:
                raise error(
                    CorruptError, f"partition {name!r} is not an HFS0: {wrong.problem}", what="XCI partition", storage=window, offset=0
                ) from wrong
            self._partitions[name] = found
        return found

    def _overlapping(self) -> set[str]:
        """Partitions that share bytes with one listed before them: opened, they would multiply what the card holds."""
        if self._aliases is None:
            aliases: set[str] = set()
            taken: list[tuple[int, int]] = []
            for member in self.root.members.values():
                span = (member.offset, member.offset + member.size)
                at = bisect_right(taken, span)
                if (at and taken[at - 1][1] > span[0]) or (at < len(taken) and taken[at][0] < span[1]):
                    aliases.add(member.name)
                elif member.size:
                    taken.insert(at, span)
            self._aliases = aliases
        return self._aliases

    @property
    def partitions(self) -> tuple[str, ...]:
        """Names of the partitions, in the order of the root."""
        return tuple(self.root.members)

    @property
    def problems(self) -> list[str]:
        """What the tables read so far say that cannot be, and the partitions that could not be opened."""
        told = [f"{name}: {problem}" for name, archive in self._partitions.items() for problem in archive.problems]
        return [*self.root.problems, *told, *self._lost.values()]

    def _complete(self) -> Iterator[tuple[str, PartitionArchive | None]]:
        """Every partition; None for one that cannot be opened, which is noted: of a truncated card, the others are good."""
        for name in self.root.members:
            archive: PartitionArchive | None = None
            try:
                archive = self.partition(name)
            except CorruptError as wrong:
                self._lost[name] = wrong.problem if repr(name) in wrong.problem else f"partition {name!r}: {wrong}"
            yield name, archive

    def _split(self, path: str) -> tuple[PartitionArchive, str]:
        name, _, inner = path.partition("/")
        return self.partition(name), inner

    def _read_dir(self, path: str) -> list[DirEntry]:
        if not path:
            return [DirEntry(name, "directory", 0) for name in self.root.members]
        archive, inner = self._split(path)
        if inner:
            archive.member(inner)
            raise NotADirectoryEntryError(path)
        return archive.read_dir()

    def _metadata(self, path: str) -> Metadata:
        if not path or path in self.root.members:
            return _ROOT
        archive, inner = self._split(path)
        return archive.metadata(inner)

    def _storage(self, path: str) -> Storage:
        if not path or path in self.root.members:
            raise IsADirectoryEntryError(path)
        archive, inner = self._split(path)
        return archive.storage(inner)

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a path, parents first.

        Of the whole card, a partition that cannot be opened is yielded as a directory, not entered, and told in :attr:`problems`.
        """
        if normalise(path):
            yield from super().walk(path)
            return
        for name, archive in self._complete():
            yield name, DirEntry(name, "directory", 0)
            if archive is not None and addressable(name):
                for entry in archive.read_dir():
                    yield f"{name}/{entry.name}", entry

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every member of the partitions below a path as a run of its partition.

        Of the whole card, a partition that cannot be opened is left out, and told in :attr:`problems`.
        """
        canonical = normalise(path)
        if canonical:
            self.read_dir(canonical)
            yield from extents_of(self.partition(canonical))
            return
        for name, archive in self._complete():
            for extent in extents_of(archive) if archive is not None else ():
                yield extent._replace(path=f"{name}/{extent.path}")
