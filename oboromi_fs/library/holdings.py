"""What a collection holds, place by place: light values, as the catalogue keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.titles.found import Issue, Package
    from oboromi_fs.titles.places import Place

__all__ = ["FileStamp", "Holding", "TitleNames", "Verification", "stamp_of"]

_AMERICAN_ENGLISH = 0


class FileStamp(NamedTuple):
    """What tells whether a file is still the same: size in bytes, time of change (ns since the epoch), and inode; -1 for what is gone."""

    path: str
    size: int
    mtime_ns: int
    inode: int


def stamp_of(place: Place) -> tuple[FileStamp, ...]:
    """Return the stamps of the files of a place; empty where none of them is there any more. Nothing is opened."""
    stamps: list[FileStamp] = []
    there = False
    for path in place.files:
        try:
            found = os.stat(path)
        except OSError:
            stamps.append(FileStamp(path, -1, -1, -1))
        else:
            there = True
            stamps.append(FileStamp(path, found.st_size, found.st_mtime_ns, found.st_ino))
    return tuple(stamps) if there else ()


class TitleNames(NamedTuple):
    """What a title is called.

    Attributes:
        names: Number of the language, name and publisher, in the order of the NACP.
        version: As people read it, such as ``1.0.2``.
    """

    names: tuple[tuple[int, str, str], ...] = ()
    version: str = ""

    def best(self, languages: Sequence[int] = ()) -> tuple[str, str]:
        """Return name and publisher in the first of some languages there is, else in American English, else in the first there is.

        Example:
            >>> names = TitleNames(((0, "Moon", "We"), (2, "Tsuki", "Wareware")), "1.0.0")
            >>> names.best((12, 2)), names.best(), TitleNames().best()
            (('Tsuki', 'Wareware'), ('Moon', 'We'), ('', ''))
        """
        known = {language: (name, publisher) for language, name, publisher in self.names}
        for language in (*languages, _AMERICAN_ENGLISH):
            if language in known:
                return known[language]
        return next(iter(known.values()), ("", ""))


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of checking every hash of a place.

    Attributes:
        when: Seconds since the epoch.
        ok: Checks that passed.
        failed: Checks that did not.
        skipped: What could not be checked.
        problems: The first of those that failed, then of those skipped, as a person reads them.
        keys: Names of keys for want of which something was skipped.
    """

    when: int
    ok: int
    failed: int
    skipped: int
    problems: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``failed``, ``ok``, or ``unsure`` where nothing failed, and something could not be checked."""
        return "failed" if self.failed else "unsure" if self.skipped or not self.ok else "ok"


@dataclass(frozen=True, slots=True)
class Holding:
    """A package, or a folder of contents, and what is in it.

    Attributes:
        stamp: Its files, as they were when it was looked into.
        package: What was found.
        names: What each of ``package.metas`` is called; None where that is not to be had.
        verification: What came of checking it; None where nobody has.
    """

    stamp: tuple[FileStamp, ...]
    package: Package
    names: tuple[TitleNames | None, ...] = ()
    verification: Verification | None = None

    @property
    def path(self) -> str:
        """Host path."""
        return self.package.path

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What is wrong with it."""
        return self.package.issues

    @property
    def size(self) -> int:
        """Bytes that its files take."""
        return sum(file.size for file in self.stamp if file.size > 0)

    @property
    def mtime_ns(self) -> int:
        """When the last of its files changed."""
        return max((file.mtime_ns for file in self.stamp), default=-1)

    @property
    def missing_keys(self) -> tuple[str, ...]:
        """Names of the keys, and rights ids of the title keys, that were missing to look into it."""
        return tuple(dict.fromkeys(issue.key_name for issue in self.package.issues if issue.key_name))

    @property
    def is_refused(self) -> bool:
        """Whether the host did not let something be read: the next time it may, though no file has changed."""
        return any(issue.kind == "refused" for issue in self.package.issues)

    @property
    def is_doubtful(self) -> bool:
        """Whether other keys might find more in it: one was missing, or what it holds was not understood."""
        return any(issue.kind in ("key", "damaged", "unknown", "no-meta") for issue in self.package.issues)
