"""NSZ and XCZ as a whole: opened, verified, packed and restored, from Python and from the command line."""

from __future__ import annotations

import hashlib
import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import CorruptError, EntryNotFoundError, MemoryStorage, Nca, NotADirectoryEntryError, NspArchive, XciArchive, open_fs
from oboromi_fs._forge import ContentType, Encryption, made_up_bytes, nca, nca_name, nsp, pfs0, xci
from oboromi_fs.jobs.pack import PackOptions, plan_pack
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import Location, locate
from oboromi_fs.storage.ncz import NczStorage, is_ncz
from tests import forged, forged_ncz
from tests.command import DATA, oboromi
from tests.forged import EXEFS, KEY_SET, KEYS, TREE
from tests.test_builders_ncz import of_nca

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.jobs.verify import Check

PROGRAM = "0ac23547aeaecd1c1c3b4e1154bf6fcd"
NSZ = {mode: DATA / "nsz" / f"z_std_{mode}.nsz" for mode in "SB"}
PLAIN = DATA / "nsz" / "z_std.nsp"
CORPUS_KEYS = ("--keys", str(DATA / "keys" / "prod.keys"))


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "made-up.keys"
    path.write_text("".join(f"{name} = {value.hex()}\n" for name, value in KEYS.items()))
    return str(path)


def checks(path: Path, keys: Any = KEY_SET) -> list[Check]:
    place = locate(path, keys)
    try:
        return list(verify(place))
    finally:
        place.fs.close()


def failed(path: Path) -> list[tuple[str, str]]:
    return [(each.path.rpartition("/")[2], each.check) for each in checks(path) if each.status == "failed"]


# Paths


@pytest.mark.parametrize("mode", ["S", "B"])
def test_the_path_of_the_nca_names_what_the_ncz_holds(mode: str) -> None:
    with open_fs(NSZ[mode], DATA / "keys" / "prod.keys") as fs, open_fs(PLAIN, DATA / "keys" / "prod.keys") as plain:
        names = [entry.name for entry in fs.read_dir()]
        assert f"{PROGRAM}.ncz" in names
        assert f"{PROGRAM}.nca" not in names
        for path in (f"{PROGRAM}.nca", "@program"):
            assert fs.metadata(path).size == 0x27600
            assert fs.read_bytes(path) == plain.read_bytes(f"{PROGRAM}.nca")
        assert is_ncz(fs.storage(f"{PROGRAM}.ncz"))
        for top in (f"{PROGRAM}.nca", f"{PROGRAM}.ncz", "@program"):
            assert [entry.name for entry in fs.read_dir(top)] == ["exefs", "romfs", "logo"]
            assert fs.read_bytes(f"{top}/romfs/hello.txt") == b"hello\n"
            entered = fs.enter(top)
            assert isinstance(entered, Nca)
            assert isinstance(entered.raw, NczStorage)
            if top.endswith(".nca"):
                assert entered.raw is fs.storage(top)
        for entry in plain.read_dir():
            assert fs.read_bytes(entry.name) == plain.read_bytes(entry.name)


def test_an_nca_that_is_there_wins(tmp_path: Path) -> None:
    other = forged.control_nca()
    package = nsp({"a.ncz": of_nca(forged.program_nca(), exponent=14), "a.nca": other, "b.ncz": b"no NCZ"})
    with open_fs(MemoryStorage(package), KEY_SET) as fs:
        assert fs.read_bytes("a.nca") == other
        assert fs.read_bytes("@program") == of_nca(forged.program_nca(), exponent=14)  # The name it would have is another's.
        for path in ("b.nca", "c.nca", "b.nca/romfs", "c.nca/x"):
            with pytest.raises(EntryNotFoundError):
                fs.metadata(path)
        with pytest.raises(NotADirectoryEntryError):
            fs.read_dir("b.ncz")
    (tmp_path / "x.ncz").write_bytes(of_nca(forged.program_nca(), exponent=14))
    with open_fs(tmp_path, KEY_SET) as folder:
        assert folder.read_bytes("x.nca") == forged.program_nca()
        assert folder.read_bytes("x.nca/exefs/main") == EXEFS["main"]


def test_a_loose_ncz_on_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.ncz").write_bytes(of_nca(forged.program_nca(), exponent=14))
    monkeypatch.chdir(tmp_path)
    for path in ("x.nca", "x.ncz", f"{tmp_path}/x.nca", "./x.nca/"):
        with open_fs(path, KEY_SET) as fs:
            assert fs.read_bytes("romfs/data/a.bin") == TREE["data/a.bin"]
    with open_fs("x.nca/romfs/data", KEY_SET) as fs:
        assert fs.read_bytes("a.bin") == TREE["data/a.bin"]
    with Nca("x.ncz", KEY_SET) as whole:
        assert whole.problems == []
    with locate("x.nca", KEY_SET).fs as nested:
        assert nested.read_bytes("x.nca") == forged.program_nca()
    for absent in ("y.nca", "x.nca/romfs/none", "no/x.nca"):
        with pytest.raises(EntryNotFoundError):
            locate(absent, KEY_SET)


def test_cards_and_updates_hold_them_too(tmp_path: Path) -> None:
    card = xci({"update": {}, "secure": {"p.ncz": of_nca(forged.program_nca(), exponent=14)}}, keys=KEYS)
    with open_fs(MemoryStorage(card), KEY_SET) as fs:
        assert fs.read_bytes("secure/p.nca") == forged.program_nca()
        assert fs.read_bytes("@program/exefs/main") == EXEFS["main"]
        assert fs.read_bytes("@program") == forged.program_nca()
    (tmp_path / "base.nsz").write_bytes(pfs0({"base.ncz": of_nca(forged.program_nca(), exponent=14)}))
    with open_fs(tmp_path / "base.nsz", KEY_SET) as fs:
        assert fs.read_bytes("base.nca/romfs/hello.txt") == b"hello\n"


def test_without_keys_the_bytes_are_there_all_the_same() -> None:
    for mode in "SB":
        result = oboromi("cat", NSZ[mode] / f"{PROGRAM}.nca")
        assert hashlib.sha256(result.out).hexdigest().startswith(PROGRAM)


# The command line


@pytest.mark.parametrize("mode", ["S", "B"])
def test_info_tells_how_it_is_compressed(mode: str) -> None:
    result = oboromi("info", "--json", NSZ[mode], *CORPUS_KEYS)
    (node,) = (child for child in result.json["children"] if child["path"] == f"{PROGRAM}.ncz")
    block = {"mode": "block", "block_size": 1 << 20, "blocks": 1, "compressed_size": 69499, "size": 0x27600}
    solid = {"mode": "solid", "block_size": 0, "blocks": 0, "compressed_size": 69468, "size": 0x27600}
    assert node["ncz"] == (block if mode == "B" else solid)
    assert (node["kind"], node["size"]) == ("nca", node["ncz"]["compressed_size"])
    text = oboromi("info", NSZ[mode], *CORPUS_KEYS).text
    how = "block mode, 1 block of 1.0 MiB: 67.9 KiB for an NCA of 157.5 KiB" if mode == "B" else "solid mode: 67.8 KiB for an NCA"
    assert f"compressed with Zstandard, {how}" in text


def test_verbs_work_on_them(tmp_path: Path) -> None:
    assert oboromi("ls", NSZ["B"] / f"{PROGRAM}.nca", *CORPUS_KEYS).lines == ["exefs", "logo", "romfs"]
    assert oboromi("cat", NSZ["S"] / "@program/romfs/hello.txt", *CORPUS_KEYS).out == b"hello\n"
    assert oboromi("stat", "--json", NSZ["B"] / f"{PROGRAM}.nca", *CORPUS_KEYS).json["stored"] == "compressed"
    assert "hello.txt" in oboromi("tree", NSZ["S"] / f"{PROGRAM}.ncz", *CORPUS_KEYS).text
    assert oboromi("extract", "-r", NSZ["B"], "-o", tmp_path / "out", *CORPUS_KEYS).code == 0
    assert (tmp_path / "out" / f"{PROGRAM}.nca" / "romfs" / "hello.txt").read_bytes() == b"hello\n"
    assert oboromi("extract", NSZ["B"], f"{PROGRAM}.ncz", "-o", tmp_path / "plain", *CORPUS_KEYS).code == 0
    assert os.listdir(tmp_path / "plain") == [f"{PROGRAM}.ncz"]


@pytest.mark.parametrize("mode", ["S", "B"])
def test_extraction_checks_what_an_ncz_makes(tmp_path: Path, mode: str) -> None:
    assert oboromi("extract", "--verify", NSZ[mode], "-o", tmp_path / "good", *CORPUS_KEYS).code == 0
    data = bytearray(NSZ[mode].read_bytes())
    data[NspArchive(NSZ[mode]).member(f"{PROGRAM}.ncz").offset + 0x4030] ^= 1
    (tmp_path / "bad.nsz").write_bytes(data)
    result = oboromi("extract", "--verify", tmp_path / "bad.nsz", "-o", tmp_path / "bad", *CORPUS_KEYS)
    assert result.code == 3
    assert f"the hash of '{PROGRAM}.ncz' begins" in result.message
    assert not (tmp_path / "bad").exists()


def test_the_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    result = oboromi("ls", NSZ["B"] / f"{PROGRAM}.ncz", *CORPUS_KEYS)
    assert (result.code, "oboromi-fs[zstd]" in result.message) == (3, True)
    assert oboromi("ls", NSZ["B"], *CORPUS_KEYS).code == 0
    assert oboromi("pack", "nsz", PLAIN, "-o", "x.nsz", *CORPUS_KEYS).code == 3
    result = oboromi("verify", NSZ["B"], *CORPUS_KEYS)
    assert (result.code, sum(line.startswith("skipped") for line in result.lines)) == (3, 2)


# Packing


@pytest.mark.parametrize("options", [(), ("--solid",), ("--block-size-exponent", "14", "-j", "1")])
def test_a_package_there_and_back(tmp_path: Path, options: tuple[str, ...]) -> None:
    packed, again = tmp_path / "a.nsz", tmp_path / "a.nsp"
    assert oboromi("pack", "nsz", PLAIN, "-o", packed, "--level", "3", *options, *CORPUS_KEYS).code == 0
    names = [entry.name for entry in NspArchive(packed).read_dir()]
    before = [entry.name for entry in NspArchive(PLAIN).read_dir()]
    assert names == [name.replace(f"{PROGRAM}.nca", f"{PROGRAM}.ncz") for name in before]
    assert packed.stat().st_size < PLAIN.stat().st_size
    assert oboromi("verify", packed, *CORPUS_KEYS).lines[-1] == oboromi("verify", PLAIN, *CORPUS_KEYS).lines[-1]
    assert oboromi("pack", "nsp", packed, "-o", again, *CORPUS_KEYS).code == 0
    assert again.read_bytes() == PLAIN.read_bytes()


@pytest.mark.parametrize("mode", ["S", "B"])
def test_packages_of_the_other_tool_come_back(tmp_path: Path, mode: str) -> None:
    assert oboromi("pack", "nsp", NSZ[mode], "-o", tmp_path / "a.nsp", *CORPUS_KEYS).code == 0
    assert (tmp_path / "a.nsp").read_bytes() == PLAIN.read_bytes()
    assert oboromi("pack", "nsz", NSZ[mode], "-o", tmp_path / "a.nsz", *CORPUS_KEYS).code == 0  # What is compressed stays as it is.
    assert (tmp_path / "a.nsz").read_bytes() == NSZ[mode].read_bytes()


@pytest.mark.parametrize("name", ["std.xci", "multi.xci", "logo_fullhash.xci"])
def test_a_card_there_and_back(tmp_path: Path, name: str) -> None:
    packed, again = tmp_path / "a.xcz", tmp_path / "a.xci"
    result = oboromi("pack", "xcz", DATA / "xci" / name, "-o", packed, "--level", "3", "--json", *CORPUS_KEYS)
    assert (result.code, result.json["warnings"]) == (0, [])
    assert "compressed" in {member["how"] for member in result.json["members"]}
    assert packed.stat().st_size == result.json["size"] < (DATA / "xci" / name).stat().st_size
    assert {line.split()[0] for line in oboromi("verify", packed, *CORPUS_KEYS).lines[:-1]} == {"ok", "note"}
    assert "compressed image" in oboromi("info", packed, *CORPUS_KEYS).text
    assert packed.read_bytes()[:0x200] == (DATA / "xci" / name).read_bytes()[:0x200]
    of_secure = tmp_path / "a.nsz"
    assert oboromi("pack", "nsz", packed / "secure", "-o", of_secure, "--json", *CORPUS_KEYS).json["size"] == of_secure.stat().st_size
    assert oboromi("pack", "xci", packed, "-o", again, *CORPUS_KEYS).code == 0
    assert again.read_bytes() == (DATA / "xci" / name).read_bytes()


@pytest.mark.parametrize("key_area", [False, True])
def test_only_what_is_in_secure_is_compressed(tmp_path: Path, keys: str, key_area: bool) -> None:
    ncas = forged.title_ncas()
    (tmp_path / "a.xci").write_bytes(xci({"update": ncas, "normal": {}, "secure": ncas}, keys=KEYS, key_area=key_area))
    assert oboromi("pack", "xcz", tmp_path / "a.xci", "-o", tmp_path / "a.xcz", "--level", "1", "--keys", keys).code == 0
    card = XciArchive(tmp_path / "a.xcz")
    endings = {name: sorted(member.rpartition(".")[2] for member in card.partition(name).members) for name in card.partitions}
    assert endings == {"update": ["nca", "nca"], "normal": [], "secure": ["nca", "ncz"]}
    card.close()
    assert oboromi("pack", "xci", tmp_path / "a.xcz", "-o", tmp_path / "b.xci", "--keys", keys).code == 0
    assert (tmp_path / "b.xci").read_bytes() == (tmp_path / "a.xci").read_bytes()


def test_what_is_compressed_is_what_the_other_tool_compresses(tmp_path: Path, keys: str) -> None:
    whole = forged.program_nca()
    behind = whole + bytes(0x200)
    public = nca(forged.program_sections(), keys=KEYS, content_type=ContentType.PUBLIC_DATA, program_id=2)
    data = nca(forged.program_sections(), keys=KEYS, content_type=ContentType.DATA, program_id=3)
    files = {"a.nca": whole, "b.nca": behind, "c.nca": public, "d.nca": data, "e.NCA": whole, "f.tik": b"tik", "g.nca": b"short"}
    (tmp_path / "a.nsp").write_bytes(pfs0(files))
    assert oboromi("pack", "nsz", tmp_path / "a.nsp", "-o", tmp_path / "a.nsz", "--level", "1", "--keys", keys).code == 0
    with NspArchive(tmp_path / "a.nsz") as packed:
        assert [entry.name for entry in packed.read_dir()] == ["a.ncz", "b.nca", "c.ncz", "d.nca", "e.NCZ", "f.tik", "g.nca"]
    assert oboromi("pack", "nsp", tmp_path / "a.nsz", "-o", tmp_path / "b.nsp", "--keys", keys).code == 0
    assert (tmp_path / "b.nsp").read_bytes() == (tmp_path / "a.nsp").read_bytes()


def test_a_folder_is_built_and_compressed(tmp_path: Path) -> None:
    folder = tmp_path / "game"
    assert oboromi("extract", "-r", NSZ["B"], "-o", folder, *CORPUS_KEYS).code == 0
    (folder / f"{PROGRAM}.nca" / "romfs" / "hello.txt").write_bytes(b"hello, again\n")
    result = oboromi("pack", "nsz", folder, "-o", tmp_path / "a.nsz", "--level", "1", "--no-check", *CORPUS_KEYS)
    assert result.code == 0
    assert sorted(os.listdir(tmp_path)) == ["a.nsz", "game"]
    assert oboromi("cat", tmp_path / "a.nsz/@program/romfs/hello.txt", *CORPUS_KEYS).out == b"hello, again\n"
    assert {line.split()[0] for line in oboromi("verify", tmp_path / "a.nsz", *CORPUS_KEYS).lines[:-1]} == {"ok", "note"}
    with NspArchive(tmp_path / "a.nsz") as packed:
        assert sum(entry.name.endswith(".ncz") for entry in packed.read_dir()) == 1
    assert oboromi("extract", NSZ["B"], "-o", tmp_path / "flat", *CORPUS_KEYS).code == 0  # Files, the NCZ among them.
    for kind in ("nsp", "nsz"):
        assert oboromi("pack", kind, tmp_path / "flat", "-o", tmp_path / f"b.{kind}", *CORPUS_KEYS).code == 0
    with NspArchive(tmp_path / "b.nsp") as restored, NspArchive(PLAIN) as plain:
        assert restored.storage(f"{PROGRAM}.nca")[:] == plain.storage(f"{PROGRAM}.nca")[:]
    with NspArchive(tmp_path / "b.nsz") as packed, NspArchive(NSZ["B"]) as before:
        assert packed.storage(f"{PROGRAM}.ncz")[:] == before.storage(f"{PROGRAM}.ncz")[:]
    like = tmp_path / "like.nsp"
    assert oboromi("extract", "-r", NSZ["S"], "-o", tmp_path / "deep", *CORPUS_KEYS).code == 0
    assert oboromi("pack", "nsp", tmp_path / "deep", "-o", like, "--like", NSZ["S"], *CORPUS_KEYS).code == 0
    assert like.read_bytes() == PLAIN.read_bytes()


@pytest.mark.parametrize("encryption", [Encryption.CTR, Encryption.NONE])
def test_one_nca_there_and_back(tmp_path: Path, keys: str, encryption: int) -> None:
    whole = forged.program_nca(encryption)
    (tmp_path / "a.nca").write_bytes(whole)
    for options in ((), ("--solid",)):
        assert oboromi("pack", "ncz", tmp_path / "a.nca", "-o", tmp_path / "a.ncz", "--level", "1", *options, "--keys", keys).code == 0
        assert (tmp_path / "a.ncz").stat().st_size < len(whole)
        assert oboromi("pack", "nca", tmp_path / "a.ncz", "-o", tmp_path / "b.nca", "--keys", keys).code == 0
        assert (tmp_path / "b.nca").read_bytes() == whole
    folder = tmp_path / "out"
    folder.mkdir()
    assert oboromi("pack", "nca", tmp_path / "a.ncz", "-o", folder, "--keys", keys).code == 0
    assert os.listdir(folder) == [nca_name(whole, 0)]


def test_a_plan_says_what_becomes_of_each(tmp_path: Path) -> None:
    text = oboromi("pack", "nsz", PLAIN, "-n", *CORPUS_KEYS).lines
    assert [line.split()[:2] for line in text if line.startswith("  compressed")] == [["compressed", f"{PROGRAM}.ncz"]]
    assert sum(line.startswith("  as it is") for line in text) == 4
    back = oboromi("pack", "nsp", NSZ["B"], "-n", *CORPUS_KEYS).lines
    assert [line.split()[:2] for line in back if line.startswith("  restored")] == [["restored", f"{PROGRAM}.nca"]]
    assert os.listdir(tmp_path) == []


def test_progress_is_told_in_bytes_of_what_is_read(tmp_path: Path) -> None:
    place = locate(PLAIN, DATA / "keys" / "prod.keys")
    told: list[tuple[int, int]] = []
    plan = plan_pack("nsz", place, PackOptions())
    plan.write(str(tmp_path / "a.nsz"), progress=lambda done, total: told.append((done, total)))
    place.fs.close()
    assert told == sorted(told)
    assert {total for _, total in told} == {sum(entry.size for entry in NspArchive(PLAIN).read_dir())}
    assert plan.size == (tmp_path / "a.nsz").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nsz", PLAIN, "--level", "23"), "--level is a number from 1 to 22, not 23"),
        (("nsz", PLAIN, "--block-size-exponent", "13"), "--block-size-exponent is a number from 14 to 25, not 13"),
        (("nsz", PLAIN, "--solid", "--block-size-exponent", "15"), "--solid makes no blocks, which --block-size-exponent is for"),
        (("nsp", PLAIN, "--level", "3"), "--level is for ncz, nsz, xcz, not for nsp"),
        (("nsz", PLAIN, "--like", PLAIN), "--like is for"),
        (("ncz", PLAIN), "is no NCA"),
    ],
)
def test_usage(tmp_path: Path, arguments: tuple[Any, ...], message: str) -> None:
    result = oboromi("pack", *arguments, "-o", tmp_path / "out", *CORPUS_KEYS)
    assert (result.code, message in result.message) == (2, True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["nsz", "xcz"])
def test_packages_and_cards_are_told_apart(tmp_path: Path, kind: str) -> None:
    source = DATA / "xci" / "std.xci" if kind == "nsz" else PLAIN
    result = oboromi("pack", kind, source, "-o", tmp_path / "out", *CORPUS_KEYS)
    assert (result.code, os.listdir(tmp_path)) == (3, [])
    assert "make an" in result.message
    assert oboromi("pack", "nsz", DATA / "xci" / "std.xci" / "secure", "-o", tmp_path / "a.nsz", *CORPUS_KEYS).code == 0


def test_a_missing_key_leaves_nothing(tmp_path: Path) -> None:
    keys = tmp_path / "few.keys"
    keys.write_text(f"header_key = {(DATA / 'keys' / 'prod.keys').read_text().partition('header_key = ')[2].split()[0]}\n")
    result = oboromi("pack", "nsz", PLAIN, "-o", tmp_path / "a.nsz", "--keys", keys)
    assert (result.code, os.listdir(tmp_path)) == (4, ["few.keys"])
    assert "key_area_key_application" in result.message


# Verification


def test_an_ncz_that_does_not_make_its_nca_is_found(tmp_path: Path) -> None:
    whole = forged.program_nca()
    spans = (forged_ncz.Span(0x4000, 0x3000, key=b"X" * 16),)  # Not what the NCA is encrypted with: the other bytes come out.
    data = bytearray(forged_ncz.blocks(whole, spans))
    name = nca_name(whole, 0).replace(".nca", ".ncz")
    (tmp_path / "a.nsz").write_bytes(nsp({name: bytes(data)}))
    assert (name, "NCA name") not in failed(tmp_path / "a.nsz")
    data[0x4030] ^= 1  # A bit of the key.
    (tmp_path / "a.nsz").write_bytes(nsp({name: bytes(data)}))
    assert (name, "NCA name") in failed(tmp_path / "a.nsz")
    (tmp_path / name).write_bytes(data)
    assert (name, "NCA name") in failed(tmp_path / name)


@pytest.mark.parametrize("mode", ["S", "B"])
def test_what_was_damaged_does_not_come_back_unnoticed(tmp_path: Path, mode: str) -> None:
    data = bytearray(NSZ[mode].read_bytes())
    data[0x44000] ^= 1
    damaged, target = tmp_path / "damaged.nsz", tmp_path / "back.nsp"
    damaged.write_bytes(data)
    told = oboromi("pack", "nsp", damaged, "-o", target, *CORPUS_KEYS)
    assert (told.code, target.exists()) == (3, False)
    assert f"and not {PROGRAM} (while reading '{PROGRAM}.nca')" in told.message
    assert told.message.endswith("; it is damaged, and --no-check writes it all the same")
    one = tmp_path / "one.nca"
    assert oboromi("pack", "nca", damaged / f"{PROGRAM}.ncz", "-o", one, *CORPUS_KEYS).code == 3
    assert not one.exists()
    assert oboromi("pack", "nca", NSZ[mode] / f"{PROGRAM}.ncz", "-o", one, *CORPUS_KEYS).code == 0
    assert oboromi("pack", "-q", "nsp", damaged, "-o", target, "--no-check", *CORPUS_KEYS).code == 0
    assert target.stat().st_size == PLAIN.stat().st_size


@pytest.mark.parametrize("mode", [(), ("--solid",)])
def test_what_is_damaged_already_is_told_when_it_is_compressed(tmp_path: Path, mode: tuple[str, ...]) -> None:
    """The way back refuses it, and then it may be all that there is."""
    data = bytearray(PLAIN.read_bytes())
    damaged = tmp_path / "damaged.nsp"
    with open_fs(PLAIN, keys=CORPUS_KEYS[1]) as package:
        at = package.storage(f"{PROGRAM}.nca").place().offset
    data[at + 0x8000] ^= 1
    damaged.write_bytes(data)
    digest = hashlib.sha256(data[at : at + 161280]).hexdigest()[:32]
    warning = f"oboromi: warning: {damaged}/{PROGRAM}.nca: is not what its name says: its SHA-256 begins with {digest}"
    target = tmp_path / "out.nsz"
    told = oboromi("pack", "nsz", damaged, "-o", target, *mode, *CORPUS_KEYS)
    assert (told.code, told.err.decode().splitlines()[:-1]) == (0, [warning])
    assert warning[18:] in oboromi("pack", "--json", "nsz", damaged, "-o", target, *mode, *CORPUS_KEYS).json["warnings"]
    for source, more in ((damaged, ("--no-check",)), (PLAIN, ())):
        assert "SHA-256" not in oboromi("pack", "nsz", source, "-o", target, *mode, *more, *CORPUS_KEYS).err.decode()


@pytest.mark.parametrize("mode", ["S", "B"])
def test_records_are_compared_with_what_comes_out(tmp_path: Path, mode: str) -> None:
    data = bytearray(NSZ[mode].read_bytes())
    start = NspArchive(NSZ[mode]).member(f"{PROGRAM}.ncz").offset
    data[start + 0x4030] ^= 1
    (tmp_path / "a.nsz").write_bytes(data)
    found = {
        (each.path.rpartition("/")[2], each.check)
        for each in checks(tmp_path / "a.nsz", DATA / "keys" / "prod.keys")
        if each.status == "failed"
    }
    assert {(f"{PROGRAM}.ncz", "NCA name"), (f"{PROGRAM}.ncz", "CNMT record")} <= found


def test_sizes_that_lie_are_named(tmp_path: Path) -> None:
    whole = forged.program_nca()
    longer = forged_ncz.blocks(whole + bytes(0x100), ())
    (tmp_path / "a.ncz").write_bytes(longer)
    (size,) = (each for each in checks(tmp_path / "a.ncz") if each.check == "NCA size")
    assert (size.status, size.detail) == ("note", f"the header says {len(whole):#x} bytes, the file has {len(whole) + 0x100:#x}")
    (tmp_path / "a.ncz").write_bytes(forged_ncz.blocks(whole[:-0x400], ()))
    assert ("a.ncz", "NCA size") in failed(tmp_path / "a.ncz")
    (tmp_path / f"{'0' * 32}.ncz").write_bytes(forged_ncz.solid(whole[:-0x400], ()))
    found = [each for each in checks(tmp_path / f"{'0' * 32}.ncz") if each.status == "failed"]
    assert any("ends after" in each.detail for each in found)


def test_damaged_blocks_are_named_and_the_rest_is_checked(tmp_path: Path) -> None:
    whole = forged.program_nca()
    data = bytearray(of_nca(whole, exponent=14))
    ncz = NczStorage(MemoryStorage(bytes(data)))
    starts = ncz.ncz.block_starts
    assert starts is not None
    sizes = [int(stop - start) for start, stop in pairwise(starts)]
    number = next(index for index, size in enumerate(sizes) if size < 0x4000)
    data[int(starts[number])] ^= 0xFF
    (tmp_path / "a.nsz").write_bytes(
        nsp({nca_name(whole, 0).replace(".nca", ".ncz"): bytes(data), **forged.named((forged.control_nca(), 2))})
    )
    found = [each for each in checks(tmp_path / "a.nsz") if each.status == "failed"]
    assert any(f"NCZ block {number} of" in each.detail and each.offset is not None for each in found)
    with pytest.raises(CorruptError, match=f"NCZ block {number} "):
        open_fs(tmp_path / "a.nsz", KEY_SET).read_bytes(nca_name(whole, 0))
    assert oboromi("pack", "nsp", tmp_path / "a.nsz", "-o", tmp_path / "a.nsp").code == 3
    assert sorted(os.listdir(tmp_path)) == ["a.nsz"]


def test_zeros_for_hashes_in_a_card_are_noted(tmp_path: Path) -> None:
    card = bytearray(xci({"update": {}, "secure": {"p.ncz": of_nca(forged.program_nca(), exponent=14)}}, keys=KEYS))
    digest = hashlib.sha256(of_nca(forged.program_nca(), exponent=14)[:0x200]).digest()
    at = card.index(digest)
    card[at : at + 0x20] = bytes(0x20)
    (tmp_path / "a.xcz").write_bytes(card)
    (found,) = (each for each in checks(tmp_path / "a.xcz") if each.check == "HFS0 entry hash" and each.path.endswith("p.ncz"))
    assert (found.status, "zeros" in found.detail) == ("note", True)


@pytest.mark.fuzz
@given(st.sampled_from("SB"), st.lists(st.tuples(st.integers(0, 0x4200), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3))
def test_whatever_is_wrong_in_one_verification_goes_on(mode: str, edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(NSZ[mode].read_bytes())
    start = NspArchive(MemoryStorage(data)).member(f"{PROGRAM}.ncz").offset
    for at, new in edits:
        data[start + 0x4000 + at % 0x200 : start + 0x4000 + at % 0x200 + len(new)] = new
    with open_fs(MemoryStorage(bytes(data)), DATA / "keys" / "prod.keys") as fs:
        found = list(verify(Location(fs, "", "game.nsz", "game.nsz")))
    assert all(each.status != "failed" for each in found if not each.path.endswith((".ncz", ".nsz")) and ".ncz/" not in each.path)


def test_an_ncz_stands_for_its_nca(tmp_path: Path) -> None:
    (tmp_path / "a.ncz").write_bytes(of_nca(forged.program_nca(), exponent=14))
    with Nca(tmp_path / "a.ncz", KEY_SET) as opened:
        assert opened.raw.size == len(forged.program_nca())
        assert NspArchive(opened.storage("exefs")).read_bytes("main") == EXEFS["main"]


def test_nested_ones_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """An NCZ in a package, that is stored in a RomFS of another NCZ."""
    from oboromi_fs._forge import FsType, Section, romfs

    inner = pfs0({"p.ncz": of_nca(forged.program_nca(), exponent=14)})
    image = romfs({"game.nsz": inner, "more.bin": made_up_bytes("more", 0x20000)})
    outer = of_nca(nca([None, Section(image, FsType.ROMFS)], keys=KEYS, content_type=0, program_id=9), exponent=14)
    (tmp_path / "o.ncz").write_bytes(outer)
    with open_fs(tmp_path / "o.nca", KEY_SET) as fs:
        assert fs.read_bytes("romfs/game.nsz/p.nca") == forged.program_nca()
        assert fs.read_bytes("romfs/game.nsz/p.nca/exefs/main") == EXEFS["main"]
