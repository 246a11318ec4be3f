"""One section of an NCA: which layers lie between the file and the file system in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from oboromi_formats.hashtree import HIERARCHICAL_SHA256, IVFC
from oboromi_formats.nca import Encryption, FsHeader, HashType
from oboromi_fs._decode import decode_bytes, error
from oboromi_fs.backends.nca.header import UNIT
from oboromi_fs.errors import (
    CorruptError,
    FormatError,
    IntegrityError,
    UnsupportedError,
)
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.hashed import HierarchicalSha256Storage, IvfcStorage
from oboromi_fs.storage.xts import AesXtsStorage

if TYPE_CHECKING:
    from oboromi_fs.backends.nca.archive import Nca
    from oboromi_fs.protocols import Storage

__all__ = ["NcaSection"]

_MASTER_CHECK_LIMIT = 1 << 20
"""Hash tables up to this size are checked when a section is opened, which tells a wrong key from a damaged file. In bytes."""

_XTS_KEYS = slice(0, 0x20)
"""The two keys of AES-XTS in the key area."""


class NcaSection:
    """One section of an NCA.

    Attributes:
        index: Its slot, 0 to 3.
        name: What its use is called: ``exefs romfs logo data``.
        header: The FS header.
        start: First byte, from the start of the NCA.
        size: Bytes it takes in the NCA, hash tables and padding included.
        fault: Why nothing of the section can be believed, or None; raised by whatever reads it.
        notes: Where its keys or units deviate from the usual, known once it was read.
    """

    def __init__(self, nca: Nca, index: int, name: str, header: FsHeader, start: int, size: int) -> None:
        self.nca = nca
        self.index = index
        self.name = name
        self.header = header
        self.start = start
        self.size = size
        self.notes: list[str] = []
        self.fault: FormatError | None = None
        self._decrypted: Storage | None = None
        self._region: tuple[int, int] | tuple[()] | None = ()

    def __repr__(self) -> str:
        return f"<NcaSection {self.index} {self.name!r} at {self.start:#x}, {self.size:#x} bytes>"

    @property
    def what(self) -> str:
        """How error messages call it."""
        return f"NCA section {self.index} ({self.name})"

    @property
    def is_patch(self) -> bool:
        """Whether the section holds only what differs from a base."""
        return self.header.patch_info.indirect_size != 0

    @property
    def is_sparse(self) -> bool:
        """Whether parts of the section were taken out of the file."""
        return self.header.sparse_info.generation != 0

    @property
    def is_compressed(self) -> bool:
        """Whether the file system in the section is compressed."""
        return self.header.compression_info.offset != 0 and self.header.compression_info.size != 0

    @property
    def data_size(self) -> int:
        """Bytes of the file-system image, by the hash layer's own account; the whole section where it has none."""
        region = self._data_region()
        return region[1] if region is not None else self.size

    def _data_region(self) -> tuple[int, int] | None:
        if self._region == ():  # Asked for with every path that leads into the section; decoding it takes longer than the lookup.
            self._region = self._read_data_region()
        return self._region or None

    def _read_data_region(self) -> tuple[int, int] | None:
        kind = self.header.hash_type
        if kind in (HashType.HIERARCHICAL_SHA256, HashType.HIERARCHICAL_SHA3_256):
            info = decode_bytes(HIERARCHICAL_SHA256, self.header.hash_data[: HIERARCHICAL_SHA256.size])
            return info.regions[1].offset, info.regions[1].size
        if kind in (HashType.HIERARCHICAL_INTEGRITY, HashType.HIERARCHICAL_INTEGRITY_SHA3):
            level = decode_bytes(IVFC, self.header.hash_data[: IVFC.size]).levels[5]
            return level.offset, level.size
        return None

    @property
    def raw(self) -> Storage:
        """The section as it lies in the file.

        Raises:
            CorruptError: It runs over the end of the file.
        """
        if self.fault is not None:
            raise self.fault.with_traceback(None)  # One error for all who ask: it must not grow with each.
        storage = self.nca.raw
        if self.start + self.size > storage.size:
            problem = f"ends at {self.start + self.size:#x}, the NCA at {storage.size:#x}: the file is truncated"
            raise error(CorruptError, problem, what=self.what, storage=storage, offset=min(self.start, storage.size), field="end")
        return storage.window(self.start, self.start + self.size)

    def decrypted(self) -> Storage:
        """Return the section in the clear, hash tables included.

        Raises:
            MissingKeyError: Its key is absent.
            UnsupportedError: A patch, sparse or unknown encryption.
            IntegrityError: The key is there and wrong, or the top of the hash tree is damaged.
        """
        if self._decrypted is None:
            self._decrypted = self._decrypt()
        return self._decrypted

    def _decrypt(self) -> Storage:
        header = self.header
        raw = self.raw
        if self.is_patch:
            if header.patch_info.indirect_header[:4] != b"BKTR":
                problem = "names an indirect table, whose header has no magic BKTR"
                at = 0x400 + UNIT * self.index + 0x110
                raise error(CorruptError, problem, what=self.what, storage=self.nca.raw, offset=at, field="indirect_header")
            self._unsupported("is a patch: it needs the base it updates, and reading patches is not supported yet", "patch_info")
        if self.is_sparse:
            self._unsupported("is sparse: parts of it are not in this file", "sparse_info")
        kind = header.encryption
        if kind == Encryption.NONE:
            return raw
        if kind == Encryption.AES_XTS:
            key = self.nca.key_area()[_XTS_KEYS]
            # Programs differ in where they count sectors from; the hash tree knows.
            candidates: list[tuple[Storage, str]] = [
                (AesXtsStorage(raw, key, first_sector=self.start // UNIT), ""),
                (AesXtsStorage(raw, key), "XTS sectors count from the section's start"),
            ]
        elif kind in (Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH):
            upper = header.secure_value.to_bytes(4, "big") + header.generation.to_bytes(4, "big")
            region = self._data_region() if kind == Encryption.AES_CTR_SKIP_LAYER_HASH else None
            plain_until = min(region[0], self.size) if region is not None else 0
            candidates = [
                (AesCtrStorage(raw, key, upper, self.start, plain_until=plain_until), note) for key, note in self.nca.content_keys()
            ]
        else:
            self._unsupported(f"has encryption type {kind}", "encryption")
        # One candidate needs no test here; of several, the first whose hash tree agrees, or the likeliest if none does.
        fitting = (pair for pair in candidates if self._top_hash_matches(pair[0])) if len(candidates) > 1 else iter(candidates)
        storage, note = next(fitting, candidates[0])
        self.notes = [note] if note else []  # Two threads may both come here: they find the same.
        return storage

    def _unsupported(self, problem: str, field: str) -> NoReturn:
        at = 0x400 + UNIT * self.index
        raise error(UnsupportedError, problem, what=self.what, storage=self.nca.raw, offset=at, field=field)

    def _top_hash_matches(self, storage: Storage) -> bool:
        try:
            layer = self._hash_layer(storage, check=True)
            if layer is not None:
                self._check_top(layer)
        except IntegrityError:
            return False
        return True

    def _check_top(self, layer: HierarchicalSha256Storage | IvfcStorage) -> None:
        """Check as much of a hash tree as tells a wrong key: its top, or where that is long, the first block of data against its hash.

        Raises:
            IntegrityError: It does not match.
        """
        top, data = layer.levels()[0], layer.levels()[-1]
        if isinstance(layer, IvfcStorage) or top.size <= _MASTER_CHECK_LIMIT:
            layer.check_master()
        elif layer.verify_range(data.number, 0, 1):
            place = layer.section.place(data.offset)
            problem = "the first block of data does not match its hash"
            raise IntegrityError(problem, what=self.what, offset=place.offset, level=data.number, block=0)

    def _hash_layer(self, section: Storage, *, check: bool) -> HierarchicalSha256Storage | IvfcStorage | None:
        kind, data = self.header.hash_type, self.header.hash_data
        try:
            if kind in (HashType.HIERARCHICAL_SHA256, HashType.HIERARCHICAL_SHA3_256):
                algorithm = "sha256" if kind == HashType.HIERARCHICAL_SHA256 else "sha3_256"
                info = decode_bytes(HIERARCHICAL_SHA256, data[: HIERARCHICAL_SHA256.size])
                return HierarchicalSha256Storage(section, info, check=check, algorithm=algorithm)
            if kind in (HashType.HIERARCHICAL_INTEGRITY, HashType.HIERARCHICAL_INTEGRITY_SHA3):
                algorithm = "sha256" if kind == HashType.HIERARCHICAL_INTEGRITY else "sha3_256"
                return IvfcStorage(section, decode_bytes(IVFC, data[: IVFC.size]), check=check, algorithm=algorithm)
        except CorruptError as wrong:
            at = 0x400 + UNIT * self.index + 8
            raise error(
                type(wrong), wrong.problem, what=f"{self.what} hash data", storage=self.nca.raw, offset=at, field=wrong.field
            ) from wrong
        if kind != HashType.NONE:
            self._unsupported(f"has hash type {kind}", "hash_type")
        return None

    def hash_layer(self, *, check: bool = True) -> HierarchicalSha256Storage | IvfcStorage | None:
        """Return the hash-checked image of the file system; None where the section has no hashes.

        Args:
            check: Verify what is read against the hash tree, block by block.
        """
        return self._hash_layer(self.decrypted(), check=check)

    def image(self, *, check: bool = False) -> Storage:
        """Return the file-system image in the section: a PFS0 or a RomFS.

        The top of the hash tree is checked in any case, so that a wrong key is told at once.

        Args:
            check: Verify every block that is read against the hash tree.

        Raises:
            MissingKeyError: The section's key is absent.
            IntegrityError: The key is wrong, or the file is damaged.
            UnsupportedError: A patch, sparse or compressed section.
        """
        section = self.decrypted()
        layer = self._hash_layer(section, check=check)
        if self.is_compressed:
            self._unsupported("is compressed, which is not supported yet", "compression_info")
        if layer is None:
            return section
        try:
            self._check_top(layer if check else self._hash_layer(section, check=True) or layer)
        except IntegrityError as wrong:
            key = self.nca.key_name(self)
            cause = f"the section's key ({key}) is wrong, or the file is damaged" if key else "it is stored plain: the file is damaged"
            # The hash lies in the FS header: at the start of its hash data, in IVFC at their end.
            at = 0x400 + UNIT * self.index + (0xC8 if isinstance(layer, IvfcStorage) else 0x08)
            problem = f"{wrong.problem}; {cause}"
            raise error(IntegrityError, problem, what=self.what, storage=self.nca.raw, offset=at, field="master_hash") from wrong
        return layer
