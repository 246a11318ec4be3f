from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oboromi_fs._forge import romfs
from oboromi_fs.cli.console import Console, encode, plural, printable, size_text
from oboromi_fs.cli.drawing import Branch, columns, draw
from oboromi_fs.paths import sort_key
from tests.command import DATA, KEYS, NSP, PROGRAM, oboromi

ROMFS = DATA / "romfs"
TINY = str(ROMFS / "tiny.st.romfs")


# ls


def test_ls_of_an_archive() -> None:
    assert oboromi("ls", DATA / "pfs0" / "5.lh.pfs0") == (0, b"f0.bin\nf1.bin\nf2.bin\nf3.bin\nf4.bin\n", b"")


def test_ls_is_in_path_order_not_in_that_of_the_archive() -> None:
    assert oboromi("ls", DATA / "xci" / "std.xci").lines == ["normal", "secure", "update"]


def test_ls_through_containers() -> None:
    assert oboromi("ls", f"{NSP}/@program", *KEYS).lines == ["exefs", "logo", "romfs"]
    assert oboromi("ls", f"{NSP}/{PROGRAM}/romfs/data", *KEYS).lines == ["a.bin", "sub"]


def test_ls_of_a_file_prints_the_file() -> None:
    path = f"{TINY}/data/a.bin"
    assert oboromi("ls", path).lines == [path]
    assert oboromi("ls", "-l", path).lines == [f"file  1000  plain  {path}"]
    assert oboromi("ls", "-l", "--json", path).json == [{"path": path, "kind": "file", "size": 1000, "stored": "plain"}]


def test_ls_of_a_host_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"123")
    (tmp_path / "a.nsp").write_bytes(Path(NSP).read_bytes())
    assert oboromi("ls", tmp_path).lines == ["a.nsp", "b"]
    assert oboromi("ls", "-R", tmp_path).lines == ["a.nsp", "b", "b/c"]
    assert oboromi("ls", "-lR", tmp_path).lines == [
        "file       472904  plain  a.nsp",
        "directory       -  -      b",
        "file            3  plain  b/c",
    ]


def test_ls_recursive_is_one_order_over_whole_paths() -> None:
    lines = oboromi("ls", "-R", ROMFS / "sort.st.romfs").lines
    assert "A/x" in lines
    assert lines == sorted(lines, key=sort_key)


def test_ls_recursive_json_is_the_contract(manifest: dict[str, Any]) -> None:
    for name in ("tiny.st", "names.st", "badutf8.st", "deep.st", "empty.st", "emptyfiles.lh", "evilnames.st"):
        result = oboromi("ls", "-R", "--json", ROMFS / f"{name}.romfs")
        assert result.out.isascii()
        entry = manifest[f"romfs/{name}.romfs"]
        expected = [{"path": path, "kind": "file", "size": file["size"]} for path, file in entry["files"].items()]
        expected += [{"path": path, "kind": "directory", "size": 0} for path in entry["dirs"]]
        assert result.json == sorted(expected, key=lambda row: sort_key(row["path"])), name


def test_ls_long_tells_how_files_are_stored() -> None:
    result = oboromi("ls", "-lR", f"{NSP}/@program", *KEYS)
    rows = {line.split()[3]: line.split()[:3] for line in result.lines}
    assert rows["exefs"] == ["directory", "-", "-"]
    assert rows["exefs/main"] == ["file", "928", "encrypted"]
    assert rows["logo/StartupMovie.gif"] == ["file", "5010", "plain"]  # This section is not encrypted.
    assert rows["romfs/data/sub/b.bin"] == ["file", "40000", "encrypted"]
    document = oboromi("ls", "-l", "--json", f"{NSP}/@program/romfs", *KEYS).json
    assert document == [
        {"path": "data", "kind": "directory", "size": 0, "stored": None},
        {"path": "hello.txt", "kind": "file", "size": 6, "stored": "encrypted"},
    ]


def test_ls_long_of_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    short = tmp_path / "short.nsp"
    short.write_bytes(Path(NSP).read_bytes()[:-1])
    for options in ("-l", "-lR"):
        rows = oboromi("ls", options, short).lines
        assert [row.split()[2] for row in rows] == ["plain", "plain", "plain", "plain", "-"]
    assert oboromi("ls", "-l", "--json", short).json[-1]["stored"] is None


def test_raw_bytes_where_piped_and_escapes_on_a_terminal() -> None:
    evil, bad = ROMFS / "evilnames.st.romfs", ROMFS / "badutf8.st.romfs"
    assert oboromi("ls", evil).out == b"back\\slash\nctl\x01\nnew\nline\nok.txt\ntab\there\n"
    assert oboromi("ls", evil, terminal=True).lines == ["back\\slash", "ctl\\x01", "new\\nline", "ok.txt", "tab\\there"]
    assert oboromi("ls", "-l", bad).out.endswith(b"file   9  plain  \xff\xfe_raw\n")
    assert oboromi("ls", "-l", bad, terminal=True).lines[-1] == "file   9  plain  \\xff\\xfe_raw"
    assert oboromi("ls", TINY, terminal=True).lines == ["data/", "hello.txt"]
    assert oboromi("ls", TINY).lines == ["data", "hello.txt"]


def test_problems_of_the_archive_are_warnings(tmp_path: Path) -> None:
    image = bytearray((DATA / "pfs0" / "5.lh.pfs0").read_bytes())
    image[0x10 + 0x18 + 0x10 : 0x10 + 0x18 + 0x14] = (0x7FFFFFFF).to_bytes(4, "little")  # Name offset of entry 1.
    path = tmp_path / "odd.pfs0"
    path.write_bytes(image)
    result = oboromi("ls", path)
    assert result.lines == ["f0.bin", "f2.bin", "f3.bin", "f4.bin"]
    assert result.message.startswith(f"warning: {path}: entry 1: its name")
    assert oboromi("-q", "ls", path).err == b""
    assert oboromi("cat", f"{path}/f0.bin").code == 0


# tree


def test_tree() -> None:
    assert oboromi("tree", TINY).text == (f"{TINY}\n├── data/\n│   ├── a.bin\n│   └── sub/\n│       └── b.bin\n└── hello.txt\n")
    assert oboromi("tree", "-L", "1", TINY).lines[1:] == ["├── data/", "└── hello.txt"]
    assert oboromi("tree", "-L", "2", TINY).lines[1:] == ["├── data/", "│   ├── a.bin", "│   └── sub/", "└── hello.txt"]
    assert oboromi("tree", "-L", "100", TINY) == oboromi("tree", TINY)


def test_tree_json() -> None:
    sub = {"path": "data/sub", "kind": "directory", "size": 0, "children": [{"path": "data/sub/b.bin", "kind": "file", "size": 40000}]}
    data = {"path": "data", "kind": "directory", "size": 0, "children": [{"path": "data/a.bin", "kind": "file", "size": 1000}, sub]}
    hello = {"path": "hello.txt", "kind": "file", "size": 6}
    assert oboromi("tree", "--json", TINY).json == {"path": TINY, "kind": "directory", "size": 0, "children": [data, hello]}
    assert oboromi("tree", "--json", ROMFS / "empty.st.romfs").json["children"] == []


def test_tree_goes_deeper_than_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "deep.romfs"
    path.write_bytes(romfs({"/".join("d" * 1500) + "/f": b""}))
    lines = oboromi("tree", path).lines
    assert len(lines) == 1502
    assert lines[-1] == " " * 4 * 1500 + "└── f"
    text = oboromi("tree", "--json", path).text
    assert text.count('"children"') == 1501
    assert text.count("[") == text.count("]")


@pytest.mark.parametrize("verb", ["tree", "find"])
def test_a_plain_file_has_nothing_below(verb: str) -> None:
    result = oboromi(verb, f"{TINY}/hello.txt", *(["*"] if verb == "find" else []))
    assert result.code == 5
    assert "plain file" in result.message


@pytest.mark.parametrize("levels", [[], ["-L", "9"]])
def test_names_that_lead_back_lead_nowhere(tmp_path: Path, levels: list[str]) -> None:
    path = tmp_path / "loops.romfs"
    path.write_bytes(romfs({"../up": b"1", "./here": b"22", "a/../b": b"333"}))
    lines = oboromi("tree", *levels, path).lines
    assert len(lines) <= 8
    assert "├── ../" in lines


# find


def test_find() -> None:
    inside = f"{NSP}/@program"
    found = oboromi("find", inside, "*.bin", *KEYS)
    assert (found.code, found.lines) == (0, [f"{inside}/romfs/data/a.bin", f"{inside}/romfs/data/sub/b.bin"])
    assert oboromi("cat", found.lines[0], *KEYS).code == 0
    assert oboromi("find", inside, "**/a.bin", "exefs/*", *KEYS).lines == [
        f"{inside}/{path}" for path in ("exefs/main", "exefs/main.npdm", "exefs/subsdk0", "romfs/data/a.bin")
    ]
    assert oboromi("find", inside, "romfs/*", *KEYS).lines == [f"{inside}/romfs/data", f"{inside}/romfs/hello.txt"]


def test_find_json_and_nothing() -> None:
    assert oboromi("find", "--json", TINY, "hello*").json == [{"path": f"{TINY}/hello.txt", "kind": "file", "size": 6}]
    assert oboromi("find", TINY, "*.nothing") == (1, b"", b"")
    nothing = oboromi("find", "--json", TINY, "*.nothing")
    assert (nothing.code, nothing.json) == (1, [])


# The streams and the drawing by themselves


def test_printable() -> None:
    assert printable("plain name.bin") == "plain name.bin"
    assert printable("é朧") == "é朧"
    assert printable("\x00\x1b[31m\x7f\x9b\n\r\t") == r"\x00\x1b[31m\x7f\x9b\n\r\t"
    assert printable("a\udce9\ud800") == r"a\xe9\ud800"
    assert printable("gpj.\u202eexe\u2028\u2067\u200f") == r"gpj.\u202eexe\u2028\u2067\u200f"


def test_encode() -> None:
    assert encode("é\udcff") == b"\xc3\xa9\xff"
    assert encode("\ud800") == b"\\ud800"


def test_amounts() -> None:
    assert [size_text(size) for size in (0, 1, 1023, 1024, 1536, 1024**2 - 1, 5 << 30, 3 << 50)] == [
        "0 bytes",
        "1 byte",
        "1023 bytes",
        "1.0 KiB",
        "1.5 KiB",
        "1.0 MiB",
        "5.0 GiB",
        "3072.0 TiB",
    ]
    assert [plural(1, "entries"), plural(1, "files"), plural(0, "files")] == ["1 entry", "1 file", "0 files"]


def test_columns() -> None:
    assert columns([("a", "1", "x"), ("bbb", "22", "yy")], right=(1,)) == ["a     1  x", "bbb  22  yy"]
    assert columns([]) == []


def test_draw() -> None:
    tree = Branch("top", [Branch("a", [Branch("b"), Branch("c", [Branch("d")])]), Branch("e")])
    assert list(draw(tree)) == ["top", "├── a", "│   ├── b", "│   └── c", "│       └── d", "└── e"]


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(Console, "on_terminal", True)
    assert Console().paint("x", "bad") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console().paint("x", "bad") == "x"
    missing = ("info", NSP)
    assert b"\x1b[" in oboromi(*missing, terminal=True).out
    assert b"\x1b[" not in oboromi(*missing, "--no-color", terminal=True).out


def test_json_is_json_for_any_name() -> None:
    names = [row["path"] for row in json.loads(oboromi("ls", "--json", ROMFS / "evilnames.st.romfs").out)]
    assert names == ["back\\slash", "ctl\x01", "new\nline", "ok.txt", "tab\there"]
