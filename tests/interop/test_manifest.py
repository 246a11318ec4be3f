"""Archives that other tools made give exactly what other tools read from them: names, directories, sizes and bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import IntegrityError, MissingKeyError, Nca, NestedFs, NspArchive, Opener, open_fs
from oboromi_fs.base import extents_of, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs import FileSystem
    from oboromi_fs.file import Access

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
MANIFEST: dict[str, Any] = json.loads((TESTDATA / "manifest.json").read_text(encoding="utf-8"))
# Not file systems of this release, or with keys of their own.
OTHERS = ("bktr/", "exe/", "nsz/", "program/")
ARCHIVES = [name for name in MANIFEST if not name.startswith(OTHERS)]
KEYS = [TESTDATA / "keys" / "prod.keys", TESTDATA / "keys" / "title.keys"]
ACCESSES: tuple[Access, ...] = ("mmap", "pread")


def digest(data: memoryview) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def extracted(fs: FileSystem, path: str = "") -> tuple[dict[str, Any], list[str]]:
    """What is below a path, by each of the ways there are: they must agree with one another first."""
    listed = dict(walk(fs, path))
    files = {extent.path: digest(extent.storage[extent.offset : extent.offset + extent.size]) for extent in extents_of(fs, path)}
    assert {inner: entry.size for inner, entry in listed.items() if entry.kind == "file"} == {
        inner: entry["size"] for inner, entry in files.items()
    }
    for inner, found in files.items():
        with fs.open(f"{path}/{inner}") as stream:
            assert digest(memoryview(stream.read() or b"")) == found
    return files, sorted(inner for inner, entry in listed.items() if entry.kind == "directory")


def sections_of(fs: NestedFs, path: str) -> tuple[dict[str, Any], list[str]]:
    """What is in an NCA, with the numbers of its sections as the first component, as the manifest has it."""
    nca = fs.enter(path)
    assert isinstance(nca, Nca)
    files: dict[str, Any] = {}
    dirs: list[str] = []
    for index, section in nca.sections.items():
        inner_files, inner_dirs = extracted(fs, f"{path}/@{index}")
        assert (inner_files, inner_dirs) == extracted(fs, f"{path}/{section.name}")
        files |= {f"{index}/{inner}": found for inner, found in inner_files.items()}
        dirs += [str(index), *(f"{index}/{inner}" for inner in inner_dirs)]
    return files, sorted(dirs)


def check(fs: NestedFs, expected: Mapping[str, Any], *, is_nca: bool) -> None:
    found = sections_of(fs, "") if is_nca else extracted(fs)
    assert found == (expected["files"], sorted(expected["dirs"]))
    for nca, inside in expected.get("ncas", {}).items():
        assert sections_of(fs, nca) == (inside["files"], sorted(inside["dirs"]))


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name: str, access: Access) -> None:
    expected = MANIFEST[name]
    path = TESTDATA / name
    assert digest(memoryview(path.read_bytes())) == {"size": expected["size"], "sha256": expected["sha256"]}
    with open_fs(path, KEYS, access=access) as fs:
        check(fs, expected, is_nca=name.endswith(".nca"))


def test_the_manifest_covers_every_sample() -> None:
    samples = {path.relative_to(TESTDATA).as_posix() for path in TESTDATA.glob("*/*.*")}
    assert {name for name in samples if not name.startswith((*OTHERS, "keys/"))} == set(ARCHIVES)
    assert len(ARCHIVES) == 37


# Title keys: tk_g2.nsp has them for its program, in a ticket

TK = TESTDATA / "nsp" / "tk_g2.nsp"
PROD = KEYS[0]


def without_ticket(tmp_path: Path) -> Path:
    """The NSP with its ticket under a name that is none, as if it had been left out."""
    data = TK.read_bytes()
    assert data.count(b".tik\0") == 1
    path = tmp_path / "no_ticket.nsp"
    path.write_bytes(data.replace(b".tik\0", b".xxx\0"))
    return path


def renamed(expected: Mapping[str, Any]) -> dict[str, Any]:
    return {**expected, "files": {name.replace(".tik", ".xxx"): found for name, found in expected["files"].items()}}


@pytest.mark.parametrize("access", ACCESSES)
def test_a_title_key_from_the_ticket_alone(access: Access) -> None:
    with open_fs(TK, PROD, access=access) as fs:
        check(fs, MANIFEST["nsp/tk_g2.nsp"], is_nca=False)


def test_a_ticket_is_found_by_what_is_in_it(tmp_path: Path) -> None:
    data = TK.read_bytes()
    path = tmp_path / "odd_name.nsp"
    name = b"0100abcdef0000000000000000000002.tik"
    path.write_bytes(data.replace(name, b"x" * 32 + b".TIK"))
    expected = MANIFEST["nsp/tk_g2.nsp"]
    files = {inner.replace(name.decode(), "x" * 32 + ".TIK"): found for inner, found in expected["files"].items()}
    with open_fs(path, PROD) as fs:
        check(fs, {**expected, "files": files}, is_nca=False)


@pytest.mark.parametrize("access", ACCESSES)
def test_a_title_key_from_title_keys_alone(tmp_path: Path, access: Access) -> None:
    with open_fs(without_ticket(tmp_path), KEYS, access=access) as fs:
        check(fs, renamed(MANIFEST["nsp/tk_g2.nsp"]), is_nca=False)


def test_a_title_key_that_is_decrypted_already(tmp_path: Path) -> None:
    keys = Opener(KEYS).keys
    rights_id = bytes.fromhex("0100abcdef0000000000000000000002")
    wrapped = keys.title_key(rights_id)
    assert wrapped is not None
    path = tmp_path / "title.keys"
    path.write_text(f"{rights_id.hex()} = {keys.decrypt_title_key(wrapped, 1).hex()}\n", encoding="ascii")
    with open_fs(without_ticket(tmp_path), [PROD, path]) as fs:
        check(fs, renamed(MANIFEST["nsp/tk_g2.nsp"]), is_nca=False)
        nca = fs.enter("@program")
        assert isinstance(nca, Nca)
        assert nca.section("romfs").notes == [f"title.keys holds the title key of {rights_id.hex()} already decrypted"]


def test_without_ticket_and_title_keys(tmp_path: Path) -> None:
    with open_fs(without_ticket(tmp_path), PROD) as fs, pytest.raises(MissingKeyError) as caught:
        fs.read_dir("@program/romfs")
    assert caught.value.key_name == "0100abcdef0000000000000000000002"
    assert "title.keys" in str(caught.value)


def test_a_wrong_title_key(tmp_path: Path) -> None:
    path = tmp_path / "title.keys"
    path.write_text("0100abcdef0000000000000000000002 = " + "11" * 16 + "\n", encoding="ascii")
    with open_fs(without_ticket(tmp_path), [PROD, path]) as fs, pytest.raises(IntegrityError) as caught:
        fs.read_dir("@program/romfs")
    text = str(caught.value)
    assert "title key 0100abcdef0000000000000000000002" in text
    assert "titlekek_01" in text
    assert "no_ticket.nsp" in text


def test_the_same_without_open_fs() -> None:
    """The layers put together by hand are what open_fs puts together."""
    archive = NspArchive(TK)
    rights_id = "0100abcdef0000000000000000000002"
    keys = Opener(KEYS).keys
    program = next(name for name in archive.members if name.startswith("3f3e47ed"))
    nca = Nca(archive.storage(program), keys)
    assert nca.header.rights_id.hex() == rights_id
    by_hand, _ = extracted(NestedFs(nca, Opener(KEYS)), "romfs")
    expected = MANIFEST["nsp/tk_g2.nsp"]["ncas"][program]["files"]
    assert by_hand == {inner[2:]: found for inner, found in expected.items() if inner.startswith("1/")}
    archive.close()
