"""What a ZIP archive says is in it: the end record, and the central directory as a tree.

The standard library's :mod:`zipfile` reads the directory; here its names become paths, and what cannot be is told.
"""

from __future__ import annotations

import stat
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from oboromi_fs._decode import corrupt, error
from oboromi_fs.base import StorageFile
from oboromi_fs.errors import CorruptError, NotThisFormatError, OboromiFsError, UnsupportedError
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    from typing import IO
    from zipfile import ZipInfo

    from oboromi_fs.protocols import Storage

__all__ = ["LOCAL_SIZE", "Directory", "Reading", "ZipEntry", "ends_like_zip", "find_end", "looks_like_zip"]

MAX_DIRECTORIES = 1_000_000
"""Directories at most: a name of two bytes can ask for one."""
MAX_LEVELS = 512
"""Components of a path at most: a single name could nest thirty thousand."""
MAX_PROBLEMS = 100
"""Entries that cannot be which are told one by one; of more, how many."""

LOCAL_SIZE = 30
"""Bytes of a local header without the name and the extra field behind it."""
_LOCAL, _CENTRAL, _END, _LOCATOR = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\7"
_SPLIT, _ONCE_SPLIT = b"PK\7\x08", b"PK00"
"""What a split archive begins with, and one that was to be split and needed no second part."""
_END_SIZE, _LOCATOR_SIZE = 22, 20
_MAX_COMMENT = 0xFFFF
_ENCRYPTED, _STRONG, _UTF8, _MASKED = 1, 1 << 6, 1 << 11, 1 << 13
_UNIX = (3, 19)
"""Hosts whose entries have a file mode: Unix, and macOS."""
_WINDOWS = (0, 10, 14)
"""Hosts whose paths may be spelled with a backslash: MS-DOS, NTFS, VFAT."""
_SPECIAL = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class ZipEntry(NamedTuple):
    """One file, as the central directory has it.

    ``offset`` is where its local header begins, from the archive's start; its bytes lie behind that and before ``limit``, where the next
    entry, or the central directory, begins. ``compressed_size`` and ``size`` in bytes; ``method`` and ``flags`` as in the standard.
    """

    offset: int
    limit: int
    compressed_size: int
    size: int
    crc: int
    method: int
    flags: int

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed to read it."""
        return bool(self.flags & (_ENCRYPTED | _STRONG | _MASKED))


Directory: TypeAlias = "dict[str, ZipEntry | Directory]"
"""Names to files and further directories."""


def looks_like_zip(storage: Storage) -> bool:
    """Whether bytes begin like a ZIP archive: with an entry, with the end of an empty one, or with the mark of a split one."""
    head = storage[:LOCAL_SIZE].tobytes()
    if head[:4] in (_SPLIT, _ONCE_SPLIT):
        return head[4:8] == _LOCAL
    if head[:4] == _END:
        return storage.size >= _END_SIZE and head[8:20] == bytes(12)
    # Four bytes may come about by chance, in what is encrypted. A version, a method and the length of a name that can be do not.
    return head[:4] == _LOCAL and len(head) == LOCAL_SIZE and head[5] <= 20 and head[9] == 0 and head[8] <= 99 and head[26:28] != b"\0\0"


def ends_like_zip(storage: Storage) -> bool:
    """Whether bytes that lie plain in a file end with the directory of a ZIP archive without a comment, as self-extracting programs do.

    Of others it is not said: where they are compressed, the last bytes cost the decompression of all before them.
    """
    end = storage.size - _END_SIZE
    if end < 0 or storage.place(0).stored != "plain" or storage[end : end + 4].tobytes() != _END:
        return False
    tail = storage[end:].tobytes()
    directory = int.from_bytes(tail[12:16], "little")
    first = storage[max(end - directory, 0) : max(end - directory, 0) + 4].tobytes()
    return tail[4:8] == bytes(4) and tail[8:10] == tail[10:12] and tail[20:] == b"\0\0" and first == _CENTRAL


def find_end(storage: Storage) -> int:
    """Return where the end record begins, of an archive that is whole.

    Raises:
        NotThisFormatError: There is none, nor do the bytes begin like an archive.
        CorruptError: There is none.
        UnsupportedError: The archive is one part of several.
    """
    what, size = "ZIP end record", storage.size
    start = max(size - _END_SIZE - _MAX_COMMENT, 0)
    tail = storage[start:].tobytes()
    # The way zipfile finds it, which is to find the same one.
    at = len(tail) - _END_SIZE
    if at < 0 or tail[at : at + 4] != _END or tail[-2:] != b"\0\0":
        at = tail.rfind(_END)
    if storage[:4].tobytes() == _SPLIT:
        raise error(UnsupportedError, "is the first part of several", what="ZIP archive", storage=storage, offset=0)
    if at < 0 or len(tail) - at < _END_SIZE:
        if not looks_like_zip(storage):
            magic = storage[:4].tobytes()
            raise error(NotThisFormatError, f"magic is {magic!r}, and there is no end record", what="ZIP", storage=storage, offset=0)
        raise corrupt(
            f"is not in the last {len(tail):#x} bytes: the archive is cut short or damaged", what=what, storage=storage, offset=size
        )
    disks = {tail[at + 4 : at + 6], tail[at + 6 : at + 8]} - {b"\0\0", b"\xff\xff"}
    locator = tail[at - _LOCATOR_SIZE : at] if at >= _LOCATOR_SIZE else b""
    if locator[:4] == _LOCATOR and (any(locator[4:8]) or int.from_bytes(locator[16:20], "little") > 1):
        disks.add(locator[4:8])
    if disks:
        problem = "the archive is one of several parts, which are not put together here"
        raise error(UnsupportedError, problem, what=what, storage=storage, offset=start + at, field="disk_number")
    return start + at


class Problems:
    """What is wrong with entries, one by one up to a limit."""

    __slots__ = ("_more", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._more = 0

    def tell(self, problem: str) -> None:
        if len(self._texts) < MAX_PROBLEMS:
            self._texts.append(problem)
        else:
            self._more += 1

    def all(self) -> list[str]:
        return [*self._texts, f"and {self._more} more of the kind"] if self._more else list(self._texts)


class Reading:
    """The central directory as a tree, and what is wrong with it.

    Args:
        storage: The archive.
        end: Where its end record begins.

    Attributes:
        root: The root directory.
        faults: What cannot be.
        others: What can be, and has no place here: symbolic links, devices and their like.

    Raises:
        CorruptError, UnsupportedError: It cannot be read.
    """

    def __init__(self, storage: Storage, end: int) -> None:
        self.root: Directory = {}
        self.faults = Problems()
        self.others = Problems()
        self._known: dict[str, Directory] = {"": self.root}
        self._directories = 0
        self._taken: set[int] = set()  # Where files begin.
        infos, start = _directory_of(storage, end)
        comment = int.from_bytes(storage[end + 20 : end + 22], "little")
        if end + _END_SIZE + comment != storage.size:
            behind = storage.size - end - _END_SIZE - comment
            self.faults.tell(
                f"{behind:#x} bytes follow the archive: it is cut short, or something was appended"
                if behind > 0
                else "the comment is cut short"
            )
        offsets = sorted({info.header_offset for info in infos if info.header_offset < start} | {start})
        limits = dict(pairwise(offsets))
        for info in infos:
            self._add(info, limits.get(info.header_offset, start))
        del self._known, self._taken

    def _add(self, info: ZipInfo, limit: int) -> None:
        name, flags = info.orig_filename, info.flag_bits
        if not (flags & _UTF8 or name.isascii()):
            name = _decoded(name)
        if "\\" in name and "/" not in name and info.create_system in _WINDOWS:
            name = name.replace("\\", "/")
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system in _UNIX else 0
        path = self._path(name)
        if path is None:
            return
        if name.endswith("/") or kind == stat.S_IFDIR:
            self._make(path, name)
            return
        if not path:
            self.faults.tell(f"an entry has the name {name!r}, which is none; left out")
            return
        if kind not in (0, stat.S_IFREG):
            self.others.tell(f"{path!r} is {_SPECIAL.get(kind, 'no regular file')}; left out")
            return
        parent, _, leaf = path.rpartition("/")
        children = self._known.get(parent)
        if children is None:
            children = self._make(parent, name)
            if children is None:
                return
        offset, packed = info.header_offset, info.compress_size
        found = children.get(leaf)
        if found is not None:
            if isinstance(found, dict):
                self.faults.tell(f"{path!r} is a file and a directory; the directory counts")
                return
            self.faults.tell(f"{path!r} is there twice; the last one counts")
            self._taken.discard(found.offset)
        if offset in self._taken:
            limit = offset
        self._taken.add(offset)
        if offset + LOCAL_SIZE + packed > limit:
            self.faults.tell(f"{path!r}, {packed:#x} bytes at {offset:#x}, shares bytes with what begins at {limit:#x}")
        children[leaf] = ZipEntry(offset, limit, packed, info.file_size, info.CRC, info.compress_type, flags)

    def _path(self, name: str) -> str | None:
        """The path that a name means; None for one that means none, which is told."""
        if "\0" in name or (".." in name and ".." in name.split("/")):
            self.faults.tell(f"the name {name!r} holds {'a NUL' if chr(0) in name else 'a component that leads out'}; left out")
            return None
        if name.startswith("/") and name.strip("/"):
            self.faults.tell(f"the name {name!r} is absolute; taken as a path in the archive")
        path = normalise(name)
        if path.count("/") >= MAX_LEVELS:
            self.faults.tell(f"the name {name[:80] + '…'!r} has more than {MAX_LEVELS} levels; left out")
            return None
        return path

    def _make(self, path: str, name: str) -> Directory | None:
        """A directory, made with its parents; None where there are too many, which is told."""
        known = self._known.get(path)
        if known is not None:
            return known
        node = self.root
        parts = path.split("/")
        for number, part in enumerate(parts, 1):
            found = node.get(part)
            if not isinstance(found, dict):
                if found is not None:
                    self.faults.tell(f"{'/'.join(parts[:number])!r} is a file and a directory; the directory counts")
                if self._directories >= MAX_DIRECTORIES:
                    self.faults.tell(f"{name[:80]!r} would make more than {MAX_DIRECTORIES} directories; left out")
                    return None
                self._directories += 1
                node[part] = found = {}
            node = found
        self._known[path] = node
        return node


def _decoded(name: str) -> str:
    """A name that zipfile took for code page 437, and is in UTF-8 if it can be."""
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


class _OutsideError(OSError):
    """A seek to before the start."""


class _Stream(StorageFile):
    """The archive as zipfile wants it: like a file of the host, which has an OSError for what lies before its start."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError as wrong:
            raise _OutsideError(str(wrong)) from None


def _directory_of(storage: Storage, end: int) -> tuple[list[ZipInfo], int]:
    """The entries of the central directory, and where it begins."""
    import struct
    import zipfile

    stream = cast("IO[bytes]", _Stream(storage))
    try:
        with zipfile.ZipFile(stream) as archive:
            return archive.infolist(), archive.start_dir
    except OboromiFsError:
        raise
    except NotImplementedError as wrong:
        raise error(UnsupportedError, str(wrong), what="ZIP directory", storage=storage, offset=end) from wrong
    except UnicodeDecodeError as wrong:
        problem = f"a name that is flagged as UTF-8 is not: {wrong.object[:80]!r}"
        raise error(CorruptError, problem, what="ZIP directory", storage=storage, offset=end) from wrong
    # Everything that zipfile lets out for one damage or another, as versions of Python differ in that.
    except (_OutsideError, zipfile.BadZipFile, struct.error, EOFError, ArithmeticError, LookupError, RuntimeError, ValueError) as wrong:
        raise error(CorruptError, f"cannot be read: {wrong}", what="ZIP directory", storage=storage, offset=end) from wrong
