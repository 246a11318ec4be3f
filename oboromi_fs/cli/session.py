"""One run of the command: its options, its streams, and the keys and files it has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import IsADirectoryEntryError, OboromiFsError
from oboromi_fs.paths import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.cli.console import Console
    from oboromi_fs.opening import Location, Opener
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["Session"]


class Session:
    """What every verb gets.

    Args:
        console: Where it writes.
        key_files: What ``--keys`` named.
        base: What ``--base`` named.
        json: Whether the result is to be one JSON document.
        sd_path: What ``--sd-path`` named.
    """

    def __init__(
        self,
        console: Console,
        *,
        key_files: Sequence[str] = (),
        base: str | None = None,
        json: bool = False,
        sd_path: str | None = None,
    ) -> None:
        self.console = console
        self.key_files = key_files
        self.base = base
        self.json = json
        self.sd_path = sd_path
        self._opener: Opener | None = None
        self._open: list[FileSystemBase] = []

    def opener(self, *, check: bool = False) -> Opener:
        """Return what opens containers, with the user's keys; they are read when the first one is needed.

        Args:
            check: Verify every block that is read against its hash.

        Raises:
            FormatError, OSError: A file that ``--keys`` names cannot be read.
        """
        if self._opener is None:
            from oboromi_fs.opening import Opener

            keys = None
            if self.key_files:
                from oboromi_fs.keys import KeySet

                keys = KeySet.default(explicit=self.key_files)
            self._opener = Opener(keys, check=check, base=self.base, sd_path=self.sd_path)
            if self.console.verbose:
                for text in self._opener.keys.warnings:
                    self.console.warn(text)
        return self._opener

    def where_keys(self) -> str:
        """Say where keys were looked for, and where to put more."""
        keys = self.opener().keys
        looked = f"looked in {', '.join(keys.files)}" if keys.files else f"found no key file in {', '.join(keys.searched) or 'any place'}"
        return f"{looked}; give a key file with --keys or in OBOROMI_KEYS"

    def locate(self, path: str, *, check: bool = False) -> Location:
        """Find what a path names; it is closed with the session.

        Raises:
            EntryNotFoundError: No such path.
            FormatError, MissingKeyError: A container on the way cannot be opened.
        """
        from oboromi_fs.opening import locate

        place = locate(path, opener=self.opener(check=check))
        self.keep(place.fs)
        return place

    def keep(self, fs: FileSystemBase) -> None:
        """Close a file system with the session."""
        self._open.append(fs)

    def is_tree(self, place: Location) -> bool:
        """Whether a place can be listed: a directory, or a container.

        Raises:
            FormatError, MissingKeyError: It is a container, and cannot be opened.
        """
        return place.kind == "directory" or place.fs.enter(place.path) is not None

    def storage(self, place: Location) -> Storage:
        """Return the bytes of a file.

        Raises:
            IsADirectoryEntryError: It is none.
        """
        if place.kind == "directory":
            raise IsADirectoryEntryError(place.display)
        return place.fs.storage(place.path)

    def tell_problems(self, place: Location) -> bool:
        """Warn of what the archives on the way to a place, and the one there, say that cannot be; return whether there is any."""
        if not hasattr(place.fs, "enter"):  # A union, whose layers are told of at the end.
            return False
        problems = False
        told: set[int] = set()
        path = place.path
        while path:
            try:
                fs: FileSystem | None = place.fs.enter(path) if place.fs.metadata(path).kind == "file" else place.fs.resolve(path)[0]
            except (OboromiFsError, OSError):
                fs = None
            if fs is not None and id(fs) not in told and getattr(fs, "kind", "") != "Union":  # Whose layers are told of at the end.
                told.add(id(fs))
                for problem in getattr(fs, "problems", ()):
                    self.console.warn(f"{place.display}: {problem}")
                    problems = True
            path = split(path)[0]
        return problems

    def close(self) -> None:
        """Close every file that was opened."""
        while self._open:
            self._open.pop().close()
        if self._opener is not None:
            self._opener.close()
