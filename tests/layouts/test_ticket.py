from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_formats.partition import PARTITION_HEADER, PFS0_ENTRY
from oboromi_formats.ticket import (
    CERTIFICATE_HEADER,
    CERTIFICATE_SIGNATURE,
    KEY_BLOCK_SIZES,
    SIGNATURE_TYPES,
    TICKET_BODY,
    TICKET_SIGNATURE,
    CertificateKeyType,
    LicenseType,
    PropertyMask,
    TitleKeyType,
)
from oboromi_fs._decode import decode, rows
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_ticket_signature_is_little_endian() -> None:
    check_layout(TICKET_SIGNATURE, 4, {"type": (0x0, "u4")})


def test_certificate_signature_is_big_endian() -> None:
    check_layout(CERTIFICATE_SIGNATURE, 4, {"type": (0x0, "U4")})


def test_ticket_body() -> None:
    check_layout(
        TICKET_BODY,
        0x180,
        {
            "issuer": (0x000, "b64"),
            "title_key_block": (0x040, "b256"),
            "format_version": (0x140, "u1"),
            "key_type": (0x141, "u1"),
            "ticket_version": (0x142, "u2"),
            "license_type": (0x144, "u1"),
            "common_key_id": (0x145, "u1"),
            "property_mask": (0x146, "u2"),
            "reserved": (0x148, "b8"),
            "ticket_id": (0x150, "u8"),
            "device_id": (0x158, "u8"),
            "rights_id": (0x160, "b16"),
            "account_id": (0x170, "u4"),
            "section_total_size": (0x174, "u4"),
            "section_header_offset": (0x178, "u4"),
            "section_count": (0x17C, "u2"),
            "section_entry_size": (0x17E, "u2"),
        },
    )


def test_certificate_header() -> None:
    check_layout(
        CERTIFICATE_HEADER,
        0x88,
        {
            "issuer": (0x00, "b64"),
            "key_type": (0x40, "U4"),
            "subject": (0x44, "b64"),
            "certificate_id": (0x84, "U4"),
        },
    )


@pytest.mark.parametrize(
    ("number", "signature_size", "padding_size", "body_offset"),
    [
        (0x10000, 0x200, 0x3C, 0x240),
        (0x10001, 0x100, 0x3C, 0x140),
        (0x10002, 0x3C, 0x40, 0x80),
        (0x10003, 0x200, 0x3C, 0x240),
        (0x10004, 0x100, 0x3C, 0x140),
        (0x10005, 0x3C, 0x40, 0x80),
    ],
)
def test_signature_types(number: int, signature_size: int, padding_size: int, body_offset: int) -> None:
    found = SIGNATURE_TYPES[number]
    assert (found.signature_size, found.padding_size, found.body_offset) == (signature_size, padding_size, body_offset)


def test_the_usual_files_have_the_usual_sizes() -> None:
    assert SIGNATURE_TYPES[0x10004].body_offset + TICKET_BODY.size == 0x2C0
    console = SIGNATURE_TYPES[0x10004].body_offset + CERTIFICATE_HEADER.size + KEY_BLOCK_SIZES[CertificateKeyType.RSA_2048]
    authority = SIGNATURE_TYPES[0x10003].body_offset + CERTIFICATE_HEADER.size + KEY_BLOCK_SIZES[CertificateKeyType.RSA_2048]
    assert (console, authority) == (0x300, 0x400)
    assert KEY_BLOCK_SIZES == {0: 0x238, 1: 0x138, 2: 0x78}


def test_numbers_of_the_enumerations() -> None:
    assert dict(numbers(TitleKeyType)) == {"COMMON": 0, "PERSONALISED": 1}
    assert dict(numbers(LicenseType)) == {"PERMANENT": 0, "DEMO": 1, "TRIAL": 2, "RENTAL": 3, "SUBSCRIPTION": 4, "SERVICE": 5}
    assert dict(numbers(PropertyMask)) == {
        "PRE_INSTALL": 1,
        "SHARED_TITLE": 2,
        "ALL_CONTENT": 4,
        "DEVICE_LINK_INDEPENDENT": 8,
        "VOLATILE": 16,
        "E_LICENSE_REQUIRED": 32,
    }
    assert dict(numbers(CertificateKeyType)) == {"RSA_4096": 0, "RSA_2048": 1, "ECDSA": 2}


@pytest.fixture
def members(testdata: Path) -> dict[str, MemoryStorage]:
    """Members of an archive with a ticket, by the suffix of their name."""
    archive = MemoryStorage((testdata / "nsp" / "tk_g2.nsp").read_bytes())
    header = decode(PARTITION_HEADER, archive)
    names = PARTITION_HEADER.size + header.entry_count * PFS0_ENTRY.row_size
    data = names + header.string_table_size
    return {
        bytes(archive[names + name : data]).partition(b"\0")[0].decode().rpartition(".")[2]: MemoryStorage(
            archive[data + offset : data + offset + size]
        )
        for offset, size, name, _ in rows(PFS0_ENTRY, archive, PARTITION_HEADER.size, header.entry_count)
    }


def test_a_ticket_of_another_tool(members: dict[str, MemoryStorage]) -> None:
    ticket = members["tik"]
    kind = decode(TICKET_SIGNATURE, ticket).type
    assert kind == 0x10004
    body = decode(TICKET_BODY, ticket, SIGNATURE_TYPES[kind].body_offset)
    assert body.issuer.rstrip(b"\0") == b"Root-CA00000003-XS00000020"
    assert body.format_version == 2
    assert body.key_type == TitleKeyType.COMMON
    assert body.rights_id.hex() == "0100abcdef0000000000000000000002"
    assert body.section_header_offset == ticket.size == 0x2C0


def test_a_certificate_chain_of_another_tool(members: dict[str, MemoryStorage]) -> None:
    chain = members["cert"]
    offset = 0
    found = []
    while offset < chain.size:
        offset += SIGNATURE_TYPES[decode(CERTIFICATE_SIGNATURE, chain, offset).type].body_offset
        header = decode(CERTIFICATE_HEADER, chain, offset)
        found.append((header.issuer.rstrip(b"\0"), header.subject.rstrip(b"\0"), header.key_type))
        offset += CERTIFICATE_HEADER.size + KEY_BLOCK_SIZES[CertificateKeyType(header.key_type)]
    assert found == [(b"Root", b"CA00000003", 1), (b"Root-CA00000003", b"XS00000020", 1)]
    assert offset == chain.size == 0x700
