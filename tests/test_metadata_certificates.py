from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.ticket import CertificateKeyType
from oboromi_fs.errors import CorruptError, FormatError, UnsupportedError
from oboromi_fs.metadata.certificates import Certificate, CertificateChain
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.opening import open_fs

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURES = {0x10000: 0x200, 0x10001: 0x100, 0x10002: 0x3C, 0x10003: 0x200, 0x10004: 0x100, 0x10005: 0x3C}
KEYS = {0: (0x200, 0x238), 1: (0x100, 0x138), 2: (0x3C, 0x78)}


def certificate_bytes(signature: int = 0x10004, key: int = 1, issuer: bytes = b"Root", subject: bytes = b"CA00000003") -> bytes:
    """A certificate, written from the specification."""
    size = SIGNATURES[signature]
    head = struct.pack(">I", signature) + b"\xab" * size + bytes(0x40 if size == 0x3C else 0x3C)
    body = issuer.ljust(0x40, b"\0") + struct.pack(">I", key) + subject.ljust(0x40, b"\0") + struct.pack(">I", 0x12345678)
    modulus, whole = KEYS[key]
    return head + body + (b"\xcd" * modulus + (b"\0\1\0\1" if key < 2 else b"")).ljust(whole, b"\0")


def comes_back(data: bytes) -> CertificateChain:
    """Check that a file comes back as it was, from its value and from texts."""
    chain = CertificateChain.read(data)
    assert chain.to_bytes() == data
    for again in (loads_toml(dumps_toml(chain), CertificateChain), loads_json(dumps_json(chain), CertificateChain)):
        assert again == chain
    return chain


def test_every_field_of_a_chain_of_another_tool(testdata: Path, corpus_keys: Path) -> None:
    with open_fs(testdata / "nsp" / "tk_g2.nsp", corpus_keys) as fs:
        data = fs.read_bytes("0100abcdef0000000000000000000002.cert")
    chain = comes_back(data)
    assert [(each.name, each.signature_type, each.key_type, each.certificate_id, each.size) for each in chain.certificates] == [
        ("Root-CA00000003", 0x10003, CertificateKeyType.RSA_2048, chain.certificates[0].certificate_id, 0x400),
        ("Root-CA00000003-XS00000020", 0x10004, CertificateKeyType.RSA_2048, chain.certificates[1].certificate_id, 0x300),
    ]
    assert chain.problems() == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_type(signature: int, key: int) -> None:
    (found,) = comes_back(certificate_bytes(signature, key)).certificates
    assert found.signature == b"\xab" * SIGNATURES[signature]
    assert found.key == b"\xcd" * KEYS[key][0]
    assert found.exponent == (None if key == 2 else 0x10001)
    assert (found.name, found.certificate_id, found.key_type) == ("Root-CA00000003", 0x12345678, key)


def test_plain_values() -> None:
    assert CertificateChain.read(certificate_bytes(0x10005, 2)).to_dict() == {
        "format": "certificates",
        "certificates": [
            {
                "signature_type": "ECDSA SHA-256",
                "signature": "ab" * 0x3C,
                "issuer": "Root",
                "key_type": "ECDSA",
                "subject": "CA00000003",
                "certificate_id": "0x12345678",
                "key_block": "cd" * 0x3C + "00" * 0x3C,
            }
        ],
    }


def test_padding_that_is_not_zero_is_kept() -> None:
    data = bytearray(certificate_bytes())
    data[0x120] = 7
    assert comes_back(bytes(data)).certificates[0].signature_padding == bytes(0x1C) + b"\7" + bytes(0x1F)


def test_a_chain_with_a_gap_and_with_twins() -> None:
    xs = certificate_bytes(issuer=b"Root-CA00000004", subject=b"XS00000020")
    chain = CertificateChain.read(certificate_bytes() + xs + xs)
    told = "'Root-CA00000004-XS00000020' is signed by 'Root-CA00000004', which is not in the chain"
    assert chain.problems() == ["'Root-CA00000004-XS00000020' stands twice", told, told]


@pytest.mark.parametrize(
    ("data", "cls", "problem"),
    [
        (b"", CorruptError, "empty"),
        (b"\0\1\0\6", UnsupportedError, "unknown signature type 0x10006"),
        (b"\4\0\1\0" + bytes(0x2FC), UnsupportedError, "unknown signature type 0x4000100"),  # That of a ticket, whose bytes are turned.
        (certificate_bytes()[:-1], CorruptError, "a key of 0x138 bytes at 0x1c8, the file has 0x2ff"),
        (certificate_bytes() + b"\0", CorruptError, "certificate signature type"),
        (certificate_bytes()[:0x180] + b"\0\0\0\3" + certificate_bytes()[0x184:], UnsupportedError, "unknown key type 0x3"),
        (certificate_bytes() * 100, CorruptError, "at most 0x10000"),
    ],
)
def test_hostile_chains(data: bytes, cls: type[FormatError], problem: str) -> None:
    with pytest.raises(cls, match=problem):
        CertificateChain.read(data)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"signature": "ab"}, r"\[certificates.0\] signature: 1 bytes, its type needs 60"),
        ({"key_block": "ab"}, r"\[certificates.0\] key_block: 1 bytes, its type needs 120"),
        ({"key_type": 7}, r"\[certificates.0\] key_block: 120 bytes, and the key type 7 is unknown"),
        ({"key_typ": 7}, "did you mean key_type"),
        ({"subject": "x" * 65}, "65 bytes, 64 are the most"),
    ],
)
def test_errors_name_the_key(change: dict[str, Any], problem: str) -> None:
    table: Any = CertificateChain.read(certificate_bytes(0x10005, 2)).to_dict()
    table["certificates"][0] |= change
    with pytest.raises(FormatError, match=problem):
        CertificateChain.from_dict(table)


def test_unknown_types_cannot_be_written() -> None:
    certificate = Certificate(signature_type=1, signature=b"", issuer="Root", key_type=2, subject="", key_block=bytes(0x78))
    with pytest.raises(FormatError, match="unknown type 0x1"):
        certificate.to_bytes()


@given(data=st.data())
def test_any_change_is_read_or_refused(data: st.DataObject) -> None:
    blob = bytearray(certificate_bytes() + certificate_bytes(0x10005, 2))
    for at in data.draw(st.lists(st.integers(0, len(blob) - 1), max_size=4)):
        blob[at] = data.draw(st.integers(0, 255))
    blob = blob[: data.draw(st.integers(0, len(blob)))]
    try:
        chain = CertificateChain.read(bytes(blob))
    except FormatError:
        return
    assert chain.to_bytes() == blob
    chain.problems()
