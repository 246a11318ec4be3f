from __future__ import annotations

import struct
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import KeySet, MissingKeyError, NotThisFormatError, locate
from oboromi_fs._forge import FsType, Section, made_up_keys, nca, nca_name, nsp, pfs0, romfs, xci
from oboromi_fs.jobs.verify import Check, verify

if TYPE_CHECKING:
    from pathlib import Path

KEYS = made_up_keys("verify")


def checks(path: Path, keys: Any = None, inner: str = "") -> list[Check]:
    place = locate(f"{path}{inner}", KeySet.of(KEYS if keys is None else keys))
    try:
        return list(verify(place, workers=2))
    finally:
        place.fs.close()


def failed(found: list[Check]) -> list[tuple[str, str]]:
    return [(check.path.rpartition("/")[2], check.check) for check in found if check.status == "failed"]


def program(image: bytes | None = None) -> bytes:
    image = romfs({"a.bin": bytes(range(256)) * 400, "b": b"b"}) if image is None else image
    return nca(
        [Section(pfs0({"main": b"m" * 5000}), FsType.PARTITION), Section(image, FsType.ROMFS)],
        keys=KEYS,
        content_type=0,
        program_id=0x0100000000001000,
    )


@pytest.mark.parametrize(
    ("archive", "counts"),
    [
        ("nsp/std_g1.nsp", {"ok": 32, "note": 5}),
        ("nsp/std_g5.nsp", {"ok": 32, "note": 5}),
        ("nsp/tk_g2.nsp", {"ok": 32, "note": 5}),
        ("nsp/plain.nsp", {"ok": 32, "note": 5}),
        ("nsp/names.nsp", {"ok": 32, "note": 5}),
        ("nsp/noromfs.nsp", {"ok": 29, "note": 5}),
        ("nsp/addon_std.nsp", {"ok": 10, "note": 2}),
        ("xci/std.xci", {"ok": 50, "note": 7}),
        ("xci/multi.xci", {"ok": 74, "note": 11}),
        ("xci/logo_fullhash.xci", {"ok": 57, "note": 12}),
        ("hfs0/5.hb.hfs0", {"ok": 6}),
        ("romfs/deep.st.romfs", {"ok": 1}),
        ("nca_forged/ctr.nca", {"ok": 9, "note": 1}),
        ("nca_forged/xts.nca", {"ok": 9, "note": 3}),
        ("nca_forged/nca2.nca", {"ok": 9, "note": 1}),
    ],
)
def test_archives_of_other_tools_are_sound(testdata: Path, archive: str, counts: dict[str, int]) -> None:
    found = checks(testdata / archive, [testdata / "keys/prod.keys", testdata / "keys/title.keys"])
    assert Counter(check.status for check in found) == counts


def test_every_byte_of_an_nca_is_covered(tmp_path: Path) -> None:
    """A flipped byte anywhere is found, by the name at least; and in a section by its hash tree as well."""
    good = program()
    path = tmp_path / nca_name(good)
    path.write_bytes(good)
    assert failed(checks(path)) == []
    sections = {"exefs": 0x4000 + 0x220, "romfs": len(good) - 0x300}
    for name, offset in sections.items():
        bad = bytearray(good)
        bad[offset] ^= 1
        path.write_bytes(bad)
        assert (name, "hash tree") in failed(checks(path))
        assert (path.name, "NCA name") in failed(checks(path))


def test_a_bad_block_is_named_with_its_place(tmp_path: Path) -> None:
    good = program()
    path = tmp_path / "game.nca"
    path.write_bytes(good)
    (tree,) = [check for check in checks(path) if check.path.endswith("romfs") and check.check == "hash tree"]
    assert tree.status == "ok"
    place = locate(path, KeySet.of(KEYS))
    data = place.fs.storage("game.nca/@1")
    where = data.place(5 * 0x4000 + 77).offset
    bad = bytearray(good)
    bad[where] ^= 0x80
    path.write_bytes(bad)
    (check,) = [check for check in checks(path) if check.status == "failed"]
    assert (check.check, check.offset, check.size) == ("hash tree", where - 77, 0x4000)
    assert check.detail == "level 6, block 5 does not match its hash"


def test_a_damaged_fs_header_fails_and_the_other_sections_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "game.nca"
    path.write_bytes(
        nca(
            [Section(pfs0({"main": b"m"}), FsType.PARTITION), Section(romfs({}), FsType.ROMFS)],
            keys=KEYS,
            content_type=0,
            program_id=1,
            header_edits={0x280: bytes(32)},
        )
    )
    found = checks(path)
    assert failed(found) == [("exefs", "FS header hash")]
    assert ("ok", "hash tree") in [(check.status, check.check) for check in found if check.path.endswith("romfs")]


def test_cards(tmp_path: Path) -> None:
    path = tmp_path / "card.xci"
    good = bytearray(xci({"normal": {}, "secure": {"a.bin": bytes(0x300), "b.tik": b"B" * 0x40}}, keys=KEYS, key_area=True))
    path.write_bytes(good)
    assert failed(checks(path)) == []
    start = good.index(b"B" * 0x40)
    for offset, expected in [
        (start, [("b.tik", "HFS0 entry hash")]),
        (0x1000 + 0xF000 + 0x30, [("card.xci", "XCI root header hash")]),
        (0x20, [("card.xci", "XCI initial data hash")]),
    ]:
        bad = bytearray(good)
        bad[offset] ^= 1
        path.write_bytes(bad)
        assert [pair for pair in failed(checks(path)) if pair in expected] == expected
    path.write_bytes(good[:-0x400])
    assert ("card.xci", "XCI size") in failed(checks(path))


def test_a_truncated_package_fails(tmp_path: Path) -> None:
    path = tmp_path / "game.nsp"
    path.write_bytes(nsp([("a.bin", b"a" * 100), ("b.bin", b"b" * 100)])[:-50])
    assert failed(checks(path)) == [("game.nsp", "PFS0 table"), ("b.bin", "format")]


def test_records_against_contents(testdata: Path, tmp_path: Path) -> None:
    """A listed NCA that is gone, and one that is another."""
    keys = testdata / "keys/prod.keys"
    place = locate(testdata / "nsp/std_g1.nsp", keys)
    members = {entry.name: place.fs.read_bytes(f"std_g1.nsp/{entry.name}") for entry in place.fs.read_dir("std_g1.nsp")}
    gone = "bd9d2cdfebfff758229d9426d2ae816d.nca"
    path = tmp_path / "gone.nsp"
    path.write_bytes(pfs0({name: data for name, data in members.items() if name != gone}))
    (check,) = [check for check in checks(path, keys) if check.status == "failed"]
    assert check.check == "CNMT record"
    assert check.detail == f"of 0100abcdef000000 v65536 (Application): Control {gone} is listed and not there"
    other = bytearray(members[gone])
    other[-1] ^= 1
    path.write_bytes(pfs0({**members, gone: bytes(other)}))
    found = failed(checks(path, keys))
    assert (gone, "NCA name") in found
    assert (gone, "CNMT record") in found


def test_missing_and_wrong_keys(testdata: Path, tmp_path: Path) -> None:
    package = testdata / "nsp/std_g1.nsp"
    with pytest.raises(MissingKeyError, match="header_key"):
        checks(package, {}, "/d19f0a10f0c45ca6aa21e0bccdb0ae74.nca")
    assert {check.key_name for check in checks(package, {}) if check.status == "skipped"} == {"header_key"}
    with pytest.raises(NotThisFormatError, match="header_key is wrong"):
        checks(package, testdata / "keys/wrong.keys", "/d19f0a10f0c45ca6aa21e0bccdb0ae74.nca")
    only_header = {"header_key": KeySet.load(testdata / "keys/prod.keys").header_key()}
    skipped = [check for check in checks(package, only_header) if check.status == "skipped"]
    assert {check.key_name for check in skipped} == {"key_area_key_application_00"}
    del tmp_path


def test_archives_that_hold_each_other_end(tmp_path: Path) -> None:
    """Each of a hundred members is the whole rest of the archive: without a bound there would be 100 ** 16 of them."""
    count = 100
    names = b"".join(b"%02d\0" % number for number in range(count))
    header = struct.pack("<4sIII", b"PFS0", count, len(names), 0)
    body = b"".join(struct.pack("<QQII", 0, 1 << 14, 3 * number, 0) for number in range(count)) + names
    inner = pfs0({f"{number:02}": b"" for number in range(3)}).ljust(1 << 14, b"\0")
    path = tmp_path / "knot.nsp"
    path.write_bytes(header + body + inner)
    found = checks(path)
    assert sum(check.status == "failed" for check in found) == count - 1
    assert all("shares bytes" in check.detail for check in found if check.status == "failed")


def test_progress_and_stopping(testdata: Path) -> None:
    seen: list[tuple[int, int]] = []
    place = locate(testdata / "nsp/std_g1.nsp", testdata / "keys/prod.keys")
    list(verify(place, progress=lambda done, total, _: seen.append((done, total))))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == 879_435
    before = threading.active_count()
    running = verify(place)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_plain_file_holds_nothing_to_check(tmp_path: Path) -> None:
    path = tmp_path / "readme.txt"
    path.write_bytes(b"hello")
    (check,) = checks(path)
    assert (check.status, check.detail) == ("skipped", "a plain file: it holds no hash to check")
