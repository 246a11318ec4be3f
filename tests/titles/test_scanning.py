"""What is told of packages: contents, versions, tickets, and everything that contradicts or is missing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs import ClosedError, File, Nca, NestedFs, Opener, RomFs
from oboromi_fs.titles import Package, find_places, look_into, open_title, scan
from tests.building import KEYS, without
from tests.titles import forging
from tests.titles.forging import ADDONS, ID, UPDATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from oboromi_fs.titles import FoundMeta


def looked(root: Path, files: Mapping[str, bytes], keys: Any = KEYS) -> list[Package]:
    forging.put(root, files)
    return [look_into(place, Opener(keys)) for place in find_places([root])]


def told(packages: list[Package]) -> list[str]:
    return [issue.kind for package in packages for issue in package.issues]


def test_light_values_of_every_type(tmp_path: Path) -> None:
    forging.pile(tmp_path)
    found = {(meta.type, meta.title_id, meta.version): meta for meta in scan([tmp_path], KEYS)}
    assert set(found) == {
        (MetaType.APPLICATION, ID, 0),
        (MetaType.PATCH, UPDATE, 0x10000),
        (MetaType.PATCH, UPDATE, 0x20000),
        (MetaType.ADD_ON_CONTENT, ADDONS[0], 0),
        (MetaType.ADD_ON_CONTENT, ADDONS[1], 0),
    }
    assert {meta.application_id for meta in found.values()} == {ID}
    base = found[MetaType.APPLICATION, ID, 0]
    assert (base.form, base.patch_id, base.label) == ("package", UPDATE, f"{ID:016x} v0 (Application)")
    assert [(content.type, str(content.path).partition("/")[0]) for content in base.contents] == [
        (RecordType.PROGRAM, "secure"),
        (RecordType.CONTROL, "secure"),
        (RecordType.HTML_DOCUMENT, "secure"),
    ]
    assert all(content.stored == content.size for content in base.contents)
    update = found[MetaType.PATCH, UPDATE, 0x20000]
    assert (update.form, [ticket.rights_id for ticket in update.tickets]) == ("folder", [f"{UPDATE:016x}0000000000000003"])
    assert update.where.endswith(".cnmt.nca")


def test_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    title = forging.base_title()
    gone = next(iter(title))
    short = {name: data for name, data in title.items() if name != gone}
    ((package),) = looked(tmp_path / "a", {"a.nsp": forging.nsp(short)})
    (meta,) = package.metas
    assert [content.content_id for content in meta.missing] == [gone.removesuffix(".nca")]
    assert [(issue.kind, issue.title_id) for issue in package.issues] == [("missing", ID)]
    name = list(title)[1]
    packages = looked(tmp_path / "b", {"b.nsp": forging.nsp({**title, name: title[name] + bytes(16)})})
    assert told(packages) == ["record"]
    assert "by the content meta" in str(packages[0].issues[0])


def test_records_that_contradict_themselves(tmp_path: Path) -> None:
    control = forging.Made("control", ID, {"romfs": forging.romfs(forging.CONTROL)})
    other = forging.Made("control", ID, {"romfs": forging.romfs(forging.CONTROL_2)})
    twice = forging.with_meta(ID, MetaType.APPLICATION, [control, other])
    lying = forging.addon(0, forging.ADDON_1, application_id=ID + 0x10000)
    packages = looked(tmp_path, {"a.nsp": forging.nsp(twice), "b.nsp": forging.nsp(lying)})
    assert told(packages) == ["record", "record"]
    assert "two contents of one type" in str(packages[0].issues[0])
    assert "belongs to 0100feedfacf0000; by its id it belongs to 0100feedface0000" in str(packages[1].issues[0])


def test_tickets_that_contradict(tmp_path: Path) -> None:
    (name, good), *_ = forging.permit(UPDATE).items()
    (_, bad), *_ = forging.permit(UPDATE, bytes(16)).items()
    update = forging.update_2(**forging.locked(UPDATE))
    packages = looked(tmp_path, {f"loose/{each}": data for each, data in {**update, name: good, f"z{name}": bad, "x.tik": b"?"}.items()})
    texts = [str(issue) for issue in packages[0].issues if issue.kind == "ticket"]
    assert len(packages[0].tickets) == 2
    assert any("holds another title key" in text for text in texts)
    assert any("unknown signature type" in text for text in texts)
    other = forging.permit(ADDONS[0])
    packages = looked(tmp_path / "named", {"a.nsp": forging.nsp({**forging.base_title(), f"{'0' * 32}.tik": next(iter(other.values()))})})
    assert "by which it should be called" in str(packages[0].issues[0])


def test_damage_is_told_and_stops_nothing(tmp_path: Path) -> None:
    title = forging.base_title()
    meta = next(name for name in title if name.endswith(".cnmt.nca"))
    broken = bytearray(title[meta])
    broken[0xC00:] = bytes(len(broken) - 0xC00)
    files = {
        "1.nsp": b"PFS0" + b"\xff" * 0x40,
        "2.xci": bytes(0x100) + b"HEAD" + bytes(0x400),
        "3.nsp": b"plain text",
        "4.nsp": forging.nsp({**title, meta: bytes(broken)}),
        "5.nsp": forging.nsp({"readme.txt": b"hello"}),
        "6.nsp": forging.nsp(title),
        "7.nsp": forging.nsp(title)[:0x3000],
        "8.nsp": forging.nsp({**title, meta: bytes(title[meta][:0x200])}),
    }
    packages = looked(tmp_path, files)
    assert [len(package.metas) for package in packages] == [0, 0, 0, 0, 0, 1, 0, 0]
    assert told(packages) == ["damaged", "damaged", "unknown", "damaged", "unknown", "damaged", "damaged"]
    assert all(str(tmp_path) in str(issue) for package in packages for issue in package.issues)


def test_keys_that_are_absent_are_told(tmp_path: Path) -> None:
    packages = looked(tmp_path, {"a.nsp": forging.nsp(forging.base_title())}, without("header_key"))
    assert told(packages) == ["key"]
    assert "header_key" in str(packages[0].issues[0])


def test_loose_contents_without_content_meta(tmp_path: Path) -> None:
    title = {name: data for name, data in forging.base_title().items() if not name.endswith(".cnmt.nca")}
    (package,) = looked(tmp_path / "a", title)
    assert told([package]) == ["no-meta"]
    assert [(meta.title_id, meta.type, len(meta.contents)) for meta in package.metas] == [(ID, MetaType.APPLICATION, 3)]
    stray = {"ff" * 16 + ".nca": next(iter(forging.update_1().values()))}
    (package,) = looked(tmp_path / "b", {**forging.base_title(), **stray})
    assert [(issue.kind, issue.path.rpartition("/")[2]) for issue in package.issues] == [("no-meta", "ff" * 16 + ".nca")]


def test_meta_ncas_that_are_called_as_all_others(tmp_path: Path) -> None:
    """As a console keeps them, spread over folders; a package may have them, too."""
    title = {name.replace(".cnmt.nca", ".nca"): data for name, data in {**forging.base_title(), **forging.update_1()}.items()}
    (package,) = looked(
        tmp_path / "a", {f"registered/000000{number:02X}/{name}/00": data for number, (name, data) in enumerate(title.items())}
    )
    assert (package.form, told([package])) == ("folder", [])
    assert {meta.title_id: len(meta.missing) for meta in package.metas} == {ID: 0, UPDATE: 0}
    assert all(content.path and content.path.startswith("000000") for meta in package.metas for content in meta.contents)
    (package,) = looked(tmp_path / "b", {"a.nsp": forging.nsp(title)})
    assert ({meta.title_id for meta in package.metas}, told([package])) == ({ID, UPDATE}, [])


@pytest.mark.parametrize("wrapping", ["nsp", "nsz", "xci", "loose"])
def test_only_headers_are_read(tmp_path: Path, wrapping: str) -> None:  # A parameter of the test.
    """Counted by a storage that says what is asked of it."""
    import os

    big = forging.with_meta(ID, MetaType.APPLICATION, [forging.program(forging.EXEFS, {"big": forging.noise(99, 1 << 21)})])
    wrap = {"nsp": forging.nsp, "nsz": forging.nsz, "xci": forging.xci}
    forging.put(tmp_path, big if wrapping == "loose" else {f"a.{wrapping}": wrap[wrapping](big)})
    place = next(find_places([tmp_path]))
    opener = Opener(KEYS, access="pread")
    counted = 0
    real = os.preadv

    def preadv(number: int, buffers: Any, offset: int, /) -> int:
        nonlocal counted
        done = real(number, buffers, offset)
        counted += done
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", preadv)
        assert len(look_into(place, opener).metas) == 1
    assert 0 < counted < 0x10000


def test_loose_files_are_closed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console's folder has thousands of NCAs, and a process may have a thousand files open."""
    files = dict(forging.base_title())
    made = forging.Made("data", ADDONS[0], {"romfs": forging.romfs({"a": b"a"})})
    files |= {f"{number:032x}.nca": made.data for number in range(30)}
    forging.put(tmp_path, files)
    opened: list[File] = []
    most = 0

    def counting(path: str, **options: Any) -> File:
        nonlocal most
        file = real(path, **options)
        opened.append(file)
        most = max(most, sum(not each.closed for each in opened))
        return file

    real = File.open
    monkeypatch.setattr(File, "open", counting)
    (meta,) = scan([tmp_path], KEYS)
    assert (meta.title_id, len(opened) >= 30, most <= 2) == (ID, True, True)
    assert all(each.closed for each in opened)
    with open_title(tmp_path, keys=KEYS) as title:
        text = title.storage("romfs/data/b.txt")
        assert text[:] == forging.BASE["data/b.txt"]
    assert all(each.closed for each in opened)
    with pytest.raises(ClosedError):
        text[:]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody tells which files are open")
def test_a_visit_keeps_no_loose_file_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    def visit(nested: NestedFs, path: str, metas: Sequence[FoundMeta]) -> None:
        before = count()
        entered = [nested.enter(f"{path}{content.path}") for meta in metas for content in meta.contents]
        names.extend(RomFs(each.section("romfs").image()).read_dir()[0].name for each in entered if isinstance(each, Nca))
        assert count() == before

    names: list[str] = []
    forging.put(tmp_path, forging.base_title())
    (place,) = find_places([tmp_path])
    assert look_into(place, Opener(KEYS), visit=visit).issues == ()
    assert sorted(names) == ["control.nacp", "data", "html-document"]
