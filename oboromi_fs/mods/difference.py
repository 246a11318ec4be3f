"""Mods that hold what differs from a game and nothing of the game itself: the folder that is shared, and its mount.

A folder, or a ZIP of one::

    mod.toml               what is gone, what is patched, and from what
    files/…                files that the game has nothing of, as they are
    deltas/<n>.vcdiff      each makes a file from one or more of the game's files, one after the other (RFC 3284)

``mod.toml``::

    format = "oboromi mod"
    version = 1
    deleted = ["data/old"]           # files, and directories with all that is in them
    directories = ["data/empty"]     # directories that have nothing in them

    [[patched]]
    path = "data/level.bin"
    size = 1000
    sha256 = "…"
    delta = "deltas/0.vcdiff"

    [[patched.sources]]
    path = "data/level.bin"
    size = 996
    sha256 = "…"

What a patched file is made from is looked up in the layers below the mod, and must be the very bytes that it was made for. What comes out
is checked by whoever reads all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import walk
from oboromi_fs.errors import CorruptError, FormatError, OboromiFsError, UnsafePathError, UnsupportedError
from oboromi_fs.overlay.markers import PREFIX
from oboromi_fs.paths import join, normalise, split
from oboromi_fs.storage.deferred import DeferredStorage
from oboromi_fs.storage.digested import DigestedStorage, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oboromi_fs.protocols import FileSystem, Storage

__all__ = [
    "DESCRIPTION",
    "FILES",
    "Difference",
    "DifferenceFs",
    "Patched",
    "Version",
    "is_difference",
    "open_difference",
    "read_difference",
]

DESCRIPTION = "mod.toml"
FILES = "files"
FORMAT = "oboromi mod"
VERSION = 1
_MOST = 64 << 20
"""Bytes of a description."""
_MARK = re.compile(rb"""^format\s*=\s*["']oboromi mod["']""", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = (1 << 63) - 1
_MOST_FOLDERS = 256 << 20
"""Characters in the paths of all folders that a description names, each counted as often as it is named."""
_TEXT = re.compile(rb'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_ODD = re.compile(rb"\0[\0\"']|(?<![\w\0-])(?:[\w\0-]++[ \t]*+\.[ \t]*+){8}")
"""Texts of several lines, and keys of many parts, where texts are NULs."""


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it must be: its path, its size in bytes, and the SHA-256 of its contents in lower-case hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Patched:
    """A file that is made from files of the game.

    Attributes:
        made: What comes out.
        delta: Path of the delta in the mod.
        sources: What it is made from, in the order in which the delta has them one after the other.
    """

    made: Version
    delta: str
    sources: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a description says: see the module."""

    deleted: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    patched: tuple[Patched, ...] = ()

    def to_toml(self) -> str:
        """Return the description as it is written.

        Raises:
            FormatError: It would say something that cannot be.
            UnsupportedError: It would be too large to be read.
        """
        import tomli_w

        _check(self)
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        if self.deleted:
            document["deleted"] = list(self.deleted)
        if self.directories:
            document["directories"] = list(self.directories)
        if self.patched:
            document["patched"] = [
                {**_row(each.made), "delta": each.delta, "sources": [_row(source) for source in each.sources]} for each in self.patched
            ]
        text = tomli_w.dumps(document)
        if len(text.encode()) > _MOST:
            raise UnsupportedError(f"would have {len(text.encode())} bytes; up to {_MOST} are read", what=DESCRIPTION)
        return text


def _row(version: Version) -> dict[str, Any]:
    return {"path": version.path, "size": version.size, "sha256": version.sha256}


def _described(fs: FileSystem) -> Storage | None:
    """The description of a mod; None where there is none."""
    try:
        storage = fs.storage(DESCRIPTION)
        return storage if _MARK.search(storage[:_MOST]) else None
    except (OboromiFsError, OSError):
        return None


def is_difference(fs: FileSystem) -> bool:
    """Whether a folder or archive is such a mod: it has a ``mod.toml`` that says so. One that cannot be read is none."""
    return _described(fs) is not None


def read_difference(fs: FileSystem) -> Difference:
    """Read the description of a mod.

    Raises:
        FormatError: There is none, or it says something that cannot be; the message names the field.
        UnsupportedError: It is of a later version.
    """
    import tomllib

    storage = _described(fs)
    if storage is None:
        raise FormatError(f"has no {DESCRIPTION} that begins with format = {FORMAT!r}", what="mod")
    if storage.size > _MOST:
        raise UnsupportedError(f"has {storage.size} bytes; up to {_MOST} are read", what=DESCRIPTION)
    data = storage[:].tobytes()
    if _ODD.search(_TEXT.sub(b"\0", data)):  # Of no use here; and for keys of many parts the parser takes the square of the time.
        raise FormatError("has keys of many parts, or texts of several lines: a description has none", what=DESCRIPTION)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise FormatError(f"is no TOML: {error}", what=DESCRIPTION) from None
    if document.get("format") != FORMAT:
        raise _wrong("format", f"is {FORMAT!r}")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _wrong("version", "is a number from 1 on")
    if version > VERSION:
        raise UnsupportedError(f"is {version}; up to {VERSION} is read", what=DESCRIPTION, field="version")
    _nothing_but(document, "", "format", "version", "deleted", "directories", "patched")
    rows = _tables(document, "patched")
    found = Difference(
        tuple(_paths(document, "deleted")),
        tuple(_paths(document, "directories")),
        tuple(_patched(row, f"patched[{number}]") for number, row in enumerate(rows)),
    )
    _check(found)
    return found


def _wrong(field: str, problem: str) -> FormatError:
    return FormatError(problem, what=DESCRIPTION, field=field)


def _nothing_but(table: dict[str, Any], where: str, *names: str) -> None:
    for name in table:
        if name not in names:
            raise _wrong(f"{where}{name[:80]}", f"is unknown; there are {', '.join(names)}")


def _tables(table: dict[str, Any], name: str, where: str = "") -> list[dict[str, Any]]:
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(f"{where}{name}", "is a list of tables")
    return rows


def _path(value: object, field: str) -> str:
    """A path in its one spelling, which leads nowhere else."""
    try:
        canonical = normalise(value) if isinstance(value, str) else ""
    except UnsafePathError:
        canonical = ""
    if not isinstance(value, str) or not canonical or canonical != value or ".." in value.split("/") or "\\" in value:
        raise _wrong(field, f"is no path inside the game: {str(value)[:80]!r}")
    if any(name.startswith(PREFIX) for name in value.split("/")):
        raise _wrong(field, f"is a path as whiteouts have it: {value[:80]!r}")
    return value


def _paths(table: dict[str, Any], name: str) -> Iterator[str]:
    values = table.get(name, [])
    if not isinstance(values, list):
        raise _wrong(name, "is a list of paths")
    for number, value in enumerate(values):
        yield _path(value, f"{name}[{number}]")


def _version(row: dict[str, Any], where: str) -> Version:
    size, digest = row.get("size"), row.get("sha256")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise _wrong(f"{where}.size", "is a number of bytes")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise _wrong(f"{where}.sha256", "is 64 hexadecimal digits in lower case")
    return Version(_path(row.get("path"), f"{where}.path"), size, digest)


def _patched(row: dict[str, Any], where: str) -> Patched:
    made = _version(row, where)
    _nothing_but(row, f"{where}.", "path", "size", "sha256", "delta", "sources")
    sources: list[Version] = []
    for number, each in enumerate(_tables(row, "sources", f"{where}.")):
        inner = f"{where}.sources[{number}]"
        sources.append(_version(each, inner))
        _nothing_but(each, f"{inner}.", "path", "size", "sha256")
    return Patched(made, _path(row.get("delta"), f"{where}.delta"), tuple(sources))


def _check(found: Difference) -> None:
    """See whether the fields of a description agree with each other.

    Raises:
        FormatError: One path stands for two things; or a file that is gone is said to have contents; or folders lie too deep in each other.
    """
    paths = (*found.deleted, *found.directories, *(each.made.path for each in found.patched))
    if sum(len(path) * path.count("/") for path in paths) > _MOST_FOLDERS:
        raise FormatError("names more folders in folders than can be held", what=DESCRIPTION)
    gone = _unique("deleted", found.deleted)
    for field, paths in (("deleted", found.deleted), ("directories", found.directories)):
        for number, path in enumerate(paths):
            _not_in(f"{field}[{number}]", path, gone, itself=field == "deleted")
    _unique("directories", found.directories)
    for number, path in _enumerated(_unique("patched", [each.made.path for each in found.patched])):
        _not_in(f"patched[{number}].path", path, gone)
    _unique("delta", [each.delta for each in found.patched])


def _enumerated(paths: dict[str, int]) -> Iterator[tuple[int, str]]:
    return ((number, path) for path, number in paths.items())


def _unique(field: str, paths: Iterable[str]) -> dict[str, int]:
    known: dict[str, int] = {}
    for number, path in enumerate(paths):
        if known.setdefault(path, number) != number:
            raise _wrong(f"{field}[{number}]", f"{path!r} stands in {field}[{known[path]}] as well")
    return known


def _not_in(field: str, path: str, gone: dict[str, int], *, itself: bool = False) -> None:
    """Refuse a path that is deleted, or lies in a directory that is."""
    parent = split(path)[0] if itself else path
    while parent:
        if parent in gone:
            raise _wrong(field, f"{path!r} is deleted by deleted[{gone[parent]}], {parent!r}")
        parent = split(parent)[0]


class DifferenceFs(MemoryFs):
    """A mod as a layer: its files, patched ones made as they are read, and whiteouts of what is gone.

    Args:
        folder: The mod. Closing this closes it.
        below: What the mod lies over: where the files are that patched ones are made from.

    Raises:
        FormatError: The description says something that cannot be.
    """

    def __init__(self, folder: FileSystem, below: FileSystem) -> None:
        self.difference = found = read_difference(folder)
        self.below = below
        self._folder = folder
        self._versions: dict[Version, Storage] = {}
        self._whole: set[str] = set()
        self._patched = {each.made.path: each for each in found.patched}
        files: dict[str, Storage] = {}
        gone = {path: number for number, path in enumerate(found.deleted)}
        dirs = list(found.directories)
        for path, entry in walk(folder, FILES) if _has(folder, FILES) else ():
            canonical = _path(path, join(FILES, path))
            _not_in(join(FILES, path), path, gone)
            if entry.kind == "directory":
                dirs.append(canonical)
                continue
            self._whole.add(canonical)
            files[canonical] = DeferredStorage(entry.size, partial(folder.storage, join(FILES, path)))
        for number, each in enumerate(found.patched):
            if each.made.path in files:
                raise _wrong(f"patched[{number}].path", f"{each.made.path!r} is in {FILES}/ as well")
            files[each.made.path] = DeferredStorage(each.made.size, partial(self._made, each), "Vcdiff", "patched")
        names = [*files, *(join(split(path)[0], PREFIX + split(path)[1]) for path in found.deleted)]
        try:
            super().__init__(dict.fromkeys(names, b""), dirs)
        except UnsafePathError as error:
            raise _wrong("patched", f"{error.path!r} {error.reason}") from None
        self._files.update(files)  # Only now: to ask whether something is a storage would make it, up to Python 3.11.
        close = getattr(folder, "close", None)
        if close is not None:
            self._owned.append(folder)

    def origin(self, path: str) -> str:
        """Return where in the mod the bytes of a file are: the file itself, or the delta that it is made by. Other paths as they are."""
        if path in self._whole:
            return join(FILES, path)
        return self._patched[path].delta if path in self._patched else path

    def made_from(self, path: str) -> tuple[str, ...]:
        """Return the paths of what a patched file is made from; nothing for others."""
        return tuple(version.path for version in self._patched[path].sources) if path in self._patched else ()

    def _storage(self, path: str) -> Storage:
        # Opened each time, so that there may be more files than can be open at once.
        return self._folder.storage(join(FILES, path)) if path in self._whole else super()._storage(path)

    def _made(self, each: Patched) -> Storage:
        from oboromi_fs.delta.vcdiffstorage import VcdiffStorage
        from oboromi_fs.storage.concat import ConcatStorage

        sources = [self._source(each, version) for version in each.sources]
        source = sources[0] if len(sources) == 1 else ConcatStorage(sources)
        made = VcdiffStorage(source, self._folder.storage(each.delta), each.made.size)
        return DigestedStorage(made, each.made.sha256, f"patched file {each.made.path!r}")

    def _source(self, each: Patched, version: Version) -> Storage:
        """A file of the game, once it is known to be the right one."""
        found = self._versions.get(version)
        if found is None:
            try:
                found = self.below.storage(version.path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise self._other(each, version, "is not there") from None
            if found.size != version.size:
                raise self._other(each, version, f"has {found.size} bytes, and not {version.size}")
            digest = digest_of(found)
            if digest != version.sha256:
                raise self._other(each, version, f"has the SHA-256 {digest}, and not {version.sha256}")
            self._versions[version] = found
        return found

    @staticmethod
    def _other(each: Patched, version: Version, problem: str) -> CorruptError:
        text = f"the mod was made for another version of the game: {version.path!r}, from which this file is made, {problem}"
        return CorruptError(text, what=f"patched file {each.made.path!r}")


def _has(fs: FileSystem, path: str) -> bool:
    try:
        return fs.metadata(path).kind == "directory"
    except (FileNotFoundError, NotADirectoryError):
        return False


def open_difference(fs: FileSystem, below: FileSystem) -> DifferenceFs:
    """Open a mod over the game it is for.

    Give the result to a :class:`~oboromi_fs.overlay.Layer`, which reads its whiteouts, over the layers that ``below`` is the union of.
    Nothing of the game is read before a patched file is.

    Args:
        fs: The mod's folder or archive.
        below: The game, or the union of the layers below.

    Raises:
        FormatError: The description says something that cannot be; the message names the field.

    Example:
        >>> from oboromi_fs import UnionFs
        >>> game = MemoryFs({"a": b"1", "b": b"2"})
        >>> mod = MemoryFs({"mod.toml": b'format = "oboromi mod"\\nversion = 1\\ndeleted = ["a"]', "files/c": b"3"})
        >>> [path for path, _ in UnionFs([game, open_difference(mod, game)]).walk()]
        ['b', 'c']
    """
    return DifferenceFs(fs, below)
