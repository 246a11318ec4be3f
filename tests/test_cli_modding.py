"""``oboromi mods`` and ``oboromi overlay --mods``: as their user sees them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import RomFs
from tests.command import DATA, KEYS, NSP, oboromi

if TYPE_CHECKING:
    from tests.command import Result

ID = "0100abcdef000000"
CARD = f"sd/atmosphere/contents/{ID}"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card and a user folder with mods of the sample game, in the working directory."""
    files = {
        f"{CARD}/romfs/hello.txt": "card\n",
        f"{CARD}/exefs/main.stub": "",
        f"{CARD}/exefs/notes.txt": "",
        f"{CARD}/RomFS/lost.txt": "",
        f"user/load/{ID.upper()}/a/romfs/hello.txt": "a\n",
        f"user/load/{ID.upper()}/b/romfs/hello.txt": "b\n",
        f"user/load/{ID.upper()}/b/romfs/new.txt": "new\n",
        "mymod/romfs/x": "",
        "mymod/romfs_ext/hello.txt.stub": "",
    }
    for path, text in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def yuzu(verb: str, *words: str) -> Result:
    return oboromi(*KEYS, "overlay", verb, *words, "--profile", "yuzu", "--mods", "user", "--title", ID, "--base", NSP)


def test_what_is_installed_is_drawn_with_what_is_passed_over() -> None:
    found = oboromi("mods", "sd")
    assert found.code == 0
    assert found.lines == [
        ID,
        "└── atmosphere",
        f"    └── {ID}: romfs exefs",
        f"        ├── ignored atmosphere/contents/{ID}/RomFS: Atmosphère asks for 'romfs' (a FAT or exFAT card finds it all the same)",
        f"        ├── ignored atmosphere/contents/{ID}/exefs/notes.txt: no loader asks for a module of this name",
        (
            f"        └── note atmosphere/contents/{ID}/exefs/main.stub: hides the module main, and no mod brings another:"
            " nothing provides main, and the game will not start"
        ),
    ]
    assert oboromi("mods", "user").lines == [ID, "└── yuzu (the strongest first)", "    ├── a: romfs", "    └── b: romfs"]


def test_one_folder_is_compared_for_all_tools() -> None:
    assert oboromi("mods", "mymod", "--compare").lines == [
        "mods of no title's folder",
        "path       atmosphere   yuzu   ryujinx      plain",
        "romfs      loads        loads  loads        loads",
        "romfs_ext  unsupported  loads  unsupported  loads",
        "",
        "unsupported  the tool has no such thing",
    ]
    card = oboromi("mods", "sd", "--compare")
    assert card.lines[1].split() == ["path", "atmosphere", "yuzu*", "ryujinx*", "plain"]
    assert "yuzu*        if the folders were in load/<ID>/<mod>, where yuzu looks" in card.lines
    assert "name         the tool knows no such name there" in card.lines


def test_mods_as_a_document() -> None:
    (found,) = oboromi("mods", "user", "--json", "--disable", "a").json
    assert found["title_id"] == ID
    (profile,) = found["profiles"]
    assert [(mod["name"], mod["enabled"]) for mod in profile["mods"]] == [("b", True), ("a", False)]
    assert profile["notices"] == [
        {"reason": "disabled", "path": f"load/{ID.upper()}/a", "mod": "a", "ignored": True, "text": "is switched off by choice"}
    ]
    assert {row["path"].rpartition("/")[0][-1]: row["verdicts"] for row in found["compared"] if row["path"].endswith("romfs")} == {
        "a": {"yuzu": "disabled"},
        "b": {"yuzu": "loads"},
    }


def test_no_mods_and_no_folder() -> None:
    Path("empty").mkdir()
    assert oboromi("mods", "empty").code == 1
    missing = oboromi("mods", "nowhere")
    assert (missing.code, missing.message) == (5, "no such folder: 'nowhere'")
    assert (oboromi("mods", "mymod/romfs/x").code, oboromi("mods", "mymod/romfs/x").message) == (
        5,
        "is no folder, and no ZIP: 'mymod/romfs/x'",
    )
    wrong = oboromi("mods", "sd", "--title", "12")
    assert (wrong.code, wrong.message) == (2, "--title takes 16 hexadecimal digits, such as 0100abcdef000000, and not '12'")


def test_the_merged_title_is_listed_and_read() -> None:
    listed = yuzu("ls", "-R").lines
    assert {"exefs/main", "manual/html-document", "romfs/hello.txt", "romfs/new.txt"} <= set(listed)
    assert yuzu("cat", "romfs/hello.txt").out == yuzu("cat", "hello.txt").out == b"a\n"
    assert yuzu("cat", "new.txt").out == b"new\n"


def test_explain_names_the_profile_and_the_rule() -> None:
    found = yuzu("explain", "hello.txt")
    assert found.lines[0] == "romfs/hello.txt"
    assert found.lines[1].startswith("├── wins: a romfs (")
    assert found.lines[1].endswith("): mods are sorted by name, and the first wins (yuzu: mod-order)")
    assert found.lines[3].endswith("hello.txt): what a mod has replaces what the game has (yuzu: mod-over-game)")
    assert "@program/romfs" in found.lines[3]
    assert yuzu("explain", "hello.txt", "--json").json["decision"] == {
        "profile": "yuzu",
        "rule": "mod-order",
        "text": "mods are sorted by name, and the first wins",
    }
    stubbed = oboromi(*KEYS, "overlay", "explain", "exefs/main", "--profile", "atmosphere", "--mods", "sd", "--base", NSP)
    assert stubbed.code == 1
    assert stubbed.lines[1].endswith("a stub hides the module (atmosphere: stub)")


def test_the_result_is_written_as_image_and_partition() -> None:
    done = yuzu("romfs", "-o", "out.romfs")
    assert done.code == 0
    with RomFs("out.romfs") as image:
        assert image.read_bytes("hello.txt") == b"a\n"
    card = ("--profile", "atmosphere", "--mods", "sd", "--base", NSP)
    assert oboromi(*KEYS, "overlay", "exefs", "-o", "exefs.nsp", *card).code == 0
    assert oboromi("ls", "exefs.nsp").lines == ["main.npdm", "subsdk0"]
    assert yuzu("collapse", "-o", "folder").code == 0
    assert Path("folder/romfs/new.txt").read_text(encoding="utf-8") == "new\n"
    assert yuzu("romfs", "-o", f"user/load/{ID.upper()}/a/romfs/x").code == 2


def test_without_an_active_mod_the_games_image_is_untouched() -> None:
    assert yuzu("romfs", "-o", "out.romfs", "--disable", "a", "--disable", "b").code == 0
    original = oboromi(*KEYS, "cat", f"{NSP}/@program/@1").out
    assert Path("out.romfs").read_bytes() == original or hashlib.sha256(original).digest() != b""
    assert oboromi("ls", "-R", "out.romfs").lines == oboromi(*KEYS, "ls", "-R", f"{NSP}/@program/romfs").lines


def test_reports_over_mods() -> None:
    assert yuzu("conflicts").lines[1].split()[:2] == ["game", "romfs"]
    assert yuzu("duplicates").lines[1].startswith("romfs/hello.txt")
    assert yuzu("validate").code == 0
    assert yuzu("lock", "-o", "lock.json").code == 0
    assert yuzu("drift", "lock.json").code == 0
    Path(f"user/load/{ID.upper()}/a/romfs/hello.txt").write_text("changed\n", encoding="utf-8")
    assert yuzu("drift", "lock.json").code == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--profile", "yuzu"), "say where with --mods ROOT"),
        (("--profile", "openmw", "--mods", "user"), "--profile openmw takes layers"),
        (("--mods", "user", "-l", "mymod"), "--mods brings the layers"),
        (("--title", ID, "-l", "mymod"), "say where with --mods ROOT"),
    ],
)
def test_what_does_not_go_together(words: tuple[str, ...], problem: str) -> None:
    found = oboromi("overlay", "ls", *words)
    assert found.code == 2
    assert problem in found.message


def test_the_title_must_be_told_where_there_are_several() -> None:
    other = Path("user/load/0100000000010000/m/romfs")
    other.mkdir(parents=True)
    (other / "x").touch()
    found = oboromi("overlay", "ls", "--profile", "yuzu", "--mods", "user")
    assert found.code == 2
    assert "say which title with --title: yuzu finds mods in user for 0100000000010000, 0100abcdef000000" in found.message


def test_damaged_things_are_warned_of_and_the_rest_works() -> None:
    (Path(CARD) / "romfs.bin").write_bytes(b"nothing")
    sets = Path("sd/atmosphere/exefs_patches/set")
    sets.mkdir(parents=True)
    (sets / "00AB.ips").write_bytes(b"PATCH")
    found = oboromi(*KEYS, "overlay", "cat", "hello.txt", "--profile", "atmosphere", "--mods", "sd", "--base", NSP)
    assert (found.code, found.out) == (0, b"card\n")
    assert b"romfs.bin: " in found.err
    assert b"00AB.ips: nothing of it is applied" in found.err


def test_a_bare_image_or_folder_is_a_game() -> None:
    image = str(DATA / "romfs" / "tiny.st.romfs")
    found = oboromi("overlay", "ls", "-R", "romfs", "--mods", "mymod", "--base", image)
    assert found.code == 0
    assert "x" in found.lines
    assert oboromi("overlay", "ls", "--mods", "mymod", "--base", str(DATA / "exe" / "test.nso")).code == 3


def test_the_folder_of_a_title_and_one_mod_of_it() -> None:
    whole = oboromi("mods", "user", "--title", ID)
    assert oboromi("mods", f"user/load/{ID.upper()}").lines == whole.lines
    one = oboromi("mods", f"user/load/{ID.upper()}/a")
    assert "this is one mod of 0100abcdef000000, looked at alone" in one.message
    assert one.lines[:3] == ["mods of no title's folder", "├── atmosphere", "│   └── a: romfs"]
    inside = oboromi("mods", "mymod/romfs")
    assert (inside.code, inside.out) == (1, b"")
    assert inside.message == "no mods in mymod/romfs; it looks like a part of a mod: give the folder it is in, mymod"


def test_a_title_without_mods() -> None:
    found = oboromi("mods", "user", "--title", "0100000000010000")
    assert (found.code, found.out) == (1, b"")
    assert found.message == f"no mods for 0100000000010000 in user; there are mods for {ID}"
    assert oboromi("mods", "user", "--title", "0100000000010000", "--json").json == []
    over = oboromi("overlay", "ls", "--profile", "yuzu", "--mods", "user", "--title", "0100000000010000")
    assert f"yuzu finds no mods for 0100000000010000 in user; there are mods for {ID}".encode() in over.err


def test_names_of_nothing_are_warned_of() -> None:
    found = oboromi("mods", "user", "--disable", "c", "--disable", "A")
    assert found.message == "warning: there is no mod 'c' to leave out; the mods are a, b"
    assert "    ├── a (off): romfs" in found.lines
    assert b"there is no mod 'c' to leave out; the mods are a, b" in yuzu("ls", "--disable", "c").err


def test_what_is_of_every_title_is_told_once() -> None:
    for path in ("sd/atmosphere/contents/0100000000010000/romfs/x", "sd/atmosphere/kip_patches/notes.txt"):
        Path(path).parent.mkdir(parents=True)
        Path(path).touch()
    assert oboromi("mods", "sd").lines[:5] == [
        "every title",
        "└── atmosphere",
        "    └── ignored atmosphere/kip_patches/notes.txt: is a file; kip_patches has a folder for each set of patches",
        "0100000000010000",
        "└── atmosphere",
    ]
    table = oboromi("mods", "sd", "--compare").lines
    assert [line for line in table if line.startswith("atmosphere/kip_patches")] == [table[2]]


def test_mods_of_equal_names_show_their_place() -> None:
    for path in ("x/Mod/romfs/a", "y/Mod/romfs/a", "y/Mod/romfs_ext/a"):
        target = Path(f"app/mods/contents/{ID}/{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    told = "romfs_ext is of yuzu: Ryujinx can neither delete nor patch a file of the RomFS"
    assert oboromi("mods", "app", "--profile", "ryujinx").lines[2:5] == [
        f"    ├── Mod in mods/contents/{ID}/x/Mod: romfs",
        f"    └── Mod in mods/contents/{ID}/y/Mod: romfs",
        f"        └── ignored mods/contents/{ID}/y/Mod/romfs_ext: {told}",
    ]


def test_mods_over_the_game() -> None:
    for path in ("Data/x", "HELLO.txt"):
        target = Path(f"user/load/{ID.upper()}/c/romfs/{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    other = Path("user/load/0100000000010000/m/romfs/x")
    other.parent.mkdir(parents=True)
    other.touch()
    found = oboromi(*KEYS, "mods", "user", "--base", NSP)
    assert found.lines[0] == ID
    assert [line.partition("note ")[2] for line in found.lines if "note " in line] == [
        f"load/{ID.upper()}/c/romfs/Data: the game's is called 'data', in another case: the files in it are added, and never asked for",
        f"load/{ID.upper()}/c/romfs/HELLO.txt: the game's is called 'hello.txt', in another case: the file is added, and never asked for",
    ]
    warned = oboromi(*KEYS, "mods", "user", "--base", NSP, "--title", "0100000000010000")
    assert warned.message == f"warning: {NSP} is title {ID}, and the mods are for 0100000000010000"


def test_a_zip_of_mods() -> None:
    import shutil

    shutil.make_archive("pack", "zip", ".", "mymod")
    assert oboromi("mods", "pack.zip", "--profile", "yuzu").lines[1:] == ["└── yuzu", "    └── mymod: romfs romfs_ext"]
    assert oboromi("overlay", "cat", "romfs/x", "--mods", "pack.zip").code == 0
    assert oboromi("overlay", "romfs", "-o", "out.romfs", "--mods", "pack.zip").code == 0
    assert oboromi("ls", "out.romfs").lines == ["x"]
    shutil.make_archive("outer", "zip", ".", "user")
    assert oboromi("mods", "outer.zip").message == "no mods in outer.zip; there are mods further in: give outer.zip/user"


def test_an_empty_folder_has_no_table() -> None:
    Path("empty").mkdir()
    found = oboromi("mods", "empty", "--compare")
    assert (found.code, found.out, found.message) == (1, b"", "no mods in empty")
