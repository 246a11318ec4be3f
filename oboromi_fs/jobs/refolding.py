"""Containers from the folders they were taken apart into: what is unchanged stays as it was, what is not is built like the original.

Unfolding (:mod:`oboromi_fs.jobs.unfold`) turns containers into directories; this is the way back. Whether a tree is still that of a
container is seen by comparing names and bytes, level by level, so that it does not matter how deep it was taken apart.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs._extents import HFS0, PartitionArchive
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.base import FileSystemBase
from oboromi_fs.builders.hfs0 import build_hfs0
from oboromi_fs.builders.nca import NcaBuilder
from oboromi_fs.builders.nca import layout_of as nca_layout_of
from oboromi_fs.builders.pfs0 import build_pfs0, layout_of
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.errors import (
    EntryNotFoundError,
    FormatError,
    NotADirectoryEntryError,
    UnsupportedError,
)
from oboromi_fs.jobs.naming import below, full_name, naming
from oboromi_fs.paths import addressable, join, normalise, sort_key, split
from oboromi_fs.protocols import DirEntry, FileSystem, Metadata, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from oboromi_fs.builders.pfs0 import PartitionLayout
    from oboromi_fs.builders.romfs.tree import Like as RomFsStyle
    from oboromi_fs.opening import Location, NestedFs

__all__ = ["Folded", "Original", "entries_of", "partition_like", "rebuilt", "romfs_style", "same_tree", "section_images"]

_HEADER = 0x50
_CHUNK = 4 << 20
_IN_MEMORY = 1 << 28
"""An NCA inside another container is built in memory; a larger one is better packed by itself."""


class Original(NamedTuple):
    """A container, or a place in one, that something was taken from; ``place`` is where the user found it, if it is not in the source."""

    fs: NestedFs
    path: str
    place: Location | None = None

    def __truediv__(self, name: str) -> Original:
        return Original(self.fs, join(self.path, name), self.place)

    @property
    def name(self) -> str:
        """What errors call it."""
        return full_name(self.place, self.path) if self.place is not None else self.path

    @property
    def image(self) -> Storage:
        """Its bytes; of a section of an NCA the image in it.

        Raises:
            IsADirectoryEntryError: It is a folder.
        """
        with self._naming():
            fs, inner = self.fs.resolve(self.path)
            if inner or not hasattr(fs, "raw"):
                return fs.storage(inner)
            raw: Storage = fs.raw
            return raw

    def entered(self) -> FileSystem | None:
        """The file system that the container holds; None if it is a plain file."""
        with self._naming():
            return self.fs.enter(self.path)

    def kind(self, name: str) -> str:
        """``file`` or ``directory``; ``""`` if there is nothing of this name."""
        with self._naming():
            try:
                return self.fs.metadata(join(self.path, name)).kind
            except (EntryNotFoundError, NotADirectoryEntryError):
                return ""

    def _naming(self) -> AbstractContextManager[None]:
        return naming(self.place) if self.place is not None else nullcontext()


class Folded(FileSystemBase):
    """A directory as a file system of its own, in which some paths are other files than they were.

    Args:
        fs: Where it is.
        root: The directory.
        files: What stands at a path in place of the file or directory there; paths are relative to the directory.
    """

    kind = "Folded"

    def __init__(self, fs: FileSystem, root: str, files: Mapping[str, Storage] | None = None) -> None:
        super().__init__()
        self._fs = fs
        self._root = root
        self._files = dict(files or {})

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path in self._files:
            raise NotADirectoryEntryError(path)
        found = {entry.name: entry for entry in self._fs.read_dir(join(self._root, path).rstrip("/"))}
        for inner, storage in self._files.items():
            parent, name = split(inner)
            if parent == path:
                found[name] = DirEntry(name, "file", storage.size)
        return list(found.values())

    def _metadata(self, path: str) -> Metadata:
        if path in self._files:
            return Metadata("file", self._files[path].size)
        return self._fs.metadata(join(self._root, path).rstrip("/"))

    def _storage(self, path: str) -> Storage:
        found = self._files.get(path)
        return self._fs.storage(join(self._root, path)) if found is None else found


def entries_of(fs: FileSystem, path: str) -> list[DirEntry]:
    """Return the entries of a directory in the order of their names, whatever the host's."""
    return sorted(fs.read_dir(path), key=lambda entry: sort_key(entry.name))


def same_tree(fs: FileSystem, path: str, original: Original) -> bool:
    """Whether a directory holds what a container held: the same names, and the same bytes.

    Args:
        fs: Where the directory is.
        path: The directory.
        original: The container, or a directory in it.

    Raises:
        MissingKeyError: The original cannot be read.
        OSError: The directory cannot be read.
    """
    pending = [(normalise(path), original)]
    images: list[tuple[Storage, Storage]] = []
    files: list[tuple[str, FileSystem, str]] = []
    while pending:
        here, there = pending.pop()
        try:
            holder, inner = _directory(there)
            theirs = {entry.name: entry for entry in holder.read_dir(inner)}
        except (NotADirectoryEntryError, EntryNotFoundError, FormatError):
            return False
        if isinstance(holder, RomFs) and not inner and (image := _image_like(fs, here, holder)) is not None:
            images.append((image, holder.raw))
            continue
        ours = fs.read_dir(here)
        if len(ours) != len(theirs):
            return False
        for entry in ours:
            other = theirs.get(entry.name)
            if other is None or not addressable(entry.name):
                return False
            if entry.kind == "directory":  # A file there may be a container.
                pending.append((join(here, entry.name), there / entry.name))
            elif other.kind == "file" and other.size == entry.size:
                files.append((join(here, entry.name), holder, join(inner, entry.name)))
            else:
                return False
    if not all(_same_bytes(image, raw) for image, raw in images):
        return False
    return all(fs.storage(ours) == holder.storage(inner) for ours, holder, inner in files)


def _directory(original: Original) -> tuple[FileSystem, str]:
    """The file system that lists a directory or container, and the path in it."""
    fs, inner = original.fs.resolve(original.path)
    if inner and fs.metadata(inner).kind == "file":
        container = original.entered()
        if container is None:
            raise NotADirectoryEntryError(original.name)
        return container, ""
    return fs, inner


def _image_like(fs: FileSystem, path: str, romfs: RomFs) -> RomFsImage | None:
    """The image of a directory, if its header and tables are those of a RomFS: then comparing goes through both in large reads."""
    try:
        image = RomFsImage(fs, path, like=romfs_style(romfs))
    except FormatError:
        return None
    start = image.header.dir_hash_offset
    same = image.size <= romfs.raw.size and romfs.raw[:_HEADER] == image[:_HEADER] and romfs.raw[start : image.size] == image[start:]
    return image if same else None


def _same_bytes(image: Storage, raw: Storage) -> bool:
    """Whether one begins as the other."""
    return all(image[at : at + _CHUNK].tobytes() == raw[at : min(at + _CHUNK, image.size)].tobytes() for at in range(0, image.size, _CHUNK))


def _unfolded(fs: FileSystem, path: str, original: Original) -> Iterator[str]:
    """Yield the directories below a directory that are files in the original; paths are relative."""
    pending = [""]
    while pending:
        inner = pending.pop()
        for entry in entries_of(fs, join(path, inner).rstrip("/")):
            if entry.kind != "directory" or not addressable(entry.name):
                continue
            below = join(inner, entry.name)
            kind = original.kind(below)
            if kind == "file":
                yield below
            elif kind:
                pending.append(below)


def rebuilt(fs: FileSystem, path: str, original: Original) -> Storage:
    """Return the bytes of a container for what is now in its directory; the original's if nothing changed.

    Nothing is copied but NCAs inside other containers.

    Raises:
        FormatError: Something the format cannot hold; the error names it.
        UnsupportedError: A container of a kind that is not built from a folder alone.
    """
    path = normalise(path)
    if same_tree(fs, path, original):
        return original.image
    container = original.entered()
    if isinstance(container, Nca):
        builder = NcaBuilder(nca_layout_of(container), section_images(fs, path, original), container.keys)
        if builder.size > _IN_MEMORY:
            problem = f"an NCA of {builder.size:#x} bytes inside another container: pack it first, and put the file in the folder's place"
            raise UnsupportedError(problem, what="NCA", source=path)
        return builder.build()[1]
    folded = {inner: rebuilt(fs, join(path, inner), original / inner) for inner in _unfolded(fs, path, original)}
    if isinstance(container, RomFs):
        style = romfs_style(container)
        with below(path):
            return RomFsImage(Folded(fs, path, folded), like=style) if folded else RomFsImage(fs, path, like=style)
    if isinstance(container, PartitionArchive):
        files = Folded(fs, path, folded)
        like = partition_like(container)
        with below(path):
            return build_hfs0(files, like=like) if container.layout is HFS0 else build_pfs0(files, like=like)
    raise UnsupportedError("it changed, and cannot be built from a folder here", what=getattr(container, "kind", "file"), source=path)


def section_images(
    fs: FileSystem, path: str, original: Original | None = None, files: Mapping[str, Storage] | None = None
) -> dict[str, Storage]:
    """Return the images of the sections whose folders an NCA's folder has.

    Args:
        fs: Where it is.
        path: The NCA's folder. A file in it that is called like a section is its image.
        original: The NCA it was taken from.
        files: What stands in place of files in it, by paths relative to the folder.

    Raises:
        FormatError: There is something that is no section, or that its format cannot hold.
    """
    path = normalise(path)
    images: dict[str, Storage] = {}
    for entry in entries_of(fs, path):
        name, inner = entry.name, join(path, entry.name)
        known = original.kind(name) if original is not None else entry.name.partition(".")[0] in ("exefs", "romfs", "logo", "data")
        if not known:
            there = f"its sections are {', '.join(each.name for each in original.fs.read_dir(original.path))}" if original else ""
            raise FormatError(f"is no section of the NCA; {there or 'exefs, romfs, logo and data are'}", source=inner)
        replaced = {below.removeprefix(f"{name}/"): file for below, file in (files or {}).items() if below.startswith(f"{name}/")}
        if entry.kind == "file":
            images[name] = fs.storage(inner)
        elif replaced:
            container = (original / name).entered() if original is not None else None
            like = partition_like(container) if isinstance(container, PartitionArchive) else None
            with below(inner):
                images[name] = build_pfs0(Folded(fs, inner, replaced), like=like)
        elif original is not None:
            images[name] = rebuilt(fs, inner, original / name)
        else:
            with below(inner):
                images[name] = RomFsImage(fs, inner) if name == "romfs" else build_pfs0(Folded(fs, inner))
    return images


def partition_like(archive: PartitionArchive) -> PartitionLayout | None:
    """Return how an archive is laid out; None where that cannot be said, and the usual layout has to do."""
    try:
        return layout_of(archive)
    except FormatError:
        return None


def romfs_style(romfs: RomFs) -> RomFsStyle:
    """Tell which builder's order an image has, by building its tables again; the common one in doubt."""
    raw = romfs.raw
    styles: tuple[RomFsStyle, ...] = ("common", "libhac")
    for style in styles:
        try:
            image = RomFsImage(romfs, like=style)
        except FormatError:  # It holds what we would not write.
            break
        start = image.header.dir_hash_offset
        if image.size <= raw.size and raw[:_HEADER] == image[:_HEADER] and raw[start : image.size] == image[start:]:
            return style
    return "common"
