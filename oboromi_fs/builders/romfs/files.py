"""The files of an image as its pieces: where their bytes come from, read singly or many at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.file import Access, File
from oboromi_fs.paths import decode_name, join
from oboromi_fs.storage.pieces import Pieces, changed, gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.builders.romfs.tree import Tree
    from oboromi_fs.protocols import Storage

__all__ = ["FilePieces", "FolderPieces", "PlacedPieces", "file_pieces"]

WINDOW = 1 << 20
"""Bytes of a storage that are read at once for the small files in them."""
GAP = 4 << 10
"""Bytes between two small files that it is cheaper to read than to leave out."""

_READ = os.O_RDONLY
for _flag in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"):  # A pipe that took a file's place must not make us wait for a writer.
    _READ |= getattr(os, _flag, 0)


def file_pieces(tree: Tree, starts: Sequence[int]) -> FilePieces:
    """Return the files of a tree as pieces at those offsets."""
    if tree.folder is not None:
        return FolderPieces(tree, starts)
    return PlacedPieces(tree, starts) if tree.where else FilePieces(tree, starts)


class FilePieces(Pieces):
    """Files that only their file system can open.

    Args:
        tree: The files.
        starts: Offset of each in the image.
    """

    def __init__(self, tree: Tree, starts: Sequence[int]) -> None:
        super().__init__(starts, tree.sizes)
        self.tree = tree

    def path(self, index: int) -> str:
        """Return the path of a file."""
        return decode_name(self.tree.files[index])

    def open(self, index: int) -> Storage:
        """Return the bytes of a file."""
        return self.tree.fs.storage(join(self.tree.root, self.path(index)))


class FolderPieces(FilePieces):
    """Files of a host folder."""

    def __init__(self, tree: Tree, starts: Sequence[int]) -> None:
        super().__init__(tree, starts)
        self._folder = (tree.folder or b"") + b"/"
        self._access: Access = getattr(tree.fs, "access", "auto")

    def path(self, index: int) -> str:
        """Return the host path of a file."""
        return os.fsdecode(self._folder + self.tree.files[index])

    def open(self, index: int) -> Storage:
        """Return the bytes of a file."""
        return File.open(self._folder + self.tree.files[index], access=self._access)

    def read(self, first: int, stop: int, target: memoryview, base: int) -> None:
        """Read files ``first..stop``, each of them whole, with three calls to the host for each."""
        folder, files, starts, ends = self._folder, self.tree.files, self.starts, self.ends
        for index in range(first, stop):
            start = starts[index]
            read_host_file(folder + files[index], target[start - base : ends[index] - base])

    def read_part(self, index: int, offset: int, target: memoryview) -> None:
        """Read a part of a file, which is opened for it."""
        size = self.ends[index] - self.starts[index]
        read_host_file(self._folder + self.tree.files[index], target, offset, size)


class PlacedPieces(FilePieces):
    """Files of which most are parts of storages they share, such as those of an archive."""

    def open(self, index: int) -> Storage:
        """Return the bytes of a file."""
        where, start = self.tree.where[index], self.tree.offsets[index]
        if where is None:
            return super().open(index)
        if isinstance(where, bytes):
            return File.open(where)
        return where.window(start, start + self.ends[index] - self.starts[index])

    def read(self, first: int, stop: int, target: memoryview, base: int) -> None:
        """Read files ``first..stop``, each of them whole; those that lie close together in one storage at once."""
        index = first
        while index < stop:
            where = self.tree.where[index]
            if where is None or isinstance(where, bytes):
                super().read(index, index + 1, target, base)
                index += 1
            else:
                index = self._read_window(where, index, stop, target, base)

    def read_part(self, index: int, offset: int, target: memoryview) -> None:
        """Read a part of a file."""
        where = self.tree.where[index]
        if isinstance(where, bytes):
            read_host_file(where, target, offset, self.ends[index] - self.starts[index])
        else:
            super().read_part(index, offset, target)

    def _read_window(self, where: Storage, first: int, stop: int, target: memoryview, base: int) -> int:
        """Read the files from ``first`` on that lie one after the other in one window of ``where``; return the one after them."""
        offsets, sizes = self.tree.offsets, self.tree.sizes
        begin = offsets[first]
        end = begin + sizes[first]
        index = first + 1
        while index < stop and self.tree.where[index] is where:
            start = offsets[index]
            if not end <= start <= end + GAP or start + sizes[index] - begin > WINDOW:
                break
            end = start + sizes[index]
            index += 1
        try:
            window = where[begin:end]
        except (OboromiFsError, OSError):
            window = memoryview(b"")
        if len(window) != end - begin or index == first + 1:  # One by one it shows which file it is.
            super().read(first, index, target, base)
            return index
        for each in range(first, index):
            start = offsets[each] - begin
            target[self.starts[each] - base : self.ends[each] - base] = window[start : start + sizes[each]]
        return index


def read_host_file(path: bytes, target: memoryview, offset: int = 0, size: int = -1) -> None:
    """Fill ``target`` with a host file, or with a part of it.

    Args:
        path: Where it is.
        target: Where to.
        offset: First byte.
        size: Bytes the file must have; as many as ``target`` if negative.

    Raises:
        MappingError: It has more or fewer, or is gone.
        OSError: The host refuses.
    """
    wanted = len(target)
    planned = wanted if size < 0 else size
    try:
        descriptor = os.open(path, _READ)
        try:
            if planned == wanted:
                there = _read_whole(descriptor, target)
            else:
                there = _read_at(descriptor, target, offset) if os.lseek(descriptor, 0, os.SEEK_END) == planned else -1
            if there != wanted:
                raise changed(os.fsdecode(path), planned, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise gone(os.fsdecode(path)) from error
    except OSError as error:
        if error.filename is None or error.filename is path:
            error.filename = os.fsdecode(path)
        raise


def _copied(descriptor: int, target: memoryview) -> int:
    """Fill ``target`` from where the file stands; return how many bytes there were."""
    done = 0
    while done < len(target) and (data := os.read(descriptor, len(target) - done)):
        target[done : done + len(data)] = data
        done += len(data)
    return done


if hasattr(os, "preadv"):

    def _read_whole(descriptor: int, target: memoryview) -> int:
        """Fill ``target`` from the start of a file; return how many bytes the file has, or one more than wanted if it has more."""
        # One more byte is asked for: that it is not there says that nothing was added.
        count = os.readv(descriptor, (target, bytearray(1)))
        if count < len(target):  # A short read need not be the end of the file.
            count += _copied(descriptor, target[count:])
            count += len(os.read(descriptor, 1))
        return count

    def _read_at(descriptor: int, target: memoryview, offset: int) -> int:
        """Fill ``target`` with a part of a file; return how many bytes there were."""
        count = os.preadv(descriptor, (target,), offset)
        if count < len(target):
            os.lseek(descriptor, offset + count, os.SEEK_SET)
            count += _copied(descriptor, target[count:])
        return count

else:

    def _read_whole(descriptor: int, target: memoryview) -> int:
        """As above, where the host does not read into a buffer."""
        return _copied(descriptor, target) + len(os.read(descriptor, 1))

    def _read_at(descriptor: int, target: memoryview, offset: int) -> int:
        """As above, where the host does not read by position."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        return _copied(descriptor, target)
