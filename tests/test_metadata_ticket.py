from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.ticket import SIGNATURE_TYPES, LicenseType, PropertyMask, TitleKeyType
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, UnsupportedError
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.metadata.ticket import TicketFile
from oboromi_fs.opening import open_fs

if TYPE_CHECKING:
    from pathlib import Path

# path in testdata/ -> (path inside, rights id, title key, key generation)
TICKETS = {
    "nsp/tk_g2.nsp": (
        "0100abcdef0000000000000000000002.tik",
        "0100abcdef0000000000000000000002",
        "987419dc0f2b60b64424dd4f920f5ae5",
        2,
    ),
    "xci/multi.xci": (
        "secure/0100abcdef0010010000000000000005.tik",
        "0100abcdef0010010000000000000005",
        "b8930c419f8c20c221425c8108da4d16",
        5,
    ),
}


def expected(archive: str) -> TicketFile:
    """Every field of the ticket in an archive."""
    _, rights_id, title_key, generation = TICKETS[archive]
    return TicketFile(
        signature_type=0x10004,
        signature=None,
        signature_padding=None,
        issuer="Root-CA00000003-XS00000020",
        rights_id=bytes.fromhex(rights_id),
        title_key_block=bytes.fromhex(title_key).ljust(0x100, b"\0"),
        key_type=TitleKeyType.COMMON,
        common_key_id=generation,
        format_version=2,
        ticket_version=0,
        license_type=LicenseType.PERMANENT,
        property_mask=PropertyMask(0),
        ticket_id=0,
        device_id=0,
        account_id=0,
        section_total_size=0,
        section_header_offset=0x2C0,
        section_count=0,
        section_entry_size=0,
        trailing=b"",
        unknown=(),
    )


def comes_back(data: bytes) -> TicketFile:
    """Check that a file comes back as it was, from its value and from texts."""
    ticket = TicketFile.read(data)
    assert ticket.to_bytes() == data
    for again in (loads_toml(dumps_toml(ticket), TicketFile), loads_json(dumps_json(ticket), TicketFile)):
        assert again == ticket
        assert again.to_bytes() == data
    return ticket


def ticket_bytes(kind: int = 0x10004) -> bytearray:
    """A ticket with zeros for all it can have zeros for."""
    data = bytearray(SIGNATURE_TYPES[kind].body_offset + 0x180)
    data[0:4] = kind.to_bytes(4, "little")
    return data


@pytest.mark.parametrize("archive", TICKETS)
def test_every_field_of_a_ticket_of_another_tool(testdata: Path, corpus_keys: Path, archive: str) -> None:
    with open_fs(testdata / archive, corpus_keys) as fs:
        data = fs.read_bytes(TICKETS[archive][0])
    ticket = comes_back(data)
    assert ticket == expected(archive)
    assert expected(archive).to_bytes() == data
    assert TicketFile.read(MemoryStorage(data)) == ticket
    assert data[4:0x104] == b"\xff" * 0x100  # The filler that None stands for.


def test_plain_values() -> None:
    assert expected("nsp/tk_g2.nsp").to_dict() == {
        "format": "ticket",
        "signature_type": "RSA-2048 SHA-256",
        "issuer": "Root-CA00000003-XS00000020",
        "rights_id": "0100abcdef0000000000000000000002",
        "title_key": "987419dc0f2b60b64424dd4f920f5ae5",
        "key_type": "Common",
        "common_key_id": 2,
        "format_version": 2,
        "ticket_version": 0,
        "license_type": "Permanent",
        "property_mask": [],
        "ticket_id": "0x0000000000000000",
        "device_id": "0x0000000000000000",
        "account_id": "0x00000000",
        "section_total_size": 0,
        "section_header_offset": 704,
        "section_count": 0,
        "section_entry_size": 0,
    }


@pytest.mark.parametrize(
    ("offset", "written", "key", "plain"),
    [
        (0x004, b"\x5a" * 0x100, "signature", "5a" * 0x100),
        (0x104, b"\x01", "signature_padding", "01" + "00" * 0x3B),
        (0x140, b"i" * 0x40, "issuer", "i" * 0x40),
        (0x180, b"\xab" * 0x10, "title_key", "ab" * 0x10),
        (0x180, b"\xab" * 0x100, "title_key_block", "ab" * 0x100),
        (0x280, b"\x03", "format_version", 3),
        (0x281, b"\x01", "key_type", "Personalised"),
        (0x281, b"\x02", "key_type", 2),
        (0x282, b"\x01\x02", "ticket_version", 0x201),
        (0x284, b"\x05", "license_type", "Service"),
        (0x285, b"\x10", "common_key_id", 16),
        (
            0x286,
            b"\xff\x80",
            "property_mask",
            ["PreInstall", "SharedTitle", "AllContent", "DeviceLinkIndependent", "Volatile", "ELicenseRequired", "0x80c0"],
        ),
        (0x288, b"\x00\x01", "unknown", {"0x0149": "01"}),
        (0x290, b"\x01", "ticket_id", "0x0000000000000001"),
        (0x298, b"\x02", "device_id", "0x0000000000000002"),
        (0x2A0, bytes(range(16)), "rights_id", bytes(range(16)).hex()),
        (0x2B0, b"\x03", "account_id", "0x00000003"),
        (0x2B4, b"\x04", "section_total_size", 4),
        (0x2B8, b"\xc0\x02", "section_header_offset", 0x2C0),
        (0x2BC, b"\x05", "section_count", 5),
        (0x2BE, b"\x06", "section_entry_size", 6),
    ],
)
def test_a_field(offset: int, written: bytes, key: str, plain: Any) -> None:
    data = ticket_bytes()
    data[offset : offset + len(written)] = written
    assert comes_back(bytes(data)).to_dict()[key] == plain


@pytest.mark.parametrize(("kind", "size"), [(0x10000, 0x3C0), (0x10001, 0x2C0), (0x10002, 0x200), (0x10003, 0x3C0), (0x10005, 0x200)])
def test_other_signatures(kind: int, size: int) -> None:
    data = ticket_bytes(kind)
    assert len(data) == size
    ticket = comes_back(bytes(data))
    assert ticket.signature == bytes(SIGNATURE_TYPES[kind].signature_size)
    assert ticket.to_dict()["signature_type"] == SIGNATURE_TYPES[kind].algorithm


def test_sections_are_kept() -> None:
    data = ticket_bytes()
    data[0x2B8:0x2C0] = bytes.fromhex("c0020000 0200 1400")
    ticket = comes_back(bytes(data) + bytes(range(40)))
    assert ticket.trailing == bytes(range(40))
    with pytest.raises(CorruptError, match="ticket body at 0x2bc, field section_count: 2 section headers end at 0x2e8, the file has 0x2e7"):
        TicketFile.read(bytes(data) + bytes(39))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\x00\x01\x00\x04" + bytes(0x2BC), b"\x06\x00\x01\x00" + bytes(0x2BC)])
def test_unknown_signatures(data: bytes) -> None:
    with pytest.raises(UnsupportedError, match="ticket at 0x0, field signature_type: unknown signature type 0x"):
        TicketFile.read(data)


@pytest.mark.parametrize("length", [4, 0x140, 0x2BF])
def test_files_that_end_too_soon(length: int) -> None:
    with pytest.raises(CorruptError, match="ticket body at 0x140: needs 0x180 bytes"):
        TicketFile.read(ticket_bytes()[:length])


def test_a_file_that_is_no_ticket_any_more() -> None:
    with pytest.raises(CorruptError, match="ticket: 0x100001 bytes, at most 0x100000 are read"):
        TicketFile.read(bytes(ticket_bytes()).ljust(0x100001, b"\0"))


def test_rights_id_and_key_are_enough() -> None:
    ticket = TicketFile.from_dict({"rights_id": "0100abcdef0000000000000000000002", "title_key": "987419dc0f2b60b64424dd4f920f5ae5"})
    assert ticket == expected("nsp/tk_g2.nsp")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"rights_id": None}, "rights_id: None is not a text of hexadecimal digits"),
        ({"rights_id": "00"}, "rights_id: 1 bytes, 16 are needed"),
        ({"title_key": "00" * 17}, "title_key: 17 bytes, 16 are needed"),
        ({"title_key_block": "00" * 0x100}, "title_key: begins the title_key_block, which is given as well"),
        ({"signature_type": "RSA"}, "signature_type: 'RSA' is not one of RSA-4096 SHA-1, RSA-2048 SHA-1, ECDSA SHA-1"),
        ({"signature": "00"}, "signature: 1 bytes, RSA-2048 SHA-256 needs 256"),
        ({"signature_type": 0x10002, "signature_padding": "00"}, "signature_padding: 1 bytes, ECDSA SHA-1 needs 64"),
        ({"key_type": "Shared"}, "key_type: 'Shared' is not one of Common, Personalised, or a number"),
        ({"issuer": "x" * 65}, "issuer: '" + "x" * 36 + "... has 65 bytes, 64 are the most"),
        ({"titlekey": "00"}, "titlekey: no such key: did you mean title_key?"),
    ],
)
def test_errors_name_the_key(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        TicketFile.from_dict({"rights_id": "00" * 16, "title_key": "00" * 16, **table})
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize("missing", ["rights_id", "title_key"])
def test_what_is_missing(missing: str) -> None:
    table = {"rights_id": "00" * 16, "title_key": "00" * 16}
    del table[missing]
    with pytest.raises(FormatError, match=f"{missing}: missing"):
        TicketFile.from_dict(table)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"signature_type": 5}, "ticket, field signature_type: unknown type 0x5"),
        ({"signature": b""}, "ticket, field signature: 0 bytes, RSA-2048 SHA-256 needs 256"),
        ({"signature_padding": b"1"}, "ticket, field signature_padding: 1 bytes, RSA-2048 SHA-256 needs 60"),
        ({"section_count": 1, "section_entry_size": 1}, "ticket, field section_count: 1 section headers end at 0x2c1, the file has 0x2c0"),
        ({"common_key_id": 256}, "ticket body, field common_key_id"),
        ({"rights_id": b"1"}, "ticket body, field rights_id"),
    ],
)
def test_values_that_do_not_fit(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        dataclasses.replace(expected("nsp/tk_g2.nsp"), **changes).to_bytes()
    assert str(caught.value).startswith(problem)
