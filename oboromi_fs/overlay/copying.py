"""What a writable union copies from its layers, and an upper layer to a new one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryExistsError, OboromiFsError
from oboromi_fs.overlay.markers import read_marked
from oboromi_fs.overlay.parts import Kept
from oboromi_fs.overlay.union import UnionFs
from oboromi_fs.overlay.upper import UpperLayer, remove_folder
from oboromi_fs.paths import join
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.markers import Encoding
    from oboromi_fs.protocols import FileSystem

__all__ = ["commit", "kept_of"]


def kept_of(layer: Layer, path: str, inner: str) -> Kept:
    """Return what a copy keeps of a layer's file or directory.

    Args:
        layer: The layer.
        path: The path in the union.
        inner: The path in the layer.
    """
    if layer.at.startswith(f"{path}/"):
        return Kept()  # There by the mounting alone.
    try:
        return _kept(layer.fs, inner)
    except (OboromiFsError, OSError):  # Whoever reads it will tell.
        return Kept()


def _kept(fs: FileSystem, path: str) -> Kept:
    if isinstance(fs, UnionFs):
        answer = fs.providers(path)
        if answer:
            layer = fs.layers[answer[-1].source_index]
            return kept_of(layer, path, answer[-1].original_path)
    resolve = getattr(fs, "host_path", None)
    if resolve is None:
        mtime = fs.metadata(path).mtime_ns
        return Kept(None, None if mtime is None else (mtime, mtime))
    found = os.stat(resolve(path))
    mode = stat.S_IMODE(found.st_mode) & 0o777  # Not the bits that lend an owner's rights: the copy has another owner.
    if stat.S_ISDIR(found.st_mode) and fs.metadata(path).kind == "file":  # A split file, which is a folder.
        mode &= 0o666
    return Kept(mode, (found.st_atime_ns, found.st_mtime_ns))


def commit(upper: UpperLayer, target: str, markers: Encoding) -> None:
    """Copy an upper layer to a new folder, with its markers in either encoding; aside, and in place at the end.

    Raises:
        EntryExistsError: There is something at the target.
        OSError: The host refuses.
    """
    real = os.path.join(os.path.realpath(os.path.dirname(target.rstrip(os.sep)) or os.curdir), os.path.basename(target.rstrip(os.sep)))
    if os.path.lexists(real):
        raise EntryExistsError(target)
    aside = os.path.join(os.path.dirname(real), f".oboromi-{os.urandom(12).hex()}.part")
    try:
        made = UpperLayer(aside, markers, name=upper.name)
        if read_marked(upper.fs, "").opaque:
            made.make_opaque("")
        pending = [""]
        while pending:
            pending += _commit_directory(upper, made, pending.pop())
        _same(upper.folder, aside)
        os.rename(aside, real)
    except BaseException as error:
        if isinstance(error, OSError) and isinstance(error.filename, str) and error.filename.startswith(aside):
            error.filename = target
        remove_folder(aside)
        raise


def _commit_directory(upper: UpperLayer, made: UpperLayer, path: str) -> list[str]:
    """Copy one directory, and return those in it, which are made and empty."""
    marked = read_marked(upper.fs, path)
    directories: list[str] = []
    for entry in marked.entries:
        here = join(path, entry.name)
        kept = _kept(upper.fs, here)
        if entry.kind == "directory":
            opaque = entry.name in marked.whiteouts or read_marked(upper.fs, here).opaque
            made.mkdir(here, opaque=opaque, kept=kept, quietly=True)
            directories.append(here)
            continue
        part = made.part()
        try:
            write_storage(upper.fs.storage(here), part.number)
            part.keep(kept)
            made.place(part, here, quietly=True)
        finally:
            part.discard()
    names = {entry.name for entry in marked.entries}
    for name in sorted(marked.whiteouts - names):
        made.remove(join(path, name), whiteout=True, quietly=True)
    return directories


def _same(source: str, copy: str) -> None:
    found = os.stat(source)
    os.chmod(copy, stat.S_IMODE(found.st_mode))
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
