from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli import listing, main
from oboromi_fs.cli.demogame import demo_game
from tests.command import oboromi, process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_demo_in_a_folder(tmp_path: Path) -> None:
    result = oboromi("demo", tmp_path / "here")
    assert result.code == 0
    assert b"defect" not in result.err
    shown = [line.split()[2] for line in result.lines if line.startswith("$ oboromi ")]
    assert shown == ["info", "ls", "tree", "cat", "stat", "extract", "hash", "verify", *["overlay"] * 4, "cat"]
    assert "Application 0100feedface0000 v0: Hazy Moon 1.0.0, by Nobody" in result.text
    assert '"lives": 3,' in result.text
    assert result.lines[-1].startswith("Shown: ")
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "game.nsp",
        "game.xci",
        "prod.keys",
        "extracted",
        "mods",
        "merged.romfs",
    }
    assert oboromi("demo", tmp_path / "here").code == 0  # Again, over what is there.


def test_every_command_of_the_demo_works_when_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = oboromi("demo", tmp_path)
    monkeypatch.chdir(tmp_path)
    for line in result.lines:
        if line.startswith("$ oboromi ") and "'" not in line:
            assert oboromi(*line.split()[2:]).code == 0, line


def test_demo_cleans_up(tmp_path: Path) -> None:
    result = process("demo", TMPDIR=str(tmp_path))
    assert result.code == 0
    assert result.err.startswith(b"oboromi: 4 files")
    assert list(tmp_path.iterdir()) == []


def test_demo_tells_when_something_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "run_tree", lambda *_: 3)
    result = oboromi("demo", tmp_path)
    assert result.code == 1
    assert result.lines[-1] == "Not everything worked: tree ended with exit code 3."


def test_demo_stops_when_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "run_ls", interrupt)
    result = oboromi("demo", tmp_path)
    assert result.code == 130
    assert "$ oboromi tree" not in result.text


def test_demo_checks_what_was_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_main = main.main

    def spoil(arguments: list[str]) -> int:
        code = true_main(arguments)
        if arguments[0] == "extract":
            (tmp_path / "extracted" / "textures" / "sky.png").write_bytes(b"")
        return code

    monkeypatch.setattr(main, "main", spoil)
    result = oboromi("demo", tmp_path)
    assert result.code == 1
    assert "not so: the extracted files are those of the game" in result.text
    assert demo_game(tmp_path).romfs["textures/sky.png"]


def test_json() -> None:
    document = oboromi("demo", "--json").json
    assert (document["directory"], document["failed"]) == (None, [])
    assert [step["exit_code"] for step in document["steps"]] == [0] * len(document["steps"])
    assert document["steps"][0]["command"] == "oboromi info game.nsp --keys prod.keys"
    assert "game.nsp  NSP package" in document["steps"][0]["output"]
