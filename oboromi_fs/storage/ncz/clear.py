"""A section of the NCA in an NCZ, in the clear, as it is stored: neither encrypted again nor decrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.ncz import VERBATIM_SIZE
from oboromi_fs.storage.ctr import AesCtrStorage

if TYPE_CHECKING:
    from oboromi_fs.storage.ncz.image import NczStorage

__all__ = ["ClearSectionStorage", "clear_section"]


class ClearSectionStorage(AesCtrStorage):
    """What :class:`AesCtrStorage` makes of a section, without the detour by its encryption.

    Args:
        ncz: The NCA.
        start: First byte of the section in it.
        stop: The byte behind the last.
        key: The key that the NCZ has for all of it; so is ``upper_iv``.
        upper_iv: First 8 bytes of the counter block.
    """

    __slots__ = ("_ncz",)

    def __init__(self, ncz: NczStorage, start: int, stop: int, key: bytes, upper_iv: bytes) -> None:
        super().__init__(ncz.window(start, stop), key, upper_iv, start)
        self._ncz = ncz

    def _readinto(self, offset: int, target: memoryview) -> None:
        at = self.base_offset + offset
        head = VERBATIM_SIZE - at
        if head > 0:  # These bytes stand in the NCZ encrypted.
            super()._readinto(offset, target[:head])
            target, at = target[head:], at + head
        if target:
            self._ncz.clear_into(at, target)


def clear_section(ncz: NczStorage, start: int, stop: int, key: bytes, upper_iv: bytes) -> AesCtrStorage:
    """Return a section in the clear: as it is stored, where the NCZ has the same key and counter for all of it; else decrypted.

    Args:
        ncz: The NCA.
        start: First byte of the section in it.
        stop: The byte behind the last.
        key: 16 bytes.
        upper_iv: First 8 bytes of the counter block.
    """
    if ncz.is_encrypted_with(start, stop, key, upper_iv):
        return ClearSectionStorage(ncz, start, stop, key, upper_iv)
    return AesCtrStorage(ncz.window(start, stop), key, upper_iv, start)
