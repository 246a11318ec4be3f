"""Keys the user supplies: names and values from ``prod.keys``, ``title.keys`` and ``console.keys``, and what follows from them.

A :class:`KeySet` holds named keys (``header_key``, ``master_key_0a``, …) and encrypted title keys by rights id. It never changes; what
can be derived is derived at the first use. No value gets into a message, a ``repr`` or a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from oboromi_fs._keyfile import files_of, parse, usual_files
from oboromi_fs._keynames import CHAINS, KINDS, OPTIONAL, SIZES, canonical, chain, family, inputs, is_rights_id
from oboromi_fs.errors import CorruptError, FormatError, IntegrityError, MissingKeyError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs._keyfile import KeyFile
    from oboromi_fs.protocols import PathType

__all__ = ["FIRST_FIRMWARE", "KeySet", "master_key_revision"]

_FIRMWARE = """1.0.0 1.0.0 3.0.0 3.0.1 4.0.0 5.0.0 6.0.0 6.2.0 7.0.0 8.1.0 9.0.0 9.1.0
    12.1.0 13.0.0 14.0.0 15.0.0 16.0.0 17.0.0 18.0.0 19.0.0 20.0.0 21.0.0 22.0.0"""
FIRST_FIRMWARE: dict[int, str] = dict(enumerate(_FIRMWARE.split()))
"""NCA key generation -> the first firmware that has it. Later generations are valid too, just not listed."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def master_key_revision(key_generation: int) -> int:
    """Return the revision in key names for an NCA's key generation.

    Example:
        >>> [master_key_revision(generation) for generation in (0, 1, 2, 0x0B)]
        [0, 0, 1, 10]
    """
    return max(key_generation - 1, 0)


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more like it are" if len(names) > 1 else f"{names[0]} is"


def _digits(revision: int) -> str:
    if not 0 <= revision <= 0xFF:
        raise UnsupportedError(f"no key has revision {revision}", what="key generation")
    return f"{revision:02x}"


def _generation(revision: int) -> str:
    firmware = FIRST_FIRMWARE.get(revision + 1)
    return f"key generation {revision + 1 if revision else '0 or 1'}" + (f" (first firmware {firmware})" if firmware else "")


def _decrypt(key: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES  # Costs more than the rest of the start-up together; listing plain files needs no key.

    return AES.new(key, AES.MODE_ECB).decrypt(data)


class KeySet:
    """Named keys and encrypted title keys, with where each came from.

    Args:
        named: Key name -> value. Any spelling of a name is taken.
        title_keys: Rights id (16 bytes) -> encrypted title key (16 bytes).
        source: What :meth:`origin` says of them.

    Raises:
        FormatError: A value has not the size its name asks for.

    Example:
        >>> keys = KeySet({"master_key_00": bytes(16), "titlekek_source": bytes(16)})
        >>> keys, "titlekek_00" in keys, keys.origin("titlekek_00")
        (<KeySet of 2 keys and 0 title keys from 0 files>, True, 'derived')
    """

    __slots__ = ("_bad", "_conflicts", "_derived", "_named", "_notes", "_origins", "_title_origins", "_titles", "files", "searched")
    files: tuple[str, ...]
    """The key files that were read, in order; a later one wins."""
    searched: tuple[str, ...]
    """The files and folders that were looked at, whether or not they exist."""

    def __init__(
        self, named: Mapping[str, bytes] = _NOTHING, title_keys: Mapping[bytes, bytes] = _NOTHING, *, source: str = "given directly"
    ) -> None:
        self._named = {canonical(name): bytes(memoryview(value)) for name, value in named.items()}
        self._titles = {bytes(rights_id): bytes(memoryview(value)) for rights_id, value in title_keys.items()}
        for name, value in self._named.items():
            if len(value) != SIZES.get(family(name)[0], len(value)):
                raise FormatError(f"has {len(value)} bytes instead of {SIZES[family(name)[0]]}", what=f"key {name}")
        for rights_id, value in self._titles.items():
            if len(rights_id) != 16 or len(value) != 16:
                raise FormatError(f"rights id of {len(rights_id)} bytes and key of {len(value)} bytes, both must have 16", what="title key")
        self._origins = dict.fromkeys(self._named, source)
        self._title_origins = dict.fromkeys(self._titles, source)
        self._bad: dict[str, str] = {}
        self._notes: tuple[str, ...] = ()
        self._derived: dict[str, bytes] = {}
        self._conflicts: tuple[str, ...] | None = None
        self.files = self.searched = ()

    @classmethod
    def of(cls, value: KeySet | PathType | Mapping[Any, Any] | Iterable[PathType] | None) -> KeySet:
        """Return a key set for whatever a caller may hold.

        Args:
            value: None for :meth:`default`; a KeySet, returned as it is; a path or several, for :meth:`load`; or a mapping from names to
                bytes or hexadecimal text, in which 32 hexadecimal digits or 16 bytes in place of a name are a rights id.

        Raises:
            FormatError: A value in a mapping is not hexadecimal or has the wrong size; a file cannot be a key file.
            OSError: A file cannot be read.
        """
        if value is None:
            return cls.default()
        if isinstance(value, KeySet):
            return value
        if isinstance(value, (str, bytes, os.PathLike)):
            return cls.load(value)
        if not isinstance(value, Mapping):
            return cls.load(*value)
        named: dict[str, bytes] = {}
        titles: dict[bytes, bytes] = {}
        for name, given in value.items():
            rights_id = name if isinstance(name, bytes) else bytes.fromhex(name) if is_rights_id(name) else None
            try:
                key = bytes.fromhex(given) if isinstance(given, str) else bytes(memoryview(given))
            except ValueError:
                known = rights_id is None and family(canonical(name))[0] in SIZES  # Else it may be a value that took the name's place.
                raise FormatError("is not hexadecimal", what=f"key {name}" if known else "a key") from None
            if rights_id is None:
                named[name] = key
            else:
                titles[rights_id] = key
        return cls(named, titles)

    @classmethod
    def load(cls, *paths: PathType) -> KeySet:
        """Read key files; where two give the same key, the later one wins.

        Args:
            paths: Files with named keys, title keys or both; or folders, which stand for the ``prod.keys`` (``dev.keys`` where that is
                absent), ``title.keys`` and ``console.keys`` in them, each after its ``…_autogenerated``.

        Raises:
            FormatError: Not a key file: a device, too large, or with NUL bytes.
            EntryNotFoundError: A folder has no key file.
            OSError: A file cannot be read.
        """
        named = [os.fsdecode(path) for path in paths]
        return cls._over(files_of(named), named)

    @classmethod
    def default(cls, environ: Mapping[str, str] | None = None, explicit: Iterable[PathType] = ()) -> KeySet:
        """Return the keys of the usual places.

        In order: ``explicit``, the files and folders of ``OBOROMI_KEYS`` (separated as in ``PATH``), ``oboromi`` and ``switch`` in the
        user's configuration folder (``XDG_CONFIG_HOME``, else ``~/.config``), ``~/.switch``. ``prod.keys``, ``title.keys`` and
        ``console.keys`` are each taken from the first folder that has one, unless a file named before stands for it (by its name, or
        else by what it holds); ``dev.keys`` only where nothing stands for ``prod.keys``. What cannot be read is a warning.

        Args:
            environ: The environment; that of the process by default.
            explicit: Files and folders the user named, as for :meth:`load`; here what cannot be read is an error.

        Raises:
            FormatError, OSError: As :meth:`load`, for ``explicit`` alone.
        """
        named = [os.fsdecode(path) for path in explicit]
        return cls._over(*usual_files(os.environ if environ is None else environ, named))

    @classmethod
    def parse(cls, text: bytes, source: str) -> KeySet:
        """Return the keys in the text of a key file.

        One key a line, ``name = hexadecimal digits``, with ``=`` or ``,``. A name of 32 hexadecimal digits with a value of as many is a
        rights id with its encrypted title key. ``#`` and ``;`` begin a comment, at the start of a line or after a blank. Case, blanks,
        line endings and a byte-order mark do not matter; UTF-16 is understood where its mark says so. Names that are not known are
        passed over, later lines win, and what is wrong with a line is in :attr:`warnings`.

        Args:
            text: The bytes of the file.
            source: Its name, for messages and :meth:`origin`.

        Raises:
            UnsupportedError: More than 32 MiB, or more than 1 MiB of anything but title keys and comments.
            CorruptError: A NUL byte.
        """
        return cls._over([parse(text, source)])

    @classmethod
    def _over(cls, files: Iterable[KeyFile], searched: Iterable[str] = (), problems: Iterable[str] = ()) -> KeySet:
        """Put files together, the last one on top."""
        result = cls()
        for file in files:
            result._named |= file.named
            result._titles |= file.titles
            result._bad |= file.bad
            result._origins |= dict.fromkeys(file.named, file.path)
            result._title_origins |= dict.fromkeys(file.titles, file.path)
            result._notes += file.notes
            result.files += (file.path,)
        result.searched = tuple(dict.fromkeys(searched))
        result._notes += tuple(problems)
        return result

    def merged(self, other: KeySet) -> KeySet:
        """Return both sets as one; where both have a key, that of ``other`` is taken."""
        result = KeySet()
        result._named = self._named | other._named
        result._titles = self._titles | other._titles
        result._origins = self._origins | other._origins
        result._title_origins = self._title_origins | other._title_origins
        result._bad = self._bad | other._bad
        result._notes = tuple(dict.fromkeys(self._notes + other._notes))
        result.files = tuple(dict.fromkeys(self.files + other.files))
        result.searched = tuple(dict.fromkeys(self.searched + other.searched))
        return result

    def names(self, *, derived: bool = False) -> tuple[str, ...]:
        """Return the names of the given keys, sorted; with ``derived``, also of those that follow from them."""
        names = set(self._named)
        if derived:
            revisions = range(0x100)
            candidates = (
                pattern.replace("XX", f"{revision:02x}") for pattern in CHAINS for revision in (revisions if "XX" in pattern else (0,))
            )
            names.update(name for name in candidates if name in self)
        return tuple(sorted(names))

    def rights_ids(self) -> tuple[bytes, ...]:
        """Return the rights ids that have a title key, sorted."""
        return tuple(sorted(self._titles))

    def origin(self, name: str | bytes) -> str:
        """Return the file a key came from, ``"derived"``, or ``""`` where it is absent; for a rights id as bytes, of its title key."""
        if isinstance(name, bytes):
            return self._title_origins.get(name, "")
        return self._origins.get(canonical(name)) or ("derived" if name in self else "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the files, and which given keys differ from what the others derive. Computed at the first use."""
        if self._conflicts is None:
            clashes: dict[str, list[str]] = {}
            for name, value in self._named.items():
                if self._derive(name) not in (None, value):
                    clashes.setdefault(family(name)[0], []).append(name)
            self._conflicts = tuple(
                f"{self._origins[names[0]]}: {_some(names)} not what {_and(inputs(names[0]))} derive; the given value is used"
                for names in clashes.values()
            )
        return self._notes + self._conflicts

    def __contains__(self, name: object) -> bool:
        """Whether :meth:`get` would give this key; needs no cryptography."""
        if not isinstance(name, str):
            return name in self._titles
        name = canonical(name)
        return name in self._named or (bool(chain(name)) and not self._lacking(name))

    def _lacking(self, name: str) -> list[str]:
        return [source for source in inputs(name) if source != OPTIONAL and source not in self]

    def get(self, name: str) -> bytes | None:
        """Return a key, given or derived, or None. Case does not matter, and other programs' names for it are understood."""
        name = canonical(name)
        value = self._named.get(name)
        if value is None:
            value = self._derived.get(name) or self._derive(name)
            if value is not None:
                self._derived[name] = value
        return value

    def _derive(self, name: str) -> bytes | None:
        """Follow the chain of a canonical name, whether or not the key itself was given."""
        steps = chain(name)
        if not steps or self._lacking(name):
            return None
        value = b""
        for step in steps:
            source, _, mask = step.partition("^")
            operand = self.get(source)
            if operand is None:  # Only the optional step can be.
                continue
            if mask:
                pad = self.require(mask) * 2
                operand = bytes(a ^ b for a, b in zip(operand, pad, strict=True))
            value = _decrypt(value, operand) if value else operand
        return value

    def require(self, name: str, why: str = "") -> bytes:
        """Return a key, given or derived.

        Args:
            name: Its name.
            why: What needs it, as in "needed for …".

        Raises:
            MissingKeyError: It is absent; the message says where it was looked for and what would derive it.
        """
        value = self.get(name)
        if value is None:
            name = canonical(name)
            raise MissingKeyError(name, why, f"{self._bad.get(name) or self._where()}{self._instead(name)}")
        return value

    def _where(self) -> str:
        if self.files:
            return f"looked in {', '.join(self.files)}"
        if self._named or self._titles:
            return "not among the keys given"
        places = f": looked for prod.keys, title.keys and console.keys in {', '.join(self.searched)}" if self.searched else ""
        return f"no key file was found{places}; give one with --keys or in OBOROMI_KEYS"

    def _instead(self, name: str) -> str:
        """Say what else would give a missing key."""
        absent = [source for source in inputs(name) if source not in self]
        present = [source for source in inputs(name) if source in self]
        if not absent:
            return ""
        return f"; or add {_and(absent)}, to derive it{f' with {_and(present)}' if present else ''}"

    def header_key(self) -> bytes:
        """Return the key of NCA headers: 16 bytes for the data, 16 for the tweak.

        Raises:
            MissingKeyError: Neither it nor its sources are there.
        """
        return self.require("header_key", "NCA headers")

    def key_area_key(self, kind: int, revision: int) -> bytes:
        """Return the key of an NCA's key area, 16 bytes.

        Args:
            kind: Key-area key index of the NCA header: 0 application, 1 ocean, 2 system.
            revision: Of the master key; see :func:`master_key_revision`.

        Raises:
            MissingKeyError: Neither the key nor its sources are there.
            UnsupportedError: There is no such kind or revision.
        """
        if not 0 <= kind < len(KINDS):
            raise UnsupportedError(f"{kind} is none of 0 application, 1 ocean, 2 system", what="NCA header", field="key_area_key_index")
        return self.require(f"key_area_key_{KINDS[kind]}_{_digits(revision)}", f"the key area of an NCA of {_generation(revision)}")

    def titlekek(self, revision: int) -> bytes:
        """Return the key that wraps title keys, 16 bytes.

        Raises:
            MissingKeyError: Neither the key nor its sources are there.
            UnsupportedError: There is no such revision.
        """
        return self.require(f"titlekek_{_digits(revision)}", f"title keys of {_generation(revision)}")

    def title_key(self, rights_id: bytes) -> bytes | None:
        """Return the encrypted title key that ``title.keys`` gives for a rights id (16 bytes), or None."""
        return self._titles.get(bytes(rights_id))

    def require_title_key(self, rights_id: bytes) -> bytes:
        """Return the encrypted title key that ``title.keys`` gives for a rights id (16 bytes).

        Raises:
            MissingKeyError: It has none; the message names the rights id.
        """
        value = self.title_key(rights_id)
        if value is None:
            raise MissingKeyError(
                bytes(rights_id).hex(), "title-key crypto: add it to title.keys, or put the ticket beside the NCA", self._where()
            )
        return value

    def decrypt_title_key(self, encrypted: bytes, revision: int) -> bytes:
        """Return a title key in clear.

        Args:
            encrypted: 16 bytes, as in a ticket or ``title.keys``.
            revision: Of the master key.

        Raises:
            MissingKeyError: There is no ``titlekek`` of this revision.
            FormatError: Not 16 bytes.
        """
        if len(encrypted) != 16:
            raise FormatError(f"has {len(encrypted)} bytes instead of 16", what="title key")
        return _decrypt(self.titlekek(revision), encrypted)

    def xci_header_key(self) -> bytes | None:
        """Return the key of a game card's header info, 16 bytes, or None."""
        return self.get("xci_header_key")

    def unwrap_personalised(self, block: bytes) -> bytes:
        """Return the encrypted title key, 16 bytes, in the title-key block of a personalised ticket; ``titlekek`` still wraps it.

        Args:
            block: 0x100 bytes, RSA-2048-OAEP with SHA-256.

        Raises:
            MissingKeyError: There is no ``eticket_rsa_keypair``.
            CorruptError: The block has another length, or ``eticket_rsa_keypair`` is no RSA key pair.
            IntegrityError: The ticket was made for another console.
        """
        pair = self.require("eticket_rsa_keypair", "personalised tickets, from the console.keys of the console the ticket was made for")
        if len(block) != 0x100:
            raise CorruptError(f"has {len(block):#x} bytes instead of 0x100", what="personalised title key block")
        from Crypto.Cipher import PKCS1_OAEP  # Few need it, and it takes longer to import than all the rest.
        from Crypto.Hash import SHA256
        from Crypto.PublicKey import RSA

        private, modulus, public = (int.from_bytes(part, "big") for part in (pair[:0x100], pair[0x100:0x200], pair[0x200:0x204]))
        try:
            key = RSA.construct((modulus, public, private))
        except (ValueError, ArithmeticError):
            raise CorruptError("is no RSA key pair; is it still encrypted with eticket_rsa_kek?", what="key eticket_rsa_keypair") from None
        try:
            plain = PKCS1_OAEP.new(key, SHA256).decrypt(block)
        except (ValueError, TypeError):
            plain = b""
        if len(plain) < 16:
            raise IntegrityError(
                "does not open with eticket_rsa_keypair: made for another console, or damaged", what="personalised title key block"
            )
        return plain[-16:]

    def __repr__(self) -> str:
        return f"<KeySet of {len(self._named)} keys and {len(self._titles)} title keys from {len(self.files)} files>"
