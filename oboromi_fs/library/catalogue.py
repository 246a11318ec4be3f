"""The catalogue of a collection: what its folders hold, looked at once and then only where something changed."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.library.holdings import Holding, stamp_of
from oboromi_fs.library.pace import Pace
from oboromi_fs.library.rows import NotARow, holding_of, stamp_text, text_of, verification_of, verification_text
from oboromi_fs.library.store import Row, Store, default_path
from oboromi_fs.titles.found import Issue
from oboromi_fs.titles.places import find_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Self

    from oboromi_fs.keys import KeySet
    from oboromi_fs.library.holdings import FileStamp, Verification
    from oboromi_fs.library.titles import LibraryTitle
    from oboromi_fs.opening import KeysType, Opener
    from oboromi_fs.titles.places import Place

__all__ = ["Catalogue", "Changes"]

_AHEAD = 16
"""Places for each thread that wait for one."""
_BATCH_SECONDS = 1.0
"""How often what was found is written: what a crash would lose."""


@dataclass(slots=True)
class Changes:
    """What an update came to.

    Attributes:
        looked: Places that were new or changed, and looked into.
        unchanged: Places that were as the catalogue has them.
        removed: Places of the catalogue that are gone.
    """

    looked: int = 0
    unchanged: int = 0
    removed: int = 0


class Catalogue:
    """What folders of dumps hold, kept from run to run.

    A place (a package, a folder of loose contents, an extracted title) is looked into once, and again when the size, time of change or
    inode of one of its files differs, when other keys are there and something could not be read, or when the host did not let it be
    read. Nothing of any other place is opened.

    Not for several threads at once. Several processes may use one file at the same time.

    Use :meth:`open`, not the constructor.

    Attributes:
        notes: What a user should know about the file of the catalogue: that it was made anew, or cannot be used.
        issues: Folders that could not be listed at the last update.

    Example:
        >>> with Catalogue.open(None, keys="testdata/keys/prod.keys") as catalogue:
        ...     _ = catalogue.update(["testdata/nsp"])
        ...     for title in catalogue.titles():
        ...         print(f"{title.application_id:016x}", title.name() or "-", title.version, len(title.addons))
        0100abcdef000000 Fake Game ゲーム 65536 1
    """

    def __init__(self, store: Store | None, opener: Callable[[], Opener], notes: list[str]) -> None:
        self._store = store
        self._make_opener = opener
        self._holdings: dict[str, Holding] = {}
        self._print: str | None = None
        self.notes = notes
        self.issues: list[Issue] = []

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = "", keys: KeysType = None, *, opener: Callable[[], Opener] | None = None) -> Self:
        """Open a catalogue, and make it if it is not there. That it cannot be kept is no error: :attr:`notes` has why.

        Args:
            path: The file; by default :func:`~oboromi_fs.library.default_path`. None keeps nothing.
            keys: Anything :meth:`~oboromi_fs.keys.KeySet.of` takes; they are read when the first file is opened.
            opener: Gives what opens containers, keys included, when the first one is to be opened.
        """
        notes: list[str] = []
        store = None if path is None else Store(os.fspath(path) or default_path(), notes.append)
        return cls(store, opener if opener is not None else partial(_opener_of, keys), notes)

    @cached_property
    def opener(self) -> Opener:
        """What opens containers; it is made at the first need."""
        return self._make_opener()

    @property
    def keys(self) -> KeySet:
        """The keys that files are opened with."""
        return self.opener.keys

    # Looking

    def update(
        self,
        folders: Iterable[str | os.PathLike[str]],
        *,
        workers: int | None = None,
        again: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Changes:
        """Bring the catalogue up to date with what is in some folders; :meth:`holdings` and :meth:`titles` are of these from then on.

        Interrupted, it keeps what it has found so far.

        Args:
            folders: Host folders, searched to the bottom, and files.
            workers: Threads that look. By default one, and more where it turns out that most of the time is spent waiting for a disk.
            again: Look into everything, changed or not.
            progress: Called with places done and places known so far.

        Raises:
            EntryNotFoundError: A path that does not exist.
            OSError: A folder that is named itself cannot be listed.
        """
        roots = [os.path.abspath(os.fspath(each)) for each in folders]
        for root in roots:
            if not os.path.lexists(root) and not _leads_into_a_file(root):
                raise EntryNotFoundError(root)
        known = self._store.rows(roots) if self._store is not None else {}
        self.issues = []
        self._holdings = {}
        changes = Changes()
        unlisted: list[str] = []

        def told(folder: str, wrong: OSError) -> None:
            unlisted.append(folder)
            self.issues.append(Issue.of(wrong, folder, before="cannot be listed: "))

        met: set[str] = set()
        with self._writing() as keep:
            for place, found, is_new in self._looked(
                find_places(roots, told=told, strict=True), known, met, workers, again=again, progress=progress
            ):
                if found is None:
                    continue
                self._holdings[place.path] = found
                changes.looked += is_new
                changes.unchanged += not is_new
                if is_new and any(_is_below(place.path, root) for root in roots):  # Single files of a folder are not what it holds.
                    keep(found)
        gone = [path for path in known if path not in met and not any(_is_below(path, folder) for folder in unlisted)]
        if gone and self._store is not None:
            self._store.write((), gone)
        changes.removed = len(gone)
        return changes

    def _looked(
        self,
        places: Iterator[Place],
        known: dict[str, Row],
        met: set[str],
        workers: int | None,
        *,
        again: bool,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[tuple[Place, Holding | None, bool]]:
        """Each place with what it holds, in order, and whether it was looked into; None for what has vanished meanwhile."""
        pace = Pace(workers)
        waiting: deque[tuple[Place, Holding | Future[Holding | None]]] = deque()
        done = 0
        exhausted = False
        try:
            while waiting or not exhausted:
                while not exhausted and len(waiting) < _AHEAD * pace.threads:
                    place = next(places, None)
                    if place is None:
                        exhausted = True
                        break
                    stamp = stamp_of(place)
                    if not stamp:
                        continue
                    met.add(place.path)
                    row = known.get(place.path)
                    old = None if again else self._unchanged(row, place, stamp)
                    if old is None:
                        _ = self.opener.keys  # Read once, before threads ask.
                        waiting.append((place, pace.submit(partial(self._look, place, stamp, _verified(row, stamp)))))
                    else:
                        waiting.append((place, old))
                if not waiting:
                    break
                place, result = waiting.popleft()
                found = result if isinstance(result, Holding) else result.result()
                done += 1
                if progress is not None:
                    progress(done, done + len(waiting))
                yield place, found, not isinstance(result, Holding)
        finally:
            pace.stop()

    def _look(self, place: Place, stamp: tuple[FileStamp, ...], verification: Verification | None) -> Holding | None:
        from oboromi_fs.library.looking import look

        found = look(place, self.opener, stamp)
        if not found.package.metas and not stamp_of(place):  # Gone meanwhile.
            return None
        return found if verification is None else replace(found, verification=verification)

    def _unchanged(self, row: Row | None, place: Place, stamp: tuple[FileStamp, ...]) -> Holding | None:
        if row is None or row.stamp != stamp_text(stamp) or (row.keys and row.keys != self._fingerprint()):
            return None
        try:
            verification = verification_of(row.verified) if row.verified else None
            found = holding_of(place.path, stamp, row.found, verification)
        except NotARow:
            return None
        return found if found.package.form == place.form else None

    def _fingerprint(self) -> str:
        """What tells one set of keys from another, and nobody which: a short hash of them all."""
        if self._print is None:
            digest = blake2b(digest_size=8, person=b"oboromi library"[:16])
            keys = self.opener.keys
            for name in keys.names():
                digest.update(f"{name}=".encode() + (keys.get(name) or b"") + b"\n")
            for rights_id in keys.rights_ids():
                digest.update(rights_id + (keys.title_key(rights_id) or b""))
            self._print = digest.hexdigest()
        return self._print

    @contextmanager
    def _writing(self) -> Iterator[Callable[[Holding], None]]:
        """Take holdings to be written, a batch at a time; the last one whatever happens."""
        pending: list[Row] = []
        last = time.monotonic()

        def flush() -> None:
            if self._store is not None and pending:
                self._store.write(pending)
            pending.clear()

        def keep(holding: Holding) -> None:
            nonlocal last
            if self._store is None or not self._store.works or holding.is_refused:
                return
            pending.append(self._row(holding))
            now = time.monotonic()
            if now - last >= _BATCH_SECONDS:
                flush()
                last = now

        try:
            yield keep
        finally:
            flush()

    def _row(self, holding: Holding) -> Row:
        verified = "" if holding.verification is None else verification_text(holding.verification)
        keys = self._fingerprint() if holding.is_doubtful else ""
        return Row(holding.path, stamp_text(holding.stamp), keys, text_of(holding), verified)

    # What there is

    def holdings(self) -> tuple[Holding, ...]:
        """Return everything that the last update met, in the order of the paths in each folder."""
        return tuple(self._holdings.values())

    def titles(self) -> list[LibraryTitle]:
        """Return the titles in it, by id: each with its updates and add-on content, and what is wrong with it."""
        from oboromi_fs.library.titles import library_titles

        return library_titles(self._holdings.values())

    def record(self, holding: Holding, verification: Verification, *, keep: bool = True) -> Holding:
        """Keep what came of verifying a place, until it changes.

        Args:
            holding: The place.
            verification: What came of it.
            keep: Whether the next run is to know of it. What the host does not let be read is never kept.

        Returns:
            The holding with it.
        """
        found = replace(holding, verification=verification)
        self._holdings[holding.path] = found
        if self._store is not None and keep and not holding.is_refused:
            self._store.write([self._row(found)])
        return found

    def close(self) -> None:
        """Close the file of the catalogue. What was found stays."""
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opener_of(keys: KeysType) -> Opener:
    from oboromi_fs.opening import Opener

    # By position: nothing is read but what is asked for, and a file that shrinks meanwhile is an error and no crash.
    return Opener(keys, access="pread")


def _verified(row: Row | None, stamp: tuple[FileStamp, ...]) -> Verification | None:
    """What verifying came to, if the files are those that were verified."""
    if row is None or not row.verified or row.stamp != stamp_text(stamp):
        return None
    try:
        return verification_of(row.verified)
    except NotARow:
        return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _leads_into_a_file(path: str) -> bool:
    """Whether a path goes on inside a container."""
    head = os.path.dirname(path)
    while head and not os.path.lexists(head):
        shorter = os.path.dirname(head)
        if shorter == head:
            return False
        head = shorter
    return os.path.isfile(head)
