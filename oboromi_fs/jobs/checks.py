"""One check and its result, and the steps that a plan of many is made of."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_formats.ncz import NCZ_SECTION_MAGIC, VERBATIM_SIZE
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.errors import FormatError, MissingKeyError, OboromiFsError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = [
    "SHOWN",
    "Check",
    "Digest",
    "State",
    "Status",
    "Step",
    "Task",
    "count_of",
    "failure",
    "flatten",
    "initial_data",
    "misnamed",
    "no_ncz",
    "now",
    "sd_header",
    "structure",
    "vouched",
]

Status: TypeAlias = Literal["ok", "failed", "skipped", "note"]

_PIECE = 1 << 20
"""Bytes hashed between two looks at the stop flag."""
SHOWN = 8
"""Failures of a kind named one by one before the rest is counted."""
_CONTAINER_ENDINGS = ("nsp", "nsz", "xci", "xcz", "pfs0", "hfs0", "romfs", "zip", "pk3")
_NCA_HEADER = 0xC00


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    ``status`` is ``ok``, ``failed``, ``skipped`` (it could not be checked: a key is missing, a feature is not supported) or ``note``
    (worth knowing, no verdict). ``size`` is how many bytes the check covers, ``offset`` where a failure lies in the outermost file.
    ``key_name`` is the key whose absence made it skip.
    """

    path: str
    check: str
    status: Status
    detail: str = ""
    offset: int | None = None
    size: int = 0
    key_name: str = ""


class Cancelled(Exception):  # noqa: N818  # A signal between our own threads, not an error.
    """Somebody asked for the work to stop."""


@dataclass(slots=True)
class State:
    """What the tasks share: how far they are, and whether to go on."""

    progress: Callable[[int, int, str], None] | None
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0
    total: int = 0
    digests: dict[str, Digest] = field(default_factory=dict)

    def digest(self, label: str, storage: Storage) -> Digest:
        """Return the SHA-256 of a whole file, to be computed once for all who ask; its bytes are counted as planned."""
        found = self.digests.get(label)
        if found is None:
            found = self.digests[label] = Digest(label, storage, self)
            self.total += storage.size
        return found

    def advance(self, count: int, path: str) -> None:
        """Count bytes done, and tell; raise Cancelled where the work is to stop."""
        if self.stop.is_set():
            raise Cancelled
        if self.progress is None:
            return
        with self.lock:
            self.done += count
            self.progress(self.done, self.total, path)


Task: TypeAlias = "Callable[[], list[Check] | bytes]"


@dataclass(slots=True)
class Step:
    """Tasks for the pool, and what makes checks of their results."""

    tasks: list[Task]
    finish: Callable[[list[list[Check] | bytes]], list[Check]]


def now(*checks: Check) -> Step:
    """Return a step whose checks are known already."""
    return Step([], lambda _: list(checks))


class Digest:
    """SHA-256 of a whole file, computed once for everything that asks for it."""

    def __init__(self, label: str, storage: Storage, state: State) -> None:
        self.label = label
        self.storage = storage
        self.size = storage.size
        self._state = state
        self._lock = threading.Lock()
        self._result: list[Check] | bytes | None = None

    def run(self) -> list[Check] | bytes:
        """Return the digest, or the failure to read, computed by whoever asks first."""
        with self._lock:
            if self._result is None:
                self._result = self._compute()
            return self._result

    def _compute(self) -> list[Check] | bytes:
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(min(_PIECE, self.size)))
        try:
            for offset in range(0, self.size, _PIECE):
                count = self.storage.readinto_at(offset, buffer)
                digest.update(buffer[:count])
                self._state.advance(count, self.label)
        except OboromiFsError as wrong:
            return [failure(self.label, "NCA name", wrong)]
        return digest.digest()


def count_of(number: int, one: str, many: str = "") -> str:
    """Return ``"1 file"``, ``"2 files"``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def flatten(results: list[list[Check] | bytes]) -> list[Check]:
    """Return the checks among the results of tasks, in order."""
    return [check for result in results if isinstance(result, list) for check in result]


def failure(label: str, check: str, wrong: OboromiFsError | OSError) -> Check:
    """Return the check that says what went wrong: skipped for a missing key or a missing feature, else failed."""
    if isinstance(wrong, MissingKeyError):
        return Check(label, check, "skipped", str(wrong), key_name=wrong.key_name)
    status: Status = "skipped" if isinstance(wrong, UnsupportedError) else "failed"
    offset = wrong.offset if isinstance(wrong, FormatError) else None
    return Check(label, check, status, str(wrong), offset)


def structure(label: str, archive: PartitionArchive, *, slack: int = 0) -> Check:
    """Whether every entry of a partition archive can be, and lies inside it, but for fewer than ``slack`` bytes of filling."""
    members = archive.members
    if archive.problems:
        shown = archive.problems[:SHOWN]
        if len(archive.problems) > len(shown):
            shown.append("and more of the kind")
        return Check(label, f"{archive.kind} table", "failed", "; ".join(shown))
    for member in members.values():
        missing = member.offset + member.size - archive.raw.size
        if missing > 0 and missing >= slack:
            detail = f"{member.name!r} ends at {member.offset + member.size:#x}, the archive at {archive.raw.size:#x}: it is truncated"
            return Check(label, f"{archive.kind} table", "failed", detail, archive.raw.place(archive.raw.size).offset)
    return Check(label, f"{archive.kind} table", "ok", count_of(len(members), "file"), size=archive.header_size)


def initial_data(label: str, card: XciArchive) -> Check:
    """Check the key area of a full card dump against the card header."""
    data = card.raw[:0x200].tobytes()
    if hashlib.sha256(data).digest() == card.header.initial_data_hash:
        return Check(label, "XCI initial data hash", "ok", size=0x200)
    if len(set(data)) == 1:
        return Check(label, "XCI initial data hash", "note", "the key area is blank", 0, 0x200)
    return Check(label, "XCI initial data hash", "failed", "the key area does not have the hash of the card header", 0, 0x200)


def sd_header(label: str, storage: Storage, name: str, opener: Opener) -> Check:
    """Return the check of the header of a file from an SD card: that it opens shows that its MAC is right.

    Raises:
        FormatError, MissingKeyError: It does not.
    """
    archive = opener.sd_file(storage, name)
    return Check(label, "NAX0 header", "ok", f"{archive.content} as {archive.path}", size=0x80)


def no_ncz(label: str, storage: Storage) -> Check:
    """Return what is to be said of a file that is called a compressed NCA, and is none."""
    magic = NCZ_SECTION_MAGIC.decode()
    detail = f"called a compressed NCA, and has no {magic} at {VERBATIM_SIZE:#x}: it is cut short, damaged, or something else"
    return Check(label, "format", "failed", detail, storage.place(0).offset)


def misnamed(label: str, name: str, storage: Storage, is_vouched: Callable[[], bool] | None = None) -> list[Step]:
    """Return what is to be said of a file that is no known container, though its name says so.

    Args:
        label: What to call the file.
        name: Its name.
        storage: Its bytes.
        is_vouched: Whether the archive around it has a hash that it matches.
    """
    ending = name.lower().rpartition(".")[2]
    if ending == "nca":
        detail = f"called an NCA, and with {storage.size:#x} bytes too short to be one: its header alone takes {_NCA_HEADER:#x}"
        if is_vouched is not None and is_vouched():  # Game cards carry such dummies: it is as it was made.
            return [now(Check(label, "format", "note", detail))]
        return [now(Check(label, "format", "failed", detail, storage.place(0).offset))]
    if ending in _CONTAINER_ENDINGS:
        begins = f"begins with {storage[:4].tobytes()!r}, which no container does: damaged, or something else"
        detail = f"called .{ending}, and {begins if storage.size else 'empty'}"
        return [now(Check(label, "format", "failed", detail, storage.place(0).offset))]
    return []


def vouched(fs: FileSystem, inner: str) -> bool:
    """Whether an archive has a hash of a member, and it matches."""
    try:
        return isinstance(fs, PartitionArchive) and fs.hash_matches(inner) is True
    except OboromiFsError:
        return False
