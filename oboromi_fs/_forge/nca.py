"""NCA: up to four sections, hashed and encrypted, behind an encrypted header."""

from __future__ import annotations

import io
from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

from oboromi_fs._forge.aes import encrypt_ctr, encrypt_ecb, encrypt_xts
from oboromi_fs._forge.keys import AREAS, made_up_bytes, revision_of
from oboromi_fs._forge.nca_section import Encryption, edited, fs_header, hash_layers
from oboromi_fs._forge.packages import Written, nca_name
from oboromi_fs._forge.sources import CHUNK, chunks_of, opened, regroup, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Required, Unpack

    from oboromi_fs._forge.nca_section import Layers, Section
    from oboromi_fs._forge.sources import Target

__all__ = ["NcaOptions", "nca", "write_nca"]

UNIT = 0x200
HEADER_SIZE = 0xC00


class NcaOptions(TypedDict, total=False):
    """Everything about an NCA but its sections.

    ``keys`` holds ``header_key`` and the key area key in use; :func:`write_nca` says what the rest means.
    """

    keys: Required[Mapping[str, bytes]]
    content_type: Required[int]
    program_id: Required[int]
    key_generation: int
    key_index: int
    rights_id: bytes
    title_key: bytes | None
    key_area: bytes | None
    distribution: int
    content_index: int
    sdk_version: int
    magic: bytes
    signatures: bytes
    section_order: Literal["ascending", "descending"]
    first_section: int
    xts_base: Literal["absolute", "section"]
    header_encrypted: bool
    header_edits: Mapping[int, bytes]


class _Placed(NamedTuple):
    """A section with its place in the file: ``start`` and ``stop`` in bytes, multiples of 0x200."""

    slot: int
    section: Section
    layers: Layers
    start: int
    stop: int


class _BodyKeys(NamedTuple):
    """Keys of the sections, and the key area that carries them, 0x100 bytes as stored."""

    xts: bytes
    ctr: bytes
    area: bytes


def _body_keys(options: NcaOptions) -> _BodyKeys:
    """Take the keys from ``key_area``, or make them up; a title key replaces the CTR key."""
    plain = options.get("key_area")
    title_key = options.get("title_key")
    if plain is None:
        made_up = made_up_bytes(f"key area of {options['program_id']:016x}", 0x30) + bytes(0x10)
        plain = b"" if title_key else made_up
    index, revision = options.get("key_index", 0), revision_of(options.get("key_generation", 1))
    stored = plain
    if index < len(AREAS) and plain:
        stored = encrypt_ecb(options["keys"][f"key_area_key_{AREAS[index]}_{revision:02x}"], plain)
    slots = plain.ljust(0x30, b"\0")
    return _BodyKeys(slots[:0x20], title_key or slots[0x20:0x30], stored.ljust(0x100, b"\0"))


def _place(sections: Sequence[Section | None], order: str, first: int) -> list[_Placed]:
    """Hash the sections and lay them out in file order, each on a multiple of 0x200."""
    present = [(index, section) for index, section in enumerate(sections) if section is not None]
    if order == "descending":
        present.reverse()
    placed, start = [], first
    for index, section in present:
        layers = hash_layers(section)
        size = len(layers.before) + size_of(section.image) + layers.behind
        placed.append(_Placed(index, section, layers, start, start + size + -size % UNIT))
        start = placed[-1].stop
    return placed


def _encrypted_header(header: bytes, options: NcaOptions, present: set[int]) -> bytes:
    """Encrypt the 0xC00 bytes as one run of units, or as NCA2 does: each FS header that is there as its own unit 0."""
    if not options.get("header_encrypted", True):
        return header
    key = options["keys"]["header_key"]
    if options.get("magic", b"NCA3") != b"NCA2":
        return encrypt_xts(key, 0, header)
    parts = [header[start : start + UNIT] for start in range(0x400, HEADER_SIZE, UNIT)]
    return encrypt_xts(key, 0, header[:0x400]) + b"".join(
        encrypt_xts(key, 0, part) if index in present else part for index, part in enumerate(parts)
    )


def _header(placed: list[_Placed], size: int, body: _BodyKeys, options: NcaOptions) -> bytes:
    """Return the header and FS headers as stored, 0xC00 bytes."""
    generation = options.get("key_generation", 1)
    old, new = (generation, 0) if generation <= 2 else (2, generation)
    kind = (options.get("distribution", 0), options["content_type"], old, options.get("key_index", 0))
    ids = (size, options["program_id"], options.get("content_index", 0), options.get("sdk_version", 0x000C1100), new)
    table, hashes, fs_headers = bytearray(0x40), bytearray(0x80), bytearray(0x800)
    for slot, section, layers, start, stop in placed:
        fs = fs_header(section, layers)
        table[0x10 * slot : 0x10 * slot + 0x10] = pack("<4I", start // UNIT, stop // UNIT, 1, 0)
        hashes[0x20 * slot : 0x20 * slot + 0x20] = sha256(fs).digest()
        fs_headers[0x200 * slot : 0x200 * slot + 0x200] = fs
    header = options.get("signatures", b"").ljust(0x200, b"\0") + pack("<4s4BQQIIB15x", options.get("magic", b"NCA3"), *kind, *ids)
    header += options.get("rights_id", bytes(16)) + table + hashes + body.area
    return _encrypted_header(edited(header + fs_headers, options.get("header_edits", {})), options, {entry.slot for entry in placed})


def _body(entry: _Placed) -> Iterator[bytes | bytearray | memoryview]:
    """The section's bytes before encryption, padded to whole units."""
    yield entry.layers.before
    yield from chunks_of(entry.section.image)
    yield bytes(entry.stop - entry.start - len(entry.layers.before) - size_of(entry.section.image))


def _encrypted_body(entry: _Placed, body: _BodyKeys, xts_base: str) -> Iterator[bytes | bytearray | memoryview]:
    """The section's bytes as stored, a few at a time."""
    kind = entry.section.encryption
    upper = pack(">II", entry.section.secure_value, entry.section.generation)
    base = 0 if xts_base == "section" else entry.start // UNIT
    offset = 0
    for chunk in regroup(_body(entry), CHUNK):
        if kind == Encryption.XTS:
            yield encrypt_xts(body.xts, base + offset // UNIT, chunk)
        elif kind == Encryption.CTR:
            yield encrypt_ctr(body.ctr, upper, entry.start + offset, chunk)
        elif kind == Encryption.CTR_SKIP_LAYER_HASH:  # The hash layers stay plain.
            plain = min(max(len(entry.layers.before) - offset, 0), len(chunk))
            yield chunk[:plain]
            yield encrypt_ctr(body.ctr, upper, entry.start + offset + plain, chunk[plain:])
        else:
            yield chunk
        offset += len(chunk)


def write_nca(target: Target, sections: Sequence[Section | None], **options: Unpack[NcaOptions]) -> Written:
    """Stream an NCA.

    Each image is read twice, once for its hashes, once to be written; only the hashes are held in memory.

    Args:
        target: Path or stream.
        sections: Up to four; None leaves a slot empty.
        **options:
            keys: ``header_key`` and the ``key_area_key_…`` that the key index and generation name.
            content_type: :class:`ContentType`, or any number.
            program_id: Program or title id.
            key_generation: 1 by default; up to 0x20 there are made-up keys.
            key_index: 0 application, 1 ocean, 2 system; another number stores the key area plain.
            rights_id: 16 bytes, not all zero with title-key crypto; see :func:`rights_id`.
            title_key: The key of CTR sections itself, not as a ticket stores it.
            key_area: The key area before encryption: two XTS keys, the CTR key, and more; what is missing up to 0x100 bytes is stored as
                zeros. Made up from the program id by default; empty with a title key.
            distribution: 0 download, 1 game card.
            content_index: Header field.
            sdk_version: Four bytes from major to revision, 0x000C1100 by default.
            magic: ``NCA3``, or ``NCA2`` whose FS headers are encrypted each by itself.
            signatures: The first 0x200 bytes; zeros by default.
            section_order: Order in the file; "descending" puts a higher index first, as the official layout does. Default "ascending".
            first_section: Offset of the first section, 0x4000 by default.
            xts_base: Whether XTS units count from the start of the file ("absolute", the default) or of the section.
            header_encrypted: Whether the 0xC00 bytes of the header are encrypted.
            header_edits: Offset in those 0xC00 bytes to bytes that replace what stands there, before encryption.

    Returns:
        Name, SHA-256 and size of the file.
    """
    body = _body_keys(options)
    first = options.get("first_section", 0x4000)
    placed = _place(sections, options.get("section_order", "ascending"), first)
    size = placed[-1].stop if placed else HEADER_SIZE
    digest = sha256()
    with opened(target) as out:

        def put(chunk: bytes | bytearray | memoryview) -> None:
            digest.update(chunk)
            out.write(chunk)

        put(_header(placed, size, body, options))
        if placed:
            put(bytes(first - HEADER_SIZE))
        for entry in placed:
            for chunk in _encrypted_body(entry, body, options.get("xts_base", "absolute")):
                put(chunk)
    return Written(nca_name(digest.digest(), options["content_type"]), digest.digest(), size)


def nca(sections: Sequence[Section | None], **options: Unpack[NcaOptions]) -> bytes:
    """Return an NCA; the arguments are those of :func:`write_nca`."""
    out = io.BytesIO()
    write_nca(out, sections, **options)
    return out.getvalue()
