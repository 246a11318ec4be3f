"""Bytes into file systems: which container something is, told by its content, and the backend that opens it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from oboromi_formats.nca import FS_HEADER_OFFSET, MEDIA_UNIT, FsType
from oboromi_fs._decode import error, source_name
from oboromi_fs.backends.nax0 import Nax0Archive, is_nax0, sd_paths
from oboromi_fs.backends.nca import HEADER_SIZE, Nca, is_nca
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import (
    CorruptError,
    NotThisFormatError,
    UnsupportedError,
)
from oboromi_fs.keys import KeySet
from oboromi_fs.storage.ncz import is_ncz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.file import Access
    from oboromi_fs.opening.location import Location
    from oboromi_fs.protocols import Storage
    from oboromi_fs.tickets import Ticket

__all__ = ["KeysType", "Opener"]

KeysType: TypeAlias = "KeySet | str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Mapping[str, str | bytes] | None"


class Opener:
    """Turns bytes into file systems, with one set of keys.

    Args:
        keys: The user's keys, anything ``KeySet.of`` takes; None searches the default places when the first key is needed.
        access: How host files are opened.
        check: Verify every block that is read from a section against its hash tree.
        base: Path of what updates are laid over: an NCA, a package, a card, or a folder of any of them.
        sd_path: Where the files that are opened lie on the SD card they are from; None tells that by where they lie now.
    """

    def __init__(
        self,
        keys: KeysType = None,
        *,
        access: Access = "auto",
        check: bool = False,
        base: str | os.PathLike[str] | None = None,
        sd_path: str | None = None,
    ) -> None:
        self._given = keys
        self._keys: KeySet | None = None
        self.access: Access = access
        self.check = check
        self._base = os.fspath(base) if base is not None else None
        self._base_place: Location | None = None
        self.sd_path = sd_path

    @property
    def keys(self) -> KeySet:
        """The keys, read at the first need."""
        if self._keys is None:
            self._keys = KeySet.of(self._given)
        return self._keys

    def sniff(self, storage: Storage, name: str = "") -> str | None:
        """Name the container format of some bytes: ``PFS0 HFS0 XCI NCA NCZ NAX0 DISF NRO RomFS ZIP``, or None for a plain file.

        By content. The name only breaks the tie that encryption leaves: what is called ``.nca`` is one, even if the keys do not open it.
        A ZIP archive is known by its start; by its end only if it is no other container, and lies plain in a file.
        """
        head = storage[:4].tobytes()
        if head in (b"PFS0", b"HFS0"):
            return head.decode()
        if head[:2] == b"PK":
            from oboromi_fs.backends.zip import looks_like_zip

            if looks_like_zip(storage):
                return "ZIP"
        if head in (b"\x50\0\0\0", b"\x28\0\0\0"):  # Before XCI: a file in the image may hold HEAD where that looks for it.
            try:
                RomFs(storage)
            except NotThisFormatError:
                pass
            except CorruptError:  # Cut short? So small a number at the start is no proof; where every builder puts the data is.
                if storage[4:8] == bytes(4) and storage[0x48:0x50].tobytes() == b"\0\2\0\0\0\0\0\0":
                    return "RomFS"
            else:
                return "RomFS"
        marked = _marked(storage)
        if marked is not None:
            return marked
        lower = name.lower()
        surely_plain = lower.endswith(_SURELY_PLAIN)
        if not surely_plain and is_ncz(storage) and (lower.endswith(".ncz") or is_nca(storage, self.keys)):
            return "NCZ"  # Begins like the NCA it was.
        if storage.size >= HEADER_SIZE and (
            lower.endswith(".nca") or (storage.size % 0x10 == 0 and not surely_plain and is_nca(storage, self.keys))
        ):
            return "NCA"
        if surely_plain:
            return None
        from oboromi_fs.backends.zip import ends_like_zip

        return "ZIP" if ends_like_zip(storage) else None

    def container(
        self, storage: Storage, name: str = "", *, tickets: Callable[[bytes], Ticket | None] | None = None
    ) -> FileSystemBase | None:
        """Open bytes as the container they are; None where they are a plain file.

        Args:
            storage: The bytes.
            name: Their file name, see :meth:`sniff`.
            tickets: Where an NCA finds the ticket of its rights id.

        Raises:
            FormatError: A container, and broken.
            MissingKeyError: An NCA, and ``header_key`` is absent.
        """
        found = self.sniff(storage, name)
        if found in ("NCA", "NCZ"):
            return self._on_base(Nca(storage, self.keys, tickets=tickets))
        if found == "NAX0":
            archive = self.sd_file(storage, name)
            inside = archive.storage(archive.name)
            return archive if is_nax0(inside) else self.container(inside, archive.name, tickets=tickets) or archive
        return self._simple(found, storage)

    def _simple(self, kind: str | None, storage: Storage) -> FileSystemBase | None:
        """Open a container for which its bytes are enough; None for another kind. Those that few programs meet are imported here."""
        if kind == "PFS0":
            return NspArchive(storage)
        if kind == "RomFS":
            return RomFs(storage)
        if kind == "XCI":
            from oboromi_fs.backends.xci import XciArchive

            return XciArchive(storage, self.keys)
        if kind == "HFS0":
            from oboromi_fs.backends.hfs0 import Hfs0Archive

            return Hfs0Archive(storage)
        if kind == "NRO":
            from oboromi_fs.backends.nro import NroArchive

            return NroArchive(storage)
        if kind == "ZIP":
            from oboromi_fs.backends.zip import ZipFs

            return ZipFs(storage)
        if kind == "DISF":
            from oboromi_fs.backends.savedata import SaveDataFs

            return SaveDataFs(storage, check=self.check)
        return None

    def sd_file(self, storage: Storage, name: str = "") -> Nax0Archive:
        """Open a file from an SD card; :meth:`container` goes on into what is encrypted in it.

        Args:
            storage: The bytes.
            name: Their file name, which may tell where they lie on the card.

        Raises:
            FormatError, MissingKeyError: See :class:`~oboromi_fs.backends.nax0.Nax0Archive`.
        """
        if self.sd_path is not None:
            paths = [self.sd_path if self.sd_path.startswith("/") else f"/{self.sd_path}", *sd_paths(self.sd_path)]
        else:
            paths = [*sd_paths(os.path.abspath(source_name(storage))), *sd_paths(name)]
        return Nax0Archive(storage, self.keys, paths=paths)

    def _on_base(self, nca: Nca) -> Nca:
        """An update laid over its base, where that was given; any other NCA as it is."""
        if self._base is None or not nca.is_update:
            return nca
        from oboromi_fs.opening.basis import base_of, wanted_by
        from oboromi_fs.opening.location import locate

        if self._base_place is None:
            self._base_place = locate(self._base, opener=Opener(self.keys, access=self.access))
        base, nca.base_note = base_of(wanted_by(nca), self._base_place)
        return nca if base is None else nca.with_base(base)

    def close(self) -> None:
        """Close the base, if it was opened."""
        if self._base_place is not None:
            self._base_place.fs.close()
            self._base_place = None

    def section(self, nca: Nca, name: str) -> FileSystemBase:
        """Open the file system in a section of an NCA."""
        section = nca.section(name)
        if section.header.fs_type not in tuple(FsType):
            at = FS_HEADER_OFFSET + MEDIA_UNIT * section.index + 2
            problem = f"file system type {section.header.fs_type} is unknown"
            raise error(UnsupportedError, problem, what=section.what, storage=nca.raw, offset=at, field="fs_type")
        image = section.image(check=self.check)
        try:
            return RomFs(image) if section.header.fs_type == FsType.ROMFS else NspArchive(image)
        except NotThisFormatError as wrong:
            raise CorruptError(
                f"holds no file system: {wrong.problem}", what=section.what, source=wrong.source, offset=wrong.offset, field=wrong.field
            ) from wrong


# Endings whose bytes nobody would hide an NCA behind; saves a decryption per file when a tree is searched.
_SURELY_PLAIN = (".tik", ".cert", ".xml", ".npdm", ".nacp", ".cnmt", ".jpg", ".png", ".txt", ".keys")


def _marked(storage: Storage) -> str | None:
    """The formats with a mark that is not at their start."""
    if is_nax0(storage):
        return "NAX0"
    if b"DISF" in (storage[0x100:0x104].tobytes(), storage[0x4100:0x4104].tobytes()):
        from oboromi_fs.backends.savedata import is_save_data

        if is_save_data(storage):
            return "DISF"
    if b"HEAD" in (storage[0x100:0x104].tobytes(), storage[0x1100:0x1104].tobytes()):
        return "XCI"
    return "NRO" if storage[0x10:0x14].tobytes() == b"NRO0" else None
