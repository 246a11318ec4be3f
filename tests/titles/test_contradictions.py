"""Titles that contradict themselves or lack something: each is named, and the rest is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from oboromi_formats.cnmt import MetaType
from oboromi_fs import ClosedError, EntryNotFoundError, FormatError, MissingKeyError, NestedFs, RomFs, open_fs
from oboromi_fs.titles import Chosen, Family, Title, choose, open_title
from tests.building import KEYS
from tests.titles import forging
from tests.titles.forging import ADDONS, ID, UPDATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def opened(root: Path, files: Mapping[str, bytes], **options: int) -> Title:
    return open_title(forging.put(root, files), keys=KEYS, title_id=options.get("title_id"), version=options.get("version"))


def told(title: Title) -> list[str]:
    return sorted(issue.kind for issue in title.issues)


def files(title: Title, place: str) -> dict[str, bytes]:
    return {path: title.read_bytes(f"{place}/{path}") for path, entry in title.walk(place) if entry.kind == "file"}


def test_two_bases_of_one_id(tmp_path: Path) -> None:
    other = forging.with_meta(ID, MetaType.APPLICATION, [forging.program(forging.EXEFS_1, {"other": b"base"})])
    title = opened(
        tmp_path, {"1.nsp": forging.nsp(forging.base_title()), "2.nsp": forging.nsp(other), "3.nsp": forging.nsp(forging.base_title())}
    )
    assert told(title) == ["double", "two-bases"]
    assert files(title, "romfs") == forging.BASE
    assert "2.nsp" in next(issue.path for issue in title.issues if issue.kind == "two-bases")


def test_the_complete_base_counts(tmp_path: Path) -> None:
    whole = forging.base_title()
    short = dict(list(whole.items())[1:])
    title = opened(tmp_path, {"1.nsp": forging.nsp(short), "2.nsp": forging.nsp(whole)})
    assert told(title) == ["double", "missing"]
    assert files(title, "romfs") == forging.BASE


def test_an_update_without_base(tmp_path: Path) -> None:
    """Its ExeFS is whole; its RomFS is not, and is left out."""
    title = opened(tmp_path, {"u.nsp": forging.nsp(forging.update_2())})
    assert told(title) == ["no-base", "no-base"]
    assert {entry.name for entry in title.read_dir()} == {"control", "exefs"}
    assert files(title, "exefs") == forging.EXEFS_2
    assert title.load_program().romfs is None
    with pytest.raises(EntryNotFoundError):
        title.romfs_image()


def test_an_update_over_another_base(tmp_path: Path) -> None:
    """A base of the same id with other bytes: what comes out does not have the hashes of the update."""
    other = forging.with_meta(ID, MetaType.APPLICATION, [forging.program(forging.EXEFS, {"a.bin": forging.noise(77, 90_000)})])
    title = opened(tmp_path, {"b.nsp": forging.nsp(other), "u.nsp": forging.nsp(forging.update_2())})
    assert files(title, "exefs") == forging.EXEFS_2
    with pytest.raises(FormatError):
        files(title, "romfs")


def test_add_ons_of_another_title(tmp_path: Path) -> None:
    foreign = ADDONS[0] + 0x10000
    addon = forging.with_meta(foreign, MetaType.ADD_ON_CONTENT, [forging.Made("data", foreign, {"romfs": forging.romfs({"x": b"x"})})])
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.base_title()), "a.nsp": forging.nsp(addon)})
    assert (told(title), title.addons) == (["other-title"], ())
    assert files(title, "romfs") == forging.BASE


def test_an_add_on_that_needs_a_later_version(tmp_path: Path) -> None:
    addon = forging.addon(0, forging.ADDON_1, required_application_version=0x20000)
    everything = {"b.nsp": forging.nsp(forging.base_title()), "a.nsp": forging.nsp(addon), "u.nsp": forging.nsp(forging.update_2())}
    assert told(opened(tmp_path, everything)) == []
    title = opened(tmp_path, {}, version=0)
    assert (told(title), title.addons) == (["version"], (ADDONS[0],))


def test_add_ons_alone(tmp_path: Path) -> None:
    title = opened(tmp_path, {"a.nsp": forging.nsp(forging.addon(0, forging.ADDON_1))})
    assert (told(title), title.version, title.programs, title.name()) == (["no-base"], 0, (), "")
    assert files(title, f"addons/{ADDONS[0]:016x}") == forging.ADDON_1
    with pytest.raises(EntryNotFoundError):
        title.load_program()


def test_tickets_of_two_packages_that_contradict(tmp_path: Path) -> None:
    """The one beside the NCA is taken; an NCA without one takes that of another package."""
    update = forging.update_2(**forging.locked(UPDATE))
    wrong = forging.permit(UPDATE, bytes(16))
    base = {"b.nsp": forging.nsp(forging.base_title())}
    title = opened(tmp_path / "a", {**base, "a.nsp": forging.nsp({**update, **forging.permit(UPDATE)}), "c.nsp": forging.nsp(wrong)})
    assert "ticket" in told(title)
    assert files(title, "romfs") == forging.ROMFS_2
    title = opened(tmp_path / "b", {**base, "a.nsp": forging.nsp(update), "tickets/x.nsp": forging.nsp(forging.permit(UPDATE))})
    assert files(title, "romfs") == forging.ROMFS_2


def test_a_ticket_that_is_not_there(tmp_path: Path) -> None:
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.base_title(**forging.locked(ID)))})
    assert told(title) == ["ticket"]
    assert f"needs the ticket of rights id {ID:016x}0000000000000003" in str(title.issues[0])
    assert files(title, "control") == forging.CONTROL
    with pytest.raises(MissingKeyError, match=f"{ID:016x}0000000000000003"):
        files(title, "exefs")


def test_which_title(tmp_path: Path) -> None:
    other = ID + 0x20000
    second = forging.with_meta(other, MetaType.APPLICATION, [forging.Made("control", other, {"romfs": forging.romfs(forging.CONTROL)})])
    members = {**forging.base_title(), **second, **forging.addon(0, forging.ADDON_1)}
    forging.put(tmp_path, {"two.xci": forging.xci(members)})
    with pytest.raises(FormatError, match=f"say which title: there are {ID:016x}, {other:016x}"):
        opened(tmp_path, {})
    with pytest.raises(FormatError, match="no title 0000000000000001 in it"):
        opened(tmp_path, {}, title_id=1)
    assert opened(tmp_path, {}, title_id=ADDONS[0]).title_id == ID
    title = opened(tmp_path, {}, title_id=other)
    assert (told(title), [entry.name for entry in title.read_dir()]) == ([], ["control"])
    with pytest.raises(FormatError, match="there is no title in it"):
        open_title(tmp_path / "nothing.nsp" if (tmp_path / "nothing.nsp").write_bytes(b"nothing") else tmp_path, keys=KEYS)
    with pytest.raises(FormatError, match="no profile"):
        open_title(tmp_path / "two.xci", keys=KEYS, title_id=ID, profile="nonsense")


def test_several_programs(tmp_path: Path) -> None:
    second = {"romfs": {"second.txt": b"second"}, "new": {"second.txt": b"second, updated", "more": b"more"}}
    bases = [forging.base_program(), forging.program(forging.EXEFS_1, second["romfs"], index=1)]
    base = forging.with_meta(ID, MetaType.APPLICATION, bases)
    updates = [
        forging.program(forging.EXEFS_2, forging.ROMFS_2, base=bases[0]),
        forging.program(forging.EXEFS_2, second["new"], base=bases[1], index=1),
    ]
    update = forging.with_meta(UPDATE, MetaType.PATCH, updates, version=0x10000)
    mods = {f"contents/{ID + 1:016x}/romfs/more": b"modded", f"contents/{ID:016x}/romfs/more": b"first"}
    title = opened(tmp_path, {"card.xci": forging.xci({**base, **update}), **mods})
    assert (told(title), title.programs) == ([], (0, 1))
    assert [entry.name for entry in title.read_dir("programs/1")] == ["exefs", "romfs"]
    assert files(title, "romfs") == {**forging.ROMFS_2, "more": b"first"}
    assert files(title, "programs/1/romfs") == {**second["new"], "more": b"modded"}
    assert files(title, "programs/1/exefs") == forging.EXEFS_2
    assert RomFs(title.romfs_image(1)).read_bytes("more") == b"modded"
    assert title.load_program(1).module("main").build_id == f"{forging.BUILD_2.hex().upper():0<64}"
    with pytest.raises(EntryNotFoundError, match="no such program"):
        title.load_program(2)


def test_a_damaged_content_does_not_stop_the_others(tmp_path: Path) -> None:
    base = forging.base_title()
    name = next(iter(base))
    title = opened(tmp_path, {"b.nsp": forging.nsp({**base, name: bytes(len(base[name]))})})
    assert told(title) == ["damaged"]
    assert [entry.name for entry in title.read_dir()] == ["control", "manual"]


def paths_in(fs: NestedFs, path: str) -> list[str]:
    return [inner for inner, entry in fs.walk(path) if entry.kind == "file"]


def test_a_folder_that_says_of_no_title_beside_one_that_does(tmp_path: Path) -> None:
    """Someone gives a mod as if it were a part of the title: it is named, and is not a title of its own."""
    forging.put(tmp_path, {"a.nsp": forging.nsp(forging.base_title()), "mod/romfs/x": b"modded", "mod/exefs/main": b""})
    title = open_title([tmp_path / "a.nsp", tmp_path / "mod"], keys=KEYS)
    assert title.title_id == ID
    (issue,) = title.issues
    assert (issue.kind, issue.path) == ("mod", str(tmp_path / "mod"))
    assert issue.text.startswith("looks like a mod: it has no exefs/main.npdm")
    assert files(title, "romfs") == forging.BASE
    alone = open_title(tmp_path / "mod", keys=KEYS)
    assert (alone.title_id, alone.read_bytes("romfs/x"), told(alone)) == (0, b"modded", [])


def test_extracted_folders(tmp_path: Path) -> None:
    """What extraction left, NCA by NCA or as one tree, with an update beside it that needs the NCA of the base."""
    (tmp_path / "b.nsp").write_bytes(forging.nsp(forging.base_title()))
    with open_fs(tmp_path / "b.nsp", KEYS) as package:
        for entry in package.read_dir():
            inside = {f"{entry.name}/{path}": package.read_bytes(f"{entry.name}/{path}") for path in paths_in(package, entry.name)}
            forging.put(tmp_path / "ncas", inside)
    title = open_title(tmp_path / "ncas", keys=KEYS)
    assert (title.title_id, told(title), files(title, "control")) == (ID, [], forging.CONTROL)
    assert (files(title, "romfs"), files(title, "exefs"), files(title, "manual")) == (forging.BASE, forging.EXEFS, forging.MANUAL)
    names = {f"exefs/{path}": data for path, data in forging.EXEFS.items()} | {f"romfs/{path}": data for path, data in forging.BASE.items()}
    forging.put(tmp_path / "tree", names)
    title = open_title(tmp_path / "tree", keys=KEYS)
    assert (title.title_id, files(title, "romfs"), files(title, "exefs")) == (ID, forging.BASE, forging.EXEFS)
    assert RomFs(title.romfs_image()).read_bytes("same.bin") == forging.BASE["same.bin"]
    update = forging.put(tmp_path / "update", {"u.nsp": forging.nsp(forging.update_2())})
    title = open_title([tmp_path / "tree", update], keys=KEYS)
    assert told(title) == ["no-base"]
    assert "extracted files" in str(title.issues[0])
    assert files(title, "exefs") == forging.EXEFS_2
    assert files(title, "romfs") == forging.BASE


def test_a_folder_called_by_the_title_s_id_is_no_mod_of_it(tmp_path: Path) -> None:
    """Dumps are kept like that, extracted ones as well; a mod beside the game still is one."""
    place = f"{ID:016x}"
    forging.put(
        tmp_path, {f"{place}/base.nsp": forging.nsp(forging.base_title()), f"{place}/updates/u.nsp": forging.nsp(forging.update_1())}
    )
    title = opened(tmp_path, {})
    assert (told(title), title.notices, title.loadouts) == ([], (), {})
    forging.put(tmp_path / "x", {f"{place}/exefs/{path}": data for path, data in forging.EXEFS.items()})
    forging.put(tmp_path / "x", {f"{place}/romfs/{path}": data for path, data in forging.BASE.items()})
    update = forging.with_meta(UPDATE, MetaType.PATCH, [forging.program(forging.EXEFS_1, None)], version=1)
    forging.put(tmp_path / "x", {"u.nsp": forging.nsp(update)})
    title = opened(tmp_path / "x", {})
    assert (title.loadouts, files(title, "exefs")) == ({}, forging.EXEFS_1)
    title = opened(tmp_path / "x", {f"contents/{place}/romfs/a.bin": b"mod"})
    assert (list(title.loadouts), title.read_bytes("romfs/a.bin")) == ([0], b"mod")


def test_control_data_of_a_wrong_size(tmp_path: Path) -> None:
    control = forging.Made("control", ID, {"romfs": forging.romfs({"control.nacp": b"", "icon_Dutch.dat": b"x"})})
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.with_meta(ID, MetaType.APPLICATION, [forging.base_program(), control]))})
    with pytest.raises(FormatError, match="NACP"):
        title.name()
    assert files(title, "romfs") == forging.BASE


def test_a_closed_title_says_so(tmp_path: Path) -> None:
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.base_title())})
    storage = title.storage("romfs/a.bin")
    title.close()
    with pytest.raises(ClosedError):
        storage[:]


def test_an_nca_by_itself(tmp_path: Path) -> None:
    made = forging.base_program()
    forging.put(tmp_path, {"program.bin": made.data})
    title = open_title(tmp_path / "program.bin", keys=KEYS)
    assert (title.title_id, told(title), files(title, "romfs")) == (ID, [], forging.BASE)


@pytest.mark.parametrize("first", ["right", "wrong"])
def test_of_two_tickets_the_one_counts_that_decrypts(tmp_path: Path, first: str) -> None:
    """Beside each other, or the wrong one beside the NCA and the right one elsewhere: of an update and of a base."""
    wrong = forging.permit(UPDATE, bytes(16))
    members = forging.update_2(**forging.locked(UPDATE))
    both = [*forging.permit(UPDATE).values(), *wrong.values()]
    tickets = dict(zip(("a.tik", "b.tik"), both if first == "right" else both[::-1], strict=True))
    base = {"b.nsp": forging.nsp(forging.base_title())}
    title = opened(tmp_path / "one", {**base, "u.nsp": forging.nsp({**members, **tickets})})
    assert told(title) == ["ticket"] * (1 if first == "right" else 2)
    assert files(title, "romfs") == forging.ROMFS_2
    apart = {"u.nsp": forging.nsp({**members, **wrong}), "t.nsp": forging.nsp(forging.permit(UPDATE))}
    title = opened(tmp_path / "two", {**base, **apart})
    assert (files(title, "romfs"), files(title, "exefs")) == (forging.ROMFS_2, forging.EXEFS_2)
    assert any("is decrypted by" in issue.text and "t.nsp" in issue.text for issue in title.issues)


def test_where_no_ticket_decrypts_the_first_is_named(tmp_path: Path) -> None:
    wrong = {"a.tik": next(iter(forging.permit(ID, bytes(16)).values())), "b.tik": next(iter(forging.permit(ID, b"\1" * 16).values()))}
    title = opened(tmp_path, {"b.nsp": forging.nsp({**forging.base_title(**forging.locked(ID)), **wrong})})
    assert (told(title), list(title.faults()), files(title, "control")) == (["ticket"], ["exefs", "romfs"], forging.CONTROL)
    assert title.faults("romfs").keys() == {"romfs"}
    assert not title.faults("control")


def test_an_update_that_is_not_newer_than_its_base(tmp_path: Path) -> None:
    """A revised edition has a version of its own. Consoles take whatever update is there, and so do we."""
    base = forging.with_meta(ID, MetaType.APPLICATION, [forging.base_program()], version=0x50000)
    title = opened(tmp_path, {"b.nsp": forging.nsp(base), "u.nsp": forging.nsp(forging.update_2())})
    assert (told(title), title.version, title.versions, files(title, "exefs")) == (
        ["version"],
        0x20000,
        (0x20000, 0x50000),
        forging.EXEFS_2,
    )
    title = opened(tmp_path, {}, version=0x50000)
    assert (told(title), files(title, "romfs")) == ([], forging.BASE)


def test_programs_with_gaps_between(tmp_path: Path) -> None:
    """The first there is stands at the root, whatever its index; the name is that of any."""
    control = forging.Made("control", ID + 5, {"romfs": forging.romfs(forging.CONTROL)})
    programs = [forging.program(forging.EXEFS, {"a": bytes([index])}, index=index) for index in (2, 5)]
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.with_meta(ID, MetaType.APPLICATION, [*programs, control]))})
    assert (told(title), title.programs, title.name()) == ([], (2, 5), "Hazy Moon")
    assert (title.read_bytes("romfs/a"), title.read_bytes("programs/5/romfs/a")) == (b"\2", b"\5")
    with pytest.raises(EntryNotFoundError):
        title.nacp(2)
    assert title.nacp(5).title() is not None


def test_control_data_of_programs_that_are_not_there(tmp_path: Path) -> None:
    controls = [
        forging.Made("control", ID + index, {"romfs": forging.romfs(each)})
        for index, each in ((1, forging.CONTROL), (4, forging.CONTROL_2))
    ]
    title = opened(tmp_path, {"b.nsp": forging.nsp(forging.with_meta(ID, MetaType.APPLICATION, controls))})
    assert (title.programs, title.name(), files(title, "control")) == ((), "Hazy Moon", forging.CONTROL)
    assert files(title, "programs/4/control") == forging.CONTROL_2


def test_a_content_that_is_a_folder_of_something_else(tmp_path: Path) -> None:
    base = forging.base_title()
    program, *others = base
    loose = {f"loose/{name}": base[name] for name in others} | {f"loose/{program}/stuff": b"x"}
    title = opened(tmp_path, loose)
    assert (told(title), title.programs) == (["damaged"], ())
    assert "is a folder, and has none of exefs" in title.issues[0].text
    assert files(title, "control") == forging.CONTROL


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forging.put(tmp_path, {"a/b.nsp": forging.nsp(forging.base_title()), "locked/x": b""})
    scandir = os.scandir

    def refusing(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    title = opened(tmp_path, {})
    assert (told(title), "locked" in title.issues[0].path, files(title, "romfs")) == (["refused"], True, forging.BASE)


def test_links_that_lead_nowhere_or_around(tmp_path: Path) -> None:
    forging.put(tmp_path, {"a/b/base.nsp": forging.nsp(forging.base_title())})
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "again.nsp").symlink_to(tmp_path / "a" / "b" / "base.nsp")
    (tmp_path / "nowhere.nsp").symlink_to("gone.nsp")
    (tmp_path / "self.nsp").symlink_to("self.nsp")
    title = opened(tmp_path, {})
    assert [(issue.kind, os.path.basename(issue.path)) for issue in title.issues] == [("damaged", "nowhere.nsp"), ("refused", "self.nsp")]
    assert files(title, "romfs") == forging.BASE


def test_files_that_go_between_scan_and_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"b.nsp": forging.base_title(), "u.nsp": forging.update_2(), "a.nsp": forging.addon(0, forging.ADDON_1)}
    forging.put(tmp_path, {name: forging.nsp(members) for name, members in packages.items()})

    def choosing(family: Family, version: int | None = None) -> Chosen:
        (tmp_path / "u.nsp").unlink()
        (tmp_path / "a.nsp").unlink()
        return choose(family, version)

    monkeypatch.setattr("oboromi_fs.titles.opening.choose", choosing)
    title = opened(tmp_path, {})
    assert [(issue.kind, "no such path" in issue.text) for issue in title.issues] == [("damaged", True)] * 3
    assert (files(title, "romfs"), title.addons) == (forging.BASE, ())
