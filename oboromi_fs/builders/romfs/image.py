"""A RomFS image of the contents of any file system: header and tables in memory, the files read where they are when they are needed.

Source: Switchbrew wiki, "RomFS".
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

from oboromi_formats.romfs import ROMFS_HEADER, RomFsHeader
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.romfs.files import file_pieces
from oboromi_fs.builders.romfs.tables import build_tables
from oboromi_fs.builders.romfs.tree import gather
from oboromi_fs.errors import FormatError
from oboromi_fs.paths import decode_name
from oboromi_fs.protocols import Extent
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.pieces import Pieces
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import BinaryIO

    from oboromi_fs.builders.romfs.files import FilePieces
    from oboromi_fs.builders.romfs.tree import Like
    from oboromi_fs.protocols import FileSystem, PathType, Storage
    from oboromi_fs.storage.writing import Progress

__all__ = ["RomFsImage", "build_romfs", "write"]

DATA_OFFSET = 0x200
ALIGNMENT = 0x10
_MOST = 1 << 63
"""First image size that signed 64-bit offsets cannot span."""


class _Framed(Pieces):
    """The files between header and tables."""

    def __init__(self, header: MemoryStorage, files: FilePieces, tables: MemoryStorage, tables_start: int) -> None:
        starts = array("Q", [0, *files.starts, tables_start])
        super().__init__(starts, [header.size, *files.tree.sizes, tables.size])
        self.files = files
        self._header = header
        self._tables = tables

    @property
    def sources(self) -> tuple[Storage, ...]:
        """Header and tables, and the storages the files share."""
        shared = {id(item): item for item in self.files.tree.where if item is not None and not isinstance(item, bytes)}
        return (self._header, *shared.values(), self._tables)

    def open(self, index: int) -> Storage:
        if not index:
            return self._header
        return self.files.open(index - 1) if index < len(self) - 1 else self._tables

    def path(self, index: int) -> str:
        return self.files.path(index - 1) if 0 < index < len(self) - 1 else "RomFS tables"

    def read(self, first: int, stop: int, target: memoryview, base: int) -> None:
        last = len(self) - 1
        if first == 0:
            super().read(0, 1, target, base)
        if max(first, 1) < min(stop, last):
            self.files.read(max(first, 1) - 1, min(stop, last) - 1, target, base)
        if stop > last:
            super().read(last, stop, target, base)

    def read_part(self, index: int, offset: int, target: memoryview) -> None:
        if 0 < index < len(self) - 1:
            self.files.read_part(index - 1, offset, target)
        else:
            super().read_part(index, offset, target)


class RomFsImage(ComposedStorage):
    """The image as a storage, byte for byte what the common builders write. Nothing of a file is read before it is sliced.

    What is read is checked against what was planned: a file that changed its size or vanished is an error that names it.

    Args:
        fs: Where the files are. It, and what it reads from, must stay open.
        path: The directory that becomes the root.
        like: ``"common"``: directories and files in the order of their paths' bytes. ``"libhac"``: the order of .NET's strings,
            directories without files left out, data padded to 0x10 bytes after the last file.
        cache: Bytes of small files to keep for random reads, at most; None takes 1 GiB, or an eighth of the machine's memory.
        keep: Large files to keep open, at most; None asks the host.

    Attributes:
        header: The header's fields.

    Raises:
        EntryNotFoundError: No such path.
        NotADirectoryEntryError: The path is a file.
        FormatError: There is something a RomFS cannot hold: a name, a path of more than 0x2FF bytes, more entries than 32-bit links
            reach. The message names the path.

    Example:
        >>> from oboromi_fs.backends.memory import MemoryFs
        >>> image = RomFsImage(MemoryFs({"a.txt": b"hi", "b/c.bin": bytes(range(17)), "b/d": b""}))
        >>> image.size, image[0x200:0x202].tobytes(), [(extent.path, extent.offset) for extent in image.extents()]
        (752, b'hi', [('a.txt', 512), ('b/c.bin', 528), ('b/d', 560)])
    """

    __slots__ = ("_romfs_files", "header")
    kind = "RomFsImage"

    def __init__(
        self, fs: FileSystem, path: PathType = "", *, like: Like = "common", cache: int | None = None, keep: int | None = None
    ) -> None:
        import numpy as np

        tree = gather(fs, path, like=like)
        total = sum(tree.sizes) + ALIGNMENT * len(tree.files)
        if total >= _MOST - (1 << 36):  # Room for header and tables.
            raise FormatError(
                f"the files have {total:#x} bytes with their padding; 64-bit offsets reach no further than {_MOST:#x}", what="RomFS"
            )
        sizes = np.array(tree.sizes, np.int64)
        padded = sizes + (ALIGNMENT - 1) & -ALIGNMENT
        offsets = padded.cumsum() - padded
        end = int((padded if like == "libhac" else sizes)[-1] + offsets[-1]) if len(sizes) else 0
        tables = build_tables(tree.directories, tree.files, offsets, sizes)
        at = list(accumulate((len(table) for table in tables), initial=DATA_OFFSET + end + 3 & ~3))
        self.header = RomFsHeader(
            header_size=ROMFS_HEADER.size,
            dir_hash_offset=at[0],
            dir_hash_size=len(tables.dir_hash),
            dir_table_offset=at[1],
            dir_table_size=len(tables.dir_table),
            file_hash_offset=at[2],
            file_hash_size=len(tables.file_hash),
            file_table_offset=at[3],
            file_table_size=len(tables.file_table),
            data_offset=DATA_OFFSET,
        )
        header = MemoryStorage(encode(ROMFS_HEADER, self.header).ljust(DATA_OFFSET, b"\0"), "RomFS header")
        starts = array("Q", (offsets + DATA_OFFSET).astype(np.uint64).tobytes())
        del sizes, padded, offsets
        self._romfs_files = file_pieces(tree, starts)
        super().__init__(_Framed(header, self._romfs_files, MemoryStorage(b"".join(tables), "RomFS tables"), at[0]), cache=cache, keep=keep)

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return len(self._romfs_files)

    @property
    def directory_count(self) -> int:
        """How many directories there are besides the root."""
        return len(self._romfs_files.tree.directories) - 1

    def extents(self) -> Iterator[Extent]:
        """Yield every file as a run of the image, in the order of the data."""
        tree = self._romfs_files.tree
        for path, start, size in zip(tree.files, self._romfs_files.starts, tree.sizes, strict=True):
            yield Extent(decode_name(path), self, start, size)


def build_romfs(fs: FileSystem, path: PathType = "", *, like: Like = "common") -> RomFsImage:
    """Return the image of what is below a directory; see :class:`RomFsImage`."""
    return RomFsImage(fs, path, like=like)


def write(image: Storage, target: int | str | bytes | os.PathLike[str] | BinaryIO, progress: Progress | None = None) -> int:
    """Write an image in one pass over its data.

    Args:
        image: A :class:`RomFsImage`, or any storage.
        target: A descriptor or a stream, written from where it stands; or a path, where the file appears when it is complete.
        progress: Called now and then with bytes done, bytes in all, files done, files in all.

    Returns:
        How many bytes were written.

    Raises:
        MappingError: A file changed its size or vanished since the image was planned; the message names it.
        OboromiFsError: A file cannot be read; the message names it.
        OSError: The host refuses.
    """
    if progress is None or not isinstance(image, RomFsImage):
        return write_storage(image, target, progress)
    files = image.file_count

    def report(done: int, total: int, pieces: int, _: int) -> None:
        progress(done, total, min(max(pieces - 1, 0), files), files)  # Header and tables are pieces as well.

    return write_storage(image, target, report)
