"""Key files: where they are, and what a line of one may look like.

One key a line, ``name = hexadecimal digits``; ``title.keys`` has rights ids for names. :class:`oboromi_fs.keys.KeySet` is what callers
want; here is what it reads.
"""

from __future__ import annotations

import os
import re
import stat
from binascii import unhexlify
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs._keynames import SIZES, canonical, family, is_rights_id
from oboromi_fs.errors import CorruptError, EntryNotFoundError, OboromiFsError, UnsafePathError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KeyFile", "files_of", "parse", "usual_files"]

MAX_LINE = 4096
MAX_NAMED = 1 << 20
"""Bytes of lines that are neither title keys nor comments."""
MAX_FILE = 32 << 20
MAX_NOTES = 20
"""A hostile file has a hundred thousand bad lines; nobody reads past twenty."""

ROLES = ("prod", "title", "console")
"""What the key files in a folder are called, before ``.keys``."""

_BLANKS = b" \t\v\f"
# A line that is neither blank nor a comment: the two halves of a title key, or anything else. Possessive, so that time stays linear.
_LINE = re.compile(
    rb"^[ \t\v\f]*+(?:([0-9A-Fa-f]{32})[ \t\v\f]*+[=,][ \t\v\f]*+([0-9A-Fa-f]{32})(?=[ \t\v\f]*+$|[ \t\v\f]++[#;])|([^\s#;][^\n]*))",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"[ \t\v\f][#;]")
_SEPARATOR = re.compile(rb"[=,]")
_HEX = re.compile(rb"[0-9A-Fa-f]*")


class KeyFile(NamedTuple):
    """What one key file, ``path``, holds.

    ``named`` is by canonical name, ``titles`` encrypted title keys by rights id, ``bad`` known names with an unusable value and
    what is wrong with it, ``notes`` what to tell the user. Notes never quote a line: a value may stand where a name should.
    """

    path: str
    named: dict[str, bytes]
    titles: dict[bytes, bytes]
    bad: dict[str, str]
    notes: tuple[str, ...]


def read(path: str) -> KeyFile:
    """Read a key file, or a pipe: that is how a shell hands over what a password store prints.

    Raises:
        UnsupportedError: A folder, a device, or too large.
        CorruptError: It holds a NUL byte.
        EntryNotFoundError: No such file.
        UnsafePathError: No host has such a path.
        OSError: It cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise EntryNotFoundError(path, "no such key file") from None
    except ValueError:
        raise UnsafePathError(path, "holds a NUL or a surrogate that stands for no byte") from None
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise UnsupportedError(f"is a {'folder' if stat.S_ISDIR(mode) else 'device'}, not a key file", source=path)
    with open(path, "rb") as stream:
        chunks = [stream.read(min(os.fstat(stream.fileno()).st_size, MAX_FILE) + 1)]
        total = len(chunks[0])
        while total <= MAX_FILE and (chunk := stream.read(1 << 16)):
            chunks.append(chunk)
            total += len(chunk)
    return parse(b"".join(chunks), path)


def _plain(text: bytes, source: str) -> bytes:
    """Return the text as ASCII with plain line feeds, or refuse it."""
    if len(text) > MAX_FILE:
        raise UnsupportedError(f"is larger than {MAX_FILE >> 20} MiB, too large for a key file", source=source)
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):  # What some editors call "Unicode".
        text = text.decode("utf-16", "replace").encode("ascii", "replace")
    if b"\0" in text:
        raise CorruptError("holds a NUL byte; a key file is ASCII text", source=source, offset=text.index(b"\0"))
    text = text.removeprefix(b"\xef\xbb\xbf")
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def parse(text: bytes, source: str) -> KeyFile:
    """Return what the text of a key file holds; the rules are those of :meth:`oboromi_fs.keys.KeySet.parse`.

    Raises:
        UnsupportedError: More than 32 MiB, or more than 1 MiB of anything but title keys and comments.
        CorruptError: A NUL byte.
    """
    text = _plain(text, source)
    named: dict[str, bytes] = {}
    titles: dict[bytes, bytes] = {}
    bad: dict[str, str] = {}
    notes: list[str] = []
    malformed = unlisted = other = 0
    for match in _LINE.finditer(text):
        rights_id, key, line = match.groups()
        if line is None:
            titles[unhexlify(rights_id)] = unhexlify(key)
            continue
        other += len(line)
        if other > MAX_NAMED:
            raise UnsupportedError(
                f"has more than {MAX_NAMED >> 20} MiB of lines that are no title keys, too much for a key file", source=source
            )
        if comment := _COMMENT.search(line):
            line = line[: comment.start()]
        parts = _SEPARATOR.split(line, 1)
        raw = parts[0].translate(None, _BLANKS)
        if len(parts) != 2 or not raw or len(line) > MAX_LINE:
            malformed += 1
            continue
        digits = parts[1].translate(None, _BLANKS)
        name = raw.decode("ascii", "replace")
        is_title = is_rights_id(name)
        name = "title key" if is_title else canonical(name)
        size = 16 if is_title else SIZES.get(family(name)[0])
        if size is None:
            continue
        if len(digits) == 2 * size and _HEX.fullmatch(digits):
            if is_title:
                titles[unhexlify(raw)] = unhexlify(digits)
            else:
                named[name] = unhexlify(digits)
            continue
        listed = len(notes) < MAX_NOTES
        where = f"line {text.count(10, 0, match.start()) + 1} of {source}" if listed else source
        wrong = f"{len(digits)} hexadecimal digits instead of {2 * size}" if _HEX.fullmatch(digits) else "a value that is not hexadecimal"
        if not is_title:
            bad[name] = f"{name} in {where} has {wrong}"
        if listed:
            notes.append(f"{name} in {where} has {wrong}, and is passed over")
        else:
            unlisted += 1
    if unlisted:
        notes.append(f"{source}: further values of a wrong length, or not hexadecimal, and passed over: {unlisted}")
    if malformed:
        notes.append(f"{source}: lines that are not of the form name = value, or too long, and passed over: {malformed}")
    if not named and not titles:
        notes.append(f"{source}: no known key in it")
    return KeyFile(source, named, titles, bad, tuple(notes))


class _Found:
    """Key files of folders, by what they stand for, as places are gone through in order.

    ``roles`` are those that have a file by now. ``problems`` takes what cannot be read; where it is None, that is raised.
    """

    def __init__(self, problems: list[str] | None = None) -> None:
        self.roles: set[str] = set()
        self.problems = problems
        self._written: list[KeyFile] = []
        self._generated: list[KeyFile] = []

    def add(self, file: KeyFile) -> None:
        """Add a file that was named by itself; another name than the usual ones says nothing, so its content does."""
        self._written.append(file)
        role = os.path.basename(file.path).removesuffix("_autogenerated").removesuffix(".keys")
        if role in (*ROLES, "dev"):
            self.roles.add("prod" if role == "dev" else role)
        else:
            self.roles.update(role for role, held in (("prod", file.named), ("title", file.titles)) if held)

    def add_file(self, path: str) -> None:
        """Read and add a file that must be there."""
        file = self.try_read(path)
        if file is not None:
            self.add(file)

    def add_folder(self, folder: str, roles: Sequence[str]) -> None:
        """Add the files of a folder for those ``roles`` that have none yet."""
        for role in roles:
            if role in self.roles:
                continue
            for name, layer in ((f"{role}.keys", self._written), (f"{role}.keys_autogenerated", self._generated)):
                file = self.try_read(os.path.join(folder, name), optional=True)
                if file is not None:
                    layer.append(file)
                    self.roles.add(role)

    def try_read(self, path: str, *, optional: bool = False) -> KeyFile | None:
        """Read one file; an ``optional`` one may be absent."""
        try:
            return read(path)
        except (OSError, OboromiFsError) as error:
            if optional and isinstance(error, (FileNotFoundError, NotADirectoryError)):
                return None
            if self.problems is None:
                raise
            self.problems.append(f"key file passed over: {error}")
            return None

    def files(self) -> list[KeyFile]:
        """Return all, the last on top: what the user wrote over what a program derived, the earlier places over the later."""
        return [*reversed(self._generated), *reversed(self._written)]


def files_of(paths: Sequence[str]) -> list[KeyFile]:
    """Read key files, and the key files of folders; what stands last is to win.

    Raises:
        EntryNotFoundError: A folder has no key file.
        OboromiFsError, OSError: As :func:`read`.
    """
    files: list[KeyFile] = []
    for path in paths:
        if not os.path.isdir(path):
            files.append(read(path))
            continue
        found = _Found()
        found.add_folder(path, ROLES)
        if "prod" not in found.roles:
            found.add_folder(path, ("dev",))
        if not found.roles:
            raise EntryNotFoundError(path, "no prod.keys, title.keys, console.keys or dev.keys in folder")
        files += found.files()
    return files


def usual_files(environ: Mapping[str, str], explicit: Sequence[str]) -> tuple[list[KeyFile], list[str], list[str]]:
    """Find key files in the order of :meth:`oboromi_fs.keys.KeySet.default`.

    Returns:
        The files, the last on top; every place that was looked at; what could not be read there, as text.
    """
    problems: list[str] = []
    found = _Found(problems)
    for file in reversed(files_of(explicit)):
        found.add(file)
    places = [path for path in environ.get("OBOROMI_KEYS", "").split(os.pathsep) if path]
    named = set(places)
    places += _usual_folders(environ)
    for path in places:
        if path not in named or os.path.isdir(path):
            found.add_folder(path, ROLES)
        else:
            found.add_file(path)
    if "prod" not in found.roles:
        for path in places:
            found.add_folder(path, ("dev",))
    return found.files(), [*explicit, *places], problems


def _usual_folders(environ: Mapping[str, str]) -> list[str]:
    """Where key files are looked for; a relative or empty HOME or XDG_CONFIG_HOME would mean wherever we are run, so not there."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    config = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):
        config = os.path.join(home, ".config")
    folders = (os.path.join(config, "oboromi"), os.path.join(config, "switch"), os.path.join(home, ".switch"))
    return [folder for folder in folders if os.path.isabs(folder)]
