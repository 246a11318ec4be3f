from __future__ import annotations

import copy
import errno
import pickle

import pytest

from oboromi_fs import errors
from oboromi_fs.errors import (
    ClosedError,
    CorruptError,
    DirectoryNotEmptyEntryError,
    EntryExistsError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    LayerError,
    MappingError,
    MissingBaseError,
    MissingKeyError,
    NotADirectoryEntryError,
    NotThisFormatError,
    OboromiFsError,
    ReadOnlyError,
    UnsafePathError,
    UnsupportedError,
)

BUILTINS: dict[type[OboromiFsError], type[Exception]] = {
    OboromiFsError: Exception,
    FormatError: ValueError,
    NotThisFormatError: FormatError,
    CorruptError: FormatError,
    UnsupportedError: FormatError,
    MissingBaseError: UnsupportedError,
    IntegrityError: FormatError,
    MissingKeyError: LookupError,
    EntryNotFoundError: FileNotFoundError,
    NotADirectoryEntryError: NotADirectoryError,
    IsADirectoryEntryError: IsADirectoryError,
    EntryExistsError: FileExistsError,
    DirectoryNotEmptyEntryError: OSError,
    ReadOnlyError: PermissionError,
    UnsafePathError: ValueError,
    LayerError: ValueError,
    MappingError: OSError,
    ClosedError: ValueError,
}

EXAMPLES: list[tuple[OboromiFsError, str]] = [
    (
        CorruptError("4294967295 entries need 96 GiB", what="PFS0 header", source="game.nsp", offset=0x4000, field="entry_count"),
        "PFS0 header of game.nsp at 0x4000, field entry_count: 4294967295 entries need 96 GiB",
    ),
    (NotThisFormatError("magic is b'abcd'", what="HFS0 header", offset=0), "HFS0 header at 0x0: magic is b'abcd'"),
    (UnsupportedError("is a patch", source="a.nca"), "a.nca: is a patch"),
    (MissingBaseError("is an update, and its base is not given", source="b.nca"), "b.nca: is an update, and its base is not given"),
    (FormatError("is wrong", field="size"), "field size: is wrong"),
    (FormatError("is wrong", source="a.nca", field="size"), "a.nca, field size: is wrong"),
    (FormatError("is wrong"), "is wrong"),
    (IntegrityError("does not match", what="Ivfc level 6", offset=16, level=6, block=3), "Ivfc level 6 at 0x10: does not match"),
    (MissingKeyError("header_key"), "missing key header_key"),
    (MissingKeyError("titlekek_01", "a.nca", "looked in prod.keys"), "missing key titlekek_01, needed for a.nca (looked in prod.keys)"),
    (LayerError("mods/a", "holds the union it is a layer of"), "layer 'mods/a': holds the union it is a layer of"),
    (EntryNotFoundError("a/b"), "no such path: 'a/b'"),
    (EntryNotFoundError("a/b", "no such NCA"), "no such NCA: 'a/b'"),
    (NotADirectoryEntryError("a"), "not a directory: 'a'"),
    (IsADirectoryEntryError("a"), "is a directory: 'a'"),
    (EntryExistsError("a"), "exists already: 'a'"),
    (DirectoryNotEmptyEntryError("a"), "directory is not empty: 'a'"),
    (ReadOnlyError("a"), "read-only file system: 'a'"),
    (UnsafePathError("../a", "climbs"), "unsafe path '../a': climbs"),
    (MappingError("/tmp/a", "shrank", errno.ENODEV), "/tmp/a: shrank"),
    (ClosedError("a.bin: the file is closed"), "a.bin: the file is closed"),
]


def test_every_class_is_named_here() -> None:
    assert set(errors.__all__) == {cls.__name__ for cls in BUILTINS}


@pytest.mark.parametrize(("cls", "builtin"), BUILTINS.items())
def test_each_is_ours_and_the_builtin_one_would_catch(cls: type[OboromiFsError], builtin: type[Exception]) -> None:
    assert issubclass(cls, OboromiFsError)
    assert issubclass(cls, builtin)
    assert cls.__doc__


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=[type(error).__name__ for error, _ in EXAMPLES])
def test_text(error: OboromiFsError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: type(error).__name__)
def test_goes_through_pickle_and_copy(error: OboromiFsError) -> None:
    """A worker process must be able to report it."""
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)
        if isinstance(error, OSError) and isinstance(same, OSError):
            assert (same.errno, same.filename, same.strerror) == (error.errno, error.filename, error.strerror)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (EntryNotFoundError("a"), errno.ENOENT),
        (NotADirectoryEntryError("a"), errno.ENOTDIR),
        (IsADirectoryEntryError("a"), errno.EISDIR),
        (EntryExistsError("a"), errno.EEXIST),
        (DirectoryNotEmptyEntryError("a"), errno.ENOTEMPTY),
        (ReadOnlyError("a"), errno.EROFS),
        (MappingError("a", "b"), errno.EIO),
        (MappingError("a", "b", errno.ENODEV), errno.ENODEV),
    ],
)
def test_path_errors_carry_what_an_os_error_carries(error: OSError, number: int) -> None:
    assert (error.errno, error.filename) == (number, "a")
    assert error.strerror


def test_a_format_error_keeps_its_parts() -> None:
    error = CorruptError("is wrong", what="PFS0 header", source="a.nsp", offset=4, field="entry_count")
    assert (error.problem, error.what, error.source, error.offset, error.field) == ("is wrong", "PFS0 header", "a.nsp", 4, "entry_count")
    broken = IntegrityError("no match", level=2, block=7)
    assert (broken.level, broken.block, broken.offset) == (2, 7, None)
    missing = MissingKeyError("header_key", "NCA headers", "~/.switch")
    assert (missing.key_name, missing.why, missing.where) == ("header_key", "NCA headers", "~/.switch")
