"""CNMT, NACP, tickets and certificates: what a title says about itself."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs._forge.packages import Written

__all__ = ["ContentRecord", "certificate", "cnmt", "cnmt_name", "nacp", "ticket"]

META_TYPES = {0x80: "Application", 0x81: "Patch", 0x82: "AddOnContent"}
LANGUAGES = 16


class ContentRecord(NamedTuple):
    """One NCA as a CNMT lists it.

    ``content_type`` is the CNMT's numbering: 0 Meta, 1 Program, 2 Data, 3 Control, 4 HtmlDocument, 5 LegalInformation, 6 DeltaFragment.
    """

    sha256: bytes
    size: int
    content_type: int
    id_offset: int = 0
    attributes: int = 0

    @classmethod
    def of(cls, nca: bytes | Written, content_type: int, id_offset: int = 0) -> ContentRecord:
        """Return the record of an NCA, from its bytes or from what :func:`write_nca` returned."""
        if isinstance(nca, bytes):
            from hashlib import sha256

            return cls(sha256(nca).digest(), len(nca), content_type, id_offset)
        return cls(nca.sha256, nca.size, content_type, id_offset)


def cnmt_name(title_id: int, meta_type: int = 0x80) -> str:
    """Return the name of the file in the meta NCA.

    Example:
        >>> cnmt_name(0x0100FEEDFACE0000)
        'Application_0100feedface0000.cnmt'
    """
    return f"{META_TYPES.get(meta_type, 'Unknown')}_{title_id:016x}.cnmt"


def _extended_header(title_id: int, meta_type: int, required_version: int, extended_data_size: int) -> bytes:
    """What follows the header of an application, a patch or an add-on; nothing for other types."""
    if meta_type == 0x80:
        return pack("<QII", title_id + 0x800, required_version, 0)
    if meta_type == 0x81:
        return pack("<QII8x", title_id - 0x800, required_version, extended_data_size)
    if meta_type == 0x82:
        return pack("<QII", (title_id - 0x1000) & ~0xFFF, required_version, 0)
    return b""


def cnmt(
    title_id: int,
    records: Sequence[ContentRecord],
    *,
    version: int = 0,
    meta_type: int = 0x80,
    required_version: int = 0,
    extended_header: bytes | None = None,
    extended_data: bytes = b"",
    digest: bytes = bytes(32),
) -> bytes:
    """Return a CNMT.

    Args:
        title_id: The title's own id.
        records: The NCAs it lists, the meta NCA not among them.
        version: Title version.
        meta_type: 0x80 Application, 0x81 Patch, 0x82 AddOnContent; other numbers need ``extended_header``.
        required_version: System version an application or patch needs, application version an add-on needs.
        extended_header: Replaces the one made from the other arguments.
        extended_data: What stands between the records and the digest.
        digest: The last 32 bytes.
    """
    if extended_header is None:
        extended_header = _extended_header(title_id, meta_type, required_version, len(extended_data))
    header = pack("<QIBBHHH4xII", title_id, version, meta_type, 0, len(extended_header), len(records), 0, 0, 0)
    rows = (
        pack("<32s16sIBBBB", row.sha256, row.sha256, row.size & 0xFFFFFFFF, row.size >> 32, row.attributes, row.content_type, row.id_offset)
        for row in records
    )
    return header + extended_header + b"".join(rows) + extended_data + digest


def nacp(
    title: str,
    publisher: str,
    version: str = "1.0.0",
    *,
    title_id: int = 0,
    languages: Iterable[int] = (0,),
    user_account: int = 0,
    save_size: int = 0,
) -> bytes:
    """Return a control.nacp, 0x4000 bytes.

    Args:
        title: Title in every language there is, at most 0x200 bytes of UTF-8.
        publisher: Publisher in every language, at most 0x100 bytes.
        version: Display version.
        title_id: What add-on base id, save data owner and local communication ids are made from.
        languages: Indices of the languages the title has, 0 (AmericanEnglish) to 15 (BrazilianPortuguese).
        user_account: 0 none, 1 required at start.
        save_size: Size of the user's save data; a quarter of it is the journal.
    """
    data, chosen = bytearray(0x4000), sorted(set(languages))
    entry = title.encode().ljust(0x200, b"\0") + publisher.encode().ljust(0x100, b"\0")
    for language in chosen:
        data[0x300 * language : 0x300 * language + 0x300] = entry
    data[0x3025] = user_account
    data[0x302C:0x3030] = pack("<I", sum(1 << language for language in chosen))
    data[0x3040:0x3060] = b"\xff" * 0x20  # No organisation rated it.
    data[0x3060:0x3070] = version.encode().ljust(0x10, b"\0")
    data[0x3070:0x3090] = pack("<4Q", title_id + 0x1000 if title_id else 0, title_id, save_size, save_size // 4)
    data[0x30B0:0x30F0] = pack("<8Q", *[title_id] * 8)
    data[0x30F0] = 1
    return bytes(data)


def ticket(rights_id: bytes, encrypted_title_key: bytes, key_generation: int, *, ticket_id: int = 0) -> bytes:
    """Return a common ticket, 0x2C0 bytes, with a filler where the signature stands.

    Args:
        rights_id: 16 bytes.
        encrypted_title_key: As :func:`encrypt_title_key` gives it.
        key_generation: The number the format stores as common key id.
        ticket_id: Any number.
    """
    signature = pack("<I", 0x10004) + b"\xff" * 0x100 + bytes(0x3C)
    issuer = b"Root-CA00000003-XS00000020".ljust(0x40, b"\0")
    kind = pack("<BBHBBH8x", 2, 0, 0, 0, key_generation, 0)
    rest = pack("<QQ16sIIIHH", ticket_id, 0, rights_id, 0, 0, 0x2C0, 0, 0)
    return signature + issuer + encrypted_title_key.ljust(0x100, b"\0") + kind + rest


def certificate() -> bytes:
    """Return a certificate chain as stands beside a ticket, 0x700 bytes: two certificates in the real shape with fillers for their keys."""
    ca = pack(">I", 0x10003) + b"\xff" * 0x200 + bytes(0x3C) + b"Root".ljust(0x40, b"\0")
    ca += pack(">I64sI", 1, b"CA00000003", 0) + b"\xaa" * 0x100 + pack(">I52x", 0x10001)
    xs = pack(">I", 0x10004) + b"\xff" * 0x100 + bytes(0x3C) + b"Root-CA00000003".ljust(0x40, b"\0")
    xs += pack(">I64sI", 1, b"XS00000020", 0) + b"\xbb" * 0x100 + pack(">I52x", 0x10001)
    return ca + xs
