from __future__ import annotations

import struct
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import KeySet, MissingKeyError, NotThisFormatError, locate
from oboromi_fs._forge import FsType, Section, hfs0, made_up_keys, nca, nca_name, npdm, nsp, pfs0, romfs, xci
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
        ("nsp/std_g1.nsp", {"ok": 39, "note": 8}),
        ("nsp/std_g5.nsp", {"ok": 39, "note": 8}),
        ("nsp/tk_g2.nsp", {"ok": 44, "note": 8}),
        ("nsp/plain.nsp", {"ok": 39, "note": 8}),
        ("nsp/names.nsp", {"ok": 39, "note": 8}),
        ("nsp/noromfs.nsp", {"ok": 36, "note": 8}),
        ("nsp/addon_std.nsp", {"ok": 11, "note": 2}),
        ("xci/std.xci", {"ok": 58, "note": 11}),
        ("xci/multi.xci", {"ok": 87, "note": 15}),
        ("xci/logo_fullhash.xci", {"ok": 66, "note": 16}),
        ("hfs0/5.hb.hfs0", {"ok": 6}),
        ("romfs/deep.st.romfs", {"ok": 1}),
        ("nca_forged/ctr.nca", {"ok": 14, "note": 1}),
        ("nca_forged/xts.nca", {"ok": 14, "note": 3}),
        ("nca_forged/nca2.nca", {"ok": 14, "note": 1}),
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


def test_a_card_whose_secure_partition_is_called_otherwise(testdata: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.xci"
    data = (testdata / "xci" / "multi.xci").read_bytes()
    card.write_bytes(data.replace(b"secure\0", b"sEcure\0", 1))
    keys = testdata / "keys" / "prod.keys"
    found = checks(card, keys=keys)
    assert failed(found) == [("card.xci", "XCI root header hash")]
    assert sum(check.check == "CNMT record" and check.status == "ok" for check in found) == 6


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
    assert seen[-1][0] == seen[-1][1] == 880_107
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


# Cut short, compressed, unsupported


def rows(found: list[Check]) -> list[tuple[str, str, str]]:
    return [(check.path.rpartition("/")[2], check.check, check.status) for check in found]


@pytest.mark.parametrize("size", [0, 100, 0x800, 0xBFF])
def test_an_nca_cut_in_its_header_fails(tmp_path: Path, size: int) -> None:
    cut = program()[:size]
    path = tmp_path / "game.nca"
    path.write_bytes(cut)
    (check,) = checks(path)
    assert (check.status, check.check, check.offset) == ("failed", "format", 0)
    assert f"with {size:#x} bytes too short to be one" in check.detail
    assert rows(checks(tmp_path)) == [("game.nca", "format", "failed")]
    package = tmp_path / "game.nsp"
    package.write_bytes(pfs0({"a.nca": cut}))
    assert rows(checks(package)) == [("game.nsp", "PFS0 table", "ok"), ("a.nca", "format", "failed")]


def test_a_dummy_nca_of_a_card_is_noted_if_its_hash_is_right(tmp_path: Path) -> None:
    name = "0123456789abcdef0123456789abcdef.nca"
    path = tmp_path / "card.xci"
    good = bytearray(xci({"update": {name: b"D" * 1000}, "secure": {}}, keys=KEYS))
    path.write_bytes(good)
    assert [row for row in rows(checks(path)) if row[0] == name] == [(name, "HFS0 entry hash", "ok"), (name, "format", "note")]
    good[good.index(b"D" * 1000)] ^= 1
    path.write_bytes(good)
    assert [row for row in rows(checks(path)) if row[0] == name] == [(name, "HFS0 entry hash", "failed"), (name, "format", "failed")]
    unhashed = tmp_path / "part.hfs0"
    unhashed.write_bytes(hfs0({name: b"D" * 1000}, hashed_size=0))
    assert (name, "format") in failed(checks(unhashed))


@pytest.mark.parametrize("ending", ["nsp", "xci", "nsz", "xcz", "NSP"])
@pytest.mark.parametrize("size", [0, 3])
def test_what_is_called_a_package_and_is_none_fails(tmp_path: Path, ending: str, size: int) -> None:
    path = tmp_path / f"game.{ending}"
    path.write_bytes(b"PFS0"[:size])
    assert rows(checks(path)) == [(path.name, "format", "failed")]


def test_what_is_called_a_compressed_nca_and_is_none_fails(tmp_path: Path) -> None:
    """The first bytes are those of an NCA, so that by content it is one."""
    head = program()[:0x4000]
    loose = tmp_path / "loose.ncz"
    for cut in (b"", head, head + b"NCZSECT"):
        loose.write_bytes(cut)
        assert rows(checks(loose)) == [("loose.ncz", "format", "failed")]
        package = tmp_path / "game.nsz"
        package.write_bytes(pfs0({"a.ncz": cut}))
        assert rows(checks(package)) == [("game.nsz", "PFS0 table", "ok"), ("a.ncz", "format", "failed")]


@pytest.mark.parametrize("mode", ["S", "B"])
def test_a_package_with_a_compressed_nca(testdata: Path, mode: str) -> None:
    found = checks(testdata / f"nsz/z_std_{mode}.nsz", testdata / "keys/prod.keys")
    name = "0ac23547aeaecd1c1c3b4e1154bf6fcd.ncz"
    plain = checks(testdata / "nsz/z_std.nsp", testdata / "keys/prod.keys")
    assert {check.status for check in found} == {"ok", "note"}
    assert sorted((check.check, check.size) for check in found) == sorted((check.check, check.size) for check in plain)
    assert [check.size for check in found if check.path.endswith(name)] == [0x27600, 0x200, 0x27600]


# Cards


def test_one_partition_of_a_card(testdata: Path) -> None:
    card = testdata / "xci/std.xci"
    keys = testdata / "keys/prod.keys"
    everything = {check.path for check in checks(card, keys)}
    found = checks(card, keys, "/secure")
    assert found[0] == Check(f"{card}/secure", "HFS0 table", "ok", "5 files", size=found[0].size)
    assert {check.path for check in found} <= everything
    assert all(check.path.startswith(f"{card}/secure") for check in found)
    assert sum(check.check == "CNMT record" and check.status == "ok" for check in found) == 4
    whole = [check for check in checks(card, keys) if check.path.startswith(f"{card}/secure/")]
    assert len([check for check in found if check.path.startswith(f"{card}/secure/")]) == len(whole)
    assert failed(checks(card, keys, "/normal")) == []


def test_a_card_that_ends_with_its_last_member(tmp_path: Path) -> None:
    """Only filling is missing: what the root's entry of the partition says of its size is more than there is."""
    image = xci({"normal": {}, "secure": {"a.bin": b"a" * 0x300, "b.tik": b"B" * 0x40}}, keys=KEYS, alignment=0x200, hashed_size=0x400)
    end = image.rindex(b"B" * 0x40) + 0x40
    assert 0 < len(image) - end < 0x200
    path = tmp_path / "card.xci"
    path.write_bytes(image[:end])
    found = checks(path)
    assert failed(found) == []
    assert ("card.xci", "HFS0 table", "ok") in rows(found)
    assert ("secure", "HFS0 entry hash", "ok") in rows(found)
    assert ("card.xci", "XCI size", "note") in rows(found)
    path.write_bytes(image[: end - 1])
    assert ("secure", "HFS0 table") in failed(checks(path))
    path.write_bytes(image[: len(image) - 0x200])
    assert ("card.xci", "HFS0 table") in failed(checks(path))


def test_many_problems_of_a_table_are_not_all_told(tmp_path: Path) -> None:
    rows_ = b"".join(struct.pack("<qqII", -1, 0, 0, 0) for _ in range(200))
    path = tmp_path / "odd.nsp"
    path.write_bytes(struct.pack("<4sIII", b"PFS0", 200, 2, 0) + rows_ + b"a\0")
    (check,) = checks(path)
    assert (check.status, check.check) == ("failed", "PFS0 table")
    assert check.detail.startswith("entry 0 ('a'): negative offset or size; left out (entry at 0x10); entry 1 ")
    assert check.detail.endswith("entry 7 ('a'): negative offset or size; left out (entry at 0xb8); and more of the kind")


def test_folders_deeper_than_calls_can_be_nested(tmp_path: Path) -> None:
    path = tmp_path / "deep.romfs"
    below = "d/" * 1100
    path.write_bytes(romfs({"top/c.nsp": b"PFS", f"top/{below}x.nsp": b"PFS", "top/e.nsp": b"PFS"}))
    found = checks(path, inner="/top")
    assert [(check.path.removeprefix(f"{path}/top/"), check.status) for check in found] == [
        ("c.nsp", "failed"),
        (f"{below}x.nsp", "failed"),
        ("e.nsp", "failed"),
    ]


# Signatures


@pytest.fixture(scope="module")
def private() -> Any:
    from Crypto.PublicKey import RSA

    return RSA.generate(2048)


def modulus_of(private: Any) -> bytes:
    modulus: bytes = private.n.to_bytes(0x100, "big")
    return modulus


def signed_pss(private: Any, data: bytes) -> bytes:
    from Crypto.Hash import SHA256
    from Crypto.Signature import pss

    return pss.new(private).sign(SHA256.new(data))


def of(found: list[Check], what: str) -> list[tuple[str, str]]:
    return [(check.status, check.detail) for check in found if check.check == what]


def test_the_signature_of_a_card_header(tmp_path: Path, private: Any) -> None:
    from Crypto.Hash import SHA256
    from Crypto.Signature import pkcs1_15

    path = tmp_path / "card.xci"
    keys = {**KEYS, "xci_header_sign_key_modulus": modulus_of(private)}
    what = "XCI header signature"
    for key_area in (False, True):
        start = 0x1000 if key_area else 0
        image = bytearray(xci({"secure": {}}, keys=KEYS, key_area=key_area))
        path.write_bytes(image)
        (check,) = [check for check in checks(path, keys) if check.check == what]
        assert (check.status, check.offset, check.size) == ("failed", start, 0x100)
        image[start : start + 0x100] = pkcs1_15.new(private).sign(SHA256.new(image[start + 0x100 : start + 0x200]))
        path.write_bytes(image)
        assert of(checks(path, keys), what) == [("ok", "")]
        assert of(checks(path), what) == [("note", "not checked: your keys have no xci_header_sign_key_modulus")]
        image[start + 0x1FF] ^= 1
        path.write_bytes(image)
        assert [status for status, _ in of(checks(path, keys), what)] == ["failed"]
        image[start + 0x10F] |= 0x80
        path.write_bytes(image)
        assert [status for status, _ in of(checks(path, keys), what)] == ["note"]
        image[start : start + 0x100] = b"\xff" * 0x100
        path.write_bytes(image)
        assert of(checks(path, keys), what) == [("note", "filler, not signed: made by a tool")]


def signed_program(private: Any, *, acid_generation: int = 1, acid_edits: dict[int, bytes] | None = None) -> bytes:
    """A program whose NCA header and ACID are signed, and whose ACID has the key for the second signature of the header."""
    meta = bytearray(npdm(0x0100000000001000))
    meta[4] = acid_generation
    start = int.from_bytes(meta[0x78:0x7C], "little")
    size = int.from_bytes(meta[start + 0x204 : start + 0x208], "little")
    meta[start + 0x100 : start + 0x200] = modulus_of(private)
    meta[start : start + 0x100] = signed_pss(private, bytes(meta[start + 0x100 : start + 0x100 + size]))
    for offset, data in (acid_edits or {}).items():
        meta[start + offset : start + offset + len(data)] = data

    def build(signatures: bytes) -> bytes:
        section = Section(pfs0({"main": b"m" * 500, "main.npdm": bytes(meta)}), FsType.PARTITION)
        return nca(
            [section],
            keys=KEYS,
            content_type=0,
            program_id=0x0100000000001000,
            signatures=signatures,
            header_encrypted=False,
            magic=b"NCA3",
        )

    return build(signed_pss(private, build(b"")[0x200:0x400]) * 2)


def test_the_signatures_of_a_program(tmp_path: Path, private: Any) -> None:
    path = tmp_path / "game.nca"
    moduli = {"nca_header_sign_key_00_modulus": modulus_of(private), "acid_sign_key_01_modulus": modulus_of(private)}
    path.write_bytes(signed_program(private))
    found = checks(path, {**KEYS, **moduli})
    assert failed(found) == []
    assert [of(found, what) for what in ("signature", "program signature", "ACID signature")] == [[("ok", "")]] * 3
    found = checks(path)
    assert of(found, "signature") == [("note", "not checked: your keys have no nca_header_sign_key_00_modulus")]
    assert of(found, "program signature") == [("ok", "")]
    assert of(found, "ACID signature") == [("note", "not checked: your keys have no acid_sign_key_01_modulus")]
    path.write_bytes(signed_program(private, acid_generation=0))
    assert of(checks(path, {**KEYS, **moduli}), "ACID signature") == [("note", "not checked: your keys have no acid_sign_key_00_modulus")]


def test_signatures_that_do_not_verify(tmp_path: Path, private: Any) -> None:
    path = tmp_path / "game.nca"
    moduli = {"nca_header_sign_key_00_modulus": modulus_of(private), "acid_sign_key_01_modulus": modulus_of(private)}
    path.write_bytes(signed_program(private, acid_edits={0x208: b"\1"}))
    found = checks(path, {**KEYS, **moduli})
    assert failed(found) == [("game.nca", "ACID signature")]
    (check,) = [check for check in found if check.status == "failed"]
    image = path.read_bytes()
    assert check.offset is not None
    assert len(image) > check.offset > 0xC00
    path.write_bytes(signed_program(private, acid_edits={0x204: b"\xff\xff\xff\xff"}))
    ((status, detail),) = of(checks(path, {**KEYS, **moduli}), "ACID signature")
    assert (status, detail.partition(":")[0]) == ("failed", "the ACID in main.npdm signs more than main.npdm holds")
    path.write_bytes(signed_program(private, acid_edits={0: bytes(0x100), 0x100: b"\xff" * 0x100}))
    found = checks(path)
    assert of(found, "ACID signature") == []
    assert of(found, "program signature") == [("note", "not checked: there is no main.npdm with a key for it")]
    other = bytearray(signed_program(private))
    other[0x2F0] ^= 1  # A reserved byte of the header.
    path.write_bytes(other)
    found = checks(path, {**KEYS, **moduli})
    assert failed(found) == [("game.nca", "signature")]
    assert [status for status, _ in of(found, "program signature")] == ["note"]


def test_partitions_of_one_place_are_looked_into_once(tmp_path: Path) -> None:
    """A card whose partitions all name one HFS0 that holds such a card again: four times as much at each level."""
    inner = bytes(xci({"secure": {"a": b"a"}}, keys=KEYS))
    for _ in range(3):
        inner = bytes(xci({"secure": {"card.xci": inner}}, keys=KEYS))
    card = bytearray(xci({name: {"card.xci": inner} if name == "p0" else {} for name in ("p0", "p1", "p2", "p3")}, keys=KEYS))
    entry = 0xF010
    for number in range(1, 4):
        card[entry + 0x40 * number : entry + 0x40 * number + 0x10] = card[entry : entry + 0x10]
    path = tmp_path / "card.xci"
    path.write_bytes(card)
    found = checks(path)
    assert sum("shares bytes with another partition" in check.detail for check in found) == 3


def test_what_holds_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "readme.txt"
    path.write_bytes(b"text")
    (check,) = checks(path)
    assert (check.status, check.check, check.detail) == ("skipped", "format", "a plain file: it holds no hash to check")


def test_names_in_a_romfs_that_no_path_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "evil.romfs"
    path.write_bytes(romfs({"aXb": b"1", "dir/ok": b"2", "zz": b"3"}, []).replace(b"aXb", b"a/b"))
    assert [(check.path.rpartition("evil.romfs")[2], check.check, check.status) for check in checks(path)] == [("/a/b", "name", "failed")]
    path.write_bytes(romfs({f"{number:02}X": b"" for number in range(20)}, []).replace(b"X", b"/"))
    assert [check.detail for check in checks(path)][8:] == ["and 12 more that no path can hold"]
