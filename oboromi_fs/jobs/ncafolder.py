"""One NCA as a folder: its sections are folders, as extraction leaves them. What kind it is shows from what is in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oboromi_formats.nca import ContentType, Distribution, Encryption
from oboromi_fs.backends.nca import Nca
from oboromi_fs.builders.nca import NcaBuilder, layout_of, nca_layout, rights_id_of
from oboromi_fs.errors import EntryNotFoundError, FormatError, MissingKeyError
from oboromi_fs.jobs.refolding import Original, entries_of, section_images
from oboromi_fs.jobs.sectionforms import UPDATE, base_for, compressed_romfs, patched_romfs
from oboromi_fs.jobs.titleids import ContradictionError, said_by_both
from oboromi_fs.keys import KeySet, master_key_revision
from oboromi_fs.metadata.cnmt import Cnmt
from oboromi_fs.metadata.icon import check_icon
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.metadata.titles import LANGUAGES
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.builders.nca import Kind, NcaOptions
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import FileSystem, Storage
    from oboromi_fs.tickets import Ticket

__all__ = ["UNCHECKED", "ContentOptions", "cnmt_in", "kind_of", "nca_builder", "original_builder", "title_id_in"]

_NACP_SIZE = 0x4000
UNCHECKED = " (--no-check takes it as it is)"
"""What errors say that are about what was to be checked."""
_WITH_OWN_KEY = ("control", "meta")
"""Consoles read these before there is a ticket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentOptions:
    """What may be chosen for NCAs that are made anew.

    Attributes:
        title_id: Of what says none itself.
        kind: What an NCA is for, in place of what its folder looks like.
        key_generation: 0 to 255; that of the rights id by default, else 1.
        rights_id: 16 bytes, for encryption with a title key; made from title id and key generation by default, if there is a title key.
        title_key: The key itself, 16 bytes.
        title_version: Of a title that has no content meta yet.
        plain: Do not encrypt sections.
        card: It is for a game card.
        check: Refuse icons and control data that consoles would not show.
        base: What the RomFS is made a patch of: an NCA, a package, a card, or a folder of any of them. The title id is then
            an update's. Of a package only programs are made patches.
        compress: Compress the RomFS.
    """

    title_id: int | None = None
    kind: Kind | None = None
    key_generation: int | None = None
    rights_id: bytes | None = None
    title_key: bytes | None = None
    title_version: int = 0
    plain: bool = False
    card: bool = False
    check: bool = True
    base: Location | None = None
    compress: bool = False

    @property
    def generation(self) -> int:
        """The key generation in force."""
        if self.key_generation is None:
            return self.rights_id[15] if self.rights_id else 1
        return self.key_generation

    def with_ticket(self, ticket: Ticket, keys: KeySet) -> ContentOptions:
        """Return the same with the title key of a ticket, unless there is one."""
        if self.title_key is not None or self.rights_id is not None:
            return self
        found = replace(self, rights_id=ticket.rights_id)
        key = keys.decrypt_title_key(ticket.encrypted_title_key(keys), master_key_revision(found.generation))
        return replace(found, title_key=key)


def kind_of(fs: FileSystem, path: str) -> Kind:
    """Tell what an NCA's folder is for, from what is in it.

    ``exefs`` makes a program; ``romfs`` with a ``control.nacp`` control data, with a ``legalinfo.xml`` legal information, with
    ``html-document`` a manual, else public data, as add-ons are; ``data`` with a ``.cnmt`` a Meta NCA, else a delta fragment.

    Raises:
        FormatError: None of these folders is there.
    """
    names = {entry.name for entry in fs.read_dir(path)}
    if "exefs" in names:
        return "program"
    if "romfs" in names:
        files = {entry.name for entry in fs.read_dir(join(path, "romfs"))} if _is_directory(fs, join(path, "romfs")) else set()
        if "control.nacp" in files:
            return "control"
        if "legalinfo.xml" in files:
            return "legal"
        return "manual" if files & {"html-document", "manual.arc"} else "public_data"
    if "data" in names:
        return "meta" if cnmt_in(fs, path) else "delta"
    raise FormatError("has none of the folders exefs, romfs and data", what="NCA folder", source=path or ".")


def _is_directory(fs: FileSystem, path: str) -> bool:
    return fs.metadata(path).kind == "directory"


def cnmt_in(fs: FileSystem, path: str) -> str:
    """Return the path of the content meta in a Meta NCA's folder, relative to it; ``""`` if it has none."""
    try:
        entries = entries_of(fs, join(path, "data"))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return next((f"data/{entry.name}" for entry in entries if entry.kind == "file" and entry.name.lower().endswith(".cnmt")), "")


def title_id_in(fs: FileSystem, path: str) -> int | None:
    """Return the title id that an NCA's folder says: that of its ``main.npdm`` or of its content meta.

    Raises:
        FormatError: The file is damaged.
    """
    inner = cnmt_in(fs, path)
    if inner:
        return Cnmt.read(fs.storage(join(path, inner))).title_id
    try:
        npdm = fs.storage(join(path, "exefs/main.npdm"))
    except (EntryNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return Npdm.read(npdm).aci0.program_id


def nca_builder(
    fs: FileSystem, path: str, options: ContentOptions, keys: KeySet, files: Mapping[str, Storage] | None = None
) -> tuple[NcaBuilder, Kind]:
    """Return the builder of a new NCA, and what it is for.

    Args:
        fs: Where its folder is.
        path: The folder.
        options: What was chosen.
        keys: The user's keys.
        files: What stands in place of files in it.

    Raises:
        ContradictionError: The title id that was chosen is not that of what is in it.
        FormatError: It cannot be told what it is for or of which title, or there is something a format cannot hold; the error names it.
        MissingKeyError: A key is absent.
    """
    kind = options.kind or kind_of(fs, path)
    own = title_id_in(fs, path)
    title_id = options.title_id if options.title_id is not None else own
    if title_id is not None and options.base is not None:
        title_id |= UPDATE
    if title_id is not None and own is not None and not said_by_both(title_id, own):
        problem = (
            f"what is in it is of {own:016x}, and --title-id is {title_id:016x}: leave the option out, or change the file that says so"
        )
        raise ContradictionError(problem, what=f"{kind} NCA", source=path or ".")
    if title_id is None:
        raise FormatError("nothing in it says of which title it is: give --title-id", what=f"{kind} NCA", source=path or ".")
    images = section_images(fs, path, files=files)
    if kind == "control" and options.check:
        _check_control(fs, path)
    chosen: NcaOptions = {
        "key_generation": options.generation,
        "distribution": Distribution.GAME_CARD if options.card else Distribution.DOWNLOAD,
    }
    if options.plain:
        chosen["encryption"] = Encryption.NONE
    elif (options.title_key is not None or options.rights_id is not None) and kind not in _WITH_OWN_KEY:
        chosen["rights_id"] = options.rights_id or rights_id_of(title_id, options.generation)
        chosen["title_key"] = options.title_key
    try:
        layout = nca_layout(kind, title_id, **chosen)
        if options.base is not None:
            layout, images = patched_romfs(layout, images, base_for(layout, options.base))
        elif options.compress:
            layout, images = compressed_romfs(layout, images)
        return NcaBuilder(layout, images, keys), kind
    except FormatError as wrong:
        wrong.source = wrong.source or path or "."
        raise
    except MissingKeyError as missing:
        raise MissingKeyError(missing.key_name, f"{path} ({missing.why})" if path else missing.why, missing.where) from missing


def original_builder(
    fs: FileSystem, path: str, original: Original, *, check: bool, files: Mapping[str, Storage] | None = None
) -> NcaBuilder:
    """Return the builder of an NCA that is laid out as the one it was taken from.

    Raises:
        UnsupportedError: A patch, sparse or compressed section: there is no image to build from.
        FormatError: Something a format cannot hold; the error names it.
        MissingKeyError: A key is absent.
    """
    nca = original.entered()
    if not isinstance(nca, Nca):
        raise FormatError("is no NCA in the original", what="NCA folder", source=path)
    if check and nca.header.content_type == ContentType.CONTROL:
        _check_control(fs, path, original)
    try:
        return NcaBuilder(layout_of(nca), section_images(fs, path, original, files), nca.keys)
    except FormatError as wrong:
        wrong.source = wrong.source or path
        raise


def _check_control(fs: FileSystem, path: str, original: Original | None = None) -> None:
    """Refuse icons of the wrong size and control data that are too short, unless they were so before."""
    folder = join(path, "romfs")
    if not _is_directory(fs, folder):
        return
    for entry in entries_of(fs, folder):
        name, inner = entry.name, join(folder, entry.name)
        icon = name.startswith("icon_") and name.endswith(".dat")
        if entry.kind != "file" or not (icon or name == "control.nacp"):
            continue
        storage = fs.storage(inner)
        before = original / f"romfs/{name}" if original is not None else None
        if before is not None and before.fs.exists(before.path) and before.fs.storage(before.path) == storage:
            continue
        try:
            if icon:
                _check_language(name.removeprefix("icon_").removesuffix(".dat"), inner)
                check_icon(storage, inner)
            else:
                _check_size(storage, inner)
        except FormatError as wrong:
            wrong.problem += UNCHECKED
            raise


def _check_language(name: str, inner: str) -> None:
    if name not in LANGUAGES:
        from difflib import get_close_matches

        close = get_close_matches(name, LANGUAGES, 1)
        raise FormatError(f"{name!r} is no language{f': did you mean {close[0]}?' if close else ''}", what="icon", source=inner)


def _check_size(storage: Storage, inner: str) -> None:
    if storage.size != _NACP_SIZE:
        raise FormatError(f"has {storage.size:#x} bytes, control data have {_NACP_SIZE:#x}", what="NACP", source=inner)
