from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs import CorruptError, KeySet, MemoryStorage, MissingKeyError, Ticket, UnsupportedError
from oboromi_fs._forge import made_up_bytes
from tests import forged

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURES = {0x10000: 0x240, 0x10001: 0x140, 0x10002: 0x80, 0x10003: 0x240, 0x10004: 0x140, 0x10005: 0x80}
"""Signature type -> where the body starts."""


def read(data: bytes) -> Ticket:
    return Ticket.read(MemoryStorage(data, "a.tik"))


def test_a_common_ticket() -> None:
    ticket = read(forged.common_ticket())
    assert (ticket.signature_type, ticket.rights_id, ticket.body.common_key_id) == (0x10004, forged.RIGHTS_ID, 5)
    assert ticket.encrypted_title_key(KeySet()) == forged.WRAPPED_TITLE_KEY


@pytest.mark.parametrize(("kind", "start"), SIGNATURES.items(), ids=hex)
def test_every_kind_of_signature(kind: int, start: int) -> None:
    body = forged.common_ticket()[0x140:]
    data = kind.to_bytes(4, "little").ljust(start, b"\xff") + body
    assert read(data).rights_id == forged.RIGHTS_ID


def test_what_other_tools_write(testdata: Path, corpus_keys: Path) -> None:
    from oboromi_fs import NspArchive

    with NspArchive(testdata / "nsp" / "tk_g2.nsp") as archive:
        ticket = Ticket.read(archive.storage("0100abcdef0000000000000000000002.tik"))
    assert ticket.rights_id.hex() == "0100abcdef0000000000000000000002"
    keys = KeySet.load(corpus_keys, corpus_keys.with_name("title.keys"))
    assert ticket.encrypted_title_key(keys) == keys.title_key(ticket.rights_id)


@pytest.mark.parametrize("data", [b"", b"\4", b"\4\0\2", bytes(0x2C0), b"\xff" * 0x2C0, (0x10006).to_bytes(4, "little"), b"\0\1\0\4"])
def test_unknown_signatures(data: bytes) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read(data)
    assert str(caught.value).startswith("ticket of a.tik at 0x0, field signature_type: unknown signature type 0x")


@pytest.mark.parametrize("size", [4, 0x13F, 0x140, 0x2A0, 0x2BF])
def test_cut_short(size: int) -> None:
    with pytest.raises(CorruptError, match=r"ticket body of a\.tik at 0x140: needs 0x180 bytes"):
        read(forged.common_ticket()[:size])


def test_a_personalised_ticket_needs_the_key_of_its_console() -> None:
    data = bytearray(forged.common_ticket())
    data[0x281] = 1
    with pytest.raises(MissingKeyError) as caught:
        read(bytes(data)).encrypted_title_key(KeySet())
    assert caught.value.key_name == "eticket_rsa_keypair"


def test_a_personalised_ticket_is_opened_with_it() -> None:
    from Crypto.Cipher import PKCS1_OAEP
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA

    pair = RSA.generate(2048, e=65537)
    block = PKCS1_OAEP.new(pair, SHA256).encrypt(forged.WRAPPED_TITLE_KEY)
    data = bytearray(forged.common_ticket())
    data[0x180:0x280] = block
    data[0x281] = 1
    named = pair.d.to_bytes(0x100, "big") + pair.n.to_bytes(0x100, "big") + pair.e.to_bytes(4, "big")
    keys = KeySet({"eticket_rsa_keypair": named.ljust(0x210, b"\0")})
    assert read(bytes(data)).encrypted_title_key(keys) == forged.WRAPPED_TITLE_KEY
    assert made_up_bytes("x") != forged.WRAPPED_TITLE_KEY
