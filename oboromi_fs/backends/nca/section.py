"""One section of an NCA: which layers lie between the file and the file system in it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from oboromi_formats.hashtree import HIERARCHICAL_SHA256, IVFC
from oboromi_formats.nca import FS_HEADER_OFFSET, Encryption, FsHeader, HashType
from oboromi_fs._decode import decode_bytes, error
from oboromi_fs.backends.nca.header import UNIT
from oboromi_fs.backends.nca.layers import check_patch_info, decompressed, patched, patched_alone, patched_body, sparse_body
from oboromi_fs.backends.nca.nca0 import body_sector
from oboromi_fs.errors import (
    CorruptError,
    FormatError,
    IntegrityError,
    OboromiFsError,
    UnsupportedError,
)
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.hashed import HierarchicalSha256Storage, IvfcStorage
from oboromi_fs.storage.indirect import IndirectStorage
from oboromi_fs.storage.ncz import NczStorage, clear_section
from oboromi_fs.storage.xts import AesXtsStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.backends.nca.archive import Nca
    from oboromi_fs.protocols import Storage

__all__ = ["NcaSection"]

T = TypeVar("T")

_MASTER_CHECK_LIMIT = 1 << 20
"""Hash tables up to this size are checked when a section is opened, which tells a wrong key from a damaged file. In bytes."""

_COUNTED = (
    Encryption.AES_CTR,
    Encryption.AES_CTR_EX,
    Encryption.AES_CTR_SKIP_LAYER_HASH,
    Encryption.AES_CTR_EX_SKIP_LAYER_HASH,
)
_ROMFS_START = b"\x50\0\0\0\0\0\0\0"
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
        tree_notes: In what its bucket trees are not as they should be, known once they were read.
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
        self.tree_notes: list[str] = []
        self._decrypted: Storage | None = None
        self._images: dict[str, Storage] = {}
        self._region: tuple[int, int] | tuple[()] | None = ()

    def __repr__(self) -> str:
        return f"<NcaSection {self.index} {self.name!r} at {self.start:#x}, {self.size:#x} bytes>"

    @property
    def what(self) -> str:
        """How error messages call it."""
        return f"NCA section {self.index} ({self.name})"

    @property
    def header_offset(self) -> int:
        """Where its FS header lies, from the start of the NCA: behind the header, or in NCA0 at the start of the section."""
        return self.start if self.nca.is_nca0 else FS_HEADER_OFFSET + UNIT * self.index

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
        """Bytes of the file-system image, by the hash layer's own account; the whole section where it has none.

        Of a compressed section the image has to be opened for that; where it cannot be, the size is that of what is stored.
        """
        if self.is_compressed:
            with suppress(OboromiFsError, OSError):
                return self.image().size
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
        if self.is_sparse:
            self._unsupported("is sparse, and lies in the file in parts", "sparse_info")
        if self.start + self.size > storage.size:
            problem = f"ends at {self.start + self.size:#x}, the NCA at {storage.size:#x}: the file is truncated"
            raise error(CorruptError, problem, what=self.what, storage=storage, offset=min(self.start, storage.size), field="end")
        return storage.window(self.start, self.start + self.size)

    def decrypted(self) -> Storage:
        """Return the section in the clear, hash tables included.

        Raises:
            MissingKeyError: Its key is absent.
            MissingBaseError: A patch, and the base it is of was not given.
            UnsupportedError: The encryption is unknown.
            IntegrityError: The key is there and wrong, or the top of the hash tree is damaged.
        """
        if self._decrypted is None:
            self._decrypted = self._decrypt()
        return self._decrypted

    def _decrypt(self) -> Storage:
        header = self.header
        if self.fault is not None:
            raise self.fault.with_traceback(None)
        if self.is_patch:
            check_patch_info(self, self.size)
        kind = header.encryption
        if kind == Encryption.NONE:
            return patched(self, self.raw) if self.is_patch else self.raw
        candidates: list[tuple[Storage, str]]
        if kind == Encryption.AES_XTS:
            if self.is_patch or self.is_sparse:
                self._unsupported("is encrypted with AES-XTS, which no patch and no sparse section is", "encryption")
            raw = self.raw
            key = self.nca.key_area()[_XTS_KEYS]
            # Programs differ in where they count sectors from; the hash tree knows.
            candidates = [
                (AesXtsStorage(raw, key, first_sector=self.start // UNIT), ""),
                (AesXtsStorage(raw, key), "XTS sectors count from the section's start"),
            ]
            if self.nca.is_nca0:
                candidates = [(AesXtsStorage(raw, key, first_sector=body_sector(self.start)), "")]
        elif kind in _COUNTED:
            candidates = self._readable(self._counted)
        else:
            self._unsupported(f"has encryption type {kind}", "encryption")
        # One candidate needs no test here; of several, the first whose hash tree agrees, in part at least, or the likeliest if none does.
        storage, note = candidates[0]
        if len(candidates) > 1:
            tests = (self._top_hash_matches, self._any_hash_matches)
            fitting = (pair for test in tests for pair in candidates if test(pair[0]))
            storage, note = next(fitting, candidates[0])
        self.notes = [note] if note else []  # Two threads may both come here: they find the same.
        return storage

    def _readable(self, read: Callable[[bytes], T]) -> list[tuple[T, str]]:
        """What is made of the section by each key it may have, but for those that its tables are damaged under."""
        found: list[tuple[T, str]] = []
        problem: CorruptError | None = None
        for key, note in self.nca.content_keys():
            try:
                found.append((read(key), note))
            except CorruptError as wrong:
                problem = problem or wrong
        if problem is not None and not found:
            raise problem
        return found

    def _counted(self, key: bytes) -> Storage:
        """The section in the clear, by a key of AES-CTR: a sparse body filled up, a patch laid over its base."""
        if self.is_patch:
            return patched(self, self._patch_body(key))
        header = self.header
        upper = header.secure_value.to_bytes(4, "big") + header.generation.to_bytes(4, "big")
        body = self._body(key)
        if isinstance(self.nca.raw, NczStorage) and not self.is_sparse and not self.plain_until:
            return clear_section(self.nca.raw, self.start, self.start + self.size, key, upper)
        return AesCtrStorage(body, key, upper, self.start, plain_until=self.plain_until)

    def _body(self, key: bytes) -> Storage:
        """The section as it is stored, what was thinned out filled with zeros."""
        return sparse_body(self, key) if self.is_sparse else self.raw

    def _patch_body(self, key: bytes) -> Storage:
        return patched_body(self, self._body(key), key, plain_until=self.plain_until)

    @property
    def plain_until(self) -> int:
        """Where the encryption begins: behind the hash layers, in the variants that leave these plain."""
        if self.header.encryption not in (Encryption.AES_CTR_SKIP_LAYER_HASH, Encryption.AES_CTR_EX_SKIP_LAYER_HASH):
            return 0
        region = self._data_region()
        return min(region[0], self.size) if region is not None else 0

    def in_parts(self) -> tuple[Storage, list[tuple[int, int]]]:
        """Return the section in the clear as far as it is there, and the ranges that are: of a patch without its base, and of a sparse one.

        What is not there reads as zeros; in a sparse section these come before the decryption, and mean nothing behind it. Of any other
        section everything is there. Ranges are given as first byte and the one behind the last.

        Raises:
            MissingKeyError: Its key is absent.
            CorruptError: A table of the section is damaged.
            UnsupportedError: The encryption is unknown.
        """
        if self.is_patch and self.nca.base is None:
            if self.fault is not None:
                raise self.fault.with_traceback(None)
            check_patch_info(self, self.size)
            if self.header.encryption == Encryption.NONE:
                alone = patched_alone(self, self.raw)
            else:
                alone = self._readable(lambda key: patched_alone(self, self._patch_body(key)))[0][0]
            return alone, alone.covered(1)
        section = self.decrypted()
        if self.is_patch or not self.is_sparse:
            return section, [(0, section.size)]
        (body,) = section.sources
        return section, body.covered(0) if isinstance(body, IndirectStorage) else []

    def _unsupported(self, problem: str, field: str) -> NoReturn:
        at = self.header_offset
        raise error(UnsupportedError, problem, what=self.what, storage=self.nca.raw, offset=at, field=field)

    def _top_hash_matches(self, storage: Storage) -> bool:
        try:
            layer = self._hash_layer(storage, check=True)
            if layer is None:  # Nothing is hashed, so that the file system must tell.
                return _begins_as_file_system(storage)
            self._check_top(layer)
        except IntegrityError:
            return False
        return True

    def _any_hash_matches(self, storage: Storage) -> bool:
        """Whether any end of a level has its hash, or the file system its magic: what tells where the top of the hash tree is damaged."""
        layer = self._hash_layer(storage, check=False)
        if layer is None:
            return False
        ends = ((level.number, block) for level in layer.levels()[1:] if level.block_count for block in (0, level.block_count - 1))
        return any(not layer.verify_range(number, block, 1) for number, block in ends) or _begins_as_file_system(layer)

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
            at = self.header_offset + 8
            raise error(
                type(wrong), wrong.problem, what=f"{self.what} hash data", storage=self.nca.raw, offset=at, field=wrong.field
            ) from wrong
        if kind != HashType.NONE:
            self._unsupported(f"has hash type {kind}", "hash_type")
        return None

    def hash_layer(self, *, check: bool = True, over: Storage | None = None) -> HierarchicalSha256Storage | IvfcStorage | None:
        """Return the hash-checked image of the file system; None where the section has no hashes.

        Args:
            check: Verify what is read against the hash tree, block by block.
            over: The section in the clear, where it is not to be :meth:`decrypted`.
        """
        return self._hash_layer(self.decrypted() if over is None else over, check=check)

    def image(self, *, check: bool = False) -> Storage:
        """Return the file-system image in the section: a PFS0 or a RomFS.

        The top of the hash tree is checked in any case, so that a wrong key is told at once.

        Args:
            check: Verify every block that is read against the hash tree.

        Raises:
            MissingKeyError: The section's key is absent.
            IntegrityError: The key is wrong, or the file is damaged.
            MissingBaseError: A patch, and the base it is of was not given.
            UnsupportedError: The encryption, the hashes or the compression are unknown.
        """
        key = "image, checked" if check else "image"
        found = self._images.get(key)
        if found is None:
            found = self._image(check=check)
            self._images[key] = found = decompressed(self, found) if self.is_compressed else found
        return found

    def _image(self, *, check: bool) -> Storage:
        """The data level of the hash tree."""
        section = self.decrypted()
        layer = self._hash_layer(section, check=check)
        if layer is None:
            return section
        if self.is_sparse and not self.is_patch:
            return layer  # What was taken out may be hashes: nobody checks a sparse section, which is there for its update.
        try:
            self._check_top(layer if check else self._hash_layer(section, check=True) or layer)
        except IntegrityError as wrong:
            key = self.nca.key_name(self)
            cause = f"the section's key ({key}) is wrong, or the file is damaged" if key else "it is stored plain: the file is damaged"
            if self.is_patch:
                cause += ", or the base is another one than the update was made for"
            # The hash lies in the FS header: at the start of its hash data, in IVFC at their end.
            at = self.header_offset + (0xC8 if isinstance(layer, IvfcStorage) else 0x08)
            problem = f"{wrong.problem}; {cause}"
            raise error(IntegrityError, problem, what=self.what, storage=self.nca.raw, offset=at, field="master_hash") from wrong
        return layer


def _begins_as_file_system(image: Storage) -> bool:
    return image[: len(_ROMFS_START)].tobytes() == _ROMFS_START or image[:4].tobytes() == b"PFS0"
