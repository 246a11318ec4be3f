from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest

from oboromi_fs import (
    ClosedError,
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    File,
    HostFs,
    IntegrityError,
    IsADirectoryEntryError,
    KeySet,
    MemoryFs,
    MemoryStorage,
    MissingKeyError,
    Nca,
    NestedFs,
    NotADirectoryEntryError,
    NotThisFormatError,
    NspArchive,
    Opener,
    RomFs,
    XciArchive,
    locate,
    open_fs,
)
from oboromi_fs._forge import ContentType, FsType, Section, hfs0, nca, nca_name, nsp, pfs0, romfs, xci
from oboromi_fs.opening import open_storage, split_parts
from tests import forged

NSP = forged.title_nsp()
CARD = forged.title_xci()
WRONG = KeySet({**forged.KEYS, "header_key": bytes(32)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "game.nsp").write_bytes(NSP.image)
    (tmp_path / "card.xci").write_bytes(CARD.image)
    (tmp_path / "data.romfs").write_bytes(forged.romfs_image())
    (tmp_path / "plain.bin").write_bytes(b"plain")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.nsp").write_bytes(NSP.image)
    return tmp_path


def names(fs: Any, path: str = "") -> list[str]:
    return [entry.name for entry in fs.read_dir(path)]


# Recognising


PLAIN = [b"", b"P", b"PFS", b"\x50\0\0\0", b"plain text", bytes(0x4000), b"\x50" + bytes(0x200), b"\x28" + bytes(0x200), b"\xff" * 0x1200]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("PFS0", pfs0({})),
        ("HFS0", hfs0({})),
        ("XCI", CARD.image),
        ("XCI", forged.title_xci(key_area=True).image),
        ("NCA", forged.program_nca()),
        ("NCA", forged.title_key_nca()),
        ("RomFS", romfs({})),
        *((None, data) for data in PLAIN),
    ],
)
def test_sniff(kind: str | None, data: bytes) -> None:
    opener = Opener(forged.KEYS)
    assert opener.sniff(MemoryStorage(data)) == kind
    found = opener.container(MemoryStorage(data))
    assert (None if found is None else found.kind) == kind


def test_an_nca_without_keys_is_known_by_its_name() -> None:
    opener = Opener({})
    assert opener.sniff(MemoryStorage(forged.program_nca())) is None
    assert opener.sniff(MemoryStorage(forged.program_nca()), "0123.NCA") == "NCA"
    with pytest.raises(MissingKeyError, match="header_key"):
        opener.container(MemoryStorage(forged.program_nca()), "0123.nca")


def test_a_romfs_that_is_cut_short_is_broken_not_plain() -> None:
    data = forged.romfs_image()[:-1]
    assert Opener({}).sniff(MemoryStorage(data)) == "RomFS"
    with pytest.raises(CorruptError):
        open_fs(MemoryStorage(data), {})


def test_a_romfs_may_hold_what_looks_like_a_card() -> None:
    image = bytearray(romfs({"a": bytes(0x2000)}))
    image[0x1100:0x1104] = b"HEAD"
    assert Opener({}).sniff(MemoryStorage(bytes(image))) == "RomFS"


# Following paths


def test_paths_go_on_inside_containers(root: Path) -> None:
    for path, data in (
        (f"game.nsp/{NSP.program}/romfs/hello.txt", b"hello\n"),
        ("game.nsp/@program/romfs/hello.txt", b"hello\n"),
        ("game.nsp/@PROGRAM/@1/hello.txt", b"hello\n"),
        ("game.nsp/@program/exefs/main", forged.EXEFS["main"]),
        ("card.xci/secure/@program/romfs/hello.txt", b"hello\n"),
        ("card.xci/@program/romfs/hello.txt", b"hello\n"),
        ("data.romfs/data/sub/deep/é.bin", forged.TREE["data/sub/deep/é.bin"]),
        ("folder/inner.nsp/@control/romfs/control.nacp", None),
        ("plain.bin", b"plain"),
    ):
        place = locate(root / path, forged.KEYS)
        assert place.kind == "file"
        assert place.display == str(root / path)
        with place.fs.open(place.path) as stream:
            assert data is None or stream.read() == data
        with open_fs(root, forged.KEYS) as fs:
            assert data is None or fs.read_bytes(path) == data


def test_opening_a_container_or_a_directory_in_it(root: Path) -> None:
    for path, expected in (
        ("", ["card.xci", "data.romfs", "folder", "game.nsp", "plain.bin"]),
        ("game.nsp", [NSP.program, NSP.control]),
        ("game.nsp/", [NSP.program, NSP.control]),
        ("game.nsp//.", [NSP.program, NSP.control]),
        ("game.nsp/x/..", [NSP.program, NSP.control]),
        ("game.nsp/@program", ["exefs", "romfs", "logo"]),
        ("game.nsp/@program/exefs", list(forged.EXEFS)),
        ("game.nsp/@program/@0/", list(forged.EXEFS)),
        ("game.nsp/@program/romfs/data", ["nothing", "sub", "a.bin", "b.bin", "empty"]),
        ("card.xci", ["update", "normal", "secure"]),
        ("card.xci/secure", [CARD.program, CARD.control]),
        ("card.xci/secure/@control/romfs", ["control.nacp", "icon_Japanese.dat"]),
    ):
        with open_fs(f"{root}/{path}", forged.KEYS) as fs:
            assert names(fs) == expected, path


def test_paths_relative_to_where_one_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    for path in ("game.nsp", "./game.nsp/", "folder/../game.nsp", b"game.nsp", Path("game.nsp")):
        with open_fs(path, forged.KEYS) as fs:
            assert names(fs, "@program") == ["exefs", "romfs", "logo"]
    with open_fs(".", forged.KEYS) as fs:
        assert "game.nsp" in names(fs)


def test_a_storage_instead_of_a_path() -> None:
    fs = open_fs(MemoryStorage(NSP.image), forged.KEYS)
    assert fs.read_bytes("@program/romfs/hello.txt") == b"hello\n"
    with pytest.raises(NotThisFormatError, match="none of the known containers"):
        open_fs(MemoryStorage(b"plain"), {})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("nope", "no such path ({root!r} exists, and has no 'nope')"),
        ("nope/x/y", "no such path ({root!r} exists, and has no 'nope')"),
        ("folder/nope/x", "no such path ({folder!r} exists, and has no 'nope')"),
        ("game.nsp/nope", "no such path ('game.nsp' has no 'nope')"),
        ("game.nsp/@program/romfs/data/nope/x", "no such path ('game.nsp/{program}/romfs/data' has no 'nope')"),
        ("game.nsp/@data", "no such path ('game.nsp' has no '@data')"),
        ("game.nsp/@program.1", "no such path ('game.nsp' has no '@program.1')"),
        ("game.nsp/@program/@3/x", "no such path ('game.nsp/{program}' has no '@3')"),
        ("folder/@program", "no such path ({folder!r} exists, and has no '@program')"),
        ("card.xci/nope", "no such path ('card.xci' has no 'nope')"),
    ],
)
def test_what_is_not_there(root: Path, path: str, text: str) -> None:
    with pytest.raises(EntryNotFoundError) as caught:
        locate(root / path, forged.KEYS)
    assert caught.value.detail == text.format(root=str(root), folder=str(root / "folder"), program=NSP.program)
    assert caught.value.filename == str(root / path)


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "\ud800"])
def test_what_is_no_host_path(path: str) -> None:
    with pytest.raises(EntryNotFoundError):
        locate(path, {})


def test_a_path_too_long_for_the_host(root: Path) -> None:
    """Inside a container the host's limits do not count."""
    deep = "/".join(["d" * 200] * 30)
    (root / "deep.romfs").write_bytes(romfs({f"{deep}/f": b"deep"}))
    place = locate(f"{root}/deep.romfs/{deep}/f", {})
    assert place.fs.read_bytes(place.path) == b"deep"
    assert open_fs(root, {}).read_bytes(f"deep.romfs/{deep}/f") == b"deep"
    with pytest.raises(EntryNotFoundError):
        locate(f"{root}/{deep}", {})


def test_plain_files_are_no_directories(root: Path) -> None:
    for path in ("plain.bin", "game.nsp/@program/romfs/hello.txt"):
        with pytest.raises(NotADirectoryEntryError):
            open_fs(root / path, forged.KEYS)
        with pytest.raises(NotADirectoryEntryError):
            locate(root / path / "below", forged.KEYS)
        fs = open_fs(root, forged.KEYS)
        with pytest.raises(NotADirectoryEntryError):
            fs.read_dir(path)
        with pytest.raises(NotADirectoryEntryError):
            list(fs.walk(path))
        with pytest.raises(NotADirectoryEntryError):
            list(fs.extents(path))
        assert fs.enter(path) is None


def test_entering(root: Path) -> None:
    fs = open_fs(root, forged.KEYS)
    assert isinstance(fs.enter("game.nsp"), NspArchive)
    assert isinstance(fs.enter("game.nsp/@program"), Nca)
    assert isinstance(fs.enter("game.nsp/@program/romfs"), RomFs) or fs.metadata("game.nsp/@program/romfs").kind == "directory"
    assert isinstance(fs.enter("card.xci"), XciArchive)
    assert fs.enter("game.nsp/@program") is fs.enter(f"game.nsp/{NSP.program}")
    assert fs.enter("") is fs.fs
    assert isinstance(fs.fs, HostFs)
    with pytest.raises(EntryNotFoundError):
        fs.enter("nope")
    with pytest.raises(IsADirectoryEntryError):
        fs.enter("folder")
    found, inner = fs.resolve("game.nsp/@program/romfs/hello.txt")
    assert isinstance(found, RomFs)
    assert inner == "hello.txt"


def test_sections_are_directories_and_by_slot_also_bytes(root: Path) -> None:
    fs = open_fs(root / "game.nsp", forged.KEYS)
    assert fs.read_dir("@program") == [DirEntry(name, "directory", 0) for name in ("exefs", "romfs", "logo")]
    assert fs.metadata("@program/romfs").kind == "directory"
    with pytest.raises(IsADirectoryEntryError):
        fs.storage("@program/romfs")
    assert bytes(fs.storage("@program/@1")[:]) == forged.romfs_image()
    assert fs.metadata("@program").kind == "file"
    assert fs.metadata("@program").size == len(forged.program_nca())
    assert [path for path, _ in fs.walk("@program/exefs")] == list(forged.EXEFS)
    assert [path for path, _ in fs.walk("@program")][:2] == ["exefs", "exefs/main"]
    assert {extent.path for extent in fs.extents("@program")} == {
        *(f"exefs/{path}" for path in forged.EXEFS),
        *(f"romfs/{path}" for path in forged.TREE),
        *(f"logo/{path}" for path in forged.LOGO),
    }


# Aliases


def data_nca(kind: int, files: dict[str, bytes], program_id: int = 1) -> bytes:
    return nca([Section(romfs(files), FsType.ROMFS)], keys=forged.KEYS, content_type=kind, program_id=program_id)


def test_aliases_by_content_type() -> None:
    images = [
        data_nca(ContentType.DATA, {"a": b"1"}),
        data_nca(ContentType.DATA, {"a": b"2"}),
        data_nca(ContentType.PUBLIC_DATA, {"a": b"3"}),
        data_nca(ContentType.MANUAL, {"html-document/x": b"4"}),
        data_nca(ContentType.MANUAL, {"legalinfo.xml": b"5"}),
        data_nca(9, {"a": b"6"}),
        forged.control_nca(),
    ]
    archive = nsp({f"{number}.nca": image for number, image in enumerate(images)} | {"@meta": b"really called that", "notes.txt": b""})
    fs = open_fs(MemoryStorage(archive), forged.KEYS)
    assert fs.aliases(fs.fs, "", "") == {
        "@data": "0.nca",
        "@data.1": "1.nca",
        "@publicdata": "2.nca",
        "@manual": "3.nca",
        "@legal": "4.nca",
        "@unknown": "5.nca",
        "@control": "6.nca",
    }
    assert fs.read_bytes("@data.1/romfs/a") == b"2"
    assert fs.read_bytes("@meta") == b"really called that"


def test_html_and_legal_are_told_apart_by_the_secure_value_too() -> None:
    def manual(secure_value: int, files: dict[str, bytes]) -> bytes:
        section = Section(romfs(files), FsType.ROMFS, secure_value=secure_value)
        return nca([section], keys=forged.KEYS, content_type=ContentType.MANUAL, program_id=1)

    archive = nsp({"0.nca": manual(5, {"a": b""}), "1.nca": manual(4, {"legalinfo.xml": b""})})
    fs = open_fs(MemoryStorage(archive), forged.KEYS)
    assert fs.aliases(fs.fs, "", "") == {"@legal": "0.nca", "@manual": "1.nca"}


def test_in_a_card_the_secure_partition_comes_first() -> None:
    first, second = data_nca(ContentType.CONTROL, {"a": b"update"}), data_nca(ContentType.CONTROL, {"a": b"secure"})
    card = xci({"update": {"0.nca": first}, "secure": {"1.nca": second}})
    fs = open_fs(MemoryStorage(card), forged.KEYS)
    assert fs.read_bytes("@control/romfs/a") == b"secure"
    assert fs.read_bytes("update/@control/romfs/a") == b"update"
    with pytest.raises(EntryNotFoundError):
        fs.metadata("nope/@control")


def test_aliases_of_a_wrong_header_key() -> None:
    """Nobody can tell which NCA it is: the message says why, not that there is none."""
    fs = open_fs(MemoryStorage(NSP.image, "game.nsp"), WRONG)
    with pytest.raises(NotThisFormatError, match="header_key is wrong, or the file is not an NCA"):
        fs.read_dir("@program")
    assert names(fs) == [NSP.program, NSP.control]
    with pytest.raises(EntryNotFoundError):
        fs.read_dir("@nonsense")


def test_aliases_without_a_header_key() -> None:
    fs = open_fs(MemoryStorage(NSP.image), {})
    with pytest.raises(MissingKeyError, match="header_key"):
        fs.read_dir("@program")


def test_one_broken_nca_does_not_take_the_names_of_the_others() -> None:
    """A package downloaded in part: what is there in full is found by its alias; of the rest one is told why not."""
    archive = nsp({"0.nca": forged.control_nca(), "1.nca": forged.program_nca()})
    fs = open_fs(MemoryStorage(archive[:-0x5000]), forged.KEYS)
    assert fs.metadata("@control/romfs/control.nacp").size == 0x4000
    with pytest.raises(CorruptError, match="it is truncated"):
        fs.metadata("@program/romfs")
    garbage = open_fs(MemoryStorage(nsp({"0.nca": b"\xee" * 0x1000, "1.nca": forged.program_nca()})), forged.KEYS)
    assert garbage.read_bytes("@program/romfs/hello.txt") == b"hello\n"


# Tickets


def title_key_nsp(**files: bytes) -> MemoryStorage:
    return MemoryStorage(nsp({"0.nca": forged.title_key_nca(), **files}), "game.nsp")


def test_tickets_lie_beside_the_nca_under_any_name() -> None:
    files = {"broken.tik": b"\xff" * 100, "other.tik": forged.common_ticket().replace(forged.RIGHTS_ID, bytes(16))}
    fs = open_fs(title_key_nsp(**files, **{"odd.TIK": forged.common_ticket()}), forged.KEYS)
    assert fs.read_bytes("@program/romfs/hello.txt") == b"hello\n"
    with pytest.raises(MissingKeyError, match="no ticket beside it holds it"):
        open_fs(title_key_nsp(**files), forged.KEYS).read_dir("@program/romfs")


def test_tickets_of_a_card_lie_in_any_partition() -> None:
    card = xci({"normal": {"a.tik": forged.common_ticket()}, "secure": {"0.nca": forged.title_key_nca()}})
    assert open_fs(MemoryStorage(card), forged.KEYS).read_bytes("@program/romfs/hello.txt") == b"hello\n"


def test_tickets_are_found_from_a_path_to_the_nca(tmp_path: Path) -> None:
    (tmp_path / "game.nsp").write_bytes(bytes(title_key_nsp(**{"a.tik": forged.common_ticket()})))
    for path, inner in (("game.nsp/0.nca", "romfs/hello.txt"), ("game.nsp/@program/romfs", "hello.txt")):
        with open_fs(tmp_path / path, forged.KEYS) as fs:
            assert fs.read_bytes(inner) == b"hello\n"
    (tmp_path / "loose.nca").write_bytes(forged.title_key_nca())
    (tmp_path / "loose.tik").write_bytes(forged.common_ticket())
    assert open_fs(tmp_path, forged.KEYS).read_bytes("loose.nca/romfs/hello.txt") == b"hello\n"


# Broken containers


def test_a_section_that_holds_something_else() -> None:
    data = nca([Section(b"no file system".ljust(0x400), FsType.ROMFS)], keys=forged.KEYS, content_type=0, program_id=1)
    fs = open_fs(MemoryStorage(data, "game.nca"), forged.KEYS)
    with pytest.raises(CorruptError) as caught:
        fs.read_dir("romfs")
    assert str(caught.value).startswith("NCA section 0 (romfs) of game.nca at 0x")
    assert "holds no file system: header size is" in str(caught.value)


def test_wrong_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "game.nsp").write_bytes(NSP.image)
    keys = {**forged.KEYS, "key_area_key_application_04": bytes(16)}
    with open_fs(tmp_path / "game.nsp", keys) as fs, pytest.raises(IntegrityError, match="key_area_key_application_04"):
        fs.read_dir("@program/romfs")


def test_nesting_has_an_end() -> None:
    image = b"innermost"
    for _ in range(20):
        image = pfs0({"x": image})
    fs = NestedFs(NspArchive(MemoryStorage(image)), Opener({}))
    assert fs.metadata("x/" * 15 + "x").kind == "file"
    with pytest.raises(NotADirectoryEntryError, match="nested deeper than 16"):
        fs.metadata("x/" * 19 + "x")


def test_any_file_system_nests() -> None:
    fs = NestedFs(MemoryFs({"games/a.nsp": NSP.image, "note.txt": b"x"}), Opener(forged.KEYS))
    assert fs.read_bytes("games/a.nsp/@program/romfs/hello.txt") == b"hello\n"
    assert names(fs, "games") == ["a.nsp"]


# Closing


def test_close_lets_go_of_every_file(root: Path) -> None:
    fs = open_fs(root, forged.KEYS)
    view = fs.storage("folder/inner.nsp/@program/logo/logo.png")[:]
    fs.metadata("game.nsp/@program")
    opened = [found for found in gc.get_objects() if isinstance(found, File) and found.name.startswith(str(root))]
    assert len(opened) == 2
    numbers = [file.fileno() for file in opened]
    del opened
    fs.close()
    gc.collect()
    for number in numbers:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    assert bytes(view) == forged.LOGO["logo.png"]
    assert fs.read_bytes("game.nsp/@program/romfs/hello.txt") == b"hello\n"  # Opened anew.


def test_after_close(root: Path) -> None:
    for path in ("game.nsp", "game.nsp/@program/romfs"):
        fs = open_fs(root / path, forged.KEYS)
        inner = "hello.txt" if path.endswith("romfs") else "@program/romfs/hello.txt"
        storage, stream = fs.storage(inner), fs.open(inner)
        view = stream.mmap()
        fs.close()
        assert bytes(view) == b"hello\n"
        for use in (lambda storage=storage: storage[:], stream.read):
            with pytest.raises(ClosedError):
                use()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_failing_to_open_leaves_no_descriptor(root: Path) -> None:
    (root / "cut.nsp").write_bytes(NSP.image[:0x20])
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("cut.nsp", "plain.bin", "game.nsp/nope", "card.xci/secure/nope/x", "nope"):
        with pytest.raises((CorruptError, OSError)):
            open_fs(root / path, forged.KEYS)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Split files


def split(root: Path, names: list[str], size: int = 0x8000) -> Path:
    root.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        end = (number + 1) * size if number + 1 < len(names) else None
        (root / name).write_bytes(NSP.image[number * size : end])
    return root


def test_a_folder_of_parts(tmp_path: Path) -> None:
    parts = split(tmp_path / "game.nsp", ["00", "01", "02", "03"])
    (parts / ".hidden").touch()
    assert split_parts(str(parts)) == [str(parts / name) for name in ("00", "01", "02", "03")]
    for path in (parts, f"{parts}/"):
        with open_fs(path, forged.KEYS) as fs:
            assert fs.read_bytes("@program/romfs/hello.txt") == b"hello\n"
    place = locate(parts / "@program/romfs/hello.txt", forged.KEYS)
    assert place.fs.read_bytes(place.path) == b"hello\n"
    storage, files = open_storage(str(parts))
    assert bytes(storage[:]) == NSP.image
    assert len(files) == 4
    assert storage.place(0x8005) == (files[1], 5, "plain")


def test_parts_by_extension(tmp_path: Path) -> None:
    split(tmp_path, ["game.ns0", "game.ns1", "game.ns2"])
    with open_fs(tmp_path / "game.ns0", forged.KEYS) as fs:
        assert fs.read_bytes("@program/romfs/hello.txt") == b"hello\n"


@pytest.mark.parametrize(("present", "missing"), [(["00", "02"], "01"), (["00", "01", "03"], "02"), (["00", "01", "02", "09"], "03")])
def test_a_missing_part_of_a_folder(tmp_path: Path, present: list[str], missing: str) -> None:
    parts = split(tmp_path / "game.nsp", present)
    with pytest.raises(CorruptError) as caught:
        open_fs(parts, forged.KEYS)
    assert str(caught.value) == f"split file of {parts}: part {missing} is missing"


def test_a_missing_part_by_extension(tmp_path: Path) -> None:
    split(tmp_path, ["card.xc0", "card.xc1", "card.xc3"])
    with pytest.raises(CorruptError, match=r"part card\.xc2 is missing"):
        open_fs(tmp_path / "card.xc0", forged.KEYS)


def test_a_missing_last_part_is_a_truncated_archive(tmp_path: Path) -> None:
    parts = split(tmp_path / "game.nsp", ["00", "01", "02"])
    (parts / "02").unlink()
    with open_fs(parts, forged.KEYS) as fs, pytest.raises(CorruptError, match="it is truncated"):
        fs.storage(NSP.control)


@pytest.mark.parametrize("entries", [["00", "x"], ["01", "02"], ["0", "1"], ["00", "0²"], ["000"], []])
def test_folders_that_are_no_split_files(tmp_path: Path, entries: list[str]) -> None:
    for name in entries:
        (tmp_path / name).touch()
    assert split_parts(str(tmp_path)) == []
    assert names(open_fs(tmp_path, {})) == sorted(entries)


def test_a_folder_of_numbered_folders_is_a_folder(tmp_path: Path) -> None:
    for name in ("00", "01"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"a")
    assert open_fs(tmp_path, {}).read_bytes("01/a") == b"a"


def test_a_member_no_path_can_name_leaves_the_aliases(tmp_path: Path) -> None:
    data = forged.program_nca()
    path = tmp_path / "game.nsp"
    path.write_bytes(pfs0([("../x.nca", b"?" * 0x1000), (nca_name(data), data)]))
    with open_fs(path, forged.KEY_SET) as fs:
        assert fs.read_bytes("@program/romfs/hello.txt") == b"hello\n"


def test_programs_are_numbered_by_their_ids(tmp_path: Path) -> None:
    """Whatever the order in the archive: the first program of a title, and a base before its update, is the one without a number."""
    programs = {
        index: nca(
            [None, Section(romfs({"which": b"%d" % index}), FsType.ROMFS)],
            keys=forged.KEYS,
            content_type=ContentType.PROGRAM,
            program_id=forged.PROGRAM_ID + index,
        )
        for index in (0x800, 1, 0)
    }
    path = tmp_path / "game.nsp"
    path.write_bytes(pfs0([(nca_name(data), data) for data in programs.values()]))
    with open_fs(path, forged.KEY_SET) as fs:
        assert [fs.read_bytes(f"{alias}/romfs/which") for alias in ("@program", "@program.1", "@program.2")] == [b"0", b"1", b"2048"]
