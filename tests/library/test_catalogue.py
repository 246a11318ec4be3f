"""Catalogues of forged collections: what is found, what is looked at again, and what becomes of a file that is no catalogue."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.cnmt import MetaType
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.builders.cnmt import build_cnmt, meta_image
from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.library import Catalogue, Changes, Filter, Holding, LibraryTitle, TitleNames, Verification, default_path, library_titles
from oboromi_fs.library import looking as looking_module
from oboromi_fs.library.rows import NotARow, holding_of, stamp_text, text_of, verification_of
from oboromi_fs.library.titles import MARKS
from oboromi_fs.metadata.cnmt import Content
from oboromi_fs.titles import FoundContent, FoundMeta, FoundTicket, Issue, Package
from tests.building import KEYS, without
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.keys import KeySet

ID = forging.ID


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dumps"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "library.sqlite"


@pytest.fixture(scope="module")
def base() -> bytes:
    return forging.nsp(forging.base_title())


@pytest.fixture(scope="module")
def update() -> bytes:
    return forging.nsp(forging.update_1())


def look(folder: Path, kept: Path | None = None, keys: KeySet = KEYS, **options: Any) -> tuple[Changes, Catalogue]:
    with Catalogue.open(kept, keys) as catalogue:
        return catalogue.update([folder], **options), catalogue


def only(catalogue: Catalogue) -> LibraryTitle:
    (title,) = catalogue.titles()
    return title


class Opened:
    """Which files below a folder are opened, and what is read of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fsencode(folder)
        self.paths: list[str] = []
        self.read: dict[str, int] = {}

    def __enter__(self) -> Self:
        names: dict[int, str] = {}
        real_open, real_read = os.open, os.preadv

        def open_(path: Any, *arguments: Any, **options: Any) -> int:
            number = real_open(path, *arguments, **options)
            if os.fsencode(path).startswith(self.folder):
                names[number] = os.fsdecode(path)
                self.paths.append(os.fsdecode(path))
            return number

        def read(number: int, buffers: Any, offset: int) -> int:
            done = real_read(number, buffers, offset)
            self.read[names[number]] = self.read.get(names[number], 0) + done
            return done

        self._patches = mock.patch.object(os, "open", open_), mock.patch.object(os, "preadv", read)
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()


# What is found


def test_a_title_in_every_wrapping(tmp_path: Path) -> None:
    pile = forging.pile(tmp_path / "pile")
    _, catalogue = look(pile)
    title = only(catalogue)
    assert (title.application_id, title.name(), title.publisher()) == (0x0100FEEDFACE0000, "Hazy Moon", "Nobody")
    assert (title.version, title.display_version) == (0x20000, "2.0.0")
    found = [(item.kind, item.meta.title_id & 0xFFFF, item.meta.version, os.path.relpath(item.holding.path, pile)) for item in title.items]
    assert found == [
        ("base", 0x0000, 0, "card.xci"),
        ("update", 0x0800, 0x10000, "updates/old.nsz"),
        ("update", 0x0800, 0x20000, "loose"),
        ("addon", 0x1001, 0, "addon.nsp"),
        ("addon", 0x1002, 0, "card.xci"),
    ]
    assert title.marks == ["outdated"]
    assert title.issues == []


def test_a_collection_with_a_folder_called_romfs_is_no_title(folder: Path, base: bytes) -> None:
    forging.put(folder, {"romfs/a.nsp": base, "romfs/hello.txt": b"hello", "other/b.nsp": base})
    _, catalogue = look(folder)
    assert [os.path.relpath(holding.path, folder) for holding in catalogue.holdings()] == ["other/b.nsp", "romfs/a.nsp"]


def test_an_extracted_title(folder: Path) -> None:
    files = {f"moon/exefs/{name}": data for name, data in forging.EXEFS.items()} | {
        f"moon/control/{name}": data for name, data in forging.CONTROL.items()
    }
    forging.put(folder, {**files, "moon/romfs/a.bin": b"a"})
    _, catalogue = look(folder)
    assert (only(catalogue).name(), only(catalogue).display_version) == ("Hazy Moon", "1.0.0")
    assert [(item.kind, item.meta.form, item.meta.title_id) for item in only(catalogue).items] == [("base", "extracted", ID)]


def test_of_the_corpus(testdata: Path, corpus_keys: Path) -> None:
    with Catalogue.open(None, corpus_keys) as catalogue:
        catalogue.update([testdata / "xci" / "std.xci"])
        title = only(catalogue)
    assert title.name((2,)) == "Fake Game ゲーム"
    assert [(item.kind, f"{item.meta.title_id:016x}", item.meta.version) for item in title.items] == [("base", "0100abcdef000000", 65536)]


def test_compressed_packages(testdata: Path, corpus_keys: Path) -> None:
    with Catalogue.open(None, corpus_keys) as catalogue:
        catalogue.update([testdata / "nsz"])
        title = only(catalogue)
    assert len(title.items) == 3
    assert {os.path.basename(item.holding.path) for item in title.items} == {"z_std.nsp", "z_std_B.nsz", "z_std_S.nsz"}
    assert title.marks == ["duplicate"]
    assert all(not item.meta.missing for item in title.items)


def test_a_compressed_card(testdata: Path, corpus_keys: Path, folder: Path) -> None:
    package = NspArchive(testdata / "nsz" / "z_std_S.nsz")
    with package:
        card = forging.xci({name: package.read_bytes(name) for name in package.members})
    forging.put(folder, {"card.xcz": card})
    with Catalogue.open(None, corpus_keys) as catalogue:
        catalogue.update([folder])
        (item,) = only(catalogue).items
    assert (only(catalogue).name(), item.meta.missing, item.holding.issues) == ("Fake Game ゲーム", (), ())
    assert any((content.path or "").endswith(".ncz") and content.stored < content.size for content in item.meta.contents)


def test_names_in_a_language(folder: Path) -> None:
    from oboromi_fs.metadata import ApplicationTitle, Nacp

    titles = {0: ApplicationTitle("Moon", "We"), 2: ApplicationTitle("月", "我々")}
    nacp = Nacp(titles=tuple(titles.get(number, ApplicationTitle()) for number in range(16)), display_version="3.1").to_bytes()
    control = forging.Made("control", ID, {"romfs": forging.romfs({"control.nacp": nacp})})
    title = forging.with_meta(ID, MetaType.APPLICATION, [forging.base_program(), control])
    forging.put(folder, {"a.nsp": forging.nsp(title)})
    _, catalogue = look(folder)
    found = only(catalogue)
    assert (found.name((2,)), found.publisher((2,)), found.name((4,)), found.display_version) == ("月", "我々", "Moon", "3.1")


def test_an_update_without_its_base(folder: Path, update: bytes) -> None:
    forging.put(folder, {"update.nsp": update})
    _, catalogue = look(folder)
    assert only(catalogue).marks == ["no-base"]
    assert [issue.kind for issue in only(catalogue).issues] == ["no-base"]


def test_contents_that_are_not_there(folder: Path) -> None:
    title = forging.base_title()
    program = next(name for name in title if not name.endswith(".cnmt.nca"))
    del title[program]
    forging.put(folder, {"a.nsp": forging.nsp(title)})
    _, catalogue = look(folder)
    assert only(catalogue).marks == ["missing"]
    assert program.removesuffix(".nca") in only(catalogue).issues[0].text


def test_a_content_meta_that_lists_very_many_that_are_not_there(folder: Path) -> None:
    absent = [Content(hash=number.to_bytes(0x20, "big"), content_id=number.to_bytes(0x10, "big"), size=1, type=1) for number in range(300)]
    meta = forging.Made("meta", ID, {"data": meta_image(build_cnmt(ID, MetaType.APPLICATION, absent))})
    forging.put(folder, {"a.nsp": forging.nsp({meta.name: meta.data})})
    _, catalogue = look(folder)
    texts = [issue.text for issue in only(catalogue).issues if issue.kind == "missing"]
    assert (len(texts), texts[-1]) == (101, "and 200 more like these (missing)")
    assert "missing" in only(catalogue).marks


def test_a_title_key_that_is_not_there(folder: Path) -> None:
    title = forging.base_title(**forging.locked(ID))
    forging.put(folder, {"a.nsp": forging.nsp(title), "b.nsp": forging.nsp({**title, **forging.permit(ID)})})
    _, catalogue = look(folder)
    marks = {os.path.basename(item.holding.path): item.marks for item in only(catalogue).items}
    assert marks == {"a.nsp": {"duplicate", "key"}, "b.nsp": {"duplicate"}}
    (lacking,) = [holding for holding in catalogue.holdings() if holding.missing_keys]
    assert lacking.missing_keys == ("0100feedface00000000000000000003",)


def test_the_same_twice_and_another_of_the_same_version(folder: Path, base: bytes) -> None:
    other = forging.with_meta(ID, MetaType.APPLICATION, [forging.program(forging.EXEFS, {"other": b"x"})])
    forging.put(folder, {"a.nsp": base, "b.nsp": base, "c.nsp": forging.nsp(other)})
    _, catalogue = look(folder)
    marks = {os.path.basename(item.holding.path): item.marks for item in only(catalogue).items}
    assert marks == {"a.nsp": {"conflict", "duplicate"}, "b.nsp": {"conflict", "duplicate"}, "c.nsp": {"conflict"}}
    (told,) = only(catalogue).issues
    assert told.text == f"is another 0100feedface0000 v0 (Application) than the one in {folder}/a.nsp, which counts"


def test_tickets_that_contradict_each_other(folder: Path) -> None:
    title = forging.base_title(**forging.locked(ID))
    forging.put(folder, {f"{name}.nsp": forging.nsp({**title, **forging.permit(ID, key * 16)}) for name, key in (("a", b"1"), ("b", b"2"))})
    _, catalogue = look(folder)
    marks = {os.path.basename(item.holding.path): item.marks - {"damaged"} for item in only(catalogue).items}
    assert marks == {"a.nsp": {"duplicate"}, "b.nsp": {"duplicate", "ticket"}}
    (told,) = [issue for issue in only(catalogue).issues if issue.kind == "ticket"]
    assert "holds another title key for rights id 0100feedface00000000000000000003" in told.text


def test_what_is_damaged_is_named_and_stops_nothing(folder: Path, base: bytes) -> None:
    files = {
        "cut.nsp": base[:-0x10],
        "empty.nsp": b"",
        "good.nsp": base,
        "noise.xci": forging.noise(1, 0x5000),
        "short.nsp": base[:0x30],
        "text.nsz": b"hello",
    }
    forging.put(folder, files)
    changes, catalogue = look(folder)
    assert changes.looked == len(files)
    told = {os.path.basename(holding.path): [issue.kind for issue in holding.issues] for holding in catalogue.holdings()}
    assert told.pop("good.nsp") == []
    assert set(told) == set(files) - {"good.nsp"}
    assert all(set(kinds) <= {"damaged", "unknown"} and kinds for kinds in told.values())
    cut = next(holding for holding in catalogue.holdings() if holding.path.endswith("cut.nsp"))
    assert [issue.text.partition(", of")[0] for issue in cut.issues] == ["is cut short: 16 bytes are missing at the end"]
    assert [item.holding.path for item in only(catalogue).items if not item.holding.issues] == [str(folder / "good.nsp")]


def test_split_files_and_names_that_are_not_utf8(folder: Path, base: bytes) -> None:
    size = 0x20000
    parts = [base[at : at + size] for at in range(0, len(base), size)]
    assert len(parts) > 2
    forging.put(folder, {f"split.nsp/{number:02}": part for number, part in enumerate(parts)})
    odd = os.fsencode(folder) + b"/od\xffd.nsp"
    with open(odd, "wb") as file:
        file.write(base)
    _, catalogue = look(folder)
    assert {os.fsencode(item.holding.path) for item in only(catalogue).items} == {odd, os.fsencode(folder / "split.nsp")}
    assert {holding.size for holding in catalogue.holdings()} == {len(base)}


# Only headers, and only what changed


def test_of_each_package_little_is_read_and_of_unchanged_ones_nothing(folder: Path, kept: Path) -> None:
    big = {"big.bin": forging.noise(9, 1 << 21)}
    for number in range(5):
        title = ID + 0x2000 * number
        control = forging.Made(
            "control", title, {"romfs": forging.romfs(forging.CONTROL | {"icon_Japanese.dat": forging.noise(3, 90_000)})}
        )
        made = forging.with_meta(title, MetaType.APPLICATION, [forging.Made("program", title, {"romfs": forging.romfs(big)}), control])
        forging.put(folder, {f"{number}.nsp": forging.nsp({**made, **forging.permit(title)})})
    with Opened(folder) as first:
        changes, catalogue = look(folder, kept)
    assert changes == Changes(looked=5)
    assert {title.name() for title in catalogue.titles()} == {"Hazy Moon"}
    assert len(first.paths) == 5
    assert len(first.read) == 5
    assert all(0 < count < 0x10000 for count in first.read.values())
    with Opened(folder) as second:
        changes, again = look(folder, kept)
    assert changes == Changes(unchanged=5)
    assert (second.paths, second.read) == ([], {})
    assert again.holdings() == catalogue.holdings()


def test_the_counting_sees_what_is_opened(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    look(folder, kept)
    with Opened(folder) as again:
        look(folder, kept, again=True)
    assert again.paths == [str(folder / "a.nsp")]


def touch(path: Path, **changes: int) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, changes.get("mtime_ns", found.st_mtime_ns)))


@pytest.mark.parametrize("change", ["size", "mtime", "inode"])
def test_what_changed_is_looked_at_again(folder: Path, kept: Path, base: bytes, update: bytes, change: str) -> None:
    forging.put(folder, {"a.nsp": base, "b.nsp": base})
    look(folder, kept)
    path = folder / "a.nsp"
    before = path.stat()
    if change == "size":
        path.write_bytes(update)
        touch(path, mtime_ns=before.st_mtime_ns)
    elif change == "mtime":
        touch(path, mtime_ns=before.st_mtime_ns + 1)
    else:
        aside = folder.parent / "aside"
        aside.write_bytes(base)
        aside.replace(path)
        touch(path, mtime_ns=before.st_mtime_ns)
    changes, catalogue = look(folder, kept)
    assert changes == Changes(looked=1, unchanged=1)
    assert [item.kind for item in only(catalogue).items] == (["base", "update"] if change == "size" else ["base", "base"])


def test_what_is_gone_is_dropped_and_what_is_elsewhere_stays(tmp_path: Path, kept: Path, base: bytes) -> None:
    forging.put(tmp_path, {"one/a.nsp": base, "one/b.nsp": base, "one more/c.nsp": base})
    with Catalogue.open(kept, KEYS) as catalogue:
        assert catalogue.update([tmp_path / "one", tmp_path / "one more"]) == Changes(looked=3)
    (tmp_path / "one" / "a.nsp").unlink()
    changes, catalogue = look(tmp_path / "one", kept)
    assert changes == Changes(unchanged=1, removed=1)
    assert look(tmp_path / "one", kept)[0] == Changes(unchanged=1)
    assert look(tmp_path / "one more", kept)[0] == Changes(unchanged=1)


def test_a_folder_that_cannot_be_listed_is_told_and_forgets_nothing(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base, "shut/b.nsp": base})
    look(folder, kept)
    real = os.scandir

    def scandir(path: Any) -> Any:
        if os.fspath(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    with mock.patch.object(os, "scandir", scandir):
        changes, catalogue = look(folder, kept)
    assert changes == Changes(unchanged=1)
    assert [str(issue) for issue in catalogue.issues] == [f"{folder}/shut: cannot be listed: Permission denied"]
    assert look(folder, kept)[0] == Changes(unchanged=2)


def test_other_keys_are_tried_on_what_lacked_them(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base, "b.xci": forging.xci(forging.addon(0, forging.ADDON_1))})
    few = without("header_key")
    changes, catalogue = look(folder, kept, few)
    assert (changes, catalogue.titles()) == (Changes(looked=2), [])
    assert {holding.missing_keys for holding in catalogue.holdings()} == {("header_key",)}
    assert look(folder, kept, few)[0] == Changes(unchanged=2)
    changes, catalogue = look(folder, kept)
    assert changes == Changes(looked=2)
    assert [item.kind for item in only(catalogue).items] == ["base", "addon"]
    assert look(folder, kept)[0] == Changes(unchanged=2)
    assert look(folder, kept, few)[0] == Changes(unchanged=2)  # What was found stays found.


def test_keys_are_not_read_where_nothing_needs_them(folder: Path, kept: Path, base: bytes, tmp_path: Path) -> None:
    forging.put(folder, {"a.nsp": base})
    look(folder, kept)
    with Catalogue.open(kept, tmp_path / "no such file") as catalogue:
        assert catalogue.update([folder]) == Changes(unchanged=1)
        assert only(catalogue).name() == "Hazy Moon"


def test_what_verifying_came_to_is_kept_until_the_file_changes(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    said = Verification(1_700_000_000, 9, 1, 2, ("wrong hash",), ("titlekek_05",))
    with Catalogue.open(kept, KEYS) as catalogue:
        catalogue.update([folder])
        catalogue.record(catalogue.holdings()[0], said)
        assert only(catalogue).marks == ["failed"]
    _, catalogue = look(folder, kept)
    assert catalogue.holdings()[0].verification == said
    _, catalogue = look(folder, kept, again=True)
    assert catalogue.holdings()[0].verification == said
    touch(folder / "a.nsp", mtime_ns=5)
    _, catalogue = look(folder, kept)
    assert catalogue.holdings()[0].verification is None


def test_single_files_of_a_folder_do_not_stand_for_it(folder: Path, kept: Path) -> None:
    forging.put(folder, forging.base_title())
    assert look(folder, kept)[0] == Changes(looked=1)
    meta = next(folder.glob("*.cnmt.nca"))
    with Catalogue.open(kept, KEYS) as catalogue:
        catalogue.update([meta])
        assert only(catalogue).marks == ["missing"]
    assert look(folder, kept)[0] == Changes(unchanged=1)


# Trouble while looking


def test_files_that_vanish_meanwhile(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base, "b.nsp": base, "c.nsp": base})
    real = looking_module.look

    def look_later(place: Any, opener: Any, stamp: Any) -> Holding:
        if place.path.endswith("b.nsp"):
            os.unlink(place.path)
        return real(place, opener, stamp)

    with mock.patch.object(looking_module, "look", look_later):
        _, catalogue = look(folder, kept)
    assert [os.path.basename(holding.path) for holding in catalogue.holdings()] == ["a.nsp", "c.nsp"]
    assert look(folder, kept)[0] == Changes(unchanged=2)


def test_links_in_a_loop(folder: Path, base: bytes) -> None:
    forging.put(folder, {"a/a.nsp": base})
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "self").symlink_to("self")
    (folder / "dangling.nsp").symlink_to("nowhere")
    (folder / "b.nsp").symlink_to("a/a.nsp")
    _, catalogue = look(folder)
    assert len(catalogue.holdings()) == 1


def test_interrupted_it_keeps_what_it_found(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {f"{number}.nsp": base for number in range(40)})

    def stop(done: int, known: int) -> None:
        assert done <= known
        if done == 3:
            raise KeyboardInterrupt

    before = threading.active_count()  # Those that decompress NCZ stay, if a test before had them.
    with pytest.raises(KeyboardInterrupt):
        look(folder, kept, progress=stop, workers=1)
    assert threading.active_count() == before
    changes, _ = look(folder, kept)
    assert (changes.looked + changes.unchanged, changes.unchanged) == (40, 2)


@pytest.mark.parametrize("workers", [1, 7])
def test_the_order_does_not_depend_on_who_is_done_first(folder: Path, base: bytes, update: bytes, workers: int) -> None:
    names = [f"{number:02}.nsp" for number in range(30)]
    forging.put(folder, {name: update if number % 3 else base for number, name in enumerate(names)})
    _, catalogue = look(folder, workers=workers)
    assert [os.path.basename(holding.path) for holding in catalogue.holdings()] == names


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with Catalogue.open(None, KEYS) as catalogue, pytest.raises(EntryNotFoundError):
        catalogue.update([tmp_path, tmp_path / "no"])


# The file of the catalogue


def change(kept: Path, statement: str, *values: Any) -> None:
    db = sqlite3.connect(kept)
    if values:
        db.execute(statement, values)
    else:
        db.executescript(statement)
    db.commit()
    db.close()


@pytest.fixture
def filled(folder: Path, kept: Path, base: bytes) -> Path:
    forging.put(folder, {"a.nsp": base})
    _, catalogue = look(folder, kept)
    assert catalogue.notes == []
    return kept


def test_a_damaged_catalogue_is_made_anew(folder: Path, filled: Path) -> None:
    data = bytearray(filled.read_bytes())
    data[100:0x1000] = forging.noise(1, 0x1000 - 100)
    filled.write_bytes(data)
    changes, catalogue = look(folder, filled)
    assert changes == Changes(looked=1)
    (note,) = catalogue.notes
    assert "is damaged" in note
    assert look(folder, filled)[0] == Changes(unchanged=1)


@pytest.mark.parametrize("cut", [50, 100, 0x800, 0x1001])
def test_a_catalogue_that_was_cut_short(folder: Path, filled: Path, cut: int) -> None:
    filled.write_bytes(filled.read_bytes()[:cut])
    changes, catalogue = look(folder, filled)
    assert (changes, len(catalogue.notes)) == (Changes(looked=1), 1)
    assert look(folder, filled)[0] == Changes(unchanged=1)


def test_a_file_of_somebody_else_is_put_aside(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    kept.parent.mkdir()
    for number, text in enumerate((b"my novel", b"my other novel")):
        kept.write_bytes(text)
        changes, catalogue = look(folder, kept)
        assert changes == Changes(looked=1)
        (note,) = catalogue.notes
        assert "is no catalogue" in note
        aside = kept.with_name(f"library.sqlite.not-a-catalogue{'.1' * number}")
        assert aside.read_bytes() == text
    assert look(folder, kept)[0] == Changes(unchanged=1)


def test_a_database_of_another_program_is_put_aside(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    kept.parent.mkdir()
    change(kept, "CREATE TABLE places (mine)")
    _, catalogue = look(folder, kept)
    assert "is no catalogue" in catalogue.notes[0]
    aside = sqlite3.connect(kept.with_name("library.sqlite.not-a-catalogue"))
    assert aside.execute("SELECT name FROM sqlite_master").fetchall() == [("places",)]
    aside.close()


def test_a_catalogue_of_another_version_is_made_anew(folder: Path, filled: Path) -> None:
    change(filled, "PRAGMA user_version = 99")
    changes, catalogue = look(folder, filled)
    assert (changes, catalogue.notes) == (Changes(looked=1), [f"{filled} is of version 99, and made anew as version 1"])
    assert look(folder, filled)[1].notes == []


@pytest.mark.parametrize(
    "found",
    ["", "{}", "[]", "null", '["package",[[]],[],[]]', '["folder",[],[],[]]', '["package",[],[],[["bad","","",null,""]]]', "[" * 100_000],
)
def test_a_row_that_is_nonsense_is_looked_at_again(folder: Path, filled: Path, found: str) -> None:
    change(filled, "UPDATE places SET found = ?", found)
    changes, catalogue = look(folder, filled)
    assert (changes, catalogue.notes) == (Changes(looked=1), [])
    assert only(catalogue).name() == "Hazy Moon"
    assert look(folder, filled)[0] == Changes(unchanged=1)


@pytest.mark.parametrize("verified", ["nonsense", "[]", "[1,2,3,4,[],[5]]", '{"when":1}'])
def test_what_verifying_came_to_is_not_believed_if_it_is_nonsense(folder: Path, filled: Path, verified: str) -> None:
    change(filled, "UPDATE places SET verified = ?", verified)
    changes, catalogue = look(folder, filled)
    assert changes == Changes(looked=1)
    assert catalogue.holdings()[0].verification is None


@pytest.mark.parametrize("value", [None, 1, b"bytes"])
def test_a_row_with_values_of_other_types(folder: Path, filled: Path, value: Any) -> None:
    db = sqlite3.connect(filled)
    db.executescript("ALTER TABLE places RENAME TO old; CREATE TABLE places (path, stamp, keys, found, verified)")
    db.execute("INSERT INTO places SELECT path, stamp, keys, ?, verified FROM old", (value,))
    db.commit()
    db.close()
    changes, catalogue = look(folder, filled)
    assert changes == Changes(looked=1)
    assert "is damaged" in catalogue.notes[0]


COUNTING = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9) SELECT max(x) FROM c"
"""What need not end, in a file that somebody else made."""


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE places",
        "ALTER TABLE places DROP COLUMN found",
        "UPDATE places SET found = CAST(x'ff80' AS TEXT)",
        "UPDATE places SET found = CAST(zeroblob(200000) AS TEXT)",
        "CREATE TRIGGER refuse BEFORE INSERT ON places BEGIN SELECT no_such_function(); END",
        f"CREATE TRIGGER count AFTER INSERT ON places BEGIN DELETE FROM places WHERE 1 > ({COUNTING}); END",
        f"DROP TABLE places; CREATE VIEW places AS SELECT x'2f' AS path, '' AS stamp, '' AS keys, ({COUNTING}) AS found, '' AS verified",
        f"""DROP TABLE places; CREATE TABLE places (path BLOB PRIMARY KEY, stamp TEXT NOT NULL, keys TEXT NOT NULL, found TEXT NOT NULL,
            verified TEXT NOT NULL DEFAULT '{COUNTING}') WITHOUT ROWID""",
    ],
)
def test_a_catalogue_that_is_one_by_its_head_alone(folder: Path, filled: Path, statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oboromi_fs.library.store._LONGEST", 50_000)
    change(filled, statement)
    touch(folder / "a.nsp", mtime_ns=7)
    changes, catalogue = look(folder, filled)
    assert (changes, only(catalogue).name()) == (Changes(looked=1), "Hazy Moon")
    assert "is damaged" in catalogue.notes[0]
    assert look(folder, filled)[0] == Changes(unchanged=1)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_catalogue_that_cannot_be_written(folder: Path, filled: Path) -> None:
    filled.chmod(0o400)
    filled.parent.chmod(0o500)
    touch(folder / "a.nsp", mtime_ns=7)
    changes, catalogue = look(folder, filled)
    assert changes == Changes(looked=1)
    assert "nothing is kept for the next run" in catalogue.notes[0]
    filled.parent.chmod(0o700)


def test_a_row_that_is_too_long_is_not_kept(folder: Path, kept: Path, base: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    forging.put(folder, {"a.nsp": base})
    monkeypatch.setattr("oboromi_fs.library.store._LONGEST", 500)
    for _ in range(2):
        changes, catalogue = look(folder, kept)
        assert (changes, only(catalogue).name(), catalogue.notes) == (Changes(looked=1), "Hazy Moon", [])


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_catalogue_that_another_process_holds(folder: Path, filled: Path, base: bytes, how: str) -> None:
    forging.put(folder, {"b.nsp": base})
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute(f"BEGIN {how}")
    try:
        with mock.patch("oboromi_fs.library.store._WAIT", 0.01):
            changes, catalogue = look(folder, filled)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert len(only(catalogue).items) == 2
    assert changes.looked == (2 if how == "EXCLUSIVE" else 1)
    assert catalogue.notes == [f"{filled} cannot be used (another process holds it): nothing is kept for the next run"]
    assert look(folder, filled)[0] == Changes(looked=1, unchanged=1)


def test_a_folder_for_the_catalogue_that_cannot_be_made(tmp_path: Path, folder: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    (tmp_path / "file").write_bytes(b"")
    changes, catalogue = look(folder, tmp_path / "file" / "library.sqlite")
    assert (changes, only(catalogue).name()) == (Changes(looked=1), "Hazy Moon")
    assert "nothing is kept for the next run" in catalogue.notes[0]


def test_a_path_that_is_a_folder(tmp_path: Path, folder: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base})
    _, catalogue = look(folder, tmp_path)
    assert "nothing is kept for the next run" in catalogue.notes[0]
    assert only(catalogue).name() == "Hazy Moon"


def test_a_path_that_is_a_device_or_a_pipe(tmp_path: Path, folder: Path, base: bytes) -> None:
    """Neither is read, which might not end, nor put aside."""
    forging.put(folder, {"a.nsp": base})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (pipe, tmp_path / "link"):
        _, catalogue = look(folder, path)
        assert catalogue.notes == [f"{path} cannot be used (it is no regular file): nothing is kept for the next run"]
        assert only(catalogue).name() == "Hazy Moon"
        assert os.path.lexists(path)


def test_several_at_once(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {f"{number}.nsp": base for number in range(12)})
    found: list[int] = []
    notes: list[str] = []

    def run() -> None:
        _, catalogue = look(folder, kept)
        found.append(len(catalogue.holdings()))
        notes.extend(catalogue.notes)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, notes) == ([12] * 4, [])
    assert look(folder, kept)[0] == Changes(unchanged=12)


def test_nothing_is_kept_where_nothing_is_to_be(folder: Path, base: bytes, tmp_path: Path) -> None:
    forging.put(folder, {"a.nsp": base})
    look(folder)
    assert sorted(os.listdir(tmp_path)) == ["dumps"]


def test_no_key_is_in_the_catalogue(folder: Path, kept: Path, base: bytes) -> None:
    forging.put(folder, {"a.nsp": base, "b.nsp": base[:-5], "c.nsp": forging.nsp({**forging.base_title(), **forging.permit(ID)})})
    look(folder, kept)
    data = kept.read_bytes()
    values = [KEYS.get(name) or b"" for name in KEYS.names()]
    assert all(value not in data and value.hex().encode() not in data for value in (*values, forging.TITLE_KEY))


def test_where_it_is_kept() -> None:
    assert default_path({"HOME": "/home/me"}, "linux") == "/home/me/.cache/oboromi/library.sqlite"
    assert default_path({"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}, "linux") == "/home/me/.cache/oboromi/library.sqlite"
    assert default_path({"HOME": "/Users/me"}, "darwin") == "/Users/me/Library/Caches/oboromi/library.sqlite"
    assert default_path({"LOCALAPPDATA": "C:/me"}, "win32") == "C:/me/oboromi/library.sqlite"


def test_rows_there_and_back(tmp_path: Path) -> None:
    _, catalogue = look(forging.pile(tmp_path / "pile"))
    assert len(catalogue.holdings()) == 4
    for holding in catalogue.holdings():
        assert holding_of(holding.path, holding.stamp, text_of(holding)) == holding
        assert stamp_text(holding.stamp) != stamp_text(holding.stamp[1:])
    with pytest.raises(NotARow):
        holding_of("", (), "[1, 2, 3, 4]")


# What somebody asks for


def test_filters(tmp_path: Path) -> None:
    other = ID + 0x100_0000
    pile = forging.pile(tmp_path / "pile")
    made = forging.with_meta(other, MetaType.APPLICATION, [forging.Made("program", other, {"romfs": forging.romfs({"a": b"a"})})])
    forging.put(pile, {"nameless.nsp": forging.nsp(made)})
    _, catalogue = look(pile)
    moon, nameless = catalogue.titles()
    assert (moon.name(), nameless.name()) == ("Hazy Moon", "")
    for wanted, found in (
        (Filter(), [moon, nameless]),
        (Filter(names=("moon", "HAZY")), [moon]),
        (Filter(names=("nobody",)), [moon]),
        (Filter(names=("moon", "sun")), []),
        (Filter(names=("h?zy*",)), [moon]),
        (Filter(ids=("0x0100FEED",)), [moon, nameless]),
        (Filter(ids=(f"{ID + 0x1002:016x}",)), [moon]),
        (Filter(ids=("zz",)), []),
        (Filter(kinds=("update",)), [moon]),
        (Filter(without=("update",)), [nameless]),
        (Filter(marks=("outdated", "missing")), [moon]),
        (Filter(marks=("missing",)), []),
    ):
        assert wanted.of([moon, nameless]) == found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["package", "damaged"]),
    lambda each: st.lists(each, max_size=13) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=60,
)


@given(VALUES)
def test_rows_are_checked_whatever_they_are(value: object) -> None:
    for read in (lambda text: holding_of("a", (), text), verification_of):
        try:
            read(json.dumps(value))
        except NotARow:
            continue


@given(st.data())
def test_rows_with_one_value_changed(data: st.DataObject) -> None:
    """Nothing that is read back makes trouble later."""
    found = json.loads(ROW)
    place = found
    while isinstance(place, list) and place:
        at = data.draw(st.integers(0, len(place) - 1))
        if not isinstance(place[at], list) or not place[at] or data.draw(st.booleans()):
            place[at] = data.draw(VALUES)
            break
        place = place[at]
    try:
        holding = holding_of("/a.nsp", (), json.dumps(found))
    except NotARow:
        return
    for title in library_titles([holding, holding]):
        assert isinstance(title.name(), str)
        assert title.size >= 0
        assert set(title.marks) <= set(MARKS)
    assert json.loads(text_of(holding)) is not None


def _row() -> str:
    content = FoundContent(1, "ab" * 16, 5, 0, b"\1" * 32, "a.nca", 5)
    ticket = FoundTicket("t.tik", "0100feedface00000000000000000003", personalised=False, digest="00")
    meta = FoundMeta(ID, ID, 0x80, 0, "/a.nsp", "package", "m.cnmt.nca", patch_id=ID + 0x800, contents=(content,), tickets=(ticket,))
    issues = (Issue("damaged", "/a.nsp", "is cut short", ID), Issue("key", "/a.nsp", "needs a key", None, "header_key"))
    names = TitleNames(((0, "Moon", "We"),), "1.0")
    return text_of(Holding((), Package("/a.nsp", "package", (meta,), (ticket,), issues), (names,)))


ROW = _row()


def test_of_very_many_that_are_the_same_each_knows_the_others_without_a_list_of_its_own() -> None:
    (title,) = library_titles([holding_of(f"/{number}.nsp", (), ROW) for number in range(300)])
    assert len({id(item.group) for item in title.items}) == 1
    assert [item.holding.path for item in title.items[0].twins()] == [item.holding.path for item in title.items[1:]]


@pytest.mark.parametrize("folder_of", ["nsp", "nsz", "xci"])
def test_of_the_corpus_little_is_read(testdata: Path, corpus_keys: Path, folder_of: str) -> None:
    with Opened(testdata / folder_of) as opened, Catalogue.open(None, corpus_keys) as catalogue:
        catalogue.update([testdata / folder_of], workers=1)
    assert len(opened.read) == len(catalogue.holdings()) > 2
    assert all(0 < count < 0x10000 for count in opened.read.values()), opened.read
