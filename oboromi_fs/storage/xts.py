"""AES-128-XTS with a big-endian sector number: archive headers, and sections and files that are encrypted sector by sector.

Ordinary XTS encrypts the sector number as a little-endian integer to get a sector's first tweak; here the number is big-endian. All
after that is the ordinary rule: the tweak of the next block is the last one times x modulo x^128 + x^7 + x^2 + x + 1, little-endian.

Blocks do not depend on each other, so a read decrypts the 16-byte blocks that it touches and no more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage._cipher import block_cipher
from oboromi_fs.storage._source import encrypted_place, fill, origin, view_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from oboromi_fs.protocols import Place, Storage

__all__ = ["AesXtsStorage", "xts_crypt", "xts_decrypt", "xts_encrypt"]

_FEW = 512
"""Blocks (16 sectors of 0x200) up to which integers do the work: they are quicker than loading numpy, and than its call overhead."""
_PIECE = 1 << 18
"""Bytes transformed at a time: data, tweaks and their scratch fit the processor's cache together."""
_SECTORS = 32
"""Sectors transformed at a time at least: numpy works across them, so with large sectors a piece of few would be all overhead."""
_SMALL = 1 << 12
"""Bytes up to which an unaligned read goes through one scratch buffer, instead of a head, a body and a tail."""
_MASK = (1 << 128) - 1


def _first_tweaks_few(key: bytes, sector: int, count: int) -> bytes:
    found: bytes = block_cipher(key).encrypt(b"".join([number.to_bytes(16, "big") for number in range(sector, sector + count)]))
    return found


def _jump(tweak: int, blocks: int) -> int:
    """Multiply a tweak by x^blocks: shift once, then fold what ran over 128 bits back in."""
    tweak <<= blocks
    while over := tweak >> 128:
        tweak = (tweak & _MASK) ^ over ^ over << 1 ^ over << 2 ^ over << 7
    return tweak


@lru_cache(maxsize=8)
def _tweaks_few(key: bytes, sector: int, skip: int, blocks: int, per_sector: int) -> bytes:
    """Tweaks of ``blocks`` blocks from block ``skip`` of ``sector`` on, with integers alone.

    Kept, as every archive header has the same: one key, and the same sectors.
    """
    count = -(-(skip + blocks) // per_sector)
    firsts = _first_tweaks_few(key, sector, count)
    out: list[bytes] = []
    for start in range(0, 16 * count, 16):
        tweak = _jump(int.from_bytes(firsts[start : start + 16], "little"), skip)
        wanted = min(per_sector - skip, blocks)
        for _ in range(wanted):
            out.append(tweak.to_bytes(16, "little"))
            tweak = (tweak << 1) ^ (0x1_00000000_00000000_00000000_00000087 if tweak >> 127 else 0)
        blocks -= wanted
        skip = 0
    return b"".join(out)


class _Many:
    """The numpy path of one call: its ciphers and its scratch memory, made once and used for piece after piece.

    Args:
        key: 32 bytes: data key, tweak key.
        per_sector: Blocks in a sector.
        sectors: Most sectors that a piece touches.
    """

    def __init__(self, key: bytes, per_sector: int, sectors: int) -> None:
        import numpy as np
        from Crypto.Cipher import AES

        self.cipher = AES.new(key[:16], AES.MODE_ECB)
        self.tweaker = AES.new(key[16:], AES.MODE_ECB)
        self.per_sector = per_sector
        # One row per block of a sector, one column per sector, low and high words apart: every step runs over contiguous memory.
        self.low = np.empty((per_sector, sectors), np.uint64)
        self.high = np.empty((per_sector, sectors), np.uint64)
        self.over = np.empty((min(per_sector, 64), sectors), np.uint64)
        self.words = np.empty((sectors, per_sector, 2), "<u8")

    def tweaks(self, sector: int, skip: int, blocks: int) -> NDArray[np.uint64]:
        """Tweaks of ``blocks`` blocks from block ``skip`` of ``sector`` on, two 64-bit words each; valid until the next call."""
        import numpy as np

        count = -(-(skip + blocks) // self.per_sector)
        numbers = np.zeros((count, 2), ">u8")
        numbers[:, 1] = np.arange(count, dtype=np.uint64) + np.uint64(sector)
        firsts = np.frombuffer(self.tweaker.encrypt(numbers.tobytes()), "<u8").reshape(count, 2)
        low, high = self.low[:, :count], self.high[:, :count]
        low[0], high[0] = firsts[:, 0], firsts[:, 1]
        done = 1
        while done < self.per_sector:  # Rows 0..n times x^n are rows n..2n; past 64 a shift would lose bits, so steps of 64 from there on.
            step = min(done, 64)
            rows = min(step, self.per_sector - done)
            from_low, from_high = low[done - step : done - step + rows], high[done - step : done - step + rows]
            to_low, to_high, over = low[done : done + rows], high[done : done + rows], self.over[:rows, :count]
            if step < 64:
                np.right_shift(from_low, 64 - step, out=over)
                np.left_shift(from_high, step, out=to_high)
                to_high |= over
                np.right_shift(from_high, 64 - step, out=over)
                np.left_shift(from_low, step, out=to_low)
                to_low ^= over
                for bits in (1, 1, 5):  # What ran over, times x^7 + x^2 + x + 1: shifted by 0, 1, 2 and 7 in all.
                    over <<= bits
                    to_low ^= over
            else:  # The low half moves up, the whole high half runs over.
                np.right_shift(from_high, 63, out=over)
                np.bitwise_xor(from_low, over, out=to_high)
                for bits in (62, 57):
                    np.right_shift(from_high, bits, out=over)
                    to_high ^= over
                np.left_shift(from_high, 1, out=to_low)
                to_low ^= from_high
                for bits in (2, 7):
                    np.left_shift(from_high, bits, out=over)
                    to_low ^= over
            done += rows
        words = self.words[:count]
        words[:, :, 0] = low.T
        words[:, :, 1] = high.T
        flat: NDArray[np.uint64] = words.reshape(-1)[2 * skip : 2 * (skip + blocks)]
        return flat

    def crypt(self, sector: int, skip: int, source: memoryview, target: memoryview, *, encrypt: bool) -> None:
        """Transform blocks from block ``skip`` of ``sector`` on."""
        import numpy as np

        tweaks = self.tweaks(sector, skip, len(source) // 16)
        words = np.frombuffer(target, "<u8")
        np.bitwise_xor(np.frombuffer(source, "<u8"), tweaks, out=words)
        if encrypt:
            self.cipher.encrypt(target, output=target)
        else:
            self.cipher.decrypt(target, output=target)
        words ^= tweaks


def _crypt_few(key: bytes, sector: int, skip: int, source: memoryview, target: memoryview, per_sector: int, *, encrypt: bool) -> None:
    size = len(source)
    tweaks = int.from_bytes(_tweaks_few(key[16:], sector, skip, size // 16, per_sector), "little")
    cipher = block_cipher(key[:16])
    masked = (int.from_bytes(source, "little") ^ tweaks).to_bytes(size, "little")
    inner = cipher.encrypt(masked) if encrypt else cipher.decrypt(masked)
    target[:] = (int.from_bytes(inner, "little") ^ tweaks).to_bytes(size, "little")


def xts_crypt(
    key: bytes,
    position: int,
    source: Buffer,
    target: bytearray | memoryview,
    *,
    sector: int = 0,
    sector_size: int = 0x200,
    encrypt: bool = False,
) -> None:
    """Encrypt or decrypt a run of 16-byte blocks.

    Args:
        key: 32 bytes: data key, tweak key.
        position: Offset of the run from the start of ``sector``, a multiple of 16; it may lie sectors further on.
        source: The bytes to transform, a multiple of 16.
        target: Where they go: as long as ``source``, and either the same memory or memory that does not overlap it.
        sector: Number of the sector that ``position`` counts from.
        sector_size: Bytes in a sector, a multiple of 16.
        encrypt: Encrypt instead of decrypting.

    Raises:
        ValueError: A length or number does not fit.
        CorruptError: ``source`` is not a multiple of 16 bytes.
    """
    _check(key, sector, sector_size)
    data, out = memoryview(source).cast("B"), memoryview(target).cast("B")
    if len(data) % 16:
        raise CorruptError(f"{len(data):#x} bytes are not a multiple of the 16-byte block", what="AES-XTS")
    if position < 0 or position % 16 or len(data) != len(out):
        message = f"{len(data)} bytes at {position} for a target of {len(out)}: blocks of 16 are needed on both sides"
        raise ValueError(message)
    number, skip = divmod(position, sector_size)
    sector += number
    per_sector = sector_size // 16
    if len(data) <= 16 * _FEW:
        _crypt_few(key, sector, skip // 16, data, out, per_sector, encrypt=encrypt)
        return
    sectors = min(-(-(skip + len(data)) // sector_size), max(_PIECE // sector_size, _SECTORS))
    many = _Many(key, per_sector, sectors)
    done = 0
    while done < len(data):
        size = min(len(data) - done, sectors * sector_size - skip)
        many.crypt(sector, skip // 16, data[done : done + size], out[done : done + size], encrypt=encrypt)
        done += size
        sector += sectors  # Every piece but the last ends with a sector.
        skip = 0


def _check(key: bytes, sector: int, sector_size: int) -> None:
    if len(key) != 32:
        message = f"AES-XTS takes a data key and a tweak key of 16 bytes each, not {len(key)} bytes"
        raise ValueError(message)
    if sector_size <= 0 or sector_size % 16 or not 0 <= sector < 1 << 63:
        message = f"sector size must be a positive multiple of 16, is {sector_size}; sector must lie in 0..2^63, is {sector}"
        raise ValueError(message)


def xts_decrypt(data: Buffer, key: bytes, sector: int, sector_size: int = 0x200) -> bytes:
    """Return the plain bytes of a run of sectors.

    Args:
        data: The encrypted bytes, a multiple of 16; the last sector may be short.
        key: 32 bytes: data key, tweak key.
        sector: Number of the first sector.
        sector_size: Bytes in a sector, a multiple of 16.

    Raises:
        CorruptError: ``data`` is not a multiple of 16 bytes.
        ValueError: Another argument does not fit.
    """
    out = bytearray(memoryview(data).nbytes)
    xts_crypt(key, 0, data, out, sector=sector, sector_size=sector_size)
    return bytes(out)


def xts_encrypt(data: Buffer, key: bytes, sector: int, sector_size: int = 0x200) -> bytes:
    """Return the encrypted bytes of a run of sectors; the inverse of :func:`xts_decrypt`, with its arguments and errors.

    Example:
        >>> xts_encrypt(bytes(0x200), bytes(range(32)), 1)[:16].hex()
        '5356d1682bfb99a26a6a1ec795538ddf'
    """
    out = bytearray(memoryview(data).nbytes)
    xts_crypt(key, 0, data, out, sector=sector, sector_size=sector_size, encrypt=True)
    return bytes(out)


class AesXtsStorage(StorageBase):
    """The plain bytes of a storage that is encrypted with AES-128-XTS; or the other way round.

    Args:
        parent: The encrypted bytes.
        key: 32 bytes: data key, tweak key.
        sector_size: Bytes in a sector, a multiple of 16.
        first_sector: Number of the sector that starts at byte 0.
        encrypt: Encrypt instead of decrypting.

    Raises:
        CorruptError: The size is not a multiple of 16 bytes.
        ValueError: Another argument does not fit.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> key = bytes(range(32))
        >>> AesXtsStorage(MemoryStorage(xts_encrypt(b"NCA3" + bytes(0x1FC), key, 1)), key, first_sector=1)[:4].tobytes()
        b'NCA3'
    """

    __slots__ = ("_key", "encrypt", "first_sector", "parent", "sector_size")
    kind = "AesXts"

    def __init__(self, parent: Storage, key: bytes, sector_size: int = 0x200, first_sector: int = 0, *, encrypt: bool = False) -> None:
        _check(key, first_sector, sector_size)
        if parent.size % 16:
            position, source = origin(parent, 0)
            problem = f"{parent.size:#x} bytes are not a multiple of the 16-byte block: the file is cut off"
            raise CorruptError(problem, what="AES-XTS", source=source, offset=position, field="size")
        self.parent = parent
        self.sector_size = sector_size
        self.first_sector = first_sector
        self.encrypt = encrypt
        self._key = bytes(key)
        self._size = parent.size

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The encrypted bytes."""
        return (self.parent,)

    def _blocks(self, offset: int, target: memoryview) -> None:
        """Decrypt whole blocks into ``target``."""
        source = view_of(self.parent, offset, offset + len(target))
        if source is None:
            fill(self.parent, offset, target)
            source = target
        xts_crypt(self._key, offset, source, target, sector=self.first_sector, sector_size=self.sector_size, encrypt=self.encrypt)

    def _edge(self, offset: int, target: memoryview) -> None:
        """Decrypt an unaligned run by way of the blocks around it."""
        start = offset & ~15
        blocks = memoryview(bytearray(-(-(offset + len(target)) // 16) * 16 - start))
        self._blocks(start, blocks)
        target[:] = blocks[offset - start : offset - start + len(target)]

    def _readinto(self, offset: int, target: memoryview) -> None:
        head, tail = -offset % 16, (offset + len(target)) % 16
        if not head and not tail:
            self._blocks(offset, target)
        elif len(target) <= _SMALL:
            self._edge(offset, target)
        else:
            stop = len(target) - tail
            if head:
                self._edge(offset, target[:head])
            self._blocks(offset + head, target[head:stop])
            if tail:
                self._edge(offset + stop, target[stop:])

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return encrypted_place(self.parent, offset)
