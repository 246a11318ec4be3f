"""What is built as it is asked for, and perhaps not meant: members that belong in no package, programs that nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError, NotADirectoryEntryError
from oboromi_fs.metadata.nacp import Nacp
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.jobs.refolding import Original
    from oboromi_fs.metadata import Metadata
    from oboromi_fs.protocols import FileSystem

__all__ = ["odd_member", "odd_metadata", "odd_nca"]

_MEMBERS = (".nca", ".ncz", ".tik", ".cert", ".xml", ".jpg")
"""How names in packages end: contents, what opens them, and what developers' tools put beside them."""
_PROGRAM = {"main.npdm": "which says what the program may do", "main": "the program's code"}
_LOWEST_PRIORITY = 63


def odd_member(name: str) -> str:
    """Return what is to be said of a file in a package; nothing of most."""
    return (
        ""
        if name.lower().endswith(_MEMBERS)
        else f"is no NCA, and its name does not end in {', '.join(_MEMBERS[2:])}; it is packed as it is"
    )


def odd_nca(fs: FileSystem, path: str, original: Original | None = None) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the folder of an NCA: a path, and what there is to say of it.

    Args:
        fs: Where it is.
        path: The folder.
        original: What it was taken from; what that has not either is not missed.
    """
    exefs, romfs = (_names(fs, join(path, name)) for name in ("exefs", "romfs"))
    for name, what in _PROGRAM.items():
        if exefs is not None and name not in exefs and (original is None or original.kind(f"exefs/{name}")):
            yield join(path, "exefs"), f"has no {name}, {what}: no console runs it"
    if exefs is None and romfs is not None and "control.nacp" not in romfs:
        for name in sorted(romfs & {"control.toml", "control.json"}):
            yield join(path, f"romfs/{name}"), "is packed as it is; control data are in control.nacp, which `oboromi pack nacp` makes of it"


def odd_metadata(value: Metadata) -> Iterator[str]:
    """Yield what is to be said of metadata."""
    if isinstance(value, Nacp) and not any(title.name for title in value.titles):
        yield "has no title in any language: name and publisher say it"
    if isinstance(value, Npdm) and value.main_thread_priority > _LOWEST_PRIORITY:
        yield f"main_thread_priority is {value.main_thread_priority}: consoles know 0 to {_LOWEST_PRIORITY}"


def _names(fs: FileSystem, path: str) -> set[str] | None:
    """The names in a folder; None if it is an image or not there."""
    try:
        return {entry.name for entry in fs.read_dir(path)}
    except (EntryNotFoundError, NotADirectoryEntryError):
        return None
