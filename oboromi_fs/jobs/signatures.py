"""Signatures of an NCA header: the first with a modulus of the user's, the second with the one the program brings itself.

Source: Switchbrew wiki, "NCA" and "NPDM".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from oboromi_formats.nca import ContentType
from oboromi_fs.backends.nca import Nca, read_header
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["signatures"]

_EXPONENT = 0x10001


def signatures(nca: Nca) -> Iterator[tuple[str, Literal["ok", "failed", "note"], str]]:
    """Yield ``(check, status, detail)`` for each signature that something can be said about.

    A signature of one repeated byte is filler, which every tool that has no private key writes: a note, no failure.
    """
    header = nca.header
    if len(set(header.signature_1)) == 1:
        yield "signature", "note", "filler, not signed: made by a tool"
    else:
        name = f"nca_header_sign_key_{header.signature_key_generation:02x}_modulus"
        modulus = nca.keys.get(name)
        if modulus is not None:
            good = _pss_matches(modulus, header.signature_1, _signed_part(nca))
            yield (
                "signature",
                "ok" if good else "failed",
                "" if good else f"does not verify with {name}: the header was changed, or made by a tool",
            )
    if header.content_type == ContentType.PROGRAM and len(set(header.signature_2)) > 1:
        try:
            modulus = _acid_modulus(nca)
        except OboromiFsError:  # The section's own checks say what is wrong with it.
            return
        if modulus is not None:
            good = _pss_matches(modulus, header.signature_2, _signed_part(nca))
            yield (
                "program signature",
                "ok" if good else "note",
                "" if good else "does not verify with the key in main.npdm: one of them was changed",
            )


def _signed_part(nca: Nca) -> bytes:
    return read_header(nca.raw, nca.keys)[0][0x200:0x400]


def _acid_modulus(nca: Nca) -> bytes | None:
    """The modulus in the ACID of the program's ``main.npdm``; None where there is none, or filler."""
    section = nca.sections.get(0)
    if section is None:
        return None
    exefs = NspArchive(section.image())
    if "main.npdm" not in exefs.members:
        return None
    npdm = exefs.storage("main.npdm")
    acid = int.from_bytes(npdm[0x78:0x7C], "little")
    modulus = npdm[acid + 0x100 : acid + 0x200].tobytes()
    if npdm[acid + 0x200 : acid + 0x204].tobytes() != b"ACID" or len(set(modulus)) == 1:
        return None
    return modulus


def _pss_matches(modulus: bytes, signature: bytes, message: bytes) -> bool:
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA
    from Crypto.Signature import pss

    try:
        key = RSA.construct((int.from_bytes(modulus, "big"), _EXPONENT), consistency_check=False)
        pss.new(key).verify(SHA256.new(message), signature)
    except (ValueError, TypeError, IndexError):
        return False
    return True
