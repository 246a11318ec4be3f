"""WritableUnionFs: layers as one file system that can be written to. What is written goes to the upper layer; the others never change."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Literal, overload

from oboromi_fs.errors import (
    DirectoryNotEmptyEntryError,
    EntryExistsError,
    EntryNotFoundError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    ReadOnlyError,
    UnsafePathError,
)
from oboromi_fs.overlay.copying import commit
from oboromi_fs.overlay.copyup import UpwardFs
from oboromi_fs.overlay.hostplaces import host_places, is_or_lies_in
from oboromi_fs.overlay.streams import WritableFile, checked_size, name_in, open_mode
from oboromi_fs.paths import split
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from oboromi_fs.base import StorageFile
    from oboromi_fs.overlay.markers import Encoding
    from oboromi_fs.overlay.parts import Part
    from oboromi_fs.overlay.streams import OpenMode
    from oboromi_fs.overlay.upper import UpperLayer
    from oboromi_fs.protocols import PathType, Storage
    from oboromi_fs.storage.writing import Progress

__all__ = ["WritableUnionFs"]


class WritableUnionFs(UpwardFs):
    """Layers as one file system that can be written to.

    It behaves as one ordinary file system that at first holds what the layers merge to. A file of a lower layer is copied to the upper
    layer when it is first changed, with its access rights and times; what is removed leaves a whiteout there. Every method has done all of
    its work or nothing when it returns or raises, as far as the union shows; so has a process that is killed.

    Where a layer below folds case, so does the upper one, and what is written goes by the spelling that is listed: ``data/a.bin`` to
    ``Data/A.bin``. One lock makes writers take turns. Others that write to the folder at the same time are not waited for.

    Args:
        layers: The layers below, low to high, as for :class:`UnionFs`. A file system that is mounted later goes below the upper layer too.
        upper: The upper layer, or its folder (see :class:`UpperLayer`). None leaves the union read-only.
        forgiving: As for :class:`UnionFs`.

    Raises:
        LayerError: As for :class:`UnionFs`; or the upper layer's folder is that of a layer below, or one lies in the other.
        OSError: The upper layer's folder cannot be used.

    Example:
        >>> import tempfile
        >>> from oboromi_fs import MemoryFs
        >>> union = WritableUnionFs([MemoryFs({"a.txt": b"1", "b.txt": b"2"})], upper=tempfile.mkdtemp())
        >>> union.write_bytes("a.txt", b"3")
        >>> union.unlink("b.txt")
        >>> [(entry.name, union.read_bytes(entry.name)) for entry in union.read_dir()]
        [('a.txt', b'3')]
    """

    # Files

    @overload
    def open(self, path: PathType, mode: Literal["rb"] = "rb", /) -> StorageFile: ...
    @overload
    def open(self, path: PathType, mode: str, /) -> StorageFile | WritableFile: ...
    def open(self, path: PathType, mode: str = "rb", /) -> StorageFile | WritableFile:
        """Open a file, as a raw binary stream.

        Args:
            path: The file.
            mode: ``rb`` to read; ``r+b``, ``wb``, ``xb`` or ``ab``, the last three with or without ``+``, to write. What is written shows
                once the stream is closed, see :class:`~oboromi_fs.overlay.streams.WritableFile`.

        Raises:
            ReadOnlyError: The mode writes, and there is no upper layer.
            EntryNotFoundError: No such file, or no directory to make it in.
            EntryExistsError: The mode is ``xb``, and there is such a path.
            IsADirectoryEntryError, NotADirectoryEntryError: The path is a directory; a parent of it is none.
            UnsafePathError: The upper layer cannot hold such a name.
        """
        wanted = open_mode(mode)
        if not wanted.writes:
            return super().open(path)
        with self._lock:
            upper, canonical = self._target(path)
            found = self._look(canonical)
            if found is not None and wanted.kind == "x":
                raise EntryExistsError(canonical)
            if found is not None and found.meta.kind == "directory":
                raise IsADirectoryEntryError(canonical)
            if found is None and wanted.kind == "r":
                raise EntryNotFoundError(canonical)
            storage = self._storage(canonical) if found is not None and wanted.kind in "ra" else None
            return self._writing(upper, canonical, wanted, storage)

    def _writing(self, upper: UpperLayer, path: str, mode: OpenMode, storage: Storage | None) -> WritableFile:
        def begin(source: Storage | None) -> Part:
            part = upper.part()
            try:
                if source is not None:
                    write_storage(source, part.number)
            except BaseException as error:
                part.discard()
                name_in(error, path)
                raise
            return part

        def finish(part: Part) -> None:
            with self._lock:
                found = self._file_or_none(path)
                if found is not None and mode.kind == "x":
                    raise EntryExistsError(path)
                self._put(upper, part, path, found)

        return WritableFile(path, mode, storage, begin, finish)

    def write_bytes(self, path: PathType, data: Buffer) -> None:
        """Make a file of these bytes, or give a file these bytes in place of its own.

        Raises:
            EntryNotFoundError: There is no directory to make it in.
            IsADirectoryEntryError, NotADirectoryEntryError: The path is a directory; a parent of it is none.
            ReadOnlyError, UnsafePathError: As for :meth:`open`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            found = self._file_or_none(canonical)
            with self._part(upper, canonical) as part:
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[os.write(part.number, rest) :]
                self._put(upper, part, canonical, found)

    def create(self, path: PathType) -> None:
        """Make an empty file.

        Raises:
            EntryExistsError: There is such a path.
            EntryNotFoundError, NotADirectoryEntryError, ReadOnlyError, UnsafePathError: As for :meth:`write_bytes`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            if self._look(canonical) is not None:
                raise EntryExistsError(canonical)
            with self._part(upper, canonical) as part:
                self._put(upper, part, canonical, None)

    def truncate(self, path: PathType, size: int) -> None:
        """Cut a file, or fill it with zeros, to a size in bytes. No more of it is copied than is left.

        Raises:
            EntryNotFoundError: No such file.
            IsADirectoryEntryError: The path is a directory.
            OSError: The size is negative, or the host refuses.
            ReadOnlyError, UnsafePathError: As for :meth:`open`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            found = self._file(canonical)
            length = checked_size(size, canonical)
            storage = self._storage(canonical)
            with self._part(upper, canonical) as part:
                write_storage(storage if storage.size <= length else storage.window(0, length), part.number)
                os.ftruncate(part.number, length)
                self._put(upper, part, canonical, found)

    def unlink(self, path: PathType) -> None:
        """Remove a file.

        Raises:
            EntryNotFoundError: No such file.
            IsADirectoryEntryError: The path is a directory.
            ReadOnlyError, UnsafePathError: As for :meth:`open`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            self._file(canonical)
            self._remove(upper, canonical)

    def _remove(self, upper: UpperLayer, path: str) -> None:
        whiteout = self._is_below(path)
        self._set_apart(upper, path)
        self._copy_up_directory(upper, split(path)[0])
        upper.remove(path, whiteout=whiteout)

    def set_times(self, path: PathType, mtime_ns: int, atime_ns: int | None = None) -> None:
        """Set the times of a file or directory, in ns since the epoch; that of access is that of change by default.

        Raises:
            EntryNotFoundError: No such path.
            ReadOnlyError, UnsafePathError: As for :meth:`open`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            found = self._find(canonical)
            if found.meta.kind == "directory":
                self._copy_up_directory(upper, canonical)
            else:
                self._set_apart(upper, canonical)
                self._copy_up(upper, canonical, found)
            upper.set_times(canonical, (mtime_ns if atime_ns is None else atime_ns, mtime_ns))

    # Directories

    def mkdir(self, path: PathType, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT002  # As pathlib's.
        """Make a directory. What lower layers have in one that was removed stays hidden.

        Args:
            path: The directory.
            parents: Make the directories it is in as well, where they are not there.
            exist_ok: Be content with a directory that is there.

        Raises:
            EntryExistsError: There is such a path.
            EntryNotFoundError: The directory it is to be in is not there.
            NotADirectoryEntryError: A parent of the path is a file.
            ReadOnlyError, UnsafePathError: As for :meth:`open`.
        """
        with self._lock:
            upper, canonical = self._target(path)
            found = self._resolver.winner(canonical)
            if found is not None or not canonical:
                if exist_ok and (found is None or found.meta.kind == "directory"):
                    return
                raise EntryExistsError(canonical)
            first, below = canonical, list[str]()
            while parents and (parent := split(first)[0]) and self._resolver.winner(parent) is None:
                below.insert(0, split(first)[1])
                first = parent
            self._look(first, canonical)
            self._copy_up_directory(upper, split(first)[0])
            whiteout = upper.standing(first) == "whiteout" or upper.is_marked(first)
            upper.mkdir(first, opaque=whiteout or self._is_below(first), below=below)

    def rmdir(self, path: PathType) -> None:
        """Remove a directory in which nothing shows.

        Raises:
            DirectoryNotEmptyEntryError: It has entries.
            EntryNotFoundError: No such directory.
            NotADirectoryEntryError: The path is a file.
            ReadOnlyError: As for :meth:`open`.
            UnsafePathError: As for :meth:`open`; or the path is the root.
        """
        with self._lock:
            upper, canonical = self._target(path)
            found = self._find(canonical)
            if not canonical:
                raise UnsafePathError(canonical, "the root stays")
            if found.meta.kind != "directory":
                raise NotADirectoryEntryError(canonical)
            if self._resolver.listing(canonical):
                raise DirectoryNotEmptyEntryError(canonical)
            self._remove(upper, canonical)

    def rename(self, old: PathType, new: PathType) -> None:
        """Rename a file, also over another; or a directory, also over an empty one.

        Of a file in lower layers the upper layer gets a copy under the new name, of a directory a copy of everything that shows in it; and
        a whiteout under the old name.

        Raises:
            EntryNotFoundError: There is nothing under the old name, or no directory for the new one.
            IsADirectoryEntryError: The new path is a directory, the old one a file.
            NotADirectoryEntryError: The new path is a file, the old one a directory; or a parent of the new one is a file.
            DirectoryNotEmptyEntryError: The new path is a directory with entries.
            OSError: The new path lies in the old one.
            ReadOnlyError: As for :meth:`open`.
            UnsafePathError: As for :meth:`open`; or a path is the root, or the upper layer cannot hold a name in the directory.
        """
        with self._lock:
            upper, source = self._target(old)
            target = self._target(new)[1]
            found, there = self._look(source), self._look(target)
            if found is None:
                raise EntryNotFoundError(source)
            if not source or not target:
                raise UnsafePathError("", "the root stays")
            if source == target:
                return
            if target.startswith(source + "/"):
                raise OSError(errno.EINVAL, "a directory cannot be moved into itself", source, None, target)
            if source.startswith(target + "/"):
                raise DirectoryNotEmptyEntryError(target)
            if found.meta.kind == "file":
                if there is not None and there.meta.kind == "directory":
                    raise IsADirectoryEntryError(target)
                self._set_apart(upper, source)
                self._copy_up(upper, source, found)
            else:
                if there is not None and there.meta.kind != "directory":
                    raise NotADirectoryEntryError(target)
                if there is not None and self._resolver.listing(target):
                    raise DirectoryNotEmptyEntryError(target)
                self._set_apart(upper, source)
                self._copy_up_tree(upper, source, target)
            self._set_apart(upper, target)
            self._copy_up_directory(upper, target if there is not None and there.meta.kind == "directory" else split(target)[0])
            upper.move(source, target, whiteout=self._is_below(source))

    # The whole

    def commit(self, target: str | os.PathLike[str], markers: Encoding | None = None) -> None:
        """Make a layer of what the upper layer holds: a new folder, with whiteouts and opaque directories. The upper layer stays as it is.

        Args:
            target: The folder, which is not there; it is put there when it is complete.
            markers: How whiteouts and opaque directories are written; by default as in the upper layer.

        Raises:
            EntryExistsError: There is something at the target.
            UnsafePathError: The target lies in a layer.
            ReadOnlyError: There is no upper layer.
            OSError: The host refuses; nothing is left then.
        """
        with self._lock:
            if self._upper is None:
                raise ReadOnlyError("", "the union has no upper layer")
            self._check_apart(os.fspath(target))
            commit(self._upper, os.fspath(target), markers or self._upper.markers)

    def commit_image(self, target: str | os.PathLike[str], progress: Progress | None = None) -> int:
        """Make a RomFS image of what the union shows; of empty directories too.

        Args:
            target: The image, which takes its place, also that of another file, when it is complete.
            progress: Called now and then with bytes done, bytes in all, files done, files in all.

        Returns:
            Its size in bytes.

        Raises:
            UnsafePathError: The target lies in a layer.
            OboromiFsError: A file cannot be read.
            OSError: The host refuses; nothing is left then.
        """
        from oboromi_fs.builders.romfs import build_romfs, write

        with self._lock:
            self._check_apart(os.fspath(target))
            return write(build_romfs(self), target, progress)

    def _check_apart(self, target: str) -> None:
        if "\0" in target:
            raise UnsafePathError(target, "holds a NUL")
        real = os.path.realpath(target)
        for layer in self._layers:
            if any(is_or_lies_in(real, place) for place in host_places(layer.given)):
                raise UnsafePathError(target, f"is or lies in layer {layer.name!r}, which it would change")
