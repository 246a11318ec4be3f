"""Metadata of titles: NACP, NPDM, CNMT, tickets and certificates, compared by what their fields say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_fs.overlay.semantic.structured import change_list, read_both
from oboromi_fs.overlay.semantic.values import Analysis, Delta, Format

if TYPE_CHECKING:
    from oboromi_fs.overlay.semantic.trees import Path, Tree
    from oboromi_fs.protocols import Storage

__all__ = ["TITLES", "TitleMetadata"]


@dataclass(frozen=True, slots=True)
class TitleMetadata:
    """A comparator of one kind of metadata.

    Where only bytes that no field speaks for differ, it is ``Unknown`` what that means; where the halves of a program's description stand
    means nothing, as long as what is signed is the same.

    Attributes:
        name: The format.
        key: The format's name in :data:`oboromi_fs.metadata.text.FORMATS`.
        suffixes: What names of such files end with, in lower case.
        most: Bytes a file may have.
        magic: What such files begin with, if anything.
        unspoken: Keys of bytes without a meaning that is known, at any depth.
        layout: Keys that say where things stand, at any depth.
    """

    name: str
    key: str
    suffixes: tuple[str, ...]
    most: int
    magic: bytes = b""
    unspoken: frozenset[str] = frozenset({"unknown"})
    layout: frozenset[str] = frozenset()

    def recognises(self, path: str, head: bytes, /) -> bool:
        """Whether the name says so, and the magic where there is one."""
        return path.lower().endswith(self.suffixes) and head.startswith(self.magic)

    def compare(self, old: Storage, new: Storage, /) -> Analysis:
        """Compare two files.

        Raises:
            NotThisFormatError: One of them is too long or cannot be read.
        """
        from oboromi_fs.metadata.text import FORMATS  # Brings construct: only who compares such files needs it.

        reader: Any = FORMATS[self.key]
        before, after = read_both(old, new, lambda data: reader.read(data).to_dict(), self.name, self.most)
        layout = self.layout | _compressed(before, after)
        deltas = {Delta.COSMETIC_ONLY}

        def note(path: Path) -> None:
            keys = set(path)
            deltas.add(Delta.COSMETIC_ONLY if keys & layout else Delta.UNKNOWN if keys & self.unspoken else Delta.BEHAVIOR_CHANGING)

        changes, count = change_list(before, after, note=note)
        if Delta.BEHAVIOR_CHANGING in deltas:
            return Analysis(self.name, Delta.BEHAVIOR_CHANGING, changes, count)
        if Delta.UNKNOWN in deltas:
            return Analysis(
                self.name, Delta.UNKNOWN, changes, count, ("only bytes that no field speaks for, or the layout of the file, differ",)
            )
        return Analysis(self.name, Delta.COSMETIC_ONLY)


def _compressed(old: Tree, new: Tree) -> frozenset[str]:
    """The compressed form of titles says nothing besides the titles, where both have that form."""
    both = {old.get("titles_format"), new.get("titles_format")} == {"Compressed"}
    return frozenset({"titles_compressed"}) if both else frozenset()


TITLES = (
    TitleMetadata(Format.NACP, "NACP", (".nacp",), 0x10000, unspoken=frozenset({"unknown", "titles_compressed", "file_size", "trailing"})),
    TitleMetadata(
        Format.NPDM,
        "NPDM",
        (".npdm",),
        0x8000,
        b"META",
        unspoken=frozenset({"unknown", "gaps", "file_size", "file_access_offset", "services_offset", "kernel_capabilities_offset"}),
        layout=frozenset({"acid_offset", "aci0_offset"}),
    ),
    TitleMetadata(Format.CNMT, "CNMT", (".cnmt",), 1 << 23),
    TitleMetadata(Format.TICKET, "ticket", (".tik",), 0x100000),
    TitleMetadata(Format.CERTIFICATES, "certificates", (".cert",), 0x10000),
)
