"""Stack files, and the layers they open."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from oboromi_fs.errors import CorruptError, EntryNotFoundError, FormatError, LayerError, NotThisFormatError
from oboromi_fs.jobs.stack import open_stack
from oboromi_fs.jobs.stackfile import LayerSpec, StackSpec, parse_stack, read_stack, stack_of
from oboromi_fs.jobs.validating import validate_stack
from tests.command import oboromi

DATA = Path(__file__).parent.parent.parent / "testdata"


def put(root: Path, **files: str) -> Path:
    for path, text in files.items():
        target = root / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return root


def test_a_stack_file_says_everything_of_its_layers() -> None:
    text = b"""
case = "fold"
profile = "openmw"
archives = ["a.zip"]
[[layer]]
path = "base"
[[layer]]
name = "music"
path = "mods/music"
case = "exact"
at = "sound"
kind = "archive"
markers = false
enabled = false
"""
    assert parse_stack(text, "x/mods.toml") == StackSpec(
        (LayerSpec("base"), LayerSpec("mods/music", "music", "exact", "sound", "archive", markers=False, enabled=False)),
        "fold",
        "openmw",
        ("a.zip",),
        "x/mods.toml",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"layers = []", "mods.toml, field layers: is unknown; did you mean 'layer'?"),
        (b"[[layer]]\npath='a'\nnmae='b'", "layer 1 of mods.toml, field nmae: is unknown; did you mean 'name'?"),
        (b"[[layer]]\nname='a'", "layer 1 of mods.toml, field path: is missing: a layer is somewhere"),
        (b"[[layer]]\npath='a'\n[[layer]]\npath='a'", "layer 2 of mods.toml, field name: another layer is called 'a'"),
        (b"[[layer]]\npath=3", "layer 1 of mods.toml, field path: is a text, not 3"),
        (b"[[layer]]\npath='a'\nenabled='no'", "layer 1 of mods.toml, field enabled: is true or false, not 'no'"),
        (b"case='loose'", "mods.toml, field case: is 'exact' or 'fold', not 'loose'"),
        (b"layer = 1", "mods.toml, field layer: is a list of tables: write [[layer]] above each"),
        (b"archives = 'a'", "mods.toml, field archives: is a list of texts, not 'a'"),
        (b"case = 0x" + b"f" * 5000, "mods.toml, field case: is a text, not a int too long to show"),
        (b"[[layer]]\npath='a'\nat='b/../../c'", "layer 1 of mods.toml, field at: leads out of the merged view: 'b/../../c'"),
        (b"[[layer]]\npath='a'\nname=''", "layer 1 of mods.toml, field name: is empty; without it, a layer is called by its path"),
        (b"a = ", "mods.toml: is no stack file: no TOML: "),
        (b"\xff", "mods.toml at 0x0: is not UTF-8"),
    ],
)
def test_what_is_wrong_in_a_stack_file_is_named(text: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_stack(text, "mods.toml")
    assert str(caught.value).startswith(message)


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    put(tmp_path / "base", data__a="1")
    put(tmp_path / "mods" / "x", data__a="2")
    put(tmp_path, mods_toml='[[layer]]\npath="base"\n[[layer]]\npath="mods/x"\n[[layer]]\npath="nowhere"\nenabled=false\n')
    with open_stack(read_stack(tmp_path / "mods_toml")) as stack:
        assert [(layer.name, layer.path, layer.kind) for layer in stack.union.layers] == [
            ("base", "base", "directory"),
            ("mods/x", "mods/x", "directory"),
        ]
        assert stack.union.read_bytes("data/a") == b"2"


def test_a_layer_that_is_not_there_is_named(tmp_path: Path) -> None:
    put(tmp_path, stack='[[layer]]\npath="nowhere/x"\n')
    with pytest.raises(EntryNotFoundError) as caught:
        open_stack(read_stack(tmp_path / "stack"))
    assert "layer 'nowhere/x' of" in str(caught.value)
    put(tmp_path, plain="text", stack='[[layer]]\npath="plain"\n')
    with pytest.raises(NotThisFormatError, match="plain: is no archive that is recognised"):
        open_stack(read_stack(tmp_path / "stack"), forgiving=False)


def test_a_damaged_layer_is_empty_and_told_and_the_rest_works(tmp_path: Path) -> None:
    put(tmp_path / "base", a="1")
    (tmp_path / "bad.romfs").write_bytes((DATA / "romfs" / "tiny.st.romfs").read_bytes()[:0x70])
    spec = stack_of([str(tmp_path / "base"), str(tmp_path / "bad.romfs"), str(tmp_path / "gone")])
    with pytest.raises(CorruptError):
        open_stack(spec, forgiving=False)
    with open_stack(spec, missing=True) as stack:
        assert [broken.layer.path for broken in stack.broken] == [str(tmp_path / "bad.romfs"), str(tmp_path / "gone")]
        assert len(stack.union.layers) == 3
        assert stack.union.read_bytes("a") == b"1"
        assert [(check.layer, check.status) for check in validate_stack(stack)] == [
            (str(tmp_path / "base"), "ok"),
            (str(tmp_path / "bad.romfs"), "failed"),
            (str(tmp_path / "gone"), "failed"),
        ]


def test_one_path_twice_is_two_layers() -> None:
    assert [layer.label for layer in stack_of(["a", "a", "a (2)"]).layers] == ["a", "a (2)", "a (2) (2)"]


def test_V11_archives_named_in_a_list_come_from_the_layers_and_are_told_by_content(tmp_path: Path) -> None:
    put(tmp_path / "base", data__x="base", other="base")
    with zipfile.ZipFile(tmp_path / "base" / "pack.dat", "w") as archive:
        archive.writestr("data/x", "zip")
        archive.writestr("data/y", "zip")
    put(tmp_path, stack='archives = ["pack.dat"]\n[[layer]]\npath="base"\n')
    with open_stack(read_stack(tmp_path / "stack")) as stack:
        assert [(layer.name, layer.kind) for layer in stack.union.layers] == [("base", "directory"), ("pack.dat", "archive")]
        assert stack.union.read_bytes("data/x") == b"zip"
    put(tmp_path, stack='profile = "openmw"\narchives = ["pack.dat"]\n[[layer]]\npath="base"\n')
    with open_stack(read_stack(tmp_path / "stack")) as stack:
        assert stack.union.read_bytes("DATA/X") == b"base", "loose files beat archives"
        assert stack.union.read_bytes("data/Y") == b"zip"
    put(tmp_path, stack='archives = ["other"]\n[[layer]]\npath="base"\n')
    with pytest.raises(NotThisFormatError, match="no archive"):
        open_stack(read_stack(tmp_path / "stack"), forgiving=False)
    with open_stack(read_stack(tmp_path / "stack")) as stack:
        assert [check.status for check in validate_stack(stack)] == ["ok", "failed"]
    put(tmp_path, stack='archives = ["missing.zip"]\n[[layer]]\npath="base"\n')
    with pytest.raises(EntryNotFoundError, match="archives of"):
        open_stack(read_stack(tmp_path / "stack"))


def test_layers_are_closed_when_they_cannot_be_one_union(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.zip", b"PK\5\6" + bytes(18))
    spec = StackSpec((LayerSpec(str(tmp_path / "a.zip"), "a.zip"),), archives=("a.zip",))
    with pytest.raises(LayerError, match="another layer has this name"):
        open_stack(spec)


def test_openmw_reports_and_the_view_agree_where_kinds_clash(tmp_path: Path) -> None:
    put(tmp_path / "low", x="file")
    put(tmp_path / "high", x__y="below")
    words = ("--profile", "openmw", "-l", str(tmp_path / "low"), "-l", str(tmp_path / "high"))
    assert oboromi("overlay", "ls", "-R", *words).lines == ["x", "x/y"]
    assert [row["winning"] for row in oboromi("overlay", "contributions", *words, "--json").json] == [0, 1]


def test_validate_reads_to_the_end_and_names_what_decides_by_accident(tmp_path: Path) -> None:
    put(tmp_path / "mod", data__a="1", Data__A="2")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("x", "text that is long enough")
    raw = bytearray((tmp_path / "bad.zip").read_bytes())
    raw[40] ^= 1
    (tmp_path / "bad.zip").write_bytes(raw)
    spec = stack_of([str(tmp_path / "mod"), str(tmp_path / "bad.zip")], case="fold")
    with open_stack(spec) as stack:
        found = [(check.status, check.detail) for check in validate_stack(stack, read=True)]
    assert ("failed", "'Data' and 'data' differ in case alone") in found
