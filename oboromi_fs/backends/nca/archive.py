"""The NCA as a file system of its sections, and the keys that open them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oboromi_formats.nca import FS_HEADER, FS_HEADER_OFFSET, NCA_HEADER, ContentType, Encryption, FsHeader, FsType, NcaHeader
from oboromi_fs._decode import decode_bytes, error, source_name
from oboromi_fs._extents import opened
from oboromi_fs.backends.nca.header import HEADER_SIZE, UNIT, read_header
from oboromi_fs.backends.nca.nca0 import body_key, fs_header_bytes, without_later_fields
from oboromi_fs.backends.nca.rebuilt import rebuilt_nca
from oboromi_fs.backends.nca.section import NcaSection
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    MissingKeyError,
    NotADirectoryEntryError,
    UnsupportedError,
)
from oboromi_fs.keys import FIRST_FIRMWARE, KeySet, master_key_revision
from oboromi_fs.protocols import DirEntry, Metadata, Storage
from oboromi_fs.storage._cipher import block_cipher
from oboromi_fs.storage.ncz import NczStorage, is_ncz

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from oboromi_formats.nca import SectionEntry
    from oboromi_fs.tickets import Ticket

__all__ = ["Nca"]

_FS_HEADER_VERSION = 2
_UPDATE = 0x800
"""What an update's title id has and that of its base has not."""
_KEY_AREA_KINDS = ("application", "ocean", "system")
_LAST_GENERATION = 0x20
"""Key generations beyond are not counted on."""
_CTR_KEY = slice(0x20, 0x30)
"""The key of AES-CTR in the key area."""
_KEY_SLOTS = 0x50
"""Bytes of the key area that are ever in use."""


class Nca(FileSystemBase):
    """A content archive: its header, and its sections as files.

    Args:
        source: A storage, or the path of a host file; that of an NCZ stands for the NCA in it.
        keys: The user's keys; None searches the default places.
        tickets: Looks up a ticket by rights id, as the archive around this NCA holds them; tried before ``title.keys``.
        base: The NCA that this one is an update of, if it is one.

    Attributes:
        header: The header, in the clear.
        base: The NCA that patch sections are laid over.
        base_note: Why there is none, where whoever opened the archive looked for one.
        sections: The sections that exist, by slot. A section with a damaged entry or FS header is among them, with its ``fault``.

    Raises:
        NotThisFormatError: The header decrypts to no NCA magic: the key is wrong, or this is another file.
        MissingKeyError: ``header_key`` is absent; of an NCA0 also the key of its key area, which its FS headers need.
        UnsupportedError: An NCA1, which only pre-release hardware had.
        FormatError: ``base`` is of another title.
    """

    kind = "NCA"

    def __init__(
        self,
        source: Storage | str | os.PathLike[str],
        keys: KeySet | None = None,
        *,
        tickets: Callable[[bytes], Ticket | None] | None = None,
        base: Nca | None = None,
    ) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.keys = KeySet.of(keys)
        self.raw = rebuilt_nca(storage, self.keys) if is_ncz(storage) else storage
        self._tickets = tickets
        self.base = base
        self.base_note = ""
        self._key_area: bytes | None = None
        clear, self.encrypted_header = read_header(storage, self.keys)
        self.header: NcaHeader = decode_bytes(NCA_HEADER, clear[: NCA_HEADER.size])
        if base is not None:
            self._check_base(base)
        self.sections: dict[int, NcaSection] = {}
        self.problems: list[str] = []
        self._read_sections(clear)
        self._names = {section.name: section for section in self.sections.values()}
        if self.header.content_size > self.raw.size:
            said, there = self.header.content_size, self.raw.size
            self.problems.append(f"the header says {said:#x} bytes, {there:#x} are there: the file is truncated")

    def _read_sections(self, clear: bytes) -> None:
        spans: list[tuple[int, int, NcaSection]] = []
        used: set[str] = set()
        for index, entry in enumerate(self.header.sections):
            if not (entry.start or entry.end):
                continue
            if self.is_nca0:
                data = fs_header_bytes(self.raw, entry.offset, self.key_area())
                header = without_later_fields(decode_bytes(FS_HEADER, data))
            else:
                data = clear[0x400 + UNIT * index : 0x600 + UNIT * index]
                header = decode_bytes(FS_HEADER, data)
            name = base = self._section_name(index, header)
            number = 0
            while name in used:
                number += 1
                name = f"{base}.{number}"
            used.add(name)
            section = NcaSection(self, index, name, header, entry.start * UNIT, max(entry.end - entry.start, 0) * UNIT)
            self.sections[index] = section
            section.fault = self._fault(section, data, entry)
            if section.fault is None and not section.is_sparse:  # Which spans more than the file holds of it.
                spans.append((entry.start, entry.end, section))
        spans.sort(key=lambda span: span[:2])
        last, last_end = -1, 0
        for start, end, section in spans:
            if start < last_end:
                problem = f"section {section.index} overlaps section {last}"
                at = 0x240 + 0x10 * section.index
                section.fault = error(CorruptError, problem, what="NCA section table", storage=self.raw, offset=at, field="start")
            if end > last_end:
                last, last_end = section.index, end

    def _fault(self, section: NcaSection, data: bytes, entry: SectionEntry) -> FormatError | None:
        """What is wrong with a section's table entry or FS header: said when the section is read, so that the others stay usable."""
        index, start, end = section.index, entry.start, entry.end
        if start >= end or start * UNIT < (FS_HEADER_OFFSET if self.is_nca0 else HEADER_SIZE):
            problem = f"section {index} runs from {start * UNIT:#x} to {end * UNIT:#x}"
            return error(CorruptError, problem, what="NCA section table", storage=self.raw, offset=0x240 + 0x10 * index, field="start")
        what, at = f"NCA FS header {index}", min(section.header_offset, self.raw.size)
        known = self.header.fs_header_hashes[index]
        if hashlib.sha256(data).digest() != known and (any(known) or not self.is_nca0):
            problem = "does not have the hash that the NCA header says; the file is damaged"
            return error(IntegrityError, problem, what=what, storage=self.raw, offset=at, field="fs_header_hashes")
        if section.header.version != _FS_HEADER_VERSION:
            problem = f"version {section.header.version}, not {_FS_HEADER_VERSION}"
            return error(UnsupportedError, problem, what=what, storage=self.raw, offset=at, field="version")
        return None

    def _section_name(self, index: int, header: FsHeader) -> str:
        if header.fs_type == FsType.ROMFS:
            return "romfs"
        if self.header.content_type == ContentType.PROGRAM and index != 1:
            return "exefs" if index == 0 else "logo"
        return "data"

    # Updates

    @property
    def is_update(self) -> bool:
        """Whether any section holds only what differs from a base."""
        return any(section.is_patch for section in self.sections.values())

    def with_base(self, base: Nca) -> Nca:
        """Return the update laid over its base: the same archive, whose patch sections are whole.

        Args:
            base: The NCA of the same content in the base title; it must stay open.

        Raises:
            FormatError: It is of another title, of another content, or an update itself.
        """
        return Nca(self.raw, self.keys, tickets=self._tickets, base=base)

    def _check_base(self, base: Nca) -> None:
        ours, theirs = self.header, base.header
        if ours.program_id & ~_UPDATE != theirs.program_id & ~_UPDATE or ours.content_type != theirs.content_type:
            problem = f"the base is content {theirs.content_type} of title {theirs.program_id:016x}, and not content {ours.content_type}"
            problem += f" of {ours.program_id & ~_UPDATE:016x}"
            raise error(FormatError, problem, what="NCA header", storage=self.raw, offset=0x210, field="program_id")
        if base.is_update:  # What it makes is no base either: every update is one of the first release.
            problem = f"the base is an update of {base.header.program_id & ~_UPDATE:016x} itself: give the title as it was first released"
            raise error(FormatError, problem, what="NCA header", storage=self.raw, offset=0x210, field="program_id")

    # Keys

    @property
    def has_rights_id(self) -> bool:
        """Whether the content key is a title key, from a ticket or ``title.keys``."""
        return any(self.header.rights_id)

    @property
    def is_nca0(self) -> bool:
        """Whether it is of the kind from before the first release."""
        return self.header.magic == b"NCA0"

    def _generation_text(self) -> str:
        generation = self.header.key_generation
        firmware = FIRST_FIRMWARE.get(generation)
        return f"key generation {generation}" + (f", firmware {firmware} and later" if firmware else "")

    def key_area(self) -> bytes:
        """Return the decrypted key area, the slots in use (0x50 bytes; of an NCA0 the first two, 0x20 bytes).

        Raises:
            MissingKeyError: The key area key is absent.
            CorruptError: The header names a key area key that does not exist.
            IntegrityError: The key area of an NCA0 does not open with the key for it.
        """
        if self._key_area is None and self.is_nca0:
            self._key_area = body_key(self.raw, self.header, self.keys)
        if self._key_area is None:
            index = self.header.key_area_key_index
            if index not in (0, 1, 2):
                problem = f"{index} is none of 0 (application), 1 (ocean), 2 (system)"
                raise error(CorruptError, problem, what="NCA header", storage=self.raw, offset=0x207, field="key_area_key_index")
            key = self.keys.key_area_key(index, self.header.revision)
            self._key_area = block_cipher(key).decrypt(self.header.key_area[:_KEY_SLOTS])
        return self._key_area

    def content_keys(self) -> list[tuple[bytes, str]]:
        """Return the candidates for the CTR key, the likely one first, each with a note on where it deviates from the usual.

        Of an NCZ those that stand in it serve where the user has none.

        Raises:
            MissingKeyError: The key area key, the title key or its ``titlekek`` is absent.
        """
        try:
            return self._content_keys()
        except MissingKeyError:
            found = self.raw.section_keys() if isinstance(self.raw, NczStorage) else []
            if not found:
                raise
            return [(key, "the key is that in the NCZ") for key in found]

    def _content_keys(self) -> list[tuple[bytes, str]]:
        if not self.has_rights_id:
            return [(self.key_area()[_CTR_KEY], "")]
        rights_id = self.header.rights_id
        given = self.keys.title_key(rights_id)
        ticket = self._tickets(rights_id) if self._tickets is not None else None
        wrapped: list[tuple[bytes, str]] = []
        if ticket is not None:
            try:
                wrapped.append((ticket.encrypted_title_key(self.keys), ""))
            except (FormatError, MissingKeyError):  # Bound to a console. Whoever has the key in title.keys does not need it.
                if given is None:
                    raise
        if given is not None and all(given != key for key, _ in wrapped):
            wrapped.append((given, "title.keys has another title key than the ticket" if wrapped else ""))
        if not wrapped:
            why = f"the title key of {source_name(self.raw) or 'this NCA'} ({self._generation_text()}): no ticket beside it holds it"
            try:
                self.keys.require_title_key(rights_id)
            except MissingKeyError as missing:
                raise MissingKeyError(
                    missing.key_name, why, f"{missing.where}; add a line to title.keys, or open the NSP with its ticket"
                ) from None
        said = [self.header.key_generation, rights_id[15], *(ticket.key_generations if ticket is not None else ())]
        generations = dict.fromkeys(max(number, 1) for number in said if number <= _LAST_GENERATION)
        candidates: dict[bytes, str] = {}
        for encrypted, note in wrapped:
            for generation in generations:
                if not candidates:
                    key = self.keys.decrypt_title_key(encrypted, self.header.revision)
                    candidates[key] = note
                else:
                    self._add_candidate(candidates, encrypted, generation, note)
        if given is not None:
            candidates.setdefault(given, f"title.keys holds the title key of {rights_id.hex()} already decrypted")
        return list(candidates.items())

    def _add_candidate(self, candidates: dict[bytes, str], encrypted: bytes, generation: int, note: str) -> None:
        """Note what a title key is if it was wrapped for a generation; nothing where the key for that is absent."""
        try:
            key = self.keys.decrypt_title_key(encrypted, master_key_revision(generation))
        except MissingKeyError:
            return
        said = self.header.key_generation
        candidates.setdefault(
            key, note if generation == max(said, 1) else f"the title key is wrapped for key generation {generation}, the NCA says {said}"
        )

    def key_name(self, section: NcaSection) -> str:
        """Name the key a section is encrypted with, for messages; ``""`` where it is stored plain."""
        if section.header.encryption == Encryption.NONE:
            return ""
        if self.has_rights_id and section.header.encryption != Encryption.AES_XTS:
            return f"title key {self.header.rights_id.hex()}, titlekek_{self.header.revision:02x}"
        if self.is_nca0 and any(self.header.key_area[0x80:]):
            return "beta_nca0_exponent"
        index = self.header.key_area_key_index
        kind = _KEY_AREA_KINDS[index] if index < len(_KEY_AREA_KINDS) else f"number {index}"
        return f"key_area_key_{kind}_{self.header.revision:02x}"

    # FileSystem

    def section(self, name: str | int) -> NcaSection:
        """Return a section by name, or by slot: 0 to 3, or ``@0`` to ``@3``.

        Raises:
            EntryNotFoundError: No such section.
        """
        if isinstance(name, int):
            name = f"@{name}"
        found = self._names.get(name)
        if found is None and len(name) == 2 and name[0] == "@" and name[1] in "0123":
            found = self.sections.get(int(name[1]))
        if found is None:
            if name.partition("/")[0] in self._names:
                raise NotADirectoryEntryError(name)
            raise EntryNotFoundError(name)
        return found

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            self.section(path)
            raise NotADirectoryEntryError(path)
        return [DirEntry(section.name, "file", section.data_size) for section in self.sections.values()]

    def _metadata(self, path: str) -> Metadata:
        return Metadata("file", self.section(path).data_size) if path else Metadata("directory", 0)

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        return self.section(path).image()
