"""The NCA in an NCZ, as large as its own header says. Source: nsz, "formats"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import NCA_HEADER
from oboromi_fs._decode import decode_bytes
from oboromi_fs.backends.nca.header import read_header
from oboromi_fs.errors import FormatError, MissingKeyError
from oboromi_fs.storage.ncz import NczStorage, read_ncz_header

if TYPE_CHECKING:
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["rebuilt_nca"]


def rebuilt_nca(storage: Storage, keys: KeySet) -> NczStorage:
    """Return the NCA that an NCZ holds, bit for bit. It takes no key, but where nothing else says how large the NCA is.

    Args:
        storage: The NCZ.
        keys: For the NCA's header, which may be the only one to know.

    Raises:
        NotThisFormatError: This is no NCZ.
        CorruptError: What it says of itself cannot be.
        UnsupportedError: The package zstandard is not installed.
    """
    header = read_ncz_header(storage)
    size = None
    if header.blocks is None:
        try:
            clear, _ = read_header(storage, keys)
            size = decode_bytes(NCA_HEADER, clear[: NCA_HEADER.size]).content_size
        except (FormatError, MissingKeyError):
            size = None
    return NczStorage(storage, size, header)
