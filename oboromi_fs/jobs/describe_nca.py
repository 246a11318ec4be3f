"""What an NCA and its sections are, as data, and which keys they need."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_formats.nca import ContentType, Distribution, Encryption, FsType, HashType, KeyAreaKeyIndex
from oboromi_fs._decode import source_name
from oboromi_fs.errors import FormatError, OboromiFsError
from oboromi_fs.keys import FIRST_FIRMWARE
from oboromi_fs.storage.indirect import IndirectStorage
from oboromi_fs.storage.ncz import NczStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import IntEnum

    from oboromi_fs.backends.nca import Nca, NcaSection
    from oboromi_fs.keys import KeySet
    from oboromi_fs.tickets import Ticket

__all__ = ["Description", "key_facts", "nca_facts", "section_facts"]

Description: TypeAlias = "dict[str, Any]"
_UPDATE = 0x800
"""What an update's title id has and that of its base has not."""


def nca_facts(nca: Nca, tickets: Callable[[bytes], Ticket | None], keys: KeySet) -> Description:
    """Return what the header of an NCA says, and which keys it needs.

    Args:
        nca: The NCA.
        tickets: Gives the ticket for a rights id, from where the NCA lies.
        keys: Which of the keys there are.
    """
    header = nca.header
    generation = header.key_generation
    node: Description = {
        "kind": "nca",
        "format": header.magic.decode("ascii", "replace"),
        "content_type": _named(ContentType, header.content_type),
        "title_id": f"{header.program_id:016x}",
        "distribution": _named(Distribution, header.distribution),
        "content_index": header.content_index,
        "sdk_version": ".".join(str(part) for part in header.sdk_version.to_bytes(4, "big")),
        "key_generation": generation,
        "first_firmware": FIRST_FIRMWARE.get(generation),
        "header_encrypted": nca.encrypted_header,
        "content_size": header.content_size,
    }
    if nca.is_nca0:
        node["experimental"] = True
    if isinstance(nca.raw, NczStorage):
        ncz = nca.raw.ncz
        node["ncz"] = {
            "mode": ncz.mode,
            "block_size": ncz.block_size,
            "blocks": ncz.blocks.block_count if ncz.blocks is not None else 0,
            "compressed_size": nca.raw.source.size,
            "size": nca.raw.size,
        }
    if nca.has_rights_id:
        node["crypto"] = "title_key"
        node["rights_id"] = header.rights_id.hex()
    elif any(section.header.encryption != Encryption.NONE for section in nca.sections.values()):
        node["crypto"] = "key_area"
        node["key_area_key"] = _named(KeyAreaKeyIndex, header.key_area_key_index)
    else:
        node["crypto"] = "none"
    node["keys"] = _needed(nca, tickets, keys)
    return node


def _needed(nca: Nca, tickets: Callable[[bytes], Ticket | None], keys: KeySet) -> list[Description]:
    header = nca.header
    revision = header.revision
    needed: list[Description] = []
    if nca.encrypted_header:
        needed.append(key_facts("header_key", "NCA headers", keys))
    kinds = {section.header.encryption for section in nca.sections.values()} - {Encryption.NONE}
    if Encryption.AES_XTS in kinds or (kinds and not nca.has_rights_id):
        kind = _named(KeyAreaKeyIndex, header.key_area_key_index)
        needed.append(key_facts(f"key_area_key_{kind}_{revision:02x}", f"key areas of key generation {header.key_generation}", keys))
    if nca.has_rights_id and kinds - {Encryption.AES_XTS}:
        needed.append(_title_key(nca, tickets, keys))
        if needed[-1]["status"] == "personal ticket":
            needed.append(key_facts("eticket_rsa_keypair", "tickets made for one console", keys))
        needed.append(key_facts(f"titlekek_{revision:02x}", f"title keys of key generation {header.key_generation}", keys))
    return needed


def _title_key(nca: Nca, tickets: Callable[[bytes], Ticket | None], keys: KeySet) -> Description:
    rights_id = nca.header.rights_id
    ticket = tickets(rights_id)
    origin = keys.origin(rights_id)
    status = "given" if origin else "missing"
    if ticket is not None:
        status = "personal ticket" if ticket.body.key_type else "ticket"
        origin = "the ticket in the same archive"
    return {
        "name": rights_id.hex(),
        "purpose": f"the title key of {nca.header.program_id:016x}",
        "optional": False,
        "status": status,
        "origin": origin,
    }


def section_facts(section: NcaSection) -> Description:
    """Return what the header of a section says."""
    header = section.header
    node: Description = {
        "index": section.index,
        "fs_type": _named(FsType, header.fs_type),
        "hash_type": _named(HashType, header.hash_type),
        "encryption": _named(Encryption, header.encryption),
        "offset": section.start,
    }
    try:
        node["data_size"] = section.data_size
    except FormatError as wrong:
        node["problems"] = [str(wrong)]
    node |= {"patch": section.is_patch, "sparse": section.is_sparse, "compressed": section.is_compressed}
    node |= _form_facts(section)
    if section.fault is not None:
        node["problems"] = [str(section.fault)]
    return node


def _form_facts(section: NcaSection) -> Description:
    """Return how much of a patched, sparse or compressed section is stored, as far as its keys are there; and which base a patch is of."""
    node: Description = {}
    if section.is_patch:
        nca, base = section.nca, section.nca.base
        node["base"] = {
            "title_id": f"{nca.header.program_id & ~_UPDATE:016x}",
            "source": source_name(base.raw) if base is not None else None,
            "problem": nca.base_note or None,
        }
    with suppress(OboromiFsError, OSError):
        if section.is_compressed and not section.is_patch and not section.is_sparse:
            node |= {"whole_size": section.image().size, "stored_size": section.header.compression_info.offset}
        elif section.is_patch or section.is_sparse:
            whole, ranges = section.in_parts()
            if section.is_patch and isinstance(whole, IndirectStorage):
                ranges = whole.covered(1)
            node |= {"whole_size": whole.size, "stored_size": sum(stop - start for start, stop in ranges)}
    return node


def key_facts(name: str, purpose: str, keys: KeySet, *, optional: bool = False) -> Description:
    """Return what a key is for, and whether it is there: ``missing``, ``derived`` or ``given``."""
    origin = keys.origin(name)
    status = "missing" if not origin else "derived" if origin == "derived" else "given"
    return {"name": name, "purpose": purpose, "optional": optional, "status": status, "origin": origin}


def _named(kind: type[IntEnum], number: int) -> str:
    try:
        return kind(number).name.lower()
    except ValueError:
        return f"unknown_{number}"
