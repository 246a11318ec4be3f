from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import DATA, KEYS, NSP, PROGRAM, oboromi, process, process_environment

HELLO = f"{NSP}/@program/romfs/hello.txt"
B_BIN = f"{NSP}/@program/romfs/data/sub/b.bin"
PFS0 = DATA / "pfs0" / "5.lh.pfs0"


# cat


def test_cat_through_four_layers(manifest: dict[str, Any]) -> None:
    assert oboromi("cat", HELLO, *KEYS) == (0, b"hello\n", b"")
    whole = oboromi("cat", B_BIN, *KEYS).out
    expected = manifest["nsp/std_g1.nsp"]["ncas"][PROGRAM]["files"]["1/data/sub/b.bin"]
    assert (len(whole), hashlib.sha256(whole).hexdigest()) == (expected["size"], expected["sha256"])


def test_cat_of_a_container_is_its_bytes() -> None:
    assert oboromi("cat", NSP).out == Path(NSP).read_bytes()
    raw = oboromi("cat", f"{NSP}/{PROGRAM}").out
    assert hashlib.sha256(raw).hexdigest()[:32] == PROGRAM[:32]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (":", slice(None)),
        ("10:20", slice(10, 20)),
        ("0x10:0x20", slice(16, 32)),
        ("0X10:", slice(16, None)),
        (":7", slice(7)),
        ("-16:", slice(-16, None)),
        ("-16:-8", slice(-16, -8)),
        (":-40001", slice(0)),
        ("39990:50000", slice(39990, 50000)),
        ("50000:", slice(50000, None)),
        ("20:10", slice(20, 10)),
        ("-0x10:", slice(-16, None)),
    ],
)
def test_ranges_are_those_of_slices(text: str, wanted: slice) -> None:
    whole = oboromi("cat", B_BIN, *KEYS).out
    assert oboromi("cat", B_BIN, "--range", text, *KEYS) == (0, whole[wanted], b"")
    assert oboromi("cat", f"--range={text}", B_BIN, *KEYS).out == whole[wanted]


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:2:3", "1.5:2", "0x:5", "--5:", "1 :2"])
def test_what_is_no_range(text: str) -> None:
    result = oboromi("cat", NSP, f"--range={text}")
    assert (result.code, result.out) == (2, b"")


@pytest.mark.parametrize("path", [f"{NSP}/@program", f"{NSP}/@program/romfs", f"{NSP}/@program/romfs/data", str(DATA)])
def test_cat_of_a_directory(path: str) -> None:
    result = oboromi("cat", path, *KEYS)
    if path.endswith("@program"):
        assert result.code == 0  # An NCA is a file.
    else:
        assert (result.code, result.out, result.message) == (5, b"", f"is a directory: {path!r}")


def test_cat_of_damaged_and_cut_off_archives(tmp_path: Path) -> None:
    short = tmp_path / "short.nsp"
    short.write_bytes(Path(NSP).read_bytes()[:-1])
    result = oboromi("cat", f"{short}/{PROGRAM}")
    assert result.code == 3
    assert result.out == b""
    assert "truncated" in result.message


@pytest.mark.parametrize("path", [str(PFS0), f"{PFS0}/f4.bin", HELLO, B_BIN])
@pytest.mark.parametrize("limits", [":", "1:3", ":0"])
def test_cat_as_a_process_gives_the_same_bytes(path: str, limits: str, tmp_path: Path) -> None:
    expected = oboromi("cat", path, "--range", limits, *KEYS).out
    assert process("cat", path, "--range", limits, *KEYS) == (0, expected, b"")
    for mode in ("wb", "ab"):  # The kernel copies into a file, and not into one that is appended to.
        target = tmp_path / mode
        with target.open(mode) as stream:
            command = [sys.executable, "-m", "oboromi_fs", "cat", path, "--range", limits, *KEYS]
            subprocess.run(command, stdout=stream, check=True, env=process_environment())
        assert target.read_bytes() == expected


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="the kernel does not copy here")
def test_a_file_that_shrinks_while_the_kernel_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oboromi_fs.cli import reading
    from oboromi_fs.errors import MappingError
    from oboromi_fs.file import File

    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    monkeypatch.setattr(os, "sendfile", lambda *_: 0)
    with File.open(path) as file, pytest.raises(MappingError, match="shrank while it was read: byte 0x0"):
        reading._copy_in_kernel(file, 0, 100, 1)


def test_large_files_are_copied_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    data = os.urandom(1 << 16) * 80
    path.write_bytes(data)
    assert oboromi("cat", path).out == data
    assert process("cat", path).out == data


# stat


def test_stat_json_is_the_contract() -> None:
    assert oboromi("stat", "--json", f"{PFS0}/f1.bin").json == {
        "path": f"{PFS0}/f1.bin",
        "kind": "file",
        "size": 103,
        "stored": "plain",
        "offset": PFS0.read_bytes().index(oboromi("cat", f"{PFS0}/f1.bin").out),
        "storage": ["File", "Window"],
    }
    inside = oboromi("stat", "--json", HELLO, *KEYS).json
    assert inside["storage"][0] == "File"
    assert "AesCtr" in inside["storage"]
    del inside["storage"]
    assert inside == {"path": HELLO, "kind": "file", "size": 6, "stored": "encrypted", "offset": None}
    directory = {"path": str(DATA), "kind": "directory", "size": 0, "stored": None, "offset": None, "storage": []}
    assert oboromi("stat", "--json", DATA).json == directory


def test_stat_text() -> None:
    assert oboromi("stat", NSP).text == f"path     {NSP}\nkind     file\nsize     472904\nstored   plain\noffset   0 (0x0)\nstorage  File\n"
    assert oboromi("stat", DATA).text == f"path     {DATA}\nkind     directory\n"
    text = oboromi("stat", HELLO, *KEYS).text
    assert "\nstored   encrypted\noffset   -\nstorage  File > " in text


def test_the_offset_is_where_the_bytes_are() -> None:
    path = f"{NSP}/@program/logo/NintendoLogo.png"
    found = oboromi("stat", "--json", path, *KEYS).json
    assert found["stored"] == "plain"
    there = Path(NSP).read_bytes()[found["offset"] : found["offset"] + found["size"]]
    assert there == oboromi("cat", path, *KEYS).out


def test_stat_of_the_parts_of_a_split_file(tmp_path: Path) -> None:
    data = Path(NSP).read_bytes()
    folder = tmp_path / "split.nsp"
    folder.mkdir()
    (folder / "00").write_bytes(data[:200_000])
    (folder / "01").write_bytes(data[200_000:])
    assert oboromi("stat", "--json", folder).json["storage"] == ["File", "Concat"]
    assert oboromi("cat", f"{folder}/@program/romfs/hello.txt", *KEYS).out == b"hello\n"
    assert oboromi("cat", folder).out == data


@pytest.mark.parametrize(
    ("words", "start", "stop"), [((), 0, 6), (("--range", "1:4"), 1, 4), (("--range", "4:1"), 4, 4), (("--range", "9:"), 6, 6)]
)
def test_cat_json(words: tuple[str, ...], start: int, stop: int) -> None:
    found = oboromi("cat", "--json", HELLO, *words, *KEYS).json
    data = base64.b64decode(found.pop("data"))
    assert data == b"hello\n"[start:stop]
    assert found == {"path": str(HELLO), "size": 6, "start": start, "stop": stop, "encoding": "base64"}


def test_cat_json_of_more_than_one_chunk(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    (tmp_path / "large").write_bytes(data)
    assert base64.b64decode(oboromi("cat", "--json", tmp_path / "large").json["data"]) == data
