"""The AES modes of these formats, in the direction a forge needs: encryption."""

from __future__ import annotations

__all__ = ["decrypt_ecb", "encrypt_cbc", "encrypt_ctr", "encrypt_ecb", "encrypt_xts"]

UNIT = 0x200
"""XTS data unit of NCA headers and sections."""


def decrypt_ecb(key: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks of 16 bytes under AES-128-ECB."""
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_ECB).decrypt(data)


def encrypt_ecb(key: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks of 16 bytes under AES-128-ECB."""
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_ECB).encrypt(data)


def encrypt_cbc(key: bytes, vector: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks of 16 bytes under AES-128-CBC."""
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_CBC, vector).encrypt(data)


def encrypt_ctr(key: bytes, upper: bytes, offset: int, data: bytes | bytearray | memoryview) -> bytes:
    """Encrypt, or decrypt, under AES-128-CTR.

    Args:
        key: 16 bytes.
        upper: The 8 upper bytes of the counter.
        offset: Where in the file the data stands, a multiple of 16; its sixteenth is the lower half of the counter.
        data: Any number of bytes.
    """
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_CTR, nonce=upper, initial_value=offset >> 4).encrypt(data)


def encrypt_xts(key: bytes, unit: int, data: bytes | bytearray | memoryview) -> bytes:
    """Encrypt under AES-128-XTS with big-endian unit numbers, all units in one run.

    Args:
        key: 32 bytes, the data key and the tweak key.
        unit: Number of the first unit.
        data: Whole units of 0x200 bytes.
    """
    import numpy as np
    from Crypto.Cipher import AES

    count = len(data) // UNIT
    numbers = np.zeros((count, 2), ">u8")
    numbers[:, 1] = np.arange(unit, unit + count, dtype=np.uint64)
    halves = np.frombuffer(AES.new(key[16:], AES.MODE_ECB).encrypt(numbers.tobytes()), "<u8").reshape(count, 2)
    low, high = halves[:, 0], halves[:, 1]
    tweaks = np.empty((count, UNIT // 16, 2), "<u8")
    one, top, modulus = np.uint64(1), np.uint64(63), np.uint64(0x87)
    for block in range(UNIT // 16):  # Each step multiplies the tweaks of all units by x in GF(2^128).
        tweaks[:, block, 0], tweaks[:, block, 1] = low, high
        low, high = low << one ^ (high >> top) * modulus, high << one | low >> top
    mask = tweaks.reshape(-1)
    whitened = np.frombuffer(data, "<u8") ^ mask
    encrypted = np.frombuffer(AES.new(key[:16], AES.MODE_ECB).encrypt(whitened.tobytes()), "<u8")
    return (encrypted ^ mask).tobytes()
