"""Operations that fail at any step, or are interrupted there: the union is as it was before, or as it is after, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings

from oboromi_fs import HostFs, Layer
from oboromi_fs.overlay.upper import UpperLayer
from oboromi_fs.overlay.writable import WritableUnionFs
from tests.overlay.test_writable_model import Subject, content, facts, ground, plant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from oboromi_fs.overlay.layer import Case
    from oboromi_fs.overlay.markers import Encoding

__all__ = ["ground"]

WAYS: list[tuple[Encoding, Case]] = [("oci", "exact"), ("overlayfs", "exact"), ("oci", "fold")]
CHANGING = (
    *("chmod", "copy_file_range", "fchmod", "ftruncate", "link", "mkdir", "mknod", "open", "rename", "replace"),
    *("rmdir", "sendfile", "setxattr", "truncate", "unlink", "utime", "write"),
)
LOWER: list[dict[str, Any]] = [
    {"d": {"x": b"1", "y": {"z": b"22"}}, "e": {}, "f": b"333", "g": {"h": b"4"}, "big": bytes(100_000)},
    {"d": {"x": b"5", "w": b"6"}, "g": {"i": b"7"}},
]
Step = tuple[Any, ...]


class Attempt(NamedTuple):
    """What was done before, and what is done where it may fail."""

    prepared: tuple[Step, ...]
    step: Step

    def __str__(self) -> str:
        return "-".join(str(part)[:12] for part in self.step) + "+" * len(self.prepared)


CASES = [
    Attempt((), ("write_bytes", "f", b"new")),
    Attempt((), ("write_bytes", "g/new", b"new")),
    Attempt((("unlink", "f"),), ("write_bytes", "f", b"new")),
    Attempt((), ("patch", "big", 50_000, b"new")),
    Attempt((), ("append", "d/y/z", b"new")),
    Attempt((), ("truncate", "big", 50_000)),
    Attempt((), ("unlink", "f")),
    Attempt((("write_bytes", "d/y/z", b"up"),), ("unlink", "d/y/z")),
    Attempt((), ("mkdir", "g/new")),
    Attempt((), ("makedirs", "g/new/a/b")),
    Attempt((("unlink", "g/h"), ("unlink", "g/i"), ("rmdir", "g")), ("mkdir", "g")),
    Attempt((), ("rmdir", "e")),
    Attempt((("unlink", "g/h"), ("unlink", "g/i")), ("rmdir", "g")),
    Attempt((), ("rename", "f", "g/h")),
    Attempt((("unlink", "g/h"),), ("rename", "f", "g/h")),
    Attempt((("write_bytes", "f", b"up"),), ("rename", "f", "d/y/new")),
    Attempt((), ("rename", "d", "g/new")),
    Attempt((), ("rename", "d", "e")),
    Attempt((("write_bytes", "d/x", b"up"), ("unlink", "d/w"), ("unlink", "g/h"), ("unlink", "g/i")), ("rename", "d", "g")),
    Attempt((("unlink", "f"),), ("rename", "d", "f")),
    Attempt((("mkdir", "n"), ("write_bytes", "n/a", b"up")), ("rename", "n", "g/new")),
    Attempt((), ("set_times", "d/y/z", 10**18)),
]


class Failure(NamedTuple):
    """Whether a call fails before it is made, or after, or with all that come later; and by what."""

    how: str
    make: Callable[[], BaseException]


FAILURES = [
    Failure("before", lambda: OSError(errno.ENOSPC, "no room")),
    Failure("after", KeyboardInterrupt),
    Failure("always", lambda: OSError(errno.EIO, "broken")),
]


class Faults:
    """Counts the calls that change the host, and lets one of them fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], at: int, failure: Failure) -> None:
        self.count = 0
        self.at = at
        self.how, self.make = failure
        for name in names:
            if hasattr(os, name):
                monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            opens = function.__name__ == "open"
            if opens and not arguments[1] & os.O_CREAT:
                return function(*arguments, **options)
            self.count += 1
            hit = self.how != "none" and (self.count == self.at or (self.how == "always" and self.count > self.at))
            if hit and self.how != "after":
                raise self.make()
            result = function(*arguments, **options)
            if hit:
                if opens:
                    os.close(result)
                raise self.make()
            return result

        return wrapped


class Place(NamedTuple):
    """A lower folder that never changes, and an upper one to be copied for each try."""

    lower: Path
    upper: Path
    tried: Path
    markers: Encoding
    case: Case

    def union(self, folder: Path) -> WritableUnionFs:
        layers = [Layer(HostFs(self.lower / str(number), access="pread"), str(number), case=self.case) for number in range(len(LOWER))]
        return WritableUnionFs(layers, UpperLayer(folder, self.markers))

    def again(self) -> Subject:
        """The prepared upper layer, as it was."""
        shutil.rmtree(self.tried, ignore_errors=True)
        copy(self.upper, self.tried)
        return Subject(self.union(self.tried))


def copy(source: Path, target: Path) -> None:
    """Copy a folder with the markers of overlayfs."""
    target.mkdir()
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))
    for child in source.iterdir():
        if child.is_dir():
            copy(child, target / child.name)
        elif child.is_file():
            shutil.copy2(child, target / child.name)
            for name in os.listxattr(child):
                os.setxattr(target / child.name, name, os.getxattr(child, name))
        else:
            os.mknod(target / child.name, child.lstat().st_mode, child.lstat().st_rdev)


@pytest.fixture(params=WAYS, ids="-".join)
def place(request: pytest.FixtureRequest, ground: Path) -> Iterator[Place]:
    root = ground / "failures"
    (root / "lower").mkdir(parents=True)
    for number, tree in enumerate(LOWER):
        plant(root / "lower" / str(number), tree)
    yield Place(root / "lower", root / "upper", root / "tried", *request.param)
    shutil.rmtree(root)


@pytest.mark.fuzz
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_failure_at_any_step_leaves_before_or_after(place: Place, case: Attempt) -> None:
    prepared = Subject(place.union(place.upper))
    for name, *arguments in case.prepared:
        getattr(prepared, name)(*arguments)
    lower = facts(place.lower)
    before = content(prepared.union)
    subject = place.again()
    calls = attempt(subject, case.step, Failure("none", KeyboardInterrupt), 0)[0]
    after = content(subject.union)
    # Copying a tree up is one thing many times: every third call will do, and others in other ways.
    some = calls > 24 and settings().max_examples <= 100
    for failure in FAILURES:
        step = 3 if some or (failure.how == "always" and settings().max_examples <= 100) else 1
        for at in range(1 + WAYS.index((place.markers, place.case)) % step, calls + 1, step):
            subject = place.again()
            raised = attempt(subject, case.step, failure, at)[1]
            where = f"{failure.how} call {at} of {calls}"
            found = content(place.union(place.tried))
            assert found in (before, after), where
            assert raised or found == after, where
            if failure.how != "always":
                assert not [left for left in os.listdir(place.tried) if left.startswith(".wh..wh.oboromi")], where
                if found == before:  # And nothing is in the way of trying once more.
                    attempt(subject, case.step, Failure("none", KeyboardInterrupt), 0)
                    assert content(subject.union) == after, where
    assert calls > 0
    assert facts(place.lower) == lower


def attempt(subject: Subject, step: Step, failure: Failure, at: int) -> tuple[int, bool]:
    """Do a step, of which a call fails; return how many there were, and whether the step failed."""
    name, *arguments = step
    with pytest.MonkeyPatch.context() as monkeypatch:
        faults = Faults(monkeypatch, CHANGING, at, failure)
        try:
            getattr(subject, name)(*arguments)
        except (OSError, KeyboardInterrupt):
            return faults.count, True
    return faults.count, False
