"""Encryption of an NCA's parts: sections where they lie, the key area, the headers. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.nca import FS_HEADER_OFFSET, MEDIA_UNIT, NCA_HEADERS_SIZE, Encryption
from oboromi_fs.errors import FormatError, MissingKeyError, UnsupportedError
from oboromi_fs.keys import master_key_revision
from oboromi_fs.storage.ctr import ctr_crypt
from oboromi_fs.storage.xts import xts_crypt, xts_encrypt

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.builders.nca.layout import NcaLayout, SectionLayout
    from oboromi_fs.keys import KeySet

__all__ = ["BodyKeys", "SectionCipher", "body_keys", "encrypt_title_key", "encrypted_headers"]

_KEY_AREA = 0x100
_CTR = (Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH)


class BodyKeys(NamedTuple):
    """Keys of the sections, empty where no section needs one, and the key area as it is stored."""

    ctr: bytes
    xts: bytes
    key_area: bytes


def body_keys(layout: NcaLayout, ciphers: Collection[int], keys: KeySet) -> BodyKeys:
    """Find the keys that sections with these encryptions need.

    Raises:
        MissingKeyError: The key area key, the title key or its ``titlekek`` is absent.
        FormatError: The key area does not have the slot that is needed, or no whole slots.
        UnsupportedError: The header names a key area key that does not exist.
    """
    header, area = layout.header, layout.key_area
    if len(area) % 16 or len(area) > _KEY_AREA:
        raise FormatError(f"{len(area)} bytes are not up to 16 slots of 16", what="NCA header", field="key_area")
    stored = area
    if area:
        from Crypto.Cipher import AES

        stored = AES.new(keys.key_area_key(header.key_area_key_index, header.revision), AES.MODE_ECB).encrypt(area)
    ctr = xts = b""
    if any(cipher in _CTR for cipher in ciphers):
        ctr = _title_key(layout, keys) if header.has_rights_id else _slots(area, 0x20, 0x10)
    if Encryption.AES_XTS in ciphers:
        xts = _slots(area, 0, 0x20)
    return BodyKeys(ctr, xts, stored.ljust(_KEY_AREA, b"\0"))


def _slots(area: bytes, start: int, size: int) -> bytes:
    key = area[start : start + size]
    if len(key) != size:
        raise FormatError(f"has no key at {start:#x} that a section could be encrypted with", what="NCA header", field="key_area")
    return key


def _title_key(layout: NcaLayout, keys: KeySet) -> bytes:
    key = layout.title_key
    if key is None:
        rights_id = layout.header.rights_id
        encrypted = keys.title_key(rights_id)
        if encrypted is None:
            raise MissingKeyError(rights_id.hex(), "the title key to encrypt with", "give it, or add a line to title.keys")
        key = keys.decrypt_title_key(encrypted, layout.header.revision)
    if len(key) != 16:
        raise FormatError(f"has {len(key)} bytes instead of 16", what="title key")
    return key


def encrypt_title_key(title_key: bytes, key_generation: int, keys: KeySet) -> bytes:
    """Return a title key as tickets and ``title.keys`` store it.

    Args:
        title_key: The key itself, 16 bytes.
        key_generation: That of the NCAs it encrypts.
        keys: ``titlekek`` is taken from them.

    Raises:
        MissingKeyError: There is no ``titlekek`` for the generation.
        FormatError: Not 16 bytes.
    """
    if len(title_key) != 16:
        raise FormatError(f"has {len(title_key)} bytes instead of 16", what="title key")
    from Crypto.Cipher import AES

    return AES.new(keys.titlekek(master_key_revision(key_generation)), AES.MODE_ECB).encrypt(title_key)


class SectionCipher:
    """Encrypts bytes of one section in place. Any number of threads may use one.

    Args:
        section: How it is encrypted.
        keys: With what.
        start: Where the section lies in the NCA.
        plain_until: Bytes of the section before this one stay plain in the skip-layer-hash variant: all before the data.

    Raises:
        UnsupportedError: There is no such encryption here.
    """

    def __init__(self, section: SectionLayout, keys: BodyKeys, start: int, plain_until: int) -> None:
        header = section.header
        kind = header.encryption
        if kind not in (Encryption.NONE, Encryption.AES_XTS, *_CTR):
            raise UnsupportedError(f"cannot encrypt with type {kind}", what=f"NCA section {section.name}", field="encryption")
        self._ctr = keys.ctr if kind in _CTR else b""
        self._xts = keys.xts if kind == Encryption.AES_XTS else b""
        self._upper = header.secure_value.to_bytes(4, "big") + header.generation.to_bytes(4, "big")
        self._start = start
        self._first_sector = start // MEDIA_UNIT if section.xts_base == "absolute" else 0
        self._plain_until = plain_until if kind == Encryption.AES_CTR_SKIP_LAYER_HASH else 0

    def encrypt(self, offset: int, data: bytearray | memoryview) -> None:
        """Encrypt bytes that lie at ``offset`` of the section, in place; for AES-XTS both are multiples of 16."""
        if self._xts:
            xts_crypt(self._xts, offset, data, data, sector=self._first_sector, encrypt=True)
        elif self._ctr:
            view = memoryview(data)[max(self._plain_until - offset, 0) :]
            if view:
                position = self._start + max(offset, self._plain_until)
                ctr_crypt(self._ctr, self._upper, position, view, view)


def encrypted_headers(layout: NcaLayout, clear: bytes, present: Collection[int], keys: KeySet) -> bytes:
    """Return the 0xC00 bytes of the headers as they are stored.

    NCA2 encrypts each FS header as a stream of its own, and stores those of absent sections as plain zeros.

    Args:
        layout: Whether and how they are encrypted.
        clear: The 0xC00 bytes.
        present: Slots of the sections that are there.
        keys: ``header_key`` is taken from them.

    Raises:
        MissingKeyError: ``header_key`` is absent.
    """
    if not layout.encrypted:
        return clear
    key = keys.header_key()
    if layout.header.magic != b"NCA2":
        return xts_encrypt(clear, key, 0)
    stored = xts_encrypt(clear[:FS_HEADER_OFFSET], key, 0)
    for slot, start in enumerate(range(FS_HEADER_OFFSET, NCA_HEADERS_SIZE, MEDIA_UNIT)):
        part = clear[start : start + MEDIA_UNIT]
        stored += xts_encrypt(part, key, 0) if slot in present else part
    return stored
