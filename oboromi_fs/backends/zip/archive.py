"""ZIP archives, and PK3, which is ZIP under another name. Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 6.3.10.

The central directory says what there is; the standard library's :mod:`zipfile` reads it, at the first look at a name. Entries that are
stored are windows on the archive, the others are decompressed as they are read.

Names: an entry flagged as UTF-8 is; of the others, one that is valid UTF-8 is taken for that, as nearly all of today's are, and else it is
code page 437, as the standard says. ``\\`` separates in archives made on MS-DOS and Windows, in names without a ``/``; it is part of a name
elsewhere. A leading ``/`` and ``.`` components mean nothing. Entries whose name holds ``..`` or a NUL are left out.
"""

from __future__ import annotations

import zlib
from threading import Lock
from typing import TYPE_CHECKING, cast

from oboromi_fs._decode import corrupt, error
from oboromi_fs._extents import opened
from oboromi_fs.backends.zip.directory import LOCAL_SIZE, Directory, Reading, ZipEntry, find_end
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import (
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    UnsupportedError,
)
from oboromi_fs.paths import join, normalise
from oboromi_fs.protocols import DirEntry, Metadata, Storage
from oboromi_fs.storage._decoders import BZIP2, DEFLATE, LZMA
from oboromi_fs.storage.streamed import Memory, StreamedStorage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["ZipFs", "method_name"]

_PATCHED = 1 << 5
_STORED = 0
_CODECS = {8: DEFLATE, 12: BZIP2, 14: LZMA}
_METHODS = {
    0: "stored",
    1: "shrink",
    2: "reduce",
    3: "reduce",
    4: "reduce",
    5: "reduce",
    6: "implode",
    8: "deflate",
    9: "deflate64",
    10: "pkware implode",
    12: "bzip2",
    14: "lzma",
    20: "zstandard",
    93: "zstandard",
    94: "mp3",
    95: "xz",
    96: "jpeg",
    97: "wavpack",
    98: "ppmd",
    99: "aes",
}
_ROOT = Metadata("directory", 0)
_PIECE = 1 << 20


def method_name(method: int) -> str:
    """Return what a compression method is called.

    Example:
        >>> method_name(8), method_name(13)
        ('deflate', 'method 13')
    """
    return _METHODS.get(method, f"method {method}")


class ZipFs(FileSystemBase):
    """A ZIP archive as a file system. Opening finds the end record; the directory is read at the first look at a name.

    Entries keep the archive's order. Of two files with one name the last counts; a path that is a file and a directory is the directory.
    Entries that cannot be (see the module) are left out, and told in :attr:`problems`; so are symbolic links, devices and their like.
    An entry that is encrypted, compressed in a way that is not known here, or outside the archive is listed, and an error to read.

    The CRC-32 of a compressed entry is checked when its last bytes are read; stored ones are handed out as they lie in the archive, and
    only :meth:`checked` compares theirs. Times are not told: those of a ZIP archive are in whatever time zone its maker had.

    Args:
        source: A storage, or the path of a host file.

    Attributes:
        raw: The archive.

    Raises:
        NotThisFormatError: There is no end record, nor does it begin like an archive.
        CorruptError: It begins like an archive, and has no end.
        UnsupportedError: It is one part of an archive of several.

    Example:
        >>> import io, zipfile
        >>> from oboromi_fs.base import MemoryStorage
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("maps/one.bsp", b"IBSP")
        >>> fs = ZipFs(MemoryStorage(file.getvalue()))
        >>> [path for path, _ in fs.walk()], fs.read_bytes("maps/one.bsp")
        (['maps', 'maps/one.bsp'], b'IBSP')
    """

    kind = "ZIP"

    def __init__(self, source: Storage | str | os.PathLike[str]) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        try:
            self._end = find_end(storage)
        except BaseException:
            self.close()
            raise
        self._memory = Memory()
        self._lock = Lock()
        self._read: Reading | None = None

    # The directory

    def _table(self) -> Reading:
        with self._lock:
            if self._read is None:
                self._read = Reading(self.raw, self._end)
            return self._read

    @property
    def problems(self) -> list[str]:
        """What the directory says that cannot be, and what in it has no place here; why it cannot be read, where it cannot."""
        try:
            table = self._table()
        except FormatError as wrong:
            return [str(wrong)]
        return table.faults.all() + table.others.all()

    @property
    def faults(self) -> list[str]:
        """The problems without what is sound, and only has no place here: symbolic links, devices and their like.

        Raises:
            CorruptError: The directory cannot be read.
        """
        return self._table().faults.all()

    def _node(self, path: str) -> ZipEntry | Directory:
        node: ZipEntry | Directory | None = self._table().root
        for name in path.split("/") if path else ():
            if not isinstance(node, dict):
                raise NotADirectoryEntryError(path)
            node = node.get(name)
            if node is None:
                raise EntryNotFoundError(path)
        return cast("ZipEntry | Directory", node)

    def entry(self, path: str) -> ZipEntry:
        """Return what the directory says of a file.

        Raises:
            EntryNotFoundError: No such path.
            IsADirectoryEntryError: The path is a directory.
            CorruptError: The directory cannot be read.
        """
        found = self._node(normalise(path))
        if isinstance(found, dict):
            raise IsADirectoryEntryError(path)
        return found

    def entries(self) -> Iterator[tuple[str, ZipEntry]]:
        """Yield every file by its path, parents before what is in them.

        Raises:
            CorruptError: The directory cannot be read.
        """
        pending = [("", iter(self._table().root.items()))]
        while pending:
            above, names = pending[-1]
            for name, node in names:
                if isinstance(node, dict):
                    pending.append((join(above, name), iter(node.items())))
                    break
                yield join(above, name), node
            else:
                pending.pop()

    # FileSystem

    def _read_dir(self, path: str) -> list[DirEntry]:
        found = self._node(path)
        if not isinstance(found, dict):
            raise NotADirectoryEntryError(path)
        return [
            DirEntry(name, "directory", 0) if isinstance(node, dict) else DirEntry(name, "file", node.size) for name, node in found.items()
        ]

    def _metadata(self, path: str) -> Metadata:
        found = self._node(path)
        return _ROOT if isinstance(found, dict) else Metadata("file", found.size)

    def _storage(self, path: str) -> Storage:
        found = self._node(path)
        if isinstance(found, dict):
            raise IsADirectoryEntryError(path)
        what = f"ZIP entry {path!r}"
        problem = _unsupported(found)
        if problem:
            at = min(found.offset, self.raw.size)
            raise error(UnsupportedError, problem, what=what, storage=self.raw, offset=at, field="method")
        packed = self.raw.window(*self._span(found, what))
        if found.method != _STORED:
            return StreamedStorage(packed, found.size, _CODECS[found.method], crc=found.crc, what=what, memory=self._memory)
        if found.size != found.compressed_size:
            problem = f"{found.size:#x} bytes are declared, {found.compressed_size:#x} are stored"
            raise corrupt(problem, what=what, storage=self.raw, offset=found.offset, field="size")
        return packed

    def _span(self, entry: ZipEntry, what: str) -> tuple[int, int]:
        """Where the bytes of an entry begin and end: behind its local header, whose length only it knows."""
        raw, offset = self.raw, entry.offset
        header = raw[offset : offset + LOCAL_SIZE].tobytes() if 0 <= offset <= raw.size else b""
        if header[:4] != b"PK\3\4" or len(header) < LOCAL_SIZE:
            problem = f"its local header should begin at {offset:#x}, where {header[:4]!r} is; the archive has {raw.size:#x} bytes"
            raise corrupt(problem, what=what, storage=raw, offset=min(max(offset, 0), raw.size), field="offset")
        start = offset + LOCAL_SIZE + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        stop = start + entry.compressed_size
        if stop > raw.size:
            problem = f"ends at {stop:#x}, the archive at {raw.size:#x}: it is cut short or damaged"
            raise corrupt(problem, what=what, storage=raw, offset=offset, field="compressed_size")
        if stop > entry.limit:
            problem = f"ends at {stop:#x}, and shares bytes with what begins at {entry.limit:#x}: made to be larger than it can be"
            raise corrupt(problem, what=what, storage=raw, offset=offset, field="compressed_size")
        return start, stop

    def checked(self, path: str) -> Iterator[bytes | memoryview]:
        """Yield the bytes of a file in order; after the last, whether they are sound is known.

        Raises:
            IntegrityError: The bytes do not have their CRC-32.
            CorruptError: They cannot be decompressed, or are more or fewer than they should be.
            UnsupportedError: They are encrypted, or compressed in a way that is not known here.
        """
        canonical = normalise(path)
        storage = self._storage(canonical)
        if isinstance(storage, StreamedStorage):
            yield from storage.pieces()
            return
        crc = 0
        for start in range(0, storage.size, _PIECE):
            piece = storage[start : start + _PIECE]
            crc = zlib.crc32(piece, crc)
            yield piece
        expected = self.entry(canonical).crc
        if crc != expected:
            problem = f"CRC-32 is {crc:08x}, must be {expected:08x}: the bytes are damaged"
            raise error(IntegrityError, problem, what=f"ZIP entry {canonical!r}", storage=storage, offset=0, field="crc")


def _unsupported(entry: ZipEntry) -> str:
    """Why an entry cannot be read here; ``""`` where it can."""
    if entry.is_encrypted:
        return "is encrypted, which is not supported: unpack it with a tool that asks for its password"
    if entry.flags & _PATCHED:
        return "is a patch to another file, which is not supported"
    if entry.method != _STORED and entry.method not in _CODECS:
        return f"is compressed by {method_name(entry.method)}, which is not supported: stored, deflate, bzip2 and LZMA are"
    return ""
