"""Signatures: two of an NCA header, one of a program's ACID, one of a game card header.

One verifies with a modulus the program brings itself; the others need one of the user's keys.
Source: Switchbrew wiki, "NCA", "NPDM" and "XCI".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple

from oboromi_formats.nca import ContentType
from oboromi_fs.backends.nca import Nca, read_header
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["card_signature", "signatures"]

_EXPONENT = 0x10001
_MODULUS_SIZE = 0x100
_MAX_ACID = 1 << 20
"""Bytes an ACID may sign; real ones have a few thousand."""
_ACID_HEADER = 0x208
"""Bytes of an ACID up to the end of the size of what it signs."""
_CARD_KEY = "xci_header_sign_key_modulus"
_OWN_SIGN_KEY = 0x80
"""Flag of a card header that another key may have signed."""


class _Acid(NamedTuple):
    """What a program's ``main.npdm`` says of signatures. ``signed`` is empty where the file does not hold what the ACID signs."""

    place: Storage
    offset: int
    key_generation: int
    signature: bytes
    modulus: bytes
    signed: bytes


def signatures(label: str, nca: Nca) -> Iterator[Check]:
    """Yield a check for each signature that something can be said about.

    A signature of one repeated byte is filler, which every tool that has no private key writes: a note, no failure.
    """
    header = nca.header
    signed = read_header(nca.raw, nca.keys)[0][0x200:0x400]
    at = nca.raw.place(0).offset
    if _filler(header.signature_1):
        yield Check(label, "signature", "note", "filler, not signed: made by a tool", size=len(signed))
    else:
        name = f"nca_header_sign_key_{header.signature_key_generation:02x}_modulus"
        modulus = nca.keys.get(name)
        if modulus is None:
            yield _unchecked(label, "signature", name, len(signed))
        elif _matches(modulus, header.signature_1, signed):
            yield Check(label, "signature", "ok", size=len(signed))
        else:
            detail = f"does not verify with {name}: the header was changed, or made by a tool"
            yield Check(label, "signature", "failed", detail, at, len(signed))
    if header.content_type != ContentType.PROGRAM:
        return
    try:
        acid = _acid(nca)
    except OboromiFsError:  # The section's own checks say what is wrong with it.
        return
    if not _filler(header.signature_2):
        if acid is None or _filler(acid.modulus):
            yield Check(label, "program signature", "note", "not checked: there is no main.npdm with a key for it", size=len(signed))
        elif _matches(acid.modulus, header.signature_2, signed):
            yield Check(label, "program signature", "ok", size=len(signed))
        else:
            detail = "does not verify with the key in main.npdm: one of them was changed"
            yield Check(label, "program signature", "note", detail, size=len(signed))
    if acid is not None and not _filler(acid.signature):
        yield _acid_check(label, acid, nca.keys)


def _acid_check(label: str, acid: _Acid, keys: KeySet) -> Check:
    name = f"acid_sign_key_{acid.key_generation:02x}_modulus"
    modulus = keys.get(name)
    size = len(acid.signed)
    if modulus is None:
        return _unchecked(label, "ACID signature", name, size)
    if size and _matches(modulus, acid.signature, acid.signed):
        return Check(label, "ACID signature", "ok", size=size)
    problem = f"does not verify with {name}" if size else "signs more than main.npdm holds"
    detail = f"the ACID in main.npdm {problem}: it was changed, or made by a tool"
    return Check(label, "ACID signature", "failed", detail, acid.place.place(acid.offset).offset, size)


def card_signature(label: str, card: XciArchive, keys: KeySet) -> Iterator[Check]:
    """Yield a check of the signature of a card header."""
    signature = card.header.signature
    what, size = "XCI header signature", 0x100
    if _filler(signature):
        yield Check(label, what, "note", "filler, not signed: made by a tool", size=size)
        return
    modulus = keys.get(_CARD_KEY)
    if modulus is None:
        yield _unchecked(label, what, _CARD_KEY, size)
        return
    start = card.header_offset
    if _matches(modulus, signature, card.raw[start + 0x100 : start + 0x200].tobytes(), "pkcs1_15"):
        yield Check(label, what, "ok", size=size)
    elif card.header.flags & _OWN_SIGN_KEY:
        yield Check(label, what, "note", f"does not verify with {_CARD_KEY}; its flags say that another key may have signed it", size=size)
    else:
        detail = f"does not verify with {_CARD_KEY}: the header was changed, or made by a tool"
        yield Check(label, what, "failed", detail, card.raw.place(start).offset, size)


def _unchecked(label: str, what: str, name: str, size: int) -> Check:
    return Check(label, what, "note", f"not checked: your keys have no {name}", size=size)


def _filler(data: bytes) -> bool:
    return len(set(data)) <= 1


def _acid(nca: Nca) -> _Acid | None:
    """The ACID of the program; None where there is none."""
    section = nca.sections.get(0)
    if section is None:
        return None
    exefs = NspArchive(section.image())
    if "main.npdm" not in exefs.members:
        return None
    npdm = exefs.storage("main.npdm")
    meta = npdm[:0x80].tobytes()
    start = int.from_bytes(meta[0x78:0x7C], "little")
    head = npdm[start : start + _ACID_HEADER].tobytes()
    if meta[:4] != b"META" or len(head) < _ACID_HEADER or head[0x200:0x204] != b"ACID":
        return None
    (size,) = struct.unpack_from("<I", head, 0x204)
    signed = b""
    if size <= min(npdm.size - start - _MODULUS_SIZE, _MAX_ACID):
        signed = npdm[start + _MODULUS_SIZE : start + _MODULUS_SIZE + size].tobytes()
    return _Acid(npdm, start, meta[4], head[:0x100], head[0x100:0x200], signed)


def _matches(modulus: bytes, signature: bytes, message: bytes, padding: Literal["pss", "pkcs1_15"] = "pss") -> bool:
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA
    from Crypto.Signature import pkcs1_15, pss

    try:
        key = RSA.construct((int.from_bytes(modulus, "big"), _EXPONENT), consistency_check=False)
        (pss if padding == "pss" else pkcs1_15).new(key).verify(SHA256.new(message), signature)
    except (ValueError, TypeError, IndexError):
        return False
    return True
