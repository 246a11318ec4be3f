"""AES-128-CTR: a section of a content archive, decrypted where it is read.

The counter block of a byte is ``upper IV || big-endian 64-bit (absolute offset >> 4)``, where *absolute* counts from the start of the
archive. Every byte can therefore be decrypted by itself, and any number of threads may do so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage._cipher import block_cipher
from oboromi_fs.storage._source import encrypted_place, fill, origin, view_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from oboromi_fs.protocols import Place, Storage

__all__ = ["AesCtrStorage", "ctr_crypt"]

_FEW = 0x400
"""Bytes up to which a cipher that is kept does the work."""
_LIMIT = 1 << 68
"""First absolute offset whose block number needs more than the counter's 64 bits."""


def ctr_crypt(key: bytes, upper_iv: bytes, position: int, source: bytes | bytearray | memoryview, target: bytearray | memoryview) -> None:
    """Encrypt or decrypt a run of bytes (the two are the same).

    Args:
        key: 16 bytes.
        upper_iv: First 8 bytes of the counter block: secure value and generation, both big-endian.
        position: Absolute offset of the run's first byte; any, not only multiples of 16.
        source: The bytes to transform.
        target: Where they go: as long as ``source``, and either the same memory or memory that does not overlap it.

    Example:
        >>> target = bytearray(4)
        >>> ctr_crypt(bytes(range(16)), bytes.fromhex("0000000200000000"), 0x5803, bytes(4), target)
        >>> target.hex()
        '17425ba4'
    """
    if len(source) <= _FEW:
        _crypt_few(key, upper_iv, position, source, target)
        return
    from Crypto.Cipher import AES  # Loads a dozen extension modules: only where something is decrypted.

    cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=upper_iv + (position >> 4).to_bytes(8, "big"))
    skip = position & 15
    if skip:
        cipher.decrypt(bytes(skip))  # The key stream starts at a block; this drops the part before the run.
    cipher.decrypt(source, output=target)


def _crypt_few(key: bytes, upper_iv: bytes, position: int, source: bytes | bytearray | memoryview, target: bytearray | memoryview) -> None:
    """The same for a few bytes, such as an entry of a table: a cipher of its own for each would take longer than all the rest."""
    size = len(source)
    first, skip = position >> 4, position & 15
    counters = [upper_iv + number.to_bytes(8, "big") for number in range(first, (position + size + 15) >> 4)]
    stream = block_cipher(key).encrypt(b"".join(counters))[skip : skip + size]
    target[:] = (int.from_bytes(source, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")


class AesCtrStorage(StorageBase):
    """The plain bytes of a storage that is encrypted with AES-128-CTR.

    Args:
        parent: The encrypted bytes, usually a window of the archive.
        key: 16 bytes.
        upper_iv: First 8 bytes of the counter block. The archive header stores them reversed.
        base_offset: Offset of the parent's first byte from the start of the archive; it is what the counter counts.
        plain_until: Bytes before this one are stored plain, as the hash layers of the skip-layer-hash variants are.

    Raises:
        ValueError: ``key`` or ``upper_iv`` has the wrong length, or an offset is negative.
        CorruptError: The range lies past what the counter can address.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> section = AesCtrStorage(MemoryStorage(bytes(16)), bytes(range(16)), bytes.fromhex("0000000200000000"), 0x5800)
        >>> section[3:7].hex()
        '17425ba4'
    """

    __slots__ = ("_key", "base_offset", "parent", "plain_until", "upper_iv")
    kind = "AesCtr"

    def __init__(self, parent: Storage, key: bytes, upper_iv: bytes, base_offset: int, *, plain_until: int = 0) -> None:
        if len(key) != 16 or len(upper_iv) != 8:
            message = f"AES-CTR takes a key of 16 and an upper IV of 8 bytes, not {len(key)} and {len(upper_iv)}"
            raise ValueError(message)
        if base_offset < 0 or plain_until < 0:
            message = f"negative offset: base_offset {base_offset}, plain_until {plain_until}"
            raise ValueError(message)
        if base_offset + parent.size > _LIMIT:
            position, source = origin(parent, 0)
            problem = f"{parent.size:#x} bytes at {base_offset:#x} do not fit a 64-bit block counter"
            raise CorruptError(problem, what="AES-CTR", source=source, offset=position, field="base_offset")
        self.parent = parent
        self.upper_iv = bytes(upper_iv)
        self.base_offset = base_offset
        self.plain_until = min(plain_until, parent.size)
        self._key = bytes(key)
        self._size = parent.size

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The encrypted bytes."""
        return (self.parent,)

    def decrypted_into(self, offset: int, source: Buffer, target: bytearray | memoryview) -> None:
        """Decrypt bytes that the caller has already read from :attr:`parent`.

        For bulk work that reads the parent in an order of its own.

        Args:
            offset: Where the bytes lie in this storage.
            source: The parent's bytes from ``offset`` on.
            target: Where the plain bytes go: as long as ``source``, the same memory or not overlapping it.

        Raises:
            ValueError: The run does not lie inside the storage, or the lengths differ.
        """
        data = memoryview(source).cast("B")
        out = memoryview(target).cast("B")
        if offset < 0 or offset + len(data) > self._size or len(data) != len(out):
            message = f"{len(data)} bytes at {offset} for a target of {len(out)}: the storage has {self._size}"
            raise ValueError(message)
        plain = min(max(0, self.plain_until - offset), len(data))
        if plain:
            out[:plain] = data[:plain]
        if plain < len(data):
            ctr_crypt(self._key, self.upper_iv, self.base_offset + offset + plain, data[plain:], out[plain:])

    def _readinto(self, offset: int, target: memoryview) -> None:
        plain = self.plain_until - offset
        if plain > 0:
            fill(self.parent, offset, target[:plain])
            target = target[plain:]
            offset += plain
            if not target:
                return
        source = view_of(self.parent, offset, offset + len(target))
        if source is None:
            fill(self.parent, offset, target)
            source = target
        ctr_crypt(self._key, self.upper_iv, self.base_offset + offset, source, target)

    def _view(self, start: int, stop: int) -> memoryview | None:
        return view_of(self.parent, start, stop) if stop <= self.plain_until else None

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.parent.place(offset) if offset < self.plain_until else encrypted_place(self.parent, offset)
