"""The file a catalogue is kept in: an SQLite database with a row for each place, in the user's cache folder.

It is a cache and nothing more. What is not ours is put aside and never overwritten, what is damaged is made anew, and where the file
cannot be used at all - another process holds it, the disk is full, there is no sqlite3 - everything works without.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SCHEMA", "Row", "Store", "default_path"]

T = TypeVar("T")

SCHEMA = 1
"""Version of what the rows are, and of what is looked at. A catalogue of another is made anew."""
_APPLICATION = 0x6F626C69
_MAGIC, _APPLICATION_AT = b"SQLite format 3\0", 68
_WAIT = 2.0
"""Seconds to wait for another process."""
_LONGEST = 1 << 26
"""Bytes of a row from which on it is not kept: a content meta of 65535 contents makes 12 MB. What is much longer is not ours."""
_TABLE = """
CREATE TABLE places (
    path BLOB PRIMARY KEY,   -- host path, as bytes
    stamp TEXT NOT NULL,     -- name, size, mtime (ns) and inode of each file
    keys TEXT NOT NULL,      -- which keys were there, where other keys might find more; else empty
    found TEXT NOT NULL,     -- titles, tickets, issues
    verified TEXT NOT NULL   -- what verifying came to, or empty
) WITHOUT ROWID"""

_SCHEMA_CHECK = """
SELECT
    total(type = 'table' AND name = 'places' AND sql = ?1),
    total(type <> 'table' OR (name = 'places' AND sql IS NOT ?1))
FROM sqlite_master"""


def default_path(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> str:
    """Return where the catalogue is kept unless the user says otherwise: in the cache folder of the platform.

    Args:
        environ: The environment; that of the process by default.
        platform: As ``sys.platform`` names it.

    Example:
        >>> default_path({"XDG_CACHE_HOME": "/var/cache/me"}, "linux")
        '/var/cache/me/oboromi/library.sqlite'
    """
    found = os.environ if environ is None else environ
    home = found.get("HOME") or os.path.expanduser("~")
    if platform == "win32":
        folder = found.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
    elif platform == "darwin":
        folder = os.path.join(home, "Library", "Caches")
    else:
        folder = found.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(folder):  # As its specification has it: a relative one counts for nothing.
            folder = os.path.join(home, ".cache")
    return os.path.join(folder, "oboromi", "library.sqlite")


class Row(NamedTuple):
    """One place in the catalogue."""

    path: str
    stamp: str
    keys: str
    found: str
    verified: str


class Store:
    """The database; every failure of it is told once, and from then on it keeps nothing.

    Args:
        path: The file; it and its folder are made if they are not there.
        tell: Called with what a user should know about the file.
    """

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        self.path = path
        self._tell = tell
        self._db: sqlite3.Connection | None = None
        self._reopened = False
        self._open()

    @property
    def works(self) -> bool:
        """Whether anything is kept."""
        return self._db is not None

    def _open(self) -> None:
        try:
            import sqlite3
        except ImportError:
            self._tell("this Python has no sqlite3: nothing is kept for the next run")
            return
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self.path)), mode=0o700, exist_ok=True)
            self._make_room()
            self._connect()
        except sqlite3.Error as wrong:
            self._fail(wrong)
        except (OSError, ValueError) as wrong:
            self._give_up(wrong)

    def _make_room(self) -> None:
        """Put aside what is at the path and is no catalogue: it may be somebody's.

        Raises:
            ValueError: It is a device, a pipe or a folder.
            OSError: It cannot be read, or not be put aside.
        """
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                raise ValueError("it is no regular file")
            with open(self.path, "rb") as file:
                head = file.read(100)
        except FileNotFoundError:
            return
        application = int.from_bytes(head[_APPLICATION_AT : _APPLICATION_AT + 4], "big")
        if not head or (head.startswith(_MAGIC) and application == _APPLICATION):
            return
        aside = f"{self.path}.not-a-catalogue"
        number = 0
        while os.path.lexists(aside):
            number += 1
            aside = f"{self.path}.not-a-catalogue.{number}"
        os.rename(self.path, aside)
        self._tell(f"{self.path} is no catalogue: it is called {os.path.basename(aside)} now, and a new catalogue is made")

    def _connect(self) -> None:
        import sqlite3

        db = self._db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
        # Losing the last seconds with the power is no loss here; waiting for the disk with each batch would be one.
        db.execute("PRAGMA synchronous = OFF")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * _LONGEST)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA:
            # A view or a trigger, or a column that is computed, could take for ever: only the table that is made here will do.
            ((tables, others),) = db.execute(_SCHEMA_CHECK, (_TABLE.strip(),)).fetchall()
            if tables != 1 or others:
                raise sqlite3.DatabaseError("its tables are of another program")
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA:  # Nobody was quicker.
                if version:
                    self._tell(f"{self.path} is of version {version}, and made anew as version {SCHEMA}")
                db.execute("DROP TABLE IF EXISTS places")
                db.execute(_TABLE)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _give_up(self, wrong: Exception) -> None:
        self.close()
        text = "another process holds it" if "locked" in str(wrong) else getattr(wrong, "strerror", None) or str(wrong)
        self._tell(f"{self.path} cannot be used ({text}): nothing is kept for the next run")

    def _renew(self, wrong: Exception) -> None:
        """Make a damaged catalogue anew, once."""
        self.close()
        if self._reopened:
            self._give_up(wrong)
            return
        self._reopened = True
        self._tell(f"{self.path} is damaged ({wrong}), and made anew")
        try:
            for ending in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.remove(self.path + ending)
        except OSError as refused:
            self._give_up(refused)
            return
        self._open()

    def _guarded(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do something with the database, or tell why that does not go."""
        import sqlite3

        db = self._db
        if db is None:
            return otherwise
        try:
            return work(db)
        except sqlite3.Error as wrong:
            self._fail(wrong)
        except (ValueError, TypeError) as wrong:
            self._renew(wrong)
        return otherwise

    def _fail(self, wrong: sqlite3.Error) -> None:
        """Make the catalogue anew if it is at fault, do without it if the host or another process is."""
        import sqlite3

        # The kind of failure is in the lowest byte. Text that is not UTF-8 is found by Python, which gives none.
        code = getattr(wrong, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG):
            self._renew(wrong)
        else:
            self._give_up(wrong)

    def rows(self, roots: Iterable[str]) -> dict[str, Row]:
        """Return the rows of some host paths, and of everything below them."""

        def read(db: sqlite3.Connection) -> dict[str, Row]:
            found: dict[str, Row] = {}
            for root in roots:
                path = os.fsencode(root)
                below = path.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
                rows = db.execute(
                    "SELECT path, stamp, keys, found, verified FROM places WHERE path = ? OR (path > ? AND path < ?)",
                    (path, below, below[:-1] + bytes([below[-1] + 1])),
                )
                for key, *values in rows:
                    if type(key) is not bytes or any(type(value) is not str for value in values):
                        raise ValueError("a row has values of other types")
                    name = os.fsdecode(key)
                    found[name] = Row(name, *values)
            return found

        return self._guarded(read, {})

    def write(self, rows: Iterable[Row], gone: Iterable[str] = ()) -> None:
        """Write rows, and take out those of places that are gone, in one step."""
        new = [
            (os.fsencode(row.path), row.stamp, row.keys, row.found, row.verified)
            for row in rows
            if len(row.stamp) + len(row.found) + len(row.verified) < _LONGEST
        ]
        old = [(os.fsencode(path),) for path in gone]

        def put(db: sqlite3.Connection) -> bool:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", new)
                db.executemany("DELETE FROM places WHERE path = ?", old)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return True

        if (new or old) and not self._guarded(put, otherwise=False):
            self._guarded(put, otherwise=False)  # It may have been made anew.

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(Exception):
                self._db.close()
            self._db = None
