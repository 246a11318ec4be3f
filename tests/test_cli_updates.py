"""Updates and compressed NCAs on the command line: built of folders, and read over their base."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import KEYS, NSP, oboromi


@pytest.fixture(autouse=True)
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample's program as a folder, with one file changed and one new."""
    monkeypatch.chdir(tmp_path)
    assert oboromi(*KEYS, "extract", "-q", "-r", f"{NSP}/@program", "-o", "game").code == 0
    Path("game/romfs/hello.txt").write_text("changed\n", encoding="utf-8")
    Path("game/romfs/new.bin").write_bytes(bytes(range(256)) * 100)
    return tmp_path


def test_an_update_is_packed_and_read_over_its_base() -> None:
    assert oboromi(*KEYS, "pack", "nca", "game", "-o", "update.nca", "--base", NSP).code == 0
    base = ("--base", NSP)
    assert oboromi(*KEYS, "cat", "update.nca/romfs/hello.txt", *base).out == b"changed\n"
    assert oboromi(*KEYS, "cat", "update.nca/romfs/new.bin", *base).out == bytes(range(256)) * 100
    assert oboromi(*KEYS, "cat", "update.nca/romfs/data/a.bin", *base).out == oboromi(*KEYS, "cat", f"{NSP}/@program/romfs/data/a.bin").out
    assert oboromi(*KEYS, "verify", "update.nca", *base).code == 0
    (section,) = [each for each in oboromi(*KEYS, "info", "update.nca", "--json").json["children"] if each.get("patch")]
    assert section["patch"]
    # The ExeFS is whole, and needs no base.
    assert oboromi(*KEYS, "ls", "update.nca/exefs").lines == ["main", "main.npdm", "subsdk0"]
    assert oboromi(*KEYS, "ls", "update.nca/romfs").code == 3
    assert Path("update.nca").stat().st_size < 130_000  # 41,000 bytes of the base are not in it; its tables take 0x10000.


def test_a_compressed_nca_is_packed_and_read() -> None:
    assert oboromi(*KEYS, "pack", "nca", "game", "-o", "packed.nca", "--compress").code == 0
    assert oboromi(*KEYS, "cat", "packed.nca/romfs/new.bin").out == bytes(range(256)) * 100
    assert oboromi(*KEYS, "verify", "packed.nca").code == 0


def test_what_has_no_base_or_no_romfs() -> None:
    Path("other/romfs").mkdir(parents=True)
    Path("other/romfs/x").write_bytes(b"x")
    wrong = oboromi(*KEYS, "pack", "nca", "other", "-o", "x.nca", "--title-id", "0100000000002000", "--base", NSP)
    assert wrong.code == 3
    assert "content 5 of title 0100000000002000 is wanted, and there is none in" in wrong.message
    assert oboromi(*KEYS, "pack", "romfs", "other/romfs", "-o", "x.romfs", "--compress").code == 2
    assert not Path("x.nca").exists()
