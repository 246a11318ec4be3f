"""How an NCA is laid out: everything about it but the images in its sections. Source: Switchbrew wiki, "NCA".

A layout is made for a kind of content (:func:`nca_layout`), or read off an NCA that exists (:func:`layout_of`), so that the same images
under it give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypedDict

from oboromi_formats.hashtree import (
    HIERARCHICAL_SHA256,
    IVFC,
    IVFC_LEVEL_COUNT,
    REGION_COUNT,
    HierarchicalSha256Info,
    IvfcInfo,
    IvfcLevel,
    Region,
)
from oboromi_formats.nca import (
    NCA_HEADERS_SIZE,
    SECTION_COUNT,
    ContentType,
    Distribution,
    Encryption,
    FsHeader,
    FsType,
    HashType,
    KeyAreaKeyIndex,
    NcaHeader,
    SectionEntry,
)
from oboromi_fs._decode import decode_bytes, encode
from oboromi_fs.builders.nca.geometry import INTEGRITY, SHA256, Geometry
from oboromi_fs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from oboromi_fs.builders.nca.geometry import Filling

__all__ = [
    "Kind",
    "NcaLayout",
    "NcaOptions",
    "SectionLayout",
    "SectionOptions",
    "empty_hash_data",
    "filled_hash_data",
    "key_generation_fields",
    "made_up_key_area",
    "nca_layout",
    "rights_id_of",
]

Kind: TypeAlias = Literal["program", "meta", "control", "manual", "legal", "data", "public_data", "delta"]
"""What an NCA is for. ``manual`` is an HTML document, ``legal`` legal information, both of the content type Manual; ``delta`` is a delta
fragment, of the content type Data."""

SDK_VERSION = 0x000C1100
FIRST_OFFSET = 0x4000
EXEFS_BLOCK, PARTITION_BLOCK, ROMFS_BLOCK = 0x10000, 0x1000, 0x4000


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionLayout:
    """How one section is laid out.

    Attributes:
        name: What the section is called: ``exefs romfs logo data``.
        header: The FS header; hashes, offsets and sizes in its ``hash_data`` are replaced by those of the image.
        block_size: Bytes that a hash covers; 0 where nothing is hashed.
        filling: How far tables and data are filled up.
        gap: Zeros between this section and the one before it in the file; not counted for the first.
        xts_base: Where AES-XTS counts sectors from: the start of the NCA or that of the section.
        fixed: Where the parts lie, in place of what ``filling`` says, while the image has the size it names.
        stored: The FS header as it is written, whole; None makes it of ``header``. Of a section whose bytes are more than an image and
            its hashes, such as a patch: ``header`` then says how those bytes are written.
    """

    name: str
    header: FsHeader
    block_size: int
    filling: Filling = "exact"
    gap: int = 0
    xts_base: Literal["absolute", "section"] = "absolute"
    fixed: Geometry | None = None
    stored: FsHeader | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NcaLayout:
    """How an NCA is laid out.

    Attributes:
        header: The header; sizes, hashes, the section table and the key area in it are replaced.
        sections: The sections it may have, by slot.
        order: Their slots in the order of the file.
        first_offset: Where the first one starts, in bytes.
        tail: Zeros behind the last one.
        key_area: The key area before encryption, a multiple of 16 bytes; what is missing of its 0x100 is stored as zeros.
        title_key: The key of AES-CTR sections where the header has a rights id, as it is used, not as a ticket stores it; None looks for it
            among the keys.
        encrypted: Whether the headers are encrypted.
    """

    header: NcaHeader
    sections: tuple[SectionLayout | None, ...]
    order: tuple[int, ...]
    first_offset: int = FIRST_OFFSET
    tail: int = 0
    key_area: bytes = field(default=b"", repr=False)
    title_key: bytes | None = field(default=None, repr=False)
    encrypted: bool = True


class _Use(NamedTuple):
    """A section that a kind of content may have. ``secure`` is the low part of its secure value."""

    slot: int
    fs_type: FsType
    block_size: int
    secure: int
    plain: bool = False


_ROMFS = _Use(0, FsType.ROMFS, ROMFS_BLOCK, 0)
_FILES = _Use(0, FsType.PARTITION_FS, PARTITION_BLOCK, 0)
_KINDS: dict[str, tuple[ContentType, dict[str, _Use]]] = {
    "program": (
        ContentType.PROGRAM,
        {
            "exefs": _Use(0, FsType.PARTITION_FS, EXEFS_BLOCK, 1),
            "romfs": _Use(1, FsType.ROMFS, ROMFS_BLOCK, 2),
            "logo": _Use(2, FsType.PARTITION_FS, PARTITION_BLOCK, 0, plain=True),
        },
    ),
    "meta": (ContentType.META, {"data": _FILES}),
    "control": (ContentType.CONTROL, {"romfs": _ROMFS}),
    "manual": (ContentType.MANUAL, {"romfs": _ROMFS._replace(secure=4)}),
    "legal": (ContentType.MANUAL, {"romfs": _ROMFS._replace(secure=5)}),
    "data": (ContentType.DATA, {"romfs": _ROMFS}),
    "public_data": (ContentType.PUBLIC_DATA, {"romfs": _ROMFS}),
    "delta": (ContentType.DATA, {"data": _FILES}),
}
_HASH_DATA_SIZE = 0xF8


class SectionOptions(TypedDict, total=False):
    """What may be chosen for one section.

    Attributes:
        encryption: An :class:`~oboromi_formats.nca.Encryption`; that of the NCA by default.
        generation: Lower word of the upper half of the counter; that of the NCA by default.
        secure_value: Upper word of it. By convention 1 for ExeFS, 2 for the program's RomFS, 4 for HTML documents, 5 for legal information
            and 0 for the rest, and the program index in the highest byte; 0 for what is stored plain.
        hash_type: A :class:`~oboromi_formats.nca.HashType`; by default HierarchicalIntegrity for a RomFS, HierarchicalSha256 for a PFS0.
        block_size: Bytes that a hash covers, a power of two. By default 0x4000 for a RomFS, 0x10000 for ExeFS, 0x1000 for other PFS0.
    """

    encryption: int
    generation: int
    secure_value: int
    hash_type: int
    block_size: int


class NcaOptions(TypedDict, total=False):
    """What may be chosen for an NCA.

    Attributes:
        key_generation: 0 to 255; 1 by default, which every key file can read.
        key_index: Which keys encrypt the key area: 0 application (the default), 1 ocean, 2 system.
        rights_id: 16 bytes, not all zero for title-key crypto (:func:`rights_id_of`).
        title_key: With a rights id, the key itself, 16 bytes; by default it is looked up.
        key_area: Before encryption; see :class:`NcaLayout`. Made up from the program id by default; empty where nothing in it is used.
        distribution: 0 download (the default), 1 game card.
        content_index: 0 by default.
        sdk_version: Four bytes from major to revision; 12.17.0.0 by default. Consoles refuse what is below 11.0.0.0.
        program_index: Of a title with several programs; part of the secure values.
        signature: One byte that fills both signatures, 0 by default; or their 0x200 bytes.
        encryption: Of every section but the logo, which is plain: AES-CTR by default, AES-XTS, or none.
        generation: Of every encrypted section; 0 by default.
        sections: What deviates in single sections, by their names.
        style: ``official`` (the default) puts sections of a higher slot first, from 0x4000 on (0xC00 in a meta NCA), and states hash tables
            as they are. ``hacpack`` puts lower slots first, from 0xC00 on, fills tables up, and leaves secure values zero.
        order: Slots in the order of the file, in place of the style's.
        first_offset: Where the first section starts, in place of the style's.
        filling: How far hash tables are filled up, in place of the style's.
        xts_base: Where AES-XTS counts sectors from: ``absolute`` (the default) or ``section``.
        magic: ``NCA3``, or ``NCA2``.
        encrypted: Whether the headers are encrypted; they are by default.
    """

    key_generation: int
    key_index: int
    rights_id: bytes
    title_key: bytes | None
    key_area: bytes
    distribution: int
    content_index: int
    sdk_version: int
    program_index: int
    signature: int | bytes
    encryption: int
    generation: int
    sections: Mapping[str, SectionOptions]
    style: Literal["official", "hacpack"]
    order: Sequence[int]
    first_offset: int
    filling: Filling
    xts_base: Literal["absolute", "section"]
    magic: bytes
    encrypted: bool


def key_generation_fields(key_generation: int) -> tuple[int, int]:
    """Return the two header fields that say a key generation: the old one, which ends at 2, and the new one.

    Example:
        >>> [key_generation_fields(generation) for generation in (0, 2, 3, 0x14)]
        [(0, 0), (2, 0), (2, 3), (2, 20)]
    """
    return (key_generation, 0) if key_generation <= 2 else (2, key_generation)


def rights_id_of(title_id: int, key_generation: int) -> bytes:
    """Return the rights id of a title whose NCAs have a key generation, 16 bytes.

    Raises:
        FormatError: A number is out of range.

    Example:
        >>> rights_id_of(0x0100000000001000, 5).hex()
        '01000000000010000000000000000005'
    """
    if not 0 <= title_id < 1 << 64 or not 0 <= key_generation < 1 << 8:
        raise FormatError(f"title id {title_id:#x} and key generation {key_generation} do not fit", what="rights id")
    return title_id.to_bytes(8, "big") + bytes(7) + bytes([key_generation])


def made_up_key_area(program_id: int, content_type: int) -> bytes:
    """Return a key area for an NCA that has none of its own: hashes of what it is for, so that the same input gives the same bytes.

    Slots 0 and 1 hold the AES-XTS keys, slot 2 that of AES-CTR, slot 3 zeros.
    """
    import hashlib

    seeds = (f"{program_id:016x} {content_type} {slot}".encode() for slot in range(3))
    return b"".join(hashlib.sha256(seed).digest()[:16] for seed in seeds) + bytes(16)


def nca_layout(kind: Kind, program_id: int, **options: Unpack[NcaOptions]) -> NcaLayout:
    """Return the layout of a new NCA, with every section its kind may have; those that get no image are left out.

    Args:
        kind: What it is for.
        program_id: Program or title id.
        **options: See :class:`NcaOptions`.

    Raises:
        FormatError: An option is not what the format can hold.

    Example:
        >>> layout = nca_layout("program", 0x0100000000001000, key_generation=5)
        >>> [section.name for section in layout.sections if section], layout.order, hex(layout.first_offset)
        (['exefs', 'romfs', 'logo'], (2, 1, 0), '0x4000')
    """
    content_type, uses = _KINDS[kind]
    hacpack = options.get("style", "official") == "hacpack"
    filling: Filling = options.get("filling", "extra" if hacpack else "exact")
    changes = options.get("sections", {})
    unknown = [name for name in changes if name not in uses]
    if unknown:
        raise FormatError(f"has no section {unknown[0]!r}; its sections are {', '.join(uses)}", what=f"{kind} NCA")
    sections: list[SectionLayout | None] = [None] * SECTION_COUNT
    for name, use in uses.items():
        wanted = changes.get(name, {})
        encryption = wanted.get("encryption", Encryption.NONE if use.plain else options.get("encryption", Encryption.AES_CTR))
        plain = encryption == Encryption.NONE
        secure = 0 if plain or hacpack else use.secure | options.get("program_index", 0) << 24
        integrity = use.fs_type == FsType.ROMFS
        hash_type = wanted.get("hash_type", HashType.HIERARCHICAL_INTEGRITY if integrity else HashType.HIERARCHICAL_SHA256)
        block_size = _block_size(wanted.get("block_size", use.block_size)) if hash_type in SHA256 + INTEGRITY else 0
        sections[use.slot] = SectionLayout(
            name=name,
            header=FsHeader(
                fs_type=use.fs_type,
                hash_type=hash_type,
                encryption=encryption,
                hash_data=empty_hash_data(hash_type),
                generation=wanted.get("generation", 0 if plain else options.get("generation", 0)),
                secure_value=wanted.get("secure_value", secure),
            ),
            block_size=block_size,
            filling=filling,
            xts_base=options.get("xts_base", "absolute"),
        )
    slots = [slot for slot, section in enumerate(sections) if section is not None]
    first = NCA_HEADERS_SIZE if hacpack or content_type == ContentType.META else FIRST_OFFSET
    return NcaLayout(
        header=_header(content_type, program_id, options),
        sections=tuple(sections),
        order=tuple(options.get("order", slots if hacpack else reversed(slots))),
        first_offset=options.get("first_offset", first),
        key_area=_key_area([section for section in sections if section is not None], content_type, program_id, options),
        title_key=options.get("title_key"),
        encrypted=options.get("encrypted", True),
    )


def _block_size(size: int) -> int:
    if not 0x10 <= size <= 0x1000000 or size & (size - 1):
        raise FormatError(f"{size:#x} is not a power of two from 0x10 to 0x1000000", what="hash tree", field="block_size")
    return size


def _header(content_type: int, program_id: int, options: NcaOptions) -> NcaHeader:
    old, new = key_generation_fields(options.get("key_generation", 1))
    signature = options.get("signature", 0)
    signatures = bytes([signature & 0xFF]) * 0x200 if isinstance(signature, int) else signature
    if options.get("title_key") is not None and not any(options.get("rights_id", b"")):
        raise FormatError("a title key takes effect with a rights id", what="NCA layout", field="rights_id")
    if len(signatures) != 0x200:
        raise FormatError(f"{len(signatures):#x} bytes of signatures; both have 0x200", what="NCA header", field="signature_1")
    return NcaHeader(
        signature_1=signatures[:0x100],
        signature_2=signatures[0x100:],
        magic=options.get("magic", b"NCA3"),
        distribution=options.get("distribution", Distribution.DOWNLOAD),
        content_type=content_type,
        key_generation_old=old,
        key_area_key_index=options.get("key_index", KeyAreaKeyIndex.APPLICATION),
        content_size=0,
        program_id=program_id,
        content_index=options.get("content_index", 0),
        sdk_version=options.get("sdk_version", SDK_VERSION),
        key_generation_new=new,
        rights_id=options.get("rights_id", bytes(0x10)),
        sections=(SectionEntry(hash_sectors=1),) * SECTION_COUNT,
        fs_header_hashes=(bytes(0x20),) * SECTION_COUNT,
    )


def _key_area(sections: Sequence[SectionLayout], content_type: int, program_id: int, options: NcaOptions) -> bytes:
    given = options.get("key_area")
    if given is not None:
        return given
    own_key = not any(options.get("rights_id", b""))  # A title key replaces that of AES-CTR, and no other.
    ciphers = {section.header.encryption for section in sections}
    used = Encryption.AES_XTS in ciphers or (own_key and ciphers != {Encryption.NONE})
    return made_up_key_area(program_id, content_type) if used else b""


def empty_hash_data(hash_type: int) -> bytes:
    """Return the hash data of an FS header with everything in place but what depends on the image."""
    data = b""
    if hash_type in SHA256:
        data = encode(
            HIERARCHICAL_SHA256, HierarchicalSha256Info(master_hash=bytes(0x20), block_size=0, regions=(Region(),) * REGION_COUNT)
        )
    elif hash_type in INTEGRITY:
        data = encode(IVFC, IvfcInfo(levels=(IvfcLevel(),) * IVFC_LEVEL_COUNT, master_hash=bytes(0x20)))
    return data.ljust(_HASH_DATA_SIZE, b"\0")


def filled_hash_data(section: SectionLayout, geometry: Geometry, master_hash: bytes) -> bytes:
    """Return the hash data of a section's FS header for one image."""
    data, runs = section.header.hash_data, (*geometry.tables, geometry.data)
    if section.header.hash_type in SHA256:
        info = decode_bytes(HIERARCHICAL_SHA256, data)
        regions = tuple(Region(*run) for run in runs) + info.regions[len(runs) :]
        filled = encode(HIERARCHICAL_SHA256, replace(info, master_hash=master_hash, block_size=section.block_size, regions=regions))
    elif section.header.hash_type in INTEGRITY:
        tree = decode_bytes(IVFC, data)
        log2 = section.block_size.bit_length() - 1
        levels = tuple(IvfcLevel(*run, log2, level.reserved) for run, level in zip(runs, tree.levels, strict=True))
        filled = encode(IVFC, replace(tree, master_hash=master_hash, levels=levels))
    else:
        filled = b""
    return filled + data[len(filled) :]
