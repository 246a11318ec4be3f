"""XCI, the image of a game card: card header, areas of certificates, and a root HFS0 of partitions.

Source: Switchbrew wiki, "XCI" and "Gamecard Format".

A :class:`CardLayout` says everything about an image but the files in its partitions; :func:`card_layout` makes one for a new card,
:func:`layout_of` reads one off an image that exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypedDict

from oboromi_formats.gamecard import (
    CARD_HEADER,
    CARD_INFO,
    KEY_AREA_SIZE,
    PAGE_SIZE,
    ROM_SIZES,
    USABLE_BYTES_PER_GB,
    CardHeader,
    CardInfo,
)
from oboromi_fs._decode import encode, error
from oboromi_fs._extents import HFS0, PartitionArchive
from oboromi_fs._partitioning import Partition, PartitionLayout, build_partition, partition_layout_of
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.protocols import FileSystem
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.filled import FilledStorage

if TYPE_CHECKING:
    from typing import Unpack

    from oboromi_fs._partitioning import Members
    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["CardLayout", "CardOptions", "PartitionLayout", "build_xci", "card_layout", "layout_of"]

ROOT_ADDRESS = 0xF000
CERTIFICATE_ADDRESS = 0x7000
_INITIAL_DATA = 0x200
_MOST_AREA = 1 << 20
_ORDER = ("update", "normal", "logo", "secure")
_PARTITION = PartitionLayout(padding="0x200", end_alignment=PAGE_SIZE)
_ROOT = PartitionLayout(names=_ORDER, padding="0x200", end_alignment=PAGE_SIZE, hashed="header")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardLayout:
    """How a card image is laid out.

    Attributes:
        header: The card header; pages, sizes and the root's hash in it are replaced.
        root: How the root is laid out.
        partitions: How each partition is laid out.
        other: So those that ``partitions`` does not name.
        always: Partitions that are there in any case, empty where no files are given.
        area: What stands between the card header and the root.
        key_area: The 0x1000 bytes before the card header of a full dump; empty in a common one.
        compatibility: The byte that is hashed with the root header where it is not 0: 1 for China.
        keep_header: Take the card header as it is, whatever the root: so XCZ have that of the card they were made from.
        fill: How far 0xFF follow the last partition: not at all (``"trimmed"``), up to the end of the card (``"full"``), or so many bytes.
    """

    header: CardHeader
    root: PartitionLayout = _ROOT
    partitions: Mapping[str, PartitionLayout] = field(default_factory=dict)
    other: PartitionLayout = _PARTITION
    always: tuple[str, ...] = ("update", "normal")
    area: bytes = field(default=b"\xff" * (ROOT_ADDRESS - CARD_HEADER.size), repr=False)
    key_area: bytes = field(default=b"", repr=False)
    compatibility: int = 0
    keep_header: bool = False
    fill: Literal["trimmed", "full"] | int = "trimmed"


class CardOptions(TypedDict, total=False):
    """What may be chosen for a card image.

    Attributes:
        alignment: Each file of a partition starts at a multiple of this: 1 by default, as official cards have it; 0x200 for hacbuild.
        hashed: Bytes of each partition that the root hashes: ``"header"``, the whole header, by default; or a number, such as 0x200.
        fill: ``"trimmed"`` (the default) or ``"full"``.
        rom_size: Code of the card's size, a key of :data:`oboromi_formats.gamecard.ROM_SIZES`; that of the smallest that is large enough by
            default, and where this one is too small.
        key_area: The 0x1000 bytes before the card header of a full dump; true makes one with the package id and zeros. None by default.
        certificate: The card's certificate, up to 0x8000 bytes; 0xFF by default.
        info: What the card header says encrypted. Written if there is the key.
        keys: Where ``xci_header_key`` is.
        compatibility: 0 global (the default), 1 China.
        package_id: 8 bytes, zeros by default.
        iv: 16 bytes for the encryption of ``info``, zeros by default.
        signature: One byte that fills the signature, 0 by default; or its 0x100 bytes.
        header_version: 0 by default.
        flags: 0 by default.
        key_index: 0 by default.
    """

    alignment: int
    hashed: Literal["header"] | int
    fill: Literal["trimmed", "full"]
    rom_size: int
    key_area: bytes | bool
    certificate: bytes
    info: CardInfo
    keys: KeySet
    compatibility: int
    package_id: bytes
    iv: bytes
    signature: int | bytes
    header_version: int
    flags: int
    key_index: int


def card_layout(**options: Unpack[CardOptions]) -> CardLayout:
    """Return the layout of a new card image.

    Args:
        **options: See :class:`CardOptions`.

    Raises:
        FormatError: An option is not what the format can hold.
    """
    package_id, compatibility = options.get("package_id", bytes(8)), options.get("compatibility", 0)
    if not 0 <= compatibility <= 0xFF:
        raise FormatError(f"{compatibility} is no byte", what="XCI card info", field="compatibility_type")
    key_area = options.get("key_area", b"")
    if isinstance(key_area, bool):
        key_area = package_id.ljust(KEY_AREA_SIZE, b"\0") if key_area else b""
    if len(key_area) not in (0, KEY_AREA_SIZE):
        raise FormatError(f"{len(key_area):#x} bytes instead of {KEY_AREA_SIZE:#x}", what="XCI key area")
    certificate = options.get("certificate", b"")
    if len(certificate) > ROOT_ADDRESS - CERTIFICATE_ADDRESS:
        problem = f"{len(certificate):#x} bytes, there is room for {ROOT_ADDRESS - CERTIFICATE_ADDRESS:#x}"
        raise FormatError(problem, what="XCI certificate area")
    area = b"\xff" * (CERTIFICATE_ADDRESS - CARD_HEADER.size) + certificate.ljust(ROOT_ADDRESS - CERTIFICATE_ADDRESS, b"\xff")
    signature = options.get("signature", 0)
    initial_data = key_area[:_INITIAL_DATA] or package_id.ljust(_INITIAL_DATA, b"\0")
    header = CardHeader(
        signature=bytes([signature & 0xFF]) * 0x100 if isinstance(signature, int) else signature,
        rom_area_start_page=0,
        key_index=options.get("key_index", 0),
        rom_size=options.get("rom_size", 0),
        header_version=options.get("header_version", 0),
        flags=options.get("flags", 0),
        package_id=package_id,
        valid_data_end_page=0,
        iv=options.get("iv", bytes(0x10)),
        root_address=ROOT_ADDRESS,
        root_header_size=0,
        root_header_hash=bytes(0x20),
        initial_data_hash=hashlib.sha256(initial_data).digest(),
        lim_area_page=0,
        encrypted_info=_encrypted_info(options),
    )
    encode(CARD_HEADER, header)  # To see that everything fits.
    partition = replace(_PARTITION, alignment=options.get("alignment", 1))
    root = replace(_ROOT, hashed=options.get("hashed", "header"))
    fill = options.get("fill", "trimmed")
    return CardLayout(header=header, root=root, other=partition, area=area, key_area=key_area, compatibility=compatibility, fill=fill)


def _encrypted_info(options: CardOptions) -> bytes:
    """The card information as it is stored: zeros without a key."""
    keys, compatibility = options.get("keys"), options.get("compatibility", 0)
    key = keys.xci_header_key() if keys is not None else None
    if key is None:
        return bytes(CARD_INFO.size)
    from Crypto.Cipher import AES

    info = options.get("info", CardInfo(firmware_version=1, access_control_1=0x00A10011, compatibility_type=compatibility))
    if info.compatibility_type != compatibility:
        problem = f"is {info.compatibility_type}, and the root header is to be hashed with {compatibility}"
        raise FormatError(problem, what="XCI card info", field="compatibility_type")
    vector = options.get("iv", bytes(0x10))[::-1]
    if len(vector) != AES.block_size:
        raise FormatError(f"{len(vector)} bytes instead of 16", what="XCI card header", field="iv")
    return AES.new(key, AES.MODE_CBC, iv=vector).encrypt(encode(CARD_INFO, info))


def build_xci(partitions: Mapping[str, Members], layout: CardLayout | None = None) -> Storage:
    """Compose a game card image. Nothing is copied; the first bytes of each file are read, for their hashes.

    Args:
        partitions: Partitions by name, each a flat file system, or names and bytes. Files are in the order of their partition's layout if
            it knows them all, else as they are given. ``update`` and ``normal`` are there in any case, unless the layout says otherwise.
        layout: How it is laid out; that of a trimmed card, if None.

    Raises:
        FormatError: There is no ``secure`` partition, or more than the largest card holds.
        UnsafePathError: A name that an HFS0 cannot hold, or holds twice.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> card = build_xci({"secure": {"a.nca": MemoryStorage(bytes(0x200))}})
        >>> card[0x100:0x104].tobytes(), hex(len(card))
        (b'HEAD', '0xfa00')
    """
    if layout is None:
        layout = card_layout()
    if "secure" not in partitions:
        raise FormatError("there is no partition called secure, which holds the title", what="XCI root")
    everything: dict[str, Members] = {**dict.fromkeys(layout.always, ()), **partitions}
    images = [(name, _partition(members, layout.partitions.get(name, layout.other))) for name, members in everything.items()]
    root = build_partition(HFS0, images, layout.root)
    header = _filled_header(layout, root)
    end = header.root_address + root.storage.size
    pieces: list[tuple[int, Storage]] = []
    base = len(layout.key_area)
    if base:
        pieces.append((0, MemoryStorage(layout.key_area, "XCI key area")))
    pieces += [
        (base, MemoryStorage(encode(CARD_HEADER, header), "XCI card header")),
        (base + CARD_HEADER.size, MemoryStorage(layout.area, "XCI certificate area")),
        (base + header.root_address, root.storage),
    ]
    fill = _fill(layout, header, end)
    if fill:
        pieces.append((base + end, FilledStorage(fill, 0xFF)))
    return ComposedStorage(pieces, base + end + fill)


def _partition(members: Members, layout: PartitionLayout) -> Storage:
    """Build one partition, by the layout's names where it knows them all."""
    if isinstance(members, FileSystem):
        listed = [entry.name for entry in members.read_dir("")]
    else:
        members = list(members.items() if isinstance(members, Mapping) else members)
        listed = [name for name, _ in members]
    known = set(listed) <= set(layout.names)
    return build_partition(HFS0, members, layout, order=layout.names if known else "given").storage


def _filled_header(layout: CardLayout, root: Partition) -> CardHeader:
    """The card header over a root."""
    template = layout.header
    if layout.keep_header:
        return template
    suffix = bytes([layout.compatibility]) if layout.compatibility else b""
    digest = hashlib.sha256(root.storage[: root.header_size].tobytes() + suffix).digest()
    if digest == template.root_header_hash and root.header_size == template.root_header_size:
        return template  # The same card as before: what it says of itself stays as it was.
    secure = (template.root_address + root.starts["secure"]) // PAGE_SIZE
    end = template.root_address + root.storage.size
    rom_size = template.rom_size
    if ROM_SIZES.get(rom_size, 0) * USABLE_BYTES_PER_GB < end:
        rom_size = next((code for code, size in ROM_SIZES.items() if size * USABLE_BYTES_PER_GB >= end), 0)
        if not rom_size:
            problem = f"{end:#x} bytes are more than the largest card holds, {max(ROM_SIZES.values()) * USABLE_BYTES_PER_GB:#x}"
            raise FormatError(problem, what="XCI card header", field="rom_size")
    return replace(
        template,
        rom_area_start_page=secure,
        rom_size=rom_size,
        valid_data_end_page=-(-end // PAGE_SIZE) - 1,
        root_header_size=root.header_size,
        root_header_hash=digest,
        lim_area_page=secure,
    )


def _fill(layout: CardLayout, header: CardHeader, end: int) -> int:
    """Bytes of 0xFF behind the last partition."""
    if layout.fill == "trimmed":
        return 0
    if layout.fill == "full":
        return max(ROM_SIZES[header.rom_size] * USABLE_BYTES_PER_GB - end, 0)
    return layout.fill


def _partition_layout(archive: PartitionArchive) -> PartitionLayout:
    """The layout of a partition; one that ends with a page is taken to be filled up to one, where its files happen to need no filling."""
    layout = partition_layout_of(archive)
    by_chance = not layout.gaps and archive.raw.size % PAGE_SIZE == 0 and layout.end_alignment < PAGE_SIZE
    return replace(layout, end_alignment=PAGE_SIZE) if by_chance else layout


def layout_of(card: XciArchive) -> CardLayout:
    """Describe a card image so that :func:`build_xci` with the same files makes the same bytes.

    Kept as they are: the card header with its signature, which is not true of other files; the encrypted information; the areas before the
    card header and behind it.

    Raises:
        UnsupportedError: It was written in a way that cannot be described: files out of order or overlapping, headers of another make,
            bytes that are not zero between files, something else than 0xFF at the end.
        CorruptError: It is damaged or cut off.
    """
    header, raw, base = card.header, card.raw, card.header_offset
    if not CARD_HEADER.size <= header.root_address <= _MOST_AREA:
        problem = f"{header.root_address:#x} is no usual place"
        raise error(UnsupportedError, problem, what="XCI card header", storage=raw, offset=base + 0x130, field="root_address")
    start = base + header.root_address
    end = start + max((member.offset + member.size for member in card.root.members.values()), default=card.root.header_size)
    fill = raw.size - end
    if fill < 0:
        raise error(UnsupportedError, f"the image ends {-fill:#x} bytes early", what="XCI", storage=raw, offset=raw.size)
    for at in range(end, raw.size, 1 << 20):
        chunk = raw[at : min(at + (1 << 20), raw.size)]
        if chunk != b"\xff" * len(chunk):
            raise error(UnsupportedError, "bytes behind the last partition are not 0xFF", what="XCI", storage=raw, offset=at)
    root = PartitionArchive(raw.window(start, end), HFS0)
    capacity = ROM_SIZES.get(header.rom_size, 0) * USABLE_BYTES_PER_GB
    return CardLayout(
        header=header,
        root=partition_layout_of(root),
        partitions={name: _partition_layout(card.partition(name)) for name in card.partitions},
        always=(),
        area=raw[base + CARD_HEADER.size : start].tobytes(),
        key_area=raw[:base].tobytes(),
        compatibility=card.root_hash_matches()[1],
        fill="trimmed" if not fill else "full" if raw.size - base == capacity else fill,
    )
