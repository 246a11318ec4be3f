"""What each run of an NCA is encrypted with: as much as it takes to take its encryption off, and to put it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.nca import Encryption
from oboromi_fs._decode import error
from oboromi_fs.backends.nca.header import UNIT
from oboromi_fs.backends.nca.layers import patched_body
from oboromi_fs.errors import CorruptError, UnsupportedError
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.ctr_ex import AesCtrExStorage

if TYPE_CHECKING:
    from oboromi_fs.backends.nca.archive import Nca
    from oboromi_fs.backends.nca.section import NcaSection

__all__ = ["CryptRun", "crypt_runs"]

_BLOCK = 0x10
_CTR = (Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH)
_CTR_EX = (Encryption.AES_CTR_EX, Encryption.AES_CTR_EX_SKIP_LAYER_HASH)


class CryptRun(NamedTuple):
    """Bytes ``start..stop`` of an NCA, and what they are encrypted with.

    ``encryption`` is NONE, AES_XTS, AES_CTR or AES_CTR_EX. ``key`` and ``upper`` (16 bytes, and the upper 8 of the counter) are empty for
    the first two.
    """

    start: int
    stop: int
    encryption: Encryption
    key: bytes = b""
    upper: bytes = b""


def crypt_runs(nca: Nca) -> list[CryptRun]:
    """Return the runs of all sections, in the order of the file.

    Raises:
        UnsupportedError: A section is sparse, and lies in the file in parts; or its encryption is unknown.
        CorruptError, IntegrityError: A section or its header is damaged.
        MissingKeyError: A key is absent.
    """
    runs: list[CryptRun] = []
    for section in sorted(nca.sections.values(), key=lambda section: section.start):
        runs += _of_section(section)
    return runs


def _of_section(section: NcaSection) -> list[CryptRun]:
    raw = section.raw  # That it is there, and whole.
    start, stop, kind = section.start, section.start + section.size, section.header.encryption
    if kind == Encryption.NONE:
        return [CryptRun(start, stop, Encryption.NONE)]
    if kind == Encryption.AES_XTS:
        return [CryptRun(start, stop, Encryption.AES_XTS)]
    if kind not in (*_CTR, *_CTR_EX):
        at = 0x404 + UNIT * section.index
        raise error(
            UnsupportedError, f"has encryption type {kind}", what=section.what, storage=section.nca.raw, offset=at, field="encryption"
        )
    plain = section.plain_until
    if plain % _BLOCK:  # No run of the kind can begin there: as it is stored.
        return [CryptRun(start, stop, Encryption.NONE)]
    runs = [CryptRun(start, start + plain, Encryption.NONE)] if plain else []
    header = section.header
    upper = header.secure_value.to_bytes(4, "big") + header.generation.to_bytes(4, "big")
    candidates = [key for key, _ in section.nca.content_keys()]
    if section.is_patch and kind in _CTR_EX:
        return runs + _of_generations(section, candidates, upper, plain)
    key = candidates[0]
    if len(candidates) > 1 and plain + _BLOCK <= section.size and not section.is_patch:
        clear = section.decrypted()[plain : plain + _BLOCK]
        fitting = (each for each in candidates if AesCtrStorage(raw, each, upper, start)[plain : plain + _BLOCK] == clear)
        key = next(fitting, key)
    return [*runs, CryptRun(start + plain, stop, Encryption.AES_CTR, key, upper)]


def _of_generations(section: NcaSection, candidates: list[bytes], upper: bytes, plain: int) -> list[CryptRun]:
    """The runs of a patch: those of its table of generations, and behind them its tables, which have that of the header."""
    start, end = section.start, section.size
    problem: CorruptError | None = None
    for key in candidates:
        try:
            body = patched_body(section, section.raw, key, plain_until=plain)
        except CorruptError as wrong:
            problem = problem or wrong
            continue
        runs: list[CryptRun] = []
        if isinstance(body, AesCtrExStorage):
            for begin, stop, of_run in body.runs():
                kind = Encryption.NONE if of_run is None else Encryption.AES_CTR_EX
                runs.append(CryptRun(start + begin, start + stop, kind, key if of_run is not None else b"", of_run or b""))
        mapped = body.size if isinstance(body, AesCtrExStorage) else plain
        if mapped < end:
            runs.append(CryptRun(start + mapped, start + end, Encryption.AES_CTR_EX, key, upper))
        return runs
    assert problem is not None  # noqa: S101  # For the type checker: there is always a candidate.
    raise problem
