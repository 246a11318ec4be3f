"""The layout of an NCA that exists: what has to be kept so that its images, built again, give its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from oboromi_formats.hashtree import HIERARCHICAL_SHA256, IVFC
from oboromi_formats.nca import NCA_HEADERS_SIZE, SECTION_COUNT, Encryption, HashType
from oboromi_fs._decode import decode_bytes, error
from oboromi_fs.builders.nca.geometry import FILLINGS, INTEGRITY, SHA256, Filling, Geometry, Run, geometry
from oboromi_fs.builders.nca.layout import NcaLayout, SectionLayout
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.xts import AesXtsStorage

if TYPE_CHECKING:
    from oboromi_fs.backends.nca import Nca, NcaSection

__all__ = ["layout_of"]

_CIPHERS = (Encryption.NONE, Encryption.AES_XTS, Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH)
_SLOT = 0x10


def layout_of(nca: Nca) -> NcaLayout:
    """Describe an NCA so that a build with the same images makes the same bytes.

    Kept are the headers with signatures and all reserved bytes, the keys, and the order, places and hash parameters of the sections. The
    signatures are kept as they stand: over other content they are no longer true. Not kept is what lies between sections and in their
    padding, which is written as zeros.

    Raises:
        UnsupportedError: A patch, sparse or compressed section, or an unknown encryption or hash type: there is no image to build from.
        IntegrityError, CorruptError: An FS header or the section table is damaged.
        MissingKeyError: A key is absent.
    """
    slots = sorted(nca.sections, key=lambda slot: nca.sections[slot].start)
    measured = [_measured(nca.sections[slot]) for slot in slots]
    # One program wrote them all: the way that explains every section is its way, also for those that several explain.
    common = [filling for filling in FILLINGS if all(filling in each.fillings for each in measured)]
    sections: list[SectionLayout | None] = [None] * SECTION_COUNT
    end = 0
    for slot, each in zip(slots, measured, strict=True):
        section = nca.sections[slot]
        sections[slot] = SectionLayout(
            name=section.name,
            header=section.header,
            block_size=each.block_size,
            filling=(common or each.fillings or FILLINGS)[0],
            gap=section.start - end if end else 0,
            xts_base=_xts_base(section),
            fixed=None if each.fillings else each.geometry,
        )
        end = section.start + section.size
    return NcaLayout(
        header=nca.header,
        sections=tuple(sections),
        order=tuple(slots),
        first_offset=nca.sections[slots[0]].start if slots else NCA_HEADERS_SIZE,
        tail=max(nca.raw.size - max(end, NCA_HEADERS_SIZE), 0),
        key_area=_key_area(nca),
        title_key=_title_key(nca),
        encrypted=nca.encrypted_header,
    )


class _Measured(NamedTuple):
    """Where the parts of a section are, and the fillings that put them there."""

    geometry: Geometry
    block_size: int
    fillings: tuple[Filling, ...]


def _measured(section: NcaSection) -> _Measured:
    header = section.header
    if section.fault is not None:
        raise section.fault
    if section.is_patch or section.is_sparse or section.is_compressed:
        raise _unsupported(section, "is a patch, sparse or compressed: its image is not in this file alone", "patch_info")
    if header.encryption not in _CIPHERS:
        raise _unsupported(section, f"has encryption type {header.encryption}", "encryption")
    if header.hash_type in SHA256:
        info = decode_bytes(HIERARCHICAL_SHA256, header.hash_data)
        block_size = info.block_size
        runs = [Run(region.offset, region.size) for region in info.regions[:2]]
    elif header.hash_type in INTEGRITY:
        tree = decode_bytes(IVFC, header.hash_data)
        block_size = 1 << tree.levels[0].block_size_log2
        if any(1 << level.block_size_log2 != block_size for level in tree.levels):
            raise _unsupported(section, "has a hash tree whose levels differ in block size", "hash_data")
        runs = [Run(level.offset, level.size) for level in tree.levels]
    elif header.hash_type == HashType.NONE:
        return _Measured(Geometry((), (), Run(0, section.size), section.size), 0, ("exact",))
    else:
        raise _unsupported(section, f"has hash type {header.hash_type}", "hash_type")
    section.image()  # Finds a tree that lies outside the section, and a wrong key.
    *tables, data = runs
    counts = tuple(-(-below.size // block_size) for below in runs[1:])
    there = Geometry(tuple(tables), counts, data, section.size)
    fillings = tuple(filling for filling in FILLINGS if _same(header.hash_type, there, block_size, filling))
    return _Measured(there, block_size, fillings)


def _same(hash_type: int, there: Geometry, block_size: int, filling: Filling) -> bool:
    try:
        made = geometry(hash_type, there.data.size, block_size, filling)
    except FormatError:
        return False
    return (made.tables, made.data, made.size) == (there.tables, there.data, there.size)


def _unsupported(section: NcaSection, problem: str, field: str) -> UnsupportedError:
    return error(UnsupportedError, problem, what=section.what, storage=section.nca.raw, offset=0x400 + 0x200 * section.index, field=field)


def _xts_base(section: NcaSection) -> Literal["absolute", "section"]:
    plain = section.decrypted()
    return "section" if isinstance(plain, AesXtsStorage) and plain.first_sector == 0 else "absolute"


def _key_area(nca: Nca) -> bytes:
    """The key area as far as it was encrypted: slots that are stored as zeros behind the last other one were not."""
    stored = nca.header.key_area.rstrip(b"\0")
    size = -(-len(stored) // _SLOT) * _SLOT
    if not size:
        return b""
    from Crypto.Cipher import AES

    key = nca.keys.key_area_key(nca.header.key_area_key_index, nca.header.revision)
    return AES.new(key, AES.MODE_ECB).decrypt(nca.header.key_area[:size])


def _title_key(nca: Nca) -> bytes | None:
    """The key that opened the sections, of the candidates that a rights id has."""
    if not nca.has_rights_id:
        return None
    candidates = [key for key, _ in nca.content_keys()]
    for section in nca.sections.values():
        plain = section.decrypted()
        if len(candidates) > 1 and isinstance(plain, AesCtrStorage):
            at = plain.plain_until
            for key in candidates:
                trial = AesCtrStorage(plain.parent, key, plain.upper_iv, plain.base_offset)
                if trial[at : at + 0x20] == plain[at : at + 0x20]:
                    return key
    return candidates[0]
