"""The AArch64 program in testdata runs, in the emulator core that docs/howto/running-a-program.md shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oboromi_fs import MemoryFs, MemoryStorage
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.executables import Nso
from oboromi_fs.titles import load_program, open_title
from tests.test_docs import blocks_of

PROGRAM = Path(__file__).parent.parent.parent / "testdata" / "program"
KEYS = PROGRAM.parent / "keys" / "prod.keys"
PAGE = PROGRAM.parent.parent / "docs" / "howto" / "running-a-program.md"


@pytest.fixture(scope="module")
def core() -> Any:
    """The class that the page defines."""
    pytest.importorskip("unicorn")
    namespace: dict[str, Any] = {}
    for block in blocks_of(PAGE.read_text(encoding="utf-8")):
        if block.language == "python" and ">>> " not in block.body:
            exec(block.body, namespace)
    return namespace["Core"]


def test_the_package_holds_what_lies_beside_it() -> None:
    with open_title(PROGRAM / "hello.nsp", keys=KEYS) as title:
        assert title.read_bytes("exefs/main") == (PROGRAM / "main").read_bytes()
        found = {path: title.read_bytes(f"romfs/{path}") for path, entry in title.walk("romfs") if entry.kind == "file"}
        root = PROGRAM / "romfs"
        assert found == {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert title.issues == ()


def test_it_prints_what_it_read_from_romfs(core: Any) -> None:
    with open_title(PROGRAM / "hello.nsp", keys=KEYS) as title:
        running = core(title.load_program())
        printed = running.run()
    assert printed == (PROGRAM / "romfs" / "hello.txt").read_text() + "the numbers add up to 1000042, after 5 reads\n"
    assert running.code == 0


def test_another_romfs_and_no_file(core: Any) -> None:
    """The program does what its files say: they are read from the RomFS that the program was loaded with."""
    exefs = MemoryFs({"main": (PROGRAM / "main").read_bytes(), "main.npdm": _npdm()})
    image = RomFsImage(MemoryFs({"hello.txt": "é\n".encode() * 40, "data/numbers.txt": b"7\n8"}))
    assert core(load_program(exefs, romfs=image)).run() == "é\n" * 40 + "the numbers add up to 15, after 6 reads\n"
    empty = core(load_program(exefs, romfs=RomFsImage(MemoryFs({"x": b""}))))
    assert (empty.run(), empty.code) == ("there is no hello.txt\n", 1)


def _npdm() -> bytes:
    with open_title(PROGRAM / "hello.nsp", keys=KEYS) as title:
        return title.read_bytes("exefs/main.npdm")


def test_what_is_mapped_behind_the_data_is_the_module_s_bss() -> None:
    module = load_program(MemoryFs({"main": (PROGRAM / "main").read_bytes()})).module("main")
    header = module.mod0()
    assert header is not None
    assert (header.bss_start, header.bss_end) == (module.bss_offset, module.bss_offset + module.bss_size)
    assert module.path() == "hello.nss"
    assert Nso(MemoryStorage((PROGRAM / "main").read_bytes())).hash_matches("text")
