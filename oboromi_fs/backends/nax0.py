"""NAX0: a file as the console encrypts it on an SD card, by the user's keys and its path there. Source: Switchbrew wiki, "NAX0"."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.nax0 import NAX0_CONTENT_OFFSET, NAX0_HEADER, NAX0_MAGIC, NAX0_UNIT
from oboromi_fs._decode import decode, error, source_name
from oboromi_fs._extents import opened
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    NotThisFormatError,
)
from oboromi_fs.keys import KeySet
from oboromi_fs.paths import addressable, encode_name
from oboromi_fs.protocols import DirEntry, Metadata, Storage
from oboromi_fs.storage.xts import AesXtsStorage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["Nax0Archive", "content_folder", "is_nax0", "sd_paths", "unwrap"]

_KINDS = ("nca", "save", "custom_storage")
"""What may be encrypted on an SD card; each has a key of its own."""
_MAGIC_OFFSET = 0x20
_BLOCK = 0x10
_CONTENT_ROOTS = ("registered", "placehld")
_CONTENT_ID = re.compile(r"([0-9a-f]{32})\.nca")
_FOLDER = re.compile(r"000000([0-9A-F]{2})")
_SAVE_ID = re.compile(r"[0-9a-f]{16}")
_PART = re.compile(r"[0-9]{2}")
_MAX_SIZE = 1 << 62


class _Unwrapped(NamedTuple):
    """The keys of a file, and by what they came to light."""

    key: bytes
    content: str
    path: str


def is_nax0(storage: Storage) -> bool:
    """Whether the bytes begin as a file on an SD card does."""
    return storage[_MAGIC_OFFSET : _MAGIC_OFFSET + 4].tobytes() == NAX0_MAGIC


def content_folder(content_id: bytes) -> str:
    """Return the folder that an NCA lies in below ``registered``.

    Args:
        content_id: The 16 bytes it is named by.

    Example:
        >>> content_folder(bytes.fromhex("000102030405060708090a0b0c0d0e0f"))
        '000000BE'
    """
    return f"000000{hashlib.sha256(content_id).digest()[0]:02X}"


def sd_paths(place: str) -> list[str]:
    """Return the paths that a file may have on its card, as the console counts them, from where it lies now; the likely one first.

    NCAs have ``/registered/000000XX/ID.nca``, counted from ``Nintendo/Contents``; where only the name is left, XX follows from it. Save
    data has ``/ID``, counted from ``Nintendo/save``.

    Args:
        place: A host path, or its end; of a split file that of its folder or first part.

    Example:
        >>> sd_paths("/media/card/Nintendo/save/8000000000000043")
        ['/8000000000000043']
    """
    parts = [part for part in place.replace("\\", "/").split("/") if part]
    if len(parts) > 1 and _PART.fullmatch(parts[-1]):
        parts.pop()
    name = parts[-1].lower() if parts else ""
    if _SAVE_ID.fullmatch(name):
        return [f"/{name}"]
    found = _CONTENT_ID.fullmatch(name)
    if found is None:
        return []
    derived = f"/registered/{content_folder(bytes.fromhex(found[1]))}/{name}"
    lower = [part.lower() for part in parts]
    for root in _CONTENT_ROOTS:
        if root in lower:
            at = len(lower) - 1 - lower[::-1].index(root)
            folders = [part.upper() for part in parts[at + 1 : -1]]
            return list(dict.fromkeys(["/".join(["", root, *folders, name]), derived]))
    return [derived]


def unwrap(header: bytes, path: str, sd_key: bytes) -> bytes | None:
    """Return the keys of a file, data key and tweak key, 0x20 bytes; None where the header's MAC says that key or path is another.

    Args:
        header: The first 0x80 bytes of the file.
        path: Where it lies on the card, see :func:`sd_paths`.
        sd_key: ``sd_card_nca_key`` or its like, 0x20 bytes.

    Raises:
        UnsafePathError: The path has a lone surrogate, which is no text.
    """
    from Crypto.Cipher import AES

    secret = hmac.digest(sd_key[:0x10], encode_name(path), "sha256")
    key = AES.new(secret[:0x10], AES.MODE_ECB).decrypt(header[0x28:0x38])
    key += AES.new(secret[0x10:], AES.MODE_ECB).decrypt(header[0x38:0x48])
    # The header is the key of this one, and the secret the message.
    mac = hmac.digest(header[0x20:0x28] + key + header[0x48:0x80], sd_key[0x10:], "sha256")
    return key if hmac.compare_digest(mac, header[:0x20]) else None


class Nax0Archive(FileSystemBase):
    """A file from an SD card as a file system of one file: what is encrypted in it, under the name that it has on the card.

    Args:
        source: A storage, or the path of a host file.
        keys: The user's keys, of which ``sd_seed`` or what follows from it is needed; None searches the default places.
        paths: Where it lies on the card, see :func:`sd_paths`; the one that fits is taken. None tells them by where the file lies now.

    Attributes:
        raw: The file.
        header: Its header.
        content: What it is: ``nca``, ``save`` or ``custom_storage``.
        path: Where it lies on the card.
        name: The name of the one file.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The file ends before its content does.
        MissingKeyError: ``sd_card_nca_key``, or what it follows from, is absent.
        IntegrityError: The keys or the paths are those of another file.
        FormatError: No path is known.
    """

    kind = "NAX0"

    def __init__(self, source: Storage | str | os.PathLike[str], keys: KeySet | None = None, *, paths: Iterable[str] | None = None) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        if not is_nax0(storage):
            problem = f"the magic is {storage[_MAGIC_OFFSET : _MAGIC_OFFSET + 4].tobytes()!r}, not {NAX0_MAGIC!r}"
            raise error(NotThisFormatError, problem, what="NAX0 header", storage=storage, offset=0, field="magic")
        self.header = header = decode(NAX0_HEADER, storage)
        stored = -(-header.size // _BLOCK) * _BLOCK
        if header.size > _MAX_SIZE or NAX0_CONTENT_OFFSET + stored > storage.size:
            problem = f"{header.size:#x} bytes of content end at {NAX0_CONTENT_OFFSET + stored:#x}, the file at {storage.size:#x}:"
            problem += " it is truncated"
            raise error(CorruptError, problem, what="NAX0 header", storage=storage, offset=0x48, field="size")
        given = sd_paths(source_name(storage)) if paths is None else [paths] if isinstance(paths, str) else paths
        candidates = list(dict.fromkeys(given))
        found = self._unwrap(KeySet.of(keys), candidates)
        self.content, self.path = found.content, found.path
        name = found.path.rpartition("/")[2]
        self.name = name if addressable(name) else "content"
        encrypted = storage.window(NAX0_CONTENT_OFFSET, NAX0_CONTENT_OFFSET + stored)
        self._content = AesXtsStorage(encrypted, found.key, NAX0_UNIT).window(0, header.size)

    def _unwrap(self, keys: KeySet, paths: list[str]) -> _Unwrapped:
        if not paths:
            problem = (
                "the keys of a file from an SD card depend on its path there, which its name does not tell: give it (--sd-path, sd_path)"
            )
            problem += " as /registered/000000XX/ID.nca, from Nintendo/Contents on, or as /ID, from Nintendo/save on"
            raise error(FormatError, problem, what="NAX0 header", storage=self.raw, offset=0)
        likely = "save" if _SAVE_ID.fullmatch(paths[0][1:]) else "nca"
        kinds = sorted(_KINDS, key=lambda kind: kind != likely)
        known = {kind: key for kind in kinds if (key := keys.get(f"sd_card_{kind}_key")) is not None}
        if not known:
            keys.require(f"sd_card_{likely}_key", f"{source_name(self.raw) or 'a file'} from an SD card")
        header = self.raw[: NAX0_HEADER.size].tobytes()
        for kind, sd_key in known.items():
            for path in paths:
                key = unwrap(header, path, sd_key)
                if key is not None:
                    return _Unwrapped(key, kind, path)
        if likely not in known:
            # With the key that is absent it may well open.
            keys.require(f"sd_card_{likely}_key", f"{source_name(self.raw) or 'a file'} from an SD card")
        raise error(IntegrityError, _blame(paths, list(known)), what="NAX0 header", storage=self.raw, offset=0, field="mac")

    # FileSystem

    def _check(self, path: str) -> None:
        if path != self.name:
            raise NotADirectoryEntryError(path) if path.startswith(f"{self.name}/") else EntryNotFoundError(path)

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            self._check(path)
            raise NotADirectoryEntryError(path)
        return [DirEntry(self.name, "file", self.header.size)]

    def _metadata(self, path: str) -> Metadata:
        if not path:
            return Metadata("directory", 0)
        self._check(path)
        return Metadata("file", self.header.size)

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        self._check(path)
        return self._content


def _blame(paths: list[str], kinds: list[str]) -> str:
    """What is wrong where no key and no path fit: the MAC itself does not tell the two apart, the path may."""
    names = " or ".join(f"sd_card_{kind}_key" for kind in kinds)
    problem = f"does not open with {names} and the SD path {' or '.join(paths)}: "
    folder, _, name = paths[0].rpartition("/")
    found = _CONTENT_ID.fullmatch(name)
    if found is None:
        return problem + "the path is another, or sd_seed is that of another console or card"
    right = content_folder(bytes.fromhex(found[1]))
    given = _FOLDER.fullmatch(folder.rpartition("/")[2])
    if given is None or given[0] != right:
        return problem + f"the path is wrong, for this ID lies in {right}; or the file was renamed, and sd_seed may be wrong as well"
    return problem + "the path is one that can be, so that sd_seed is that of another console or card, or the file was renamed"
